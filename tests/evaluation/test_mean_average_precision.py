"""The fast evaluator against the plain one on random inputs full of ties, and its invariants."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain import evaluator as plain
from wtal_core.data.dataset import Dataset, Video
from wtal_core.errors import WorkbookError
from wtal_core.evaluation import matching
from wtal_core.evaluation.ground_truth import GroundTruth, ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate, order_range
from wtal_core.evaluation.protocols import PROTOCOLS, protocol
from wtal_core.segments import tiou
from wtal_core.timebase import Timebase

VIDEOS, CLASSES, TIOUS = ("v1", "v2", "v3"), ("A", "B", "C"), (0.1, 0.3, 0.5, 0.7, 1.0)
BASE = Timebase(25.0, 16.0)


def table(rows: list[tuple], *more: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end", *more])
    return frame.astype(
        {name: str if name in ("video", "label") else float for name in frame.columns}
    )


def segments(videos: tuple[str, ...], labels: tuple[str, ...]) -> st.SearchStrategy:
    """(video, label, start, end) on a coarse grid, so that borders and tIoU are often equal;
    lengths of 0 are there too.
    """
    times = st.tuples(st.integers(0, 12), st.integers(0, 5), st.sampled_from([0.5, 0.64, 0.0005]))
    return st.builds(
        lambda v, c, t: (v, c, t[0] * t[2], (t[0] + t[1]) * t[2]),
        st.sampled_from(videos),
        st.sampled_from(labels),
        times,
    )


@st.composite
def problems(draw) -> tuple[list, list, list, tuple]:
    """Rows of ground truth, detections and ambiguous intervals, and blocked videos; v3 and
    sometimes a class are empty.
    """
    truth = [("v1", "A", 0.0, 3.2), *draw(st.lists(segments(VIDEOS[:2], CLASSES), max_size=12))]
    found = [
        ("v1", "A", 0.5, 2.5),
        *draw(st.lists(segments((*VIDEOS, "vX"), (*CLASSES, "Z")), max_size=25)),
    ]
    scores = draw(
        st.lists(
            st.sampled_from([math.inf, 0.9, 0.5, 0.5, 0.0, -1.0, -math.inf]),
            min_size=len(found),
            max_size=len(found),
        )
    )
    ambiguous = draw(st.lists(segments(("v1", "v3", "vX"), ("Ambiguous",)), max_size=2))
    blocked = draw(
        st.sampled_from([(), ("v2",), ("v2", "vX"), ("vY",)])
    )  # vX, vY are not in the test list
    return (
        truth,
        [(*row, score) for row, score in zip(found, scores, strict=True)],
        ambiguous,
        blocked,
    )


@pytest.mark.parametrize("name", PROTOCOLS)
@given(problem=problems())
@settings(max_examples=60, deadline=None)
def test_equals_the_plain_evaluator(name, problem):
    rows, found_rows, ambiguous, blocked = (
        problem  # beartype draws random numbers, which a strategy must not
    )
    truth = GroundTruth(table(rows), VIDEOS, CLASSES, table(ambiguous), BASE, blocked)
    found, rules = table(found_rows, "score"), protocol(name)
    expected = plain.evaluate(truth, found, rules, TIOUS)
    score = evaluate(truth, found, rules, TIOUS)
    assert list(score.classes) == list(expected[0])
    np.testing.assert_allclose(score.ap, [list(ap.values()) for ap in expected], rtol=0, atol=1e-12)
    counts = score.counts
    assert counts["detections"] == counts["used"] + sum(
        n for key, n in counts.items() if key.startswith("dropped_")
    )
    assert counts["instances"] == counts["instances_used"] + counts["instances_dropped"]


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("seed", range(12))
def test_equals_the_plain_evaluator_where_instances_are_dense(name, seed):
    rng = np.random.default_rng(seed)

    def intervals(n: int) -> pd.DataFrame:
        """On a half-second grid, so that many tIoU and many scores are equal."""
        start = rng.integers(0, 60, n) * 0.5
        return pd.DataFrame(
            {
                "video": rng.choice(VIDEOS, n),
                "label": rng.choice(CLASSES[:2], n),
                "t_start": start,
                "t_end": start + rng.integers(0, 16, n) * 0.5,
            }
        )

    truth = GroundTruth(intervals(int(rng.integers(5, 120))), VIDEOS, CLASSES)
    found = intervals(400).assign(score=rng.integers(0, 30, 400) / 10)
    expected = plain.evaluate(truth, found, protocol(name), TIOUS)
    score = evaluate(truth, found, protocol(name), TIOUS)
    np.testing.assert_allclose(score.ap, [list(ap.values()) for ap in expected], rtol=0, atol=1e-12)


def test_a_blocked_video_that_is_not_listed_blocks_nothing_else():
    truth = GroundTruth(table([("v1", "A", 0, 5)]), VIDEOS, CLASSES, blocked=("other",))
    found = table([("x", "A", 0, 5, 0.9), ("v1", "A", 0, 5, 0.8)], "score")
    score = evaluate(truth, found, protocol("activitynet"), (0.5,))
    assert score.map.tolist() == [0.5] and score.counts["dropped_blocked_video"] == 0


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("at_once", [1, 7, 100, 10**6])
def test_detections_may_be_matched_some_at_a_time(name, at_once, monkeypatch):
    truth, found = random_problem(3)
    found["score"] = found["score"].round(1)
    expected = evaluate(truth, found, protocol(name), TIOUS)
    monkeypatch.setattr(matching, "DETECTIONS_AT_ONCE", at_once)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 50)
    np.testing.assert_array_equal(evaluate(truth, found, protocol(name), TIOUS).ap, expected.ap)


@pytest.mark.parametrize("shift", [0.0, -3e3, 1e9])
def test_windows_miss_no_pair(shift):
    """Instances inside of others, of no length, reversed, far from zero: all pairs, as the plain
    double loop finds them.
    """
    rng = np.random.default_rng(0)

    def intervals(n: int, shortest: int) -> matching.Intervals:
        start = rng.integers(0, 40, n) + shift
        return matching.Intervals(
            rng.integers(-1, 3, n), start, start + rng.integers(shortest, 25, n)
        )

    found, instances = intervals(200, 0), intervals(40, -3)
    pairs = matching.edges(found, instances, 0.05)
    overlap = tiou(found.start[:, None], found.end[:, None], instances.start, instances.end)
    i, j = np.nonzero((overlap >= 0.05) & (found.key[:, None] == instances.key))
    np.testing.assert_array_equal([pairs.detection, pairs.instance], [i, j])
    np.testing.assert_array_equal(pairs.tiou, overlap[i, j])


def test_first_match_takes_the_first_listed_and_its_area_is_not_interpolated():
    truth = GroundTruth(table([("v1", "A", 0, 6.4), ("v1", "A", 1.28, 7.68)]), VIDEOS, CLASSES)
    found = table(
        [("v1", "A", 1.28, 7.04, 0.9), ("v1", "A", 0, 6.4, 0.8)], "score"
    )  # snippets [2, 11), [0, 10)
    score = evaluate(truth, found, protocol("wtalc-2019"), (0.6, 0.7, 0.8))
    np.testing.assert_allclose(
        score.map, [1, 0.5, 1]
    )  # at .7 the first takes [0, 10), the second reaches .67 only
    found = pd.concat([table([("v1", "A", 20, 30, 0.95)], "score"), found])
    np.testing.assert_allclose(
        evaluate(truth, found, protocol("wtalc-2019"), (0.6,)).map, (1 / 2 + 2 / 3) / 2
    )
    np.testing.assert_allclose(evaluate(truth, found, protocol("wtalc"), (0.6,)).map, 2 / 3)


def random_problem(seed: int, n: int = 300) -> tuple[GroundTruth, pd.DataFrame]:
    """Half of the detections near an instance; no ties of scores, continuous times."""
    rng = np.random.default_rng(seed)
    videos = [f"v{number}" for number in range(8)]
    start = rng.random(60) * 100
    truth = pd.DataFrame(
        {
            "video": rng.choice(videos, 60),
            "label": rng.choice(CLASSES, 60),
            "t_start": start,
            "t_end": start + 1 + rng.exponential(8, 60),
        }
    )
    found = truth.iloc[rng.integers(0, 60, n)].reset_index(drop=True)
    shift = np.where(rng.random(n) < 0.5, rng.normal(0, 2, n), rng.random(n) * 50)
    found[["t_start", "t_end"]] += shift[:, None]
    found["score"] = rng.permutation(n) / n
    return GroundTruth(truth, tuple(videos), CLASSES), found


@pytest.mark.parametrize("name", PROTOCOLS)
def test_order_of_rows_and_videos_does_not_matter(name):
    truth, found = random_problem(0)
    mixed = GroundTruth(
        truth.segments.sort_values("video", kind="stable"), truth.videos[::-1], CLASSES
    )
    one = evaluate(truth, found, protocol(name))
    other = evaluate(mixed, found.sample(frac=1, random_state=0), protocol(name))
    np.testing.assert_array_equal(one.ap, other.ap)
    assert one.average > 0.1


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_shift_in_time_does_not_matter(name):
    truth, found = random_problem(1)
    found[["t_start", "t_end"]] = found[["t_start", "t_end"]].clip(
        lower=0
    )  # truncation is towards zero
    moved = truth.segments.copy(), found.copy()
    for frame in moved:
        frame[["t_start", "t_end"]] += 64.0  # 100 snippets, exact in binary
    shifted = evaluate(GroundTruth(moved[0], truth.videos, CLASSES), moved[1], protocol(name))
    np.testing.assert_allclose(
        shifted.ap, evaluate(truth, found, protocol(name)).ap, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_perfect_and_empty_detections(name):
    truth = GroundTruth(
        table([("v1", "A", 0, 6.4), ("v1", "A", 12.8, 19.2), ("v2", "C", 0, 6.4)]), VIDEOS, CLASSES
    )
    perfect = evaluate(truth, truth.segments.assign(score=1.0), protocol(name), TIOUS)
    assert (
        perfect.classes == ("A", "C")
        and (perfect.ap == 1).all()
        and perfect.counts["tied_scores"] == 2
    )
    empty = evaluate(truth, truth.segments.iloc[:0].assign(score=0.0), protocol(name), TIOUS)
    assert empty.average == 0 and empty.counts["classes_without_detections"] == 2


def test_as_published_needs_a_detection_of_every_class():
    truth = GroundTruth(table([("v1", "A", 0, 6.4), ("v2", "C", 0, 6.4)]), VIDEOS, CLASSES)
    found = table([("v1", "A", 0, 6.4, 1)], "score")
    assert evaluate(truth, found, protocol("wtalc")).average == 0.5
    assert evaluate(truth, found, replace(protocol("wtalc"), as_published=True)).average == 0


def test_pairs_in_small_chunks_are_the_same(monkeypatch):
    truth, found = random_problem(2)
    whole = evaluate(truth, found, protocol("activitynet"))
    for size in (1, 7, 100):
        monkeypatch.setattr(matching, "PAIRS_AT_ONCE", size)
        np.testing.assert_array_equal(evaluate(truth, found, protocol("activitynet")).ap, whole.ap)


def test_a_chain_of_displacements_is_followed_to_its_end():
    n = 300  # detection k prefers instance k + 1 that k + 1, better scored, holds too
    start = np.arange(n + 1.0) * 2
    truth = table([("v1", "A", s, s + 3) for s in start])
    found = table([("v1", "A", s + 1.1, s + 4.1, k) for k, s in enumerate(start[:-1])], "score")
    problem = GroundTruth(truth, VIDEOS, CLASSES), found
    tious = (0.05, 0.2)
    score = evaluate(*problem, protocol("activitynet"), tious)
    np.testing.assert_allclose(
        score.map,
        plain.mean_average_precision(*problem, protocol("activitynet"), tious),
        rtol=0,
        atol=1e-12,
    )


def test_the_range_of_other_orders_holds_the_score_and_says_what_ties_do():
    truth, found = random_problem(3)
    low, high = order_range(truth, found, protocol("activitynet"))
    assert low.average == high.average
    tied = found.assign(score=1.0)
    low, high = order_range(truth, tied, protocol("activitynet"))
    assert low.average < evaluate(truth, tied, protocol("activitynet")).average < high.average


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", math.nan, "has the score NaN"),
        ("t_start", math.nan, "t_start that is not a finite"),
        ("t_end", math.inf, "t_end that is not a finite"),
        ("t_end", -1.0, "ends before it starts"),
        ("label", None, "no video or no label"),
        ("score", "much", "not a number"),
    ],
)
def test_bad_detections_are_named(column, value, message):
    truth, found = random_problem(4)
    found = found.astype({column: object})
    found.loc[3, column] = value
    with pytest.raises(WorkbookError, match=message) as caught:
        evaluate(truth, found, protocol("activitynet"))
    assert "\n" not in str(caught.value) and ("row 3" in str(caught.value) or column == "score")


def test_bad_use_is_named():
    truth, found = random_problem(5)
    for tious in ((), (0.0,), (1.5,), (math.nan,)):
        with pytest.raises(WorkbookError, match="tIoU thresholds"):
            evaluate(truth, found, protocol("activitynet"), tious)
    with pytest.raises(WorkbookError, match="column 'score' is missing"):
        evaluate(truth, found.drop(columns="score"), protocol("activitynet"))
    with pytest.raises(WorkbookError, match="not one video is in the ground truth"):
        evaluate(truth, found.assign(video="v_1"), protocol("activitynet"))
    with pytest.raises(WorkbookError, match="not one label is in the ground truth"):
        evaluate(truth, found.assign(label="a"), protocol("activitynet"))
    with pytest.raises(WorkbookError, match="known ones: activitynet, opentad"):
        protocol("thumos")
    with pytest.raises(WorkbookError, match="no instance is left"):
        evaluate(GroundTruth(truth.segments.iloc[:0], (), ()), found, protocol("activitynet"))
    with pytest.raises(WorkbookError, match="no instance is left"):
        evaluate(replace(truth, blocked=truth.videos), found, protocol("activitynet"))


def test_bad_ground_truth_is_named():
    rows = table([("v1", "A", 0, 1)])
    for given_, message in (
        ((rows, VIDEOS, ("A", "A")), "'A' is twice in the list of classes"),
        ((rows, ("v2",), CLASSES), "list of videos does not name"),
        ((rows, VIDEOS, ("B",)), "list of labels does not name"),
        ((rows.assign(t_end=math.nan), VIDEOS, CLASSES), "t_end that is not a finite"),
    ):
        with pytest.raises(WorkbookError, match=message):
            GroundTruth(*given_)


def test_reversed_and_empty_instances_are_counted_and_never_matched():
    truth = GroundTruth(
        table([("v1", "A", 0, 6.4), ("v1", "A", 9, 8), ("v1", "A", 3, 3)]), VIDEOS, CLASSES
    )
    found = table([("v1", "A", 0, 6.4, 1), ("v1", "A", 3, 3, 0.9), ("v1", "A", 8, 9, 0.8)], "score")
    for name, expected, dropped in (
        ("activitynet", 1 / 3, 0),
        ("opentad", 1, 2),
        ("actionformer", 1, 2),
        ("wtalc", 1 / 3, 0),
        ("wtalc-2019", 1 / 3, 0),
    ):
        score = evaluate(truth, found, protocol(name), (0.5,))
        assert (
            score.average == pytest.approx(expected)
            and score.counts["instances_dropped"] == dropped
        )
        assert score.counts["instances_without_length"] == 2 - dropped


def test_ground_truth_of_a_dataset_blocks_what_it_leaves_out_under_a_protocol():
    features = {"rgb": np.zeros((4, 2), dtype=np.float32)}
    train, *test = (Video(name, features, ("A",)) for name in ("t1", "v1", "v2"))
    rows = table([("t1", "A", 0, 1), ("v1", "A", 0, 1), ("v2", "A", 0, 1)])
    dataset = Dataset(
        "d",
        "D",
        "simulated",
        ("A",),
        ("rgb",),
        BASE,
        (train,),
        tuple(test),
        rows,
        "wtalc",
        "0",
        left_out={"activitynet": ("v2",)},
    )
    truth = ground_truth_of(dataset, "activitynet")
    assert (truth.videos, truth.blocked, len(truth.segments)) == (("v1", "v2"), ("v2",), 2)
    assert ground_truth_of(dataset, "wtalc").blocked == ()
    score = evaluate(truth, rows.assign(score=1.0), protocol("activitynet"), [0.5])
    assert score.counts["instances_dropped"] == 1 and score.counts["outside_ground_truth"] == 1
    assert score.counts["dropped_blocked_video"] == 1
