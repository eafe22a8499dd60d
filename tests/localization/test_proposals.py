"""Proposals: against plain loops, at the borders, and alone as in a batch."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plain.localization import propose_plain
from wtal_core.errors import WorkbookError
from wtal_core.localization.proposals import PrefixSums, ProposalRule, propose
from wtal_core.localization.sequences import class_sequences, pick_classes

LEVELS = st.integers(-4, 12).map(
    lambda k: k / 8
)  # few exact levels: runs, ties, values equal to a threshold
SEQUENCES = st.lists(st.lists(LEVELS, max_size=30), max_size=5)
RULES = st.tuples(
    st.lists(LEVELS, max_size=4).map(tuple),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.0785, 0.25, 1.0]),
    st.sampled_from([0.9, 1.0]),
    st.sampled_from([0.0, 0.6, 1.0]),
)
RULE = ProposalRule((0.5,), 2, 0.25, 1.0, 1.0)


def run(sequences, rule):
    rule = (
        rule if isinstance(rule, ProposalRule) else ProposalRule(*rule)
    )  # beartype draws lots: not inside a strategy
    return propose(
        np.array([a for s in sequences for a in s], dtype=np.float64),
        np.array([len(s) for s in sequences], dtype=np.int64),
        rule,
    )


def rows(found):
    return np.column_stack((found.sequence, found.start, found.end, found.score, found.inner))


def plain_rows(sequences, rule):
    found = [(p, *row) for p, s in enumerate(sequences) for row in propose_plain(s, *rule)]
    return np.array(found, dtype=np.float64).reshape(-1, 5)


@given(SEQUENCES, RULES)
def test_equal_to_plain_loops_in_the_same_order(sequences, rule):
    np.testing.assert_allclose(
        rows(run(sequences, rule)), plain_rows(sequences, rule), rtol=0, atol=1e-12
    )


@given(SEQUENCES, RULES)
def test_a_sequence_gives_the_same_bits_alone_and_in_a_batch(sequences, rule):
    together = rows(run(sequences, rule))
    for p, sequence in enumerate(sequences):
        alone = rows(run([sequence], rule))
        np.testing.assert_array_equal(together[together[:, 0] == p, 1:], alone[:, 1:])


@given(SEQUENCES, RULES, st.randoms(use_true_random=False))
def test_order_of_sequences_does_not_matter(sequences, rule, random):
    order = random.sample(range(len(sequences)), len(sequences))
    shuffled, straight = rows(run([sequences[p] for p in order], rule)), rows(run(sequences, rule))
    for position, p in enumerate(order):
        np.testing.assert_array_equal(
            shuffled[shuffled[:, 0] == position, 1:], straight[straight[:, 0] == p, 1:]
        )


def test_random_sequences_agree_to_1e_9():
    rng = np.random.default_rng(0)
    sequences = [rng.random(length).tolist() for length in (0, 1, 400, 2615, 3)]
    rule = (tuple(np.arange(0.001, 0.5, 0.02).tolist()), 2, 0.0785, 0.9, 1.0)
    np.testing.assert_allclose(
        rows(run(sequences, rule)), plain_rows(sequences, rule), rtol=0, atol=1e-9
    )


def test_a_run_by_hand():
    found = run(
        [[0.0, 0.25, 1.0, 1.0, 1.0, 1.0, 0.5, 0.125, 0.0, 0.0]], RULE
    )  # run [2, 6), margin 1
    assert (found.start[0], found.end[0]) == (2, 7)
    assert found.inner[0] == pytest.approx(4.5 / 5)  # one snippet past the run
    assert found.score[0] == pytest.approx(0.9 - (0.25 + 0.125) / 2)  # snippets 1 and 7


def test_all_above_is_one_proposal_that_ends_past_the_video_and_has_no_outer_area():
    found = run([[1.0] * 8], RULE)
    assert rows(found).tolist() == [[0, 0, 9, 1, 1]]


@pytest.mark.parametrize("sequences", [[], [[]], [[], []], [[0.5] * 9], [[1.0]], [[1.0], [1.0]]])
def test_none(sequences):
    assert len(run(sequences, RULE).start) == 0


def test_a_run_does_not_cross_into_the_next_sequence():
    found = run([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]], RULE)
    assert rows(found)[:, :3].tolist() == [[0, 1, 4], [1, 0, 3]]


def test_wrong_lengths_and_values_are_named():
    with pytest.raises(WorkbookError, match="add up to 4"):
        propose(np.zeros(3), np.array([4]), RULE)
    with pytest.raises(WorkbookError, match="add up to 3"):
        propose(np.zeros(3), np.array([4, -1]), RULE)
    with pytest.raises(WorkbookError, match="sequence 2 is not finite"):
        propose(np.array([0.0, 0.0, np.nan]), np.array([2, 0, 1]), RULE)


def test_classes_are_picked_at_or_above_the_threshold_or_the_best_one():
    score = np.array([[0.1, 0.3], [0.0, 0.05], [0.1, 0.0]])
    assert [a.tolist() for a in pick_classes(score, 0.1)] == [[0, 0, 2], [0, 1, 0]]
    assert [a.tolist() for a in pick_classes(score, 0.1, at_least_one=True)] == [
        [0, 0, 1, 2],
        [0, 1, 1, 0],
    ]


def test_picking_leaves_its_input_alone_and_takes_empty_ones():
    score = np.zeros((2, 0))
    assert [a.tolist() for a in pick_classes(score, 0.1, at_least_one=True)] == [[], []]


@given(st.lists(st.integers(0, 5), max_size=4), st.data())
def test_class_sequences_are_the_columns_of_the_videos(lengths, data):
    cas = np.arange(3.0 * sum(lengths)).reshape(-1, 3)
    pairs = st.tuples(st.integers(0, len(lengths) - 1), st.integers(0, 2))
    picked = data.draw(st.lists(pairs, max_size=6)) if lengths else []
    video, label = np.array(picked, dtype=np.int64).reshape(-1, 2).T
    activation, taken = class_sequences(cas, np.array(lengths, dtype=np.int64), video, label)
    first = np.cumsum(lengths, dtype=np.int64) - lengths
    expected = [cas[first[v] : first[v] + lengths[v], c] for v, c in picked]
    assert taken.tolist() == [len(e) for e in expected]
    np.testing.assert_array_equal(activation, np.concatenate([np.zeros(0), *expected]))


def test_class_sequences_refuse_wrong_lengths():
    with pytest.raises(WorkbookError, match="have 3 snippets"):
        class_sequences(np.zeros((3, 2)), np.array([2]), np.array([0]), np.array([1]))


@pytest.mark.parametrize("peak", [1e-280, 1e-9, 1.0, 1e300])
def test_prefix_sums_are_exact_to_the_grid_although_they_wrap(peak):
    lengths = np.array([4000, 0, 4000, 1, 20000, 4000, 7, 4000, 4000])
    values = np.random.default_rng(0).uniform(0.9, 1, lengths.sum()) * peak
    sums, sequence = PrefixSums(values, lengths), np.array([0, 2, 2, 3, 4, 4, 5, 6])
    start, stop = (
        np.array([0, 0, 7, 0, 0, 19000, 1, 2]),
        np.array([5, 4000, 7, 1, 20000, 19001, 3999, 7]),
    )
    first = (np.cumsum(lengths) - lengths)[sequence]
    expected = [
        math.fsum(values[f + a : f + b] / peak) for f, a, b in zip(first, start, stop, strict=True)
    ]
    found = sums.value(sequence, sums.total(sequence, start, stop)) / peak
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0)
    assert sums._sums.min() < 0 <= values.min()  # they did wrap


def test_equal_areas_have_equal_scores_wherever_they_lie():
    bump = [0.0, 0.1, 0.7, 0.9, 0.3, 0.6, 0.2, 0.0, 0.0, 0.0]
    found = run([[0.3] * 7, bump * 40], RULE)
    assert len(set(found.score.tolist())) == 1 and len(found.score) == 40
