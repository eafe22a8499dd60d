"""The figures of a diagnosis and the page: numbers are those of the diagnosis, everything is in the
one file.
"""

import base64
import json
import re
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.diagnosis_samples import case
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.diagnosis import diagnose
from wtal_core.pages.diagnosis_page import findings, write_page
from wtal_core.pictures import diagnosis_figures as figures


@pytest.fixture
def diagnoses():
    one = case()
    return {
        name: diagnose(one.ground_truth, one.detections, traits=one.traits())
        for name in ("Mine", "Yours")
    }


def test_bars_of_the_profile_are_the_shares(diagnoses):
    figure = figures.profile_figure(diagnoses, "caption")
    for axes, diagnosis in zip(figure.axes, diagnoses.values(), strict=True):
        first = [container[0].get_height() for container in axes.containers]
        np.testing.assert_allclose(first, 100 * diagnosis.profile.iloc[0])
        np.testing.assert_allclose(sum(first), 100)
    plt.close(figure)


def test_bars_of_the_impact_are_the_gains_with_a_bar_a_method(diagnoses):
    figure = figures.impact_figure(diagnoses, "caption")
    (axes,) = figure.axes
    assert len(axes.containers) == 2
    for container, diagnosis in zip(axes.containers, diagnoses.values(), strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in container], 100 * diagnosis.impact)
    plt.close(figure)


def test_shares_of_errors_sum_to_one_and_are_nan_without_errors(diagnoses):
    assert figures.error_shares(diagnoses["Mine"]).sum() == pytest.approx(1)
    one = case()
    perfect = diagnose(one.ground_truth, one.ground_truth.segments.assign(score=1.0))
    assert figures.error_shares(perfect).isna().all()


@pytest.mark.parametrize("draw", [figures.sensitivity_figure, figures.missed_figure])
def test_each_bucket_has_a_bar(diagnoses, draw):
    figure = draw(diagnoses, "caption")
    assert [len(axes.containers[0]) for axes in figure.axes] == [5, 5, 4]
    assert all("instances)" in axes.get_xlabel() for axes in figure.axes)
    plt.close(figure)


def test_the_page_holds_everything_and_leads_to_the_timelines_beside_it(tmp_path):
    found = [findings(case("Mine")), findings(case("Yours & <co>", signals=False))]
    paths = write_page(found, tmp_path / "out")
    assert sorted(p.name for p in paths) == [
        "diagnosis.json",
        "impact.png",
        "index.html",
        "missed.png",
        "profile.png",
        "sensitivity.png",
        "shares.png",
        "timeline-2.html",
        "timeline.html",
    ]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Yours &amp; &lt;co&gt;" in page and "<co>" not in page
    assert not re.search(r'src="(?!data:)', page)
    links = re.findall(r'href="(?!data:)([^"]*)"', page)
    assert {link.split("#")[0] for link in links} == {"timeline.html", "timeline-2.html"}
    # the costliest error and the longest instance that was missed, by their place
    assert "timeline.html#video=v2&amp;start=30.0&amp;end=33.0&amp;label=B" in links
    assert "timeline-2.html#video=v2&amp;start=20.0&amp;end=80.0&amp;label=B" in links
    inside = re.findall(r'alt="profile" src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(inside[0]) == (tmp_path / "out" / "profile.png").read_bytes()
    assert page.count("<img") == 5 + 2 * 2  # the analyses, and two timelines a method


def test_the_json_holds_the_numbers_and_no_nan(tmp_path):
    one = findings(case())
    write_page([one], tmp_path)
    numbers = json.loads((tmp_path / "diagnosis.json").read_text(), parse_constant=pytest.fail)[
        "Mine"
    ]
    assert numbers["mAP"]["0.50"] == pytest.approx(100 * one.score.map[4], abs=1e-4)
    assert numbers["outcomes"]["0.5"] == one.diagnosis.outcome_counts.loc[0.5].to_dict()
    assert numbers["profile"]["10G"]["true positive"] is None and numbers["own_class_ties"] == 0
    assert numbers["background_inside"] == 1 and numbers["instances_not_found"] == 3


def test_the_same_files_every_time(tmp_path):
    for name in ("a", "b"):
        write_page([findings(case())], tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_no_detections_still_make_a_page(tmp_path):
    one = case()
    empty = type(one)(one.name, one.title, one.ground_truth, one.detections.iloc[:0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_page([findings(empty)], tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "Coverage is left out" in page and "the longest of 4 instances" in page


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbookError, match="cannot be written"):
        write_page([findings(case())], tmp_path / "file" / "out")
