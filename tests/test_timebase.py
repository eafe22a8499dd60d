"""Seconds and snippets: there and back, rounding of ground truth, truncation of detections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtal_core.timebase import Timebase

THUMOS14, OVERLAPPING = Timebase(), Timebase(fps=50.0, stride=64.0, offset=32.0)
POSITIONS = st.lists(st.floats(0, 1e5), max_size=20).map(
    lambda values: np.array(values, dtype=np.float64)
)


def test_a_thumos14_snippet_lasts_0_64_seconds():
    assert THUMOS14.snippet_seconds == pytest.approx(0.64)
    assert THUMOS14.seconds(3.0) == pytest.approx(1.92)
    np.testing.assert_allclose(THUMOS14.seconds(np.array([0, 1, 25])), [0, 0.64, 16])
    assert THUMOS14.snippets(16.0) == pytest.approx(25)


def test_an_offset_moves_where_snippet_0_begins():
    assert OVERLAPPING.seconds(0.0) == pytest.approx(0.64)
    assert OVERLAPPING.seconds(1.0) - OVERLAPPING.seconds(0.0) == pytest.approx(
        OVERLAPPING.snippet_seconds
    )
    assert OVERLAPPING.snippets(0.64) == pytest.approx(0)


@given(POSITIONS)
def test_seconds_and_snippets_undo_each_other(positions):
    for timebase in (THUMOS14, OVERLAPPING):
        np.testing.assert_allclose(
            timebase.snippets(timebase.seconds(positions)), positions, rtol=1e-12, atol=1e-9
        )
        np.testing.assert_allclose(
            timebase.seconds(timebase.snippets(positions)), positions, rtol=1e-12, atol=1e-9
        )


@given(POSITIONS)
def test_rounding_is_pythons_rounding(seconds):
    assert THUMOS14.rounded(seconds).tolist() == [round(s * 25 / 16) for s in seconds.tolist()]


def test_halves_are_rounded_to_the_even_border():
    assert THUMOS14.rounded(np.array([0.32, 0.96, 1.6])).tolist() == [
        0,
        2,
        2,
    ]  # 0.5, 1.5 and 2.5 snippets


@given(
    st.lists(st.integers(0, 20_000), max_size=20).map(
        lambda values: np.array(values, dtype=np.int64)
    )
)
def test_grid_positions_survive_the_way_through_seconds(borders):
    for timebase in (THUMOS14, OVERLAPPING):
        np.testing.assert_array_equal(timebase.truncated(timebase.seconds(borders)), borders)
        np.testing.assert_array_equal(timebase.rounded(timebase.seconds(borders)), borders)


def test_truncation_is_towards_zero():
    assert THUMOS14.truncated(np.array([0.63, 0.64, 1.27, -0.63])).tolist() == [0, 1, 1, 0]


def test_nothing_stays_nothing():
    empty = np.zeros(0)
    assert (
        THUMOS14.rounded(empty).shape
        == THUMOS14.truncated(empty).shape
        == THUMOS14.seconds(empty).shape
        == (0,)
    )
