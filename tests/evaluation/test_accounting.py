"""Nothing odd in the input goes uncounted, and the statement says what `evaluate` computed."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.plain import evaluator as plain
from wtal_core.evaluation.accounting import ALWAYS, MEANING, account, as_text, statement
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate, order_range
from wtal_core.evaluation.protocols import PROTOCOLS, protocol

COLUMNS = ["video", "label", "t_start", "t_end"]
VIDEOS, CLASSES = ("v1", "v2", "v3", "v4"), ("A", "B", "C")
SEGMENTS = pd.DataFrame(
    [
        ("v1", "A", 0.0, 6.4),
        ("v1", "A", 0.0005, 6.4),
        ("v1", "A", 0.0, 6.4),  # two duplicates of the first
        ("v1", "B", 0.0, 6.4),
        ("v2", "B", 3.0, 3.0),
        ("v2", "B", 5.0, 4.0),
        ("v2", "B", 9.0, 9.0005),  # short ones
        ("v4", "A", 1.0, 9.0),
    ],
    columns=COLUMNS,
)  # v4 gets blocked
AMBIGUOUS = pd.DataFrame(
    [("v1", "Ambiguous", 20.0, 30.0), ("vX", "Ambiguous", 0.0, 9.0)], columns=COLUMNS
)
TRUTH = GroundTruth(SEGMENTS, VIDEOS, CLASSES, AMBIGUOUS, blocked=("v4", "vY"))
FOUND = pd.DataFrame(
    [
        ("v1", "A", 0.0, 6.4, math.inf),
        ("v1", "A", 0.0, 6.4, math.inf),
        ("v1", "B", 0.0, 6.4, -math.inf),
        ("v1", "B", 2.0, 2.0, 0.5),
        ("v1", "B", 1.3, 1.4, 0.5),  # no length; none on the grid of .64 s
        ("v1", "A", 21.0, 25.0, 0.4),
        ("v4", "A", 1.0, 9.0, 0.3),  # ambiguous; blocked
        ("v3", "A", 0.0, 1.0, 0.2),
        ("vZ", "A", 0.0, 1.0, 0.1),  # no instances there; unknown video
        ("v1", "C", 0.0, 1.0, 0.1),
        ("v1", "Z", 0.0, 1.0, 0.1),
    ],
    columns=[*COLUMNS, "score"],
)  # no instances of it; unknown


def counts(
    name: str, truth: GroundTruth = TRUTH, found: pd.DataFrame = FOUND
) -> dict[str, dict[str, int]]:
    return statement(truth, found, protocol(name))["counts"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_oddity_of_detections_is_counted(name):
    found, on_grid = counts(name)["detections"], name.startswith("wtalc")
    expected = {
        "given": 11,
        "unknown_video": 1,
        "unknown_label": 1,
        "infinite_score": 3,
        "zero_length": 1,
        "repeated": 1,
        "dropped_blocked_video": 1,
        "dropped_class_without_ground_truth": 2,
        "dropped_video_without_ground_truth": 2 * on_grid,
        "outside_ground_truth": 2 * (not on_grid),
        "dropped_ambiguous": int(on_grid),
        "empty_on_grid": int(on_grid),
        "tied_scores": 4,
    }
    assert {key: found[key] for key in expected} == expected
    assert found["given"] == found["used"] + sum(
        n for key, n in found.items() if key.startswith("dropped_")
    )


@pytest.mark.parametrize(
    ("name", "short", "twice", "without_length"),
    [
        ("activitynet", 0, 0, 2),
        ("opentad", 2, 2, 0),
        ("actionformer", 3, 2, 0),
        ("wtalc", 0, 0, 3),
        ("wtalc-2019", 0, 0, 3),
    ],
)
def test_each_oddity_of_the_ground_truth_is_counted(name, short, twice, without_length):
    truth = counts(name)["ground_truth"]
    assert truth == {
        "instances": 8,
        "used": 7 - short - twice,
        "dropped_blocked_video": 1,
        "dropped_too_short": short,
        "dropped_duplicate": twice,
        "without_length": without_length,
        "reversed": 1,
        "zero_length": 1,
        "duplicate": 2,
        "videos": 4,
        "videos_without_instances": 1,
        "videos_without_detections": 1,
        "classes": 3,
        "classes_without_instances": 1,
        "classes_without_detections": 0,
        "blocked_unknown": 1,
        "ambiguous": 2,
        "ambiguous_unknown_video": 1,
        "after_end": 0,
        "past_end": 0,
    }


def test_duplicates_of_blocked_videos_are_seen_too():
    truth = counts("opentad", replace(TRUTH, blocked=("v1",)), FOUND)["ground_truth"]
    assert (truth["duplicate"], truth["dropped_duplicate"], truth["dropped_blocked_video"]) == (
        2,
        0,
        4,
    )


def test_every_count_of_prepare_is_passed_on_and_has_a_meaning():
    score = evaluate(TRUTH, FOUND, protocol("wtalc"))
    told = account(TRUTH, FOUND, score, protocol("wtalc"))
    flat = {**told["ground_truth"], **told["detections"]}
    names = {
        "detections": "given",
        "instances_used": "used",
        "instances_without_length": "without_length",
    }
    for name, value in score.counts.items():
        if name == "instances_dropped":
            assert (
                sum(n for key, n in told["ground_truth"].items() if key.startswith("dropped_"))
                == value
            )
        else:
            source = told["ground_truth"] if name == "instances_used" else flat
            assert source[names.get(name, name)] == value, name
    for kind, meaning in MEANING.items():
        assert list(told[kind]) == list(meaning)
    assert set().union(*MEANING.values()) > ALWAYS


def test_what_is_scored_is_named():
    assert MEANING["detections"]["used"] == "detections that are scored"
    assert MEANING["ground_truth"]["used"] == "instances that are scored"


def test_nothing_odd_is_counted_where_nothing_is():
    truth = GroundTruth(SEGMENTS.iloc[[0, 3]], ("v1",), ("A", "B"))
    told = counts("wtalc", truth, truth.segments.assign(score=[0.5, 0.4]))
    assert {
        name: n for part in told.values() for name, n in part.items() if n and name not in ALWAYS
    } == {}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_statement_holds_the_score_exactly(name):
    rules, whole = protocol(name), replace(TRUTH, videos=(*VIDEOS, "vY"))
    content = json.loads(
        json.dumps(statement(TRUTH, FOUND, rules, tious := (0.3, 0.125), True), allow_nan=False)
    )
    assert list(content["mAP"]) == ["0.30", "0.125"] and content["tious"] == list(tious)
    expected = plain.evaluate(TRUTH, FOUND, rules, tious)
    assert list(content["ap"]) == list(expected[0])
    for label, row in content["ap"].items():
        np.testing.assert_allclose(
            list(row.values()), [100 * ap[label] for ap in expected], rtol=0, atol=1e-9
        )
    assert list(content["mAP"].values()) == pytest.approx(
        [100 * np.mean(list(ap.values())) for ap in expected], abs=1e-9
    )
    assert content["average"] == pytest.approx(np.mean(list(content["mAP"].values())), abs=1e-9)
    for told, one in zip(("low", "high"), order_range(whole, FOUND, rules, tious), strict=True):
        assert content["order_range"][told]["average"] == pytest.approx(100 * one.average, abs=1e-9)
    assert content["examples"] == {"unknown_video": ["vZ"], "unknown_label": ["Z"]}
    assert content["counts"] == counts(name)


def test_the_text_says_what_the_statement_says():
    statements = [statement(TRUTH, FOUND, rules, (0.5,), True) for rules in PROTOCOLS.values()]
    text = as_text(statements, per_class=True)
    for one in statements:
        assert f"protocol {one['protocol']}: {one['title']}" in text
        row = next(line for line in text.splitlines() if line.split(" ")[0] == one["protocol"])
        assert row.split()[1:] == [f"{one['average']:.2f}"] * 2
        assert f"AP in percent of each class, protocol {one['protocol']}" in text
    assert (
        "unknown video, such as: 'vZ'" in text
        and "grid of 0.64 s, ambiguity filter on, 2 intervals" in text
    )
    duplicates = next(
        line for line in text.splitlines() if line.startswith("dropped: within 0.001 s")
    )
    assert duplicates.split()[-5:] == ["0", "2", "2", "0", "0"]
    assert "worst first" in text and "best first" in text


def test_the_text_leaves_out_what_is_zero_and_says_where_a_filter_is_off():
    truth = GroundTruth(SEGMENTS.iloc[[0]], ("v1",), ("A",))
    text = as_text([statement(truth, truth.segments.assign(score=1.0), protocol("wtalc"))])
    assert "ambiguity filter off, no intervals given" in text
    assert (
        "dropped" not in text
        and "such as" not in text
        and "lowest" not in text
        and "AP in percent of" not in text
    )


def test_detections_of_an_unknown_video_are_blocked_by_name_only():
    found = FOUND.assign(video=FOUND["video"].replace({"v3": "vY"}))
    assert (
        counts("activitynet", found=found)["detections"]["dropped_blocked_video"] == 2
    )  # v4 and vY, but not vZ
    assert counts("activitynet", found=found)["detections"]["outside_ground_truth"] == 1
