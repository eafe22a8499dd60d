"""Registered predictions: statistics by hand, bounds, verdicts, and files that are refused."""

import math

import numpy as np
import pandas as pd
import pytest
import yaml

from wtal_core.errors import WorkbookError
from wtal_core.report import predictions as report
from wtal_core.report.predictions import Bound, Outcome, Prediction

ENTRY = {
    "id": "A1",
    "statement": "It is so.",
    "kind": "held-out",
    "dataset": "tiny",
    "rows": ["a"],
    "statistic": "a mean",
    "bound": {"max": 1.0},
}
CONTENT = {
    "date": "2026-01-01",
    "datasets": {"tiny": "abc"},
    "rows": {"a": {"method": "topk_mil"}},
    "predictions": [ENTRY],
}


def outcome(bound: Bound, *values: float, kind: str = "held-out") -> Outcome:
    prediction = Prediction("A1", "It is so.", kind, "tiny", ("a",), "a mean", bound)
    return Outcome(prediction, dict(zip("abcdef", values, strict=False)), "points", "by hand")


def test_the_largest_deviation_is_that_of_the_widest_row():
    # deviations with n - 1: sqrt(2 / 1) = 1.414 and 1
    assert report.largest_deviation({"a": [1.0, 3.0], "b": [4.0, 5.0, 6.0]}) == pytest.approx(
        math.sqrt(2)
    )


def test_the_order_correlation_counts_ties_as_ties():
    assert report.order_correlation([5.0, 7.0, 30.0], [1.0, 2.0, 3.0]) == 1
    assert report.order_correlation([30.0, 7.0, 5.0], [1.0, 2.0, 3.0]) == -1
    # ranks 1 2 3 against 1 2.5 2.5: covariance 1.5, deviations sqrt(2) and sqrt(1.5)
    expected = 1.5 / math.sqrt(2 * 1.5)
    assert report.order_correlation([1.0, 2.0, 3.0], [1.0, 2.5, 2.5]) == pytest.approx(expected)


def test_the_step_error_is_relative_to_the_printed_step():
    # steps 6 and 1, printed 4 and 2: errors .5 and .5; then 9 of 4: 1.25
    assert report.step_error([10.0, 16.0, 17.0], [20.0, 24.0, 26.0]) == pytest.approx(0.5)
    assert report.step_error([10.0, 19.0, 20.0], [20.0, 24.0, 26.0]) == pytest.approx(1.25)
    # a step down of what should go up by as much is wrong by twice its size
    assert report.step_error([10.0, 6.0], [20.0, 24.0]) == pytest.approx(2.0)


def test_the_advantage_is_over_the_best():
    assert report.advantage(40.0, [30.0, 36.0]) == 4
    assert report.advantage(30.0, [30.0, 36.0]) == -6


def test_the_smallest_step_may_go_down():
    assert report.smallest_step([7.5, 12.0, 16.0]) == 4
    assert report.smallest_step([7.5, 6.0, 16.0]) == -1.5


@pytest.mark.parametrize(("epochs", "epoch"), [(40, 4), (25, 3), (10, 1), (9, 1), (11, 2)])
def test_a_tenth_is_over_at_the_end_of_the_first_epoch_that_reaches_it(epochs, epoch):
    history = pd.DataFrame({0: np.arange(epochs) + 1.0, 1: np.arange(epochs) + 3.0})
    history.index = history.index + 1
    assert report.after_a_tenth(history) == (epoch, epoch + 1.0)
    history.loc[epoch, 1] = np.nan
    assert math.isnan(report.after_a_tenth(history)[1])


@pytest.mark.parametrize(
    ("bound", "value", "holds", "text"),
    [
        (Bound(high=1.0), 1.0, True, "≤ 1"),
        (Bound(high=1.0), 1.001, False, "≤ 1"),
        (Bound(low=0.8), 0.8 - 1e-12, True, "≥ 0.8"),
        (Bound(low=0.8), 0.799, False, "≥ 0.8"),
        (Bound(5.0, 15.0), 5.0, True, "5 to 15"),
        (Bound(5.0, 15.0), 15.2, False, "5 to 15"),
    ],
)
def test_bounds_are_included(bound, value, holds, text):
    assert bound.holds(value) is holds and str(bound) == text


def test_verdicts():
    assert outcome(Bound(80.0, 95.0), 90.0).verdict == "pass"
    assert outcome(Bound(80.0, 95.0), 90.0, 95.5).verdict == "FAIL"
    assert outcome(Bound(80.0, 95.0), 90.0, float("nan")).verdict == "not measured"
    assert outcome(Bound(80.0, 95.0)).verdict == "not measured"


def test_the_table_shows_value_bound_verdict_kind_and_how():
    outcomes = [
        outcome(Bound(80.0, 95.0), 90.123, 84.0),
        outcome(Bound(high=1.0), 4.0, kind="calibrated"),
        outcome(Bound(high=1.0), float("nan")),
    ]
    shown = report.table(outcomes)
    assert shown["value"].tolist() == ["84 to 90.12", "4", "–"]
    assert shown["verdict"].tolist() == ["pass", "FAIL", "not measured"]
    assert shown.iloc[0][["bound", "kind", "how"]].tolist() == ["80 to 95", "held-out", "by hand"]
    counted = report.counts(outcomes)
    assert counted.loc["held-out"].tolist() == [1, 0, 1]
    assert counted.loc["calibrated"].tolist() == [0, 1, 0]


def test_a_file_is_read_as_it_is(tmp_path):
    path = tmp_path / "predictions.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    registered = report.read_registered(path)
    assert registered.datasets == {"tiny": "abc"} and registered.date == "2026-01-01"
    (prediction,) = registered.predictions
    assert prediction.bound == Bound(high=1.0) and prediction.rows == ("a",)
    assert prediction.expected_ranks == prediction.over == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "a: [",
        yaml.safe_dump({**CONTENT, "predictions": [{**ENTRY, "kind": "certain"}]}),
        yaml.safe_dump({**CONTENT, "predictions": [{k: ENTRY[k] for k in ENTRY if k != "id"}]}),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "predictions.yaml"
    path.write_text(content)
    with pytest.raises(WorkbookError, match="no whole file of predictions"):
        report.read_registered(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WorkbookError, match="`git checkout` restores it"):
        report.read_registered(tmp_path / "none.yaml")
