"""The same detections by two annotations: worked out by hand."""

import pandas as pd
import pytest

from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.study.annotators import as_detections, by_both, effect, order, reannotated

COLUMNS = ["video", "label", "t_start", "t_end"]
FIRST = pd.DataFrame([("a", "Jump", 0.0, 10.0), ("b", "Throw", 5.0, 9.0)], columns=COLUMNS)
OTHER = pd.DataFrame(
    [("a", "Jump", 20.0, 30.0), ("b", "Throw", 5.0, 9.0), ("elsewhere", "Jump", 0.0, 1.0)],
    columns=COLUMNS,
)
TRUTH = GroundTruth(FIRST, ("a", "b"), ("Jump", "Throw"))
PROTOCOL = PROTOCOLS["activitynet"]


def test_only_what_lies_in_the_test_videos_is_taken():
    second = reannotated(TRUTH, OTHER)
    assert second.videos == TRUTH.videos
    assert second.segments["video"].tolist() == ["a", "b"]


def test_an_annotation_is_all_right_by_itself_and_half_right_by_the_other():
    second = reannotated(TRUTH, OTHER)
    scores = by_both(TRUTH, second, {"people": [as_detections(FIRST)]}, PROTOCOL)["people"]
    assert scores["first"].tolist() == [100.0]
    assert scores["second"].tolist() == [50.0]


def test_the_effect_is_second_less_first_over_seeds():
    scores = {
        "up": pd.DataFrame({"first": [10.0, 20.0, 30.0], "second": [11.0, 22.0, 33.0]}),
        "down": pd.DataFrame({"first": [50.0, 60.0, 70.0], "second": [49.0, 58.0, 67.0]}),
    }
    table = effect(scores)
    assert table["difference"].tolist() == pytest.approx([2.0, -2.0])
    # Student's t with two degrees of freedom: 2 -+ 4.3027 * 1 / sqrt(3)
    assert table.loc["up", "low"] == pytest.approx(-0.4841, abs=1e-3)
    assert table.loc["up", "high"] == pytest.approx(4.4841, abs=1e-3)
    three = {**scores, "last": pd.DataFrame({"first": [80.0], "second": [5.0]})}
    assert order({**three, "most": pd.DataFrame({"first": [90.0], "second": [1.0]})}) < 0
