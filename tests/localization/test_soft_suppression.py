"""Gaussian soft suppression: against plain loops, ties, units, order of the decays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtal_core.errors import WorkbookError
from wtal_core.localization.soft_suppression import softened

PROPOSALS = st.lists(
    st.tuples(
        st.sampled_from([-3, 0, 7]), st.integers(0, 20), st.integers(0, 9), st.integers(-2, 6)
    ),
    max_size=40,
)
EXTRA = st.sampled_from([0.0, 1.0, 25 / 16])


def arrays(proposals):
    group, start, length, score = np.array(proposals, dtype=np.int64).reshape(-1, 4).T
    return group, start.astype(float), (start + length).astype(float), score / 8


def plain(group, start, end, score, sigma, extra):
    """One turn after the other, each group on its own."""
    final = [0.0] * len(group)
    for g in set(group.tolist()):
        left = {k: float(score[k]) for k in range(len(group)) if group[k] == g}
        while left:
            best = max(left, key=lambda k: (left[k], -k))
            final[best] = left.pop(best)
            for k in left:
                shared = max(0.0, min(end[best], end[k]) - max(start[best], start[k]) + extra)
                union = end[best] - start[best] + end[k] - start[k] + 2 * extra - shared
                overlap = shared / union if union > 0 else 0.0
                left[k] *= math.exp(-(overlap**2) / sigma)
    return final


@given(PROPOSALS, EXTRA, st.sampled_from([0.1, 0.3, 1.0]))
def test_equal_to_plain_loops_ties_and_negative_scores_included(proposals, extra, sigma):
    found = softened(*arrays(proposals), sigma, extra)
    np.testing.assert_allclose(found, plain(*arrays(proposals), sigma, extra), rtol=1e-12)


@given(PROPOSALS, EXTRA)
def test_a_group_has_the_same_bits_alone_and_beside_others(proposals, extra):
    group, start, end, score = arrays(proposals)
    together = softened(group, start, end, score, 0.3, extra)
    for g in set(group.tolist()):
        own = group == g
        alone = softened(group[own], start[own], end[own], score[own], 0.3, extra)
        assert alone.tolist() == together[own].tolist()


def test_three_proposals_by_hand():
    """[0, 3) and [1, 4) lie 3 / 5 on each other with one more snippet, [9, 10) is alone."""
    group = np.zeros(3, dtype=np.int64)
    found = softened(
        group, np.array([1, 0, 9]), np.array([4, 3, 10]), np.array([0.5, 1.0, 0.25]), 0.3, 1.0
    )
    assert found.tolist() == pytest.approx([0.5 * math.exp(-(0.6**2) / 0.3), 1.0, 0.25])


def test_the_unit_of_time_does_not_matter():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 60)
    start = rng.integers(0, 40, 60) * 1.0
    end = start + rng.integers(1, 15, 60)
    score = rng.random(60)
    snippets = softened(group, start, end, score, 0.3, 25 / 16)
    seconds = softened(group, start * 0.64, end * 0.64, score, 0.3, 1.0)
    np.testing.assert_allclose(snippets, seconds, rtol=1e-12)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(WorkbookError, match="score of a proposal is not finite"):
        softened(np.zeros(1, dtype=np.int64), np.zeros(1), np.ones(1), np.array([np.nan]), 0.3)
