"""Non-maximum suppression: against plain loops, ties, nesting, order, memory bound."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plain.frames import plus_one_plain
from benchmarks.plain.localization import OVERLAPS_PLAIN, suppress_plain
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.localization import suppression
from wtal_core.localization.detections import to_table
from wtal_core.localization.fusion import clusters
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.suppression import plus_one_seconds, suppress
from wtal_core.timebase import Timebase

DETECTIONS = st.lists(
    st.tuples(
        st.sampled_from([-3, 0, 7]), st.integers(0, 20), st.integers(0, 9), st.integers(0, 6)
    ),
    max_size=40,
)
PLAIN = {**OVERLAPS_PLAIN, "plus_one_seconds": plus_one_plain}
OVERLAP = st.sampled_from(list(PLAIN))
LIMIT = st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.9, 1.0])


def arrays(detections):
    group, start, length, score = np.array(detections, dtype=np.int64).reshape(-1, 4).T
    return group, start.astype(float), (start + length).astype(float), score / 8


def plain(group, start, end, score, limit, overlap):
    kept = []
    for g in sorted(set(group.tolist())):
        members = np.flatnonzero(group == g).tolist()
        inside = suppress_plain(
            [(start[k], end[k], score[k]) for k in members], limit, PLAIN[overlap]
        )
        kept += [members[k] for k in inside]
    return kept


@given(DETECTIONS, LIMIT, OVERLAP)
def test_equal_to_plain_loops_ties_included(detections, limit, overlap):
    assert suppress(*arrays(detections), limit, overlap).tolist() == plain(
        *arrays(detections), limit, overlap
    )


@given(DETECTIONS, LIMIT, OVERLAP, st.sampled_from([1, 3, 20]))
def test_how_many_are_settled_at_once_does_not_matter(detections, limit, overlap, pairs):
    whole = suppress(*arrays(detections), limit, overlap).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "PAIRS_AT_ONCE", pairs)
        assert suppress(*arrays(detections), limit, overlap).tolist() == whole


@given(DETECTIONS, LIMIT, OVERLAP)
def test_a_second_pass_removes_nothing(detections, limit, overlap):
    found = arrays(detections)
    kept = suppress(*found, limit, overlap)
    assert len(suppress(*(a[kept] for a in found), limit, overlap)) == len(kept)


@given(DETECTIONS, LIMIT, st.integers(-50, 50))
def test_a_shift_in_time_changes_nothing(detections, limit, shift):
    group, start, end, score = arrays(detections)
    moved = suppress(group, start + shift, end + shift, score, limit)
    np.testing.assert_array_equal(moved, suppress(group, start, end, score, limit))


@pytest.mark.parametrize("overlap", PLAIN)
def test_one_large_group_of_random_detections(overlap):
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 300, 1500)
    found = (
        np.zeros(1500, dtype=np.int64),
        start,
        start + rng.uniform(0, 30, 1500),
        rng.random(1500),
    )
    assert suppress(*found, 0.3, overlap).tolist() == plain(*found, 0.3, overlap)


def test_long_chain_of_removals():
    start = np.arange(2000.0) * 2  # each overlaps the next one only, by half
    kept = suppress(np.zeros(2000, dtype=np.int64), start, start + 3, -np.arange(2000.0), 0.4)
    np.testing.assert_array_equal(kept, np.arange(0, 2000, 2))


def test_a_segment_inside_a_better_one_goes_and_one_around_a_better_one_stays():
    inside = (np.zeros(2, dtype=np.int64), np.array([0.0, 10.0]), np.array([99.0, 19.0]))
    assert suppress(*inside, np.array([0.9, 0.5]), 0.25).tolist() == [0]
    assert suppress(*inside, np.array([0.5, 0.9]), 0.25).tolist() == [1, 0]


def test_own_overlap_counts_both_ends_and_iou_does_not():
    touching = (
        np.zeros(2, dtype=np.int64),
        np.array([0.0, 4.0]),
        np.array([4.0, 7.0]),
        np.array([0.9, 0.5]),
    )
    assert suppress(*touching, 0.2, "own").tolist() == [0]  # 1 / 4
    assert suppress(*touching, 0.25, "own").tolist() == [0, 1]  # strict
    assert suppress(*touching, 0.0, "iou").tolist() == [0, 1]


def test_empty_and_unknown():
    none = np.zeros(0)
    assert suppress(none.astype(int), none, none, none, 0.5).tolist() == []
    with pytest.raises(WorkbookError, match="own, iou, plus_one_seconds"):
        suppress(none.astype(int), none, none, none, 0.5, "giou")


def test_plus_one_seconds_is_far_from_the_true_overlap_of_short_actions():
    """Two 1-s segments 0.2 s apart; 0.5-s segments 0.2 s later."""
    start, end = np.array([0.0, 0.0]), np.array([1.0, 0.5])
    later = np.array([1.2, 0.2])
    found = plus_one_seconds(start, end, later, later + end)
    assert found == pytest.approx([0.25, 1.3 / 1.7]) and found == pytest.approx(
        [0.25, 0.77], abs=0.01
    )
    assert plus_one_seconds(
        np.array([0.0]), np.array([1.0]), np.array([2.5]), np.array([3.0])
    ).tolist() == [0]


@pytest.mark.parametrize("overlap", PLAIN)
def test_inclusive_takes_away_what_overlaps_by_the_limit_itself(overlap):
    found = (
        np.zeros(2, dtype=np.int64),
        np.array([0.0, 1.0]),
        np.array([3.0, 4.0]),
        np.array([0.9, 0.5]),
    )
    limit = PLAIN[overlap]((0.0, 3.0), (1.0, 4.0))
    assert suppress(*found, limit, overlap).tolist() == [0, 1]
    assert suppress(*found, limit, overlap, inclusive=True).tolist() == [0]
    assert suppress(*found, float(np.nextafter(limit, 1)), overlap, inclusive=True).tolist() == [
        0,
        1,
    ]


@given(DETECTIONS, st.sampled_from([0.2, 0.25, 0.5, 0.9, 1.0]), OVERLAP)
def test_inclusive_is_equal_to_plain_loops_that_keep_what_is_below(detections, limit, overlap):
    def below(a, b):
        return float(PLAIN[overlap](a, b) >= limit)

    found, expected = arrays(detections), []
    for g in sorted(set(found[0].tolist())):
        members = np.flatnonzero(found[0] == g).tolist()
        inside = suppress_plain([tuple(a[k] for a in found[1:]) for k in members], 0.5, below)
        expected += [members[k] for k in inside]
    assert suppress(*found, limit, overlap, inclusive=True).tolist() == expected


def at_the_end_of_a_video(thresholds):
    """Runs [3, 12) and [3, 11) of 12 snippets: the inner area of both ends with the video, and
    nothing is active before them.
    """
    activation = np.array([0, 0, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5])
    rule = ProposalRule(
        thresholds, shortest=1, margin_scale=0.25, margin_power=1.0, outer_weight=1.0
    )
    return propose(activation, np.array([12]), rule)


@pytest.mark.parametrize(
    ("thresholds", "first", "ends"), [((0.4, 0.6), 0.4, [13, 12]), ((0.6, 0.4), 0.6, [12, 13])]
)
def test_of_equal_runs_at_the_end_of_a_video_the_one_listed_first_stays(thresholds, first, ends):
    found = at_the_end_of_a_video(thresholds)
    assert found.end.tolist() == ends and found.score[0] == found.score[1]
    kept = suppress(found.sequence, found.start, found.end, found.score, 0.5)
    assert kept.tolist() == [0] and thresholds[0] == first
    heads, owner = clusters(found.sequence, found.start, found.end, found.score, 0.5)
    assert heads.tolist() == [0] and owner.tolist() == [0, 0]


def test_which_of_two_equal_runs_stays_decides_whether_an_instance_is_found():
    truth = GroundTruth(
        pd.DataFrame([("v", "A", 5.0, 12.0)], columns=["video", "label", "t_start", "t_end"]),
        ("v",),
        ("A",),
    )
    found_at = {}
    for thresholds in ((0.4, 0.6), (0.6, 0.4)):
        found = at_the_end_of_a_video(thresholds)
        kept = suppress(found.sequence, found.start, found.end, found.score, 0.5)
        columns = [found.sequence[kept], found.start[kept], found.end[kept], found.score[kept]]
        sequence, start, end, score = columns
        second = Timebase(fps=1.0, stride=1.0)
        table = to_table(sequence, sequence, start, end, score, ["v"], ["A"], second)
        found_at[thresholds] = evaluate(truth, table, ACTIVITYNET, (0.75,)).average
    assert found_at == {(0.4, 0.6): 0.0, (0.6, 0.4): 1.0}
