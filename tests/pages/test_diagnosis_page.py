"""The figures of a diagnosis and the page: numbers are those of the diagnosis, everything is in the
one file.
"""

import base64
import json
import re
import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmarks.mean_average_precision import simulate
from tests.diagnosis_samples import COLUMNS, DETECTIONS, INSTANCES, case, truth
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.comparison import paired_values
from wtal_core.evaluation.diagnosis import diagnose
from wtal_core.evaluation.ground_truth import checked
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.pages.diagnosis_page import BENCHMARKS, findings, write_page
from wtal_core.pages.timeline_page import find_videos
from wtal_core.pictures import diagnosis_figures as figures

FEW = pd.DataFrame(DETECTIONS[:2], columns=[*COLUMNS, "score"])
TIOUS = BENCHMARKS["thumos14"][1]


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


def content_of(page):
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page)
    return json.loads(text, parse_constant=pytest.fail)


def test_the_page_is_one_file_with_everything_in_it(tmp_path):
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
    ]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Yours &amp; &lt;co&gt;" in page and "<co>" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    inside = re.findall(r'alt="shares of true[^"]*" src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(inside[0]) == (tmp_path / "out" / "profile.png").read_bytes()
    assert page.count("<img") == 5
    assert "Class activation and attention are those of Mine." in page


def test_the_content_of_the_page_is_what_the_evaluator_says(tmp_path):
    mine, yours = findings(case("Mine")), findings(replace(case("Yours"), detections=FEW))
    write_page([mine, yours], tmp_path)
    content = content_of((tmp_path / "index.html").read_text())
    timeline, (first, second) = content["timeline"], content["methods"]
    assert timeline["classes"] == ["A", "B", "background"]
    assert first["map"] == [round(100 * float(value), 2) for value in mine.score.map]
    assert content["averages"] == ["0.1:0.5", "0.3:0.7", "0.1:0.7", "0.1:0.9"]
    assert first["averages"][2] == pytest.approx(100 * mine.score.map[:7].mean(), abs=0.005)
    gain = first["kinds"][4]
    assert (gain["kind"], gain["count"]) == ("background", 2)
    # detections of each video: class, start, end, score, kind, method, cost, tIoU, class nearest
    rows = [row for video in timeline["videos"] for row in video["detections"]]
    assert len(rows) == 7 + 2 and content["kept"][1] == {"kept": 2, "all": 2}
    costs = {tuple(row[:3]): row[6] for row in rows if row[5] == 0 and row[4] > 0}
    for error in mine.errors.itertuples():
        key = ("AB".index(error.label), error.t_start, error.t_end)
        assert costs[key] == pytest.approx(error.cost, rel=1e-3)
    # v1's first instance is found by both methods, B's by none
    (v1,) = [video for video in timeline["videos"] if video["name"] == "v1"]
    assert v1["truth"] == [[0, 0.0, 10.0, 0b11], [1, 40.0, 60.0, 0]]
    assert len(first["missed"]) == len(mine.missed) == 3
    assert second["classes"][1]["detections"] == 0 and second["classes"][1]["shares"] == [None] * 5


def test_pairs_of_methods_are_those_of_the_command(tmp_path):
    mine, yours = findings(case("Mine")), findings(replace(case("Yours"), detections=FEW))
    write_page([mine, yours], tmp_path)
    paired = content_of((tmp_path / "index.html").read_text())["paired"]
    expected = paired_values(
        mine.case.ground_truth, *map(checked, (case().detections, FEW)), ACTIVITYNET, TIOUS
    )
    rows = list(expected["rows"].values())
    for cell, row in zip(paired["rows"]["0,1"], rows, strict=True):
        values = [*(row[name] for name in ("difference", "low", "high")), 100 * row["better_in"]]
        assert cell == pytest.approx(values, abs=0.0051)
    assert paired["resamples"] == expected["resamples"]


def test_of_many_detections_the_most_costly_stay_and_the_page_says_so(tmp_path):
    one = findings(case())
    write_page([one], tmp_path, most=3)
    page = (tmp_path / "index.html").read_text()
    assert "Mine: 3 of 7 detections" in page
    content = content_of(page)
    rows = [row for video in content["timeline"]["videos"] for row in video["detections"]]
    assert sorted(row[4] > 0 for row in rows) == [False, True, True]
    dearest = sorted((error.cost for error in one.errors.itertuples()), reverse=True)[:2]
    assert sorted((row[6] for row in rows if row[4] > 0), reverse=True) == pytest.approx(dearest)
    whole = tmp_path / "whole"
    write_page([one], whole)
    assert content["methods"] == content_of((whole / "index.html").read_text())["methods"]
    with pytest.raises(WorkbookError, match="give at least 1"):
        write_page([one], tmp_path / "none", most=0)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("count", "kept"), [(9_000, 9_000), (50_000, 40_000)])
def test_a_page_is_of_a_size_that_opens_at_once(tmp_path, count, kept):
    ground_truth, detections = simulate(count)  # in 212 videos
    one = findings(Case("Mine", "made for a test", ground_truth, detections))
    write_page([one], tmp_path)
    path = tmp_path / "index.html"
    assert path.stat().st_size < 3e6
    content = content_of(path.read_text())
    assert content["kept"] == [{"kept": kept, "all": count}]


def test_addresses_of_videos_are_relative_and_stay_in_their_folder(tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("v1", "secret"):
        (clips / f"{name}.mp4").write_bytes(b"")
    one = replace(case(), ground_truth=renamed("v2", "../clips/secret"))
    files = find_videos(clips, one.ground_truth.videos)
    write_page([findings(one)], tmp_path / "out", files)
    content = content_of((tmp_path / "out" / "index.html").read_text())
    addresses = {video["name"]: video["address"] for video in content["timeline"]["videos"]}
    assert addresses["v1"] == "./../clips/v1.mp4"
    assert addresses["../clips/secret"] is None


def renamed(old, new):
    rows = [(new if video == old else video, *rest) for video, *rest in INSTANCES]
    return truth(rows, ("v1", new, "v3"))


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
    content = content_of(page)
    assert "Coverage is left out" in page and len(content["methods"][0]["missed"]) == 4
    assert content["methods"][0]["curves"][0]["recall"] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbookError, match="cannot be written"):
        write_page([findings(case())], tmp_path / "file" / "out")
