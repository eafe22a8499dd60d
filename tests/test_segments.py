"""Interval geometry against plain counting, by random examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtal_core.segments import intersection, meets_any, pairs_by_key, runs_of_mask, tiou

INTERVALS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12
)  # start, length
KEYED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 10)), max_size=12)
SHIFT = st.integers(-50, 50)


def columns(rows, width) -> list[np.ndarray]:
    return list(np.array(rows, dtype=np.int64).reshape(-1, width).T)


def borders(rows) -> tuple[np.ndarray, np.ndarray]:
    start, length = columns(rows, 2)
    return start, start + length


def cells(start, end) -> set[int]:
    return set(range(int(start), int(end)))


@given(INTERVALS, INTERVALS)
def test_intersection_and_tiou_count_cells(first, second):
    (start_a, end_a), (start_b, end_b) = borders(first), borders(second)
    shared = intersection(start_a[:, None], end_a[:, None], start_b, end_b)
    overlap = tiou(start_a[:, None], end_a[:, None], start_b, end_b)
    for i in range(len(first)):
        for j in range(len(second)):
            a, b = cells(start_a[i], end_a[i]), cells(start_b[j], end_b[j])
            assert shared[i, j] == len(a & b)
            assert overlap[i, j] == pytest.approx(len(a & b) / len(a | b) if a | b else 0)


@given(INTERVALS, SHIFT, st.floats(0.1, 10))
def test_tiou_is_symmetric_and_survives_shift_and_scale(rows, shift, scale):
    start, end = borders(rows)
    grid = start[:, None], end[:, None], start, end
    overlap = tiou(*grid)
    np.testing.assert_array_equal(overlap, overlap.T)
    np.testing.assert_array_equal(tiou(*(a + shift for a in grid)), overlap)
    np.testing.assert_allclose(tiou(*(scale * a for a in grid)), overlap, atol=1e-9)
    assert ((overlap >= 0) & (overlap <= 1)).all()
    np.testing.assert_array_equal(np.diag(overlap), end > start)


@given(st.lists(st.booleans(), max_size=40))
def test_runs_of_a_mask_are_maximal_and_rebuild_it(bits):
    mask = np.array(bits, dtype=bool)
    starts, ends = runs_of_mask(mask)
    rebuilt = np.zeros_like(mask)
    for start, end in zip(starts, ends, strict=True):
        rebuilt[start:end] = True
    np.testing.assert_array_equal(rebuilt, mask)
    assert (ends > starts).all()
    assert (starts[1:] > ends[:-1]).all()  # at least one False between two runs


@given(st.lists(st.integers(0, 4), max_size=15), st.lists(st.integers(0, 4), max_size=15))
def test_pairs_by_key_are_those_of_two_loops(first, second):
    i, j = pairs_by_key(*(np.array(keys, dtype=np.int64) for keys in (first, second)))
    expected = [
        (a, b) for a in range(len(first)) for b in range(len(second)) if first[a] == second[b]
    ]
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected


@given(KEYED, KEYED)
def test_meets_any_is_a_shared_cell_under_the_same_key(these, others):
    key, start, length = columns(these, 3)
    other_key, other_start, other_length = columns(others, 3)
    found = meets_any(
        key, start, start + length, other_key, other_start, other_start + other_length
    )
    expected = [
        any(k == m and cells(s, s + n) & cells(t, t + p) for m, t, p in others) for k, s, n in these
    ]
    assert found.tolist() == expected


def test_touching_intervals_are_apart_and_points_have_no_union():
    point, one, two = np.array([3.0]), np.array([1.0]), np.array([2.0])
    assert intersection(one, two, two, point).tolist() == [0]
    assert tiou(point, point, point, point).tolist() == [0]
