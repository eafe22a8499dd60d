"""docs/performance.md is made of what benchmarks have left, and says what was not measured."""

import pytest

from benchmarks import evaluation_size, goals, growth, page
from benchmarks.measured import Measured, write
from tests.places import ROOT
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET


def test_the_committed_page_is_that_of_the_committed_tables():
    assert (ROOT / "docs" / "performance.md").read_text() == page.page()


def test_parts_have_their_order_and_missing_ones_are_said(tmp_path):
    for name in ("another", "growth", "start_up"):
        write(Measured(name, name.title(), "How.", "| a |"), tmp_path)
    text = page.page(tmp_path)
    places = [text.index(f"## {title}\n") for title in ("Start_Up", "Growth", "GPU", "Another")]
    assert places == sorted(places)
    assert "## Training steps quick\n\nNot measured yet." in text and "No GPU" in text
    write(Measured("gpu", "GPU", "How.", "| H200 |"), tmp_path)
    assert "No GPU" not in page.page(tmp_path) and "H200" in page.page(tmp_path)


def test_a_goal_is_met_missed_or_not_measured():
    table = "| start | CPU s |\n|---|---|\n| `wtal --help` | {} |\n"
    for seconds, met in (("0.25", "yes"), ("0.31", "no")):
        lines = goals.goals({"start_up": table.format(seconds)}).splitlines()
        (line,) = [line for line in lines if "--help" in line]
        assert [cell.strip() for cell in line.split("|")[2:5]] == ["0.3 CPU s", f"{seconds} s", met]
        assert [line for line in lines if "first table" in line and "not measured" in line]


def test_methods_that_miss_a_goal_are_named():
    table = "| method | of the product's rate % |\n|---|---|\n| a | 90 |\n| b | 58 |\n"
    (line,) = [
        line
        for line in goals.goals({"training_steps_thumos14": table}).splitlines()
        if "product's rate" in line
    ]
    assert "1 of 2 methods; not b 58 %" in line and line.endswith("| no           |")


@pytest.mark.parametrize(("power", "named"), [(1.0, "no"), (2.0, "time")])
def test_a_slope_is_the_exponent_and_what_is_above_is_named(power, named):
    sizes = (10, 40, 160, 640)
    times = [1e-6 * size**power for size in sizes]
    subject = growth.Subject("things", "are done", sizes, lambda n, folder: lambda: None)
    row = growth.Growth(subject, sizes, times, [float(size) for size in sizes]).row()
    assert (row["slope of time"], row["above n log n"]) == (f"{power:.2f}", named)


@pytest.mark.parametrize("place", range(len(growth.SUBJECTS)))
def test_every_subject_can_be_measured(place):
    subject = growth.SUBJECTS[place]
    measured = growth.measure(subject, (4, 16))
    assert min(measured.time) >= 0 and min(measured.memory) > 0


def test_the_plain_form_is_timed_on_detections_that_both_score_alike():
    truth, found = evaluation_size.simulate(evaluation_size.QUICK)
    own, part = evaluation_size.of_one_class(truth, found, 30)
    assert len(part) == 30 and set(part["label"]) == set(own.segments["label"])
    assert evaluate(own, part, ACTIVITYNET).average > 0.01
    assert evaluation_size.plain(truth, found) > 0  # raises where the values differ
