"""The batched central path: against HiGHS, SciPy's interior point, closed forms; redundant and
infeasible programmes.
"""

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from wtal_core.localization.linear_programme import Programmes, solve
from wtal_core.localization.linear_programme_scipy import corners, evened, with_nearest_targets

ENTRIES = st.sampled_from([-1.0, 0.0, 1.0])


@st.composite
def programmes(draw, kinds=("inside", "corner", "any")):
    """One programme of rows in {-1, 0, 1}; targets that values inside (0, 1) or at its ends reach,
    or any.
    """
    m, g = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    rows = np.array(
        draw(st.lists(st.lists(ENTRIES, min_size=g, max_size=g), min_size=m, max_size=m))
    )
    size = np.array(draw(st.lists(st.integers(1, 5), min_size=g, max_size=g)), dtype=float)
    value = {"inside": st.integers(1, 9), "corner": st.sampled_from([0, 10])}.get(
        draw(st.sampled_from(kinds))
    )
    if value is None:
        target = np.array(draw(st.lists(st.integers(-5, 10), min_size=m, max_size=m))) / 5
    else:
        target = (rows * size) @ np.array(draw(st.lists(value, min_size=g, max_size=g))) / 10
    return rows, size, target


def batch(*parts):
    """Programmes padded to the largest."""
    m, g = (max(rows.shape[axis] for rows, *_ in parts) for axis in (0, 1))
    padded = [
        (
            np.pad(rows, ((0, m - len(rows)), (0, g - len(size)))),
            np.pad(size, (0, g - len(size))),
            np.pad(target, (0, m - len(target))),
        )
        for rows, size, target in parts
    ]
    return Programmes(*(np.array(a) for a in zip(*padded, strict=True)))


def by_scipy(rows, size, target, method):
    """One unknown for each of the equal ones, as the official code has it."""
    repeated = np.repeat(rows, size.astype(int), axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return linprog(
            np.ones(repeated.shape[1]), A_eq=repeated, b_eq=target, bounds=(0, 1), method=method
        )


@given(programmes())
@example(
    (np.array([[1.0], [1.0]]), np.array([2.0]), np.array([0.5, 0.7]))
)  # equal rows that differ in their score
@example((np.array([[0.0]]), np.array([3.0]), np.array([0.1])))  # an equation of nothing
@example(
    (np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([1.0, 1.0]), np.array([2.0, 0.0]))
)  # only a corner is feasible
def test_feasibility_objective_and_equations_agree_with_highs(programme):
    rows, size, target = programme
    found, expected = solve(batch(programme)), by_scipy(*programme, "highs-ds")
    assert found.feasible[0] == (expected.status == 0)
    assert ((found.values >= 0) & (found.values <= 1)).all()
    if found.feasible[0]:
        np.testing.assert_allclose((rows * size) @ found.values[0], target, rtol=0, atol=1e-7)
        assert size @ found.values[0] == pytest.approx(expected.fun, rel=1e-6, abs=1e-7)
    else:
        assert not found.values.any()


@given(programmes(kinds=("inside",)))
def test_it_ends_where_scipys_interior_point_does(programme):
    rows, size, _ = programme
    with_one = (np.abs(rows) @ size == 1).any()  # SciPy fixes these first, and starts elsewhere
    expected = by_scipy(*programme, "interior-point")
    if expected.status == 0 and not with_one:
        found = solve(batch(programme)).values[0]
        np.testing.assert_allclose(
            np.repeat(found, size.astype(int)), expected.x, rtol=0, atol=1e-5
        )


@given(st.lists(programmes(), min_size=1, max_size=4))
def test_alone_and_in_a_batch(several):
    together = solve(batch(*several))
    for k, (rows, size, target) in enumerate(several):
        alone = solve(batch((rows, size, target)))
        assert alone.feasible[0] == together.feasible[k]
        np.testing.assert_allclose(
            together.values[k, : len(size)], alone.values[0], rtol=0, atol=1e-7
        )
        assert not together.values[k, len(size) :].any()


@given(programmes(), programmes())
def test_of_the_same_shape_alone_and_in_a_batch_are_the_same_bits(one, other):
    together = batch(one, other, one)
    found = solve(together)
    for k in range(3):
        alone = solve(
            Programmes(
                together.rows[k : k + 1], together.size[k : k + 1], together.target[k : k + 1]
            )
        )
        np.testing.assert_array_equal(found.values[k], alone.values[0])


def test_equal_columns_share_evenly_where_the_corner_does_not():
    whole = batch((np.ones((1, 4)), np.ones(4), np.array([1.0])))
    np.testing.assert_allclose(solve(whole).values, [[0.25, 0.25, 0.25, 0.25]], rtol=0, atol=1e-9)
    corner = corners(whole).values
    assert sorted(corner[0].tolist()) == [0, 0, 0, 1]
    np.testing.assert_allclose(
        evened(whole, corner), [[0.25, 0.25, 0.25, 0.25]], rtol=0, atol=1e-12
    )


def test_one_unknown_of_size_n_stands_for_n_of_size_one():
    rows, size, target = (
        np.array([[1.0, -1.0, 1.0], [0.0, 1.0, 1.0]]),
        np.array([3.0, 2.0, 4.0]),
        np.array([1.5, 2.0]),
    )
    single = (np.repeat(rows, [3, 2, 4], axis=1), np.ones(9), target)
    np.testing.assert_allclose(
        np.repeat(solve(batch((rows, size, target))).values[0], [3, 2, 4]),
        solve(batch(single)).values[0],
        rtol=0,
        atol=1e-10,
    )


def test_redundant_rows_change_nothing_and_contradicting_ones_leave_zeros():
    rows, size, target = (
        np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]),
        np.array([2.0, 1.0, 3.0]),
        np.array([0.6, 0.5]),
    )
    combined = np.vstack((rows, rows[0], rows[0] + rows[1]))
    once = solve(batch((rows, size, target)))
    more = solve(batch((combined, size, np.array([0.6, 0.5, 0.6, 1.1]))))
    np.testing.assert_allclose(more.values, once.values, rtol=0, atol=1e-9)
    off = solve(
        batch((combined, size, np.array([0.6, 0.5, 0.6 + 1e-6, 1.1])), (rows, size, target))
    )
    assert off.feasible.tolist() == [False, True]
    assert not off.values[0].any() and off.values[1].any()


def test_no_programme_and_a_programme_of_nothing():
    assert solve(
        Programmes(np.zeros((0, 2, 3)), np.zeros((0, 3)), np.zeros((0, 2)))
    ).values.shape == (0, 3)
    nothing = Programmes(np.zeros((1, 1, 3)), np.zeros((1, 3)), np.zeros((1, 1)))
    for solver in (solve, corners):
        assert solver(nothing).feasible.all() and not solver(nothing).values.any()


@given(programmes(kinds=("any",)))
def test_nearest_targets_can_be_met_and_are_nearest(programme):
    rows, size, target = programme
    moved, values = with_nearest_targets(batch(programme), np.array([True]))
    matrix, gap = rows * size, target - moved.target[0]
    np.testing.assert_allclose(matrix @ values[0], moved.target[0], rtol=0, atol=1e-12)
    assert ((values >= 0) & (values <= 1)).all()
    best = np.maximum(
        matrix.T @ gap, 0
    ).sum()  # what any values can gain in the direction of the gap
    assert best - gap @ moved.target[0] <= 1e-9  # so no reachable point lies beyond the nearest one
    assert corners(moved).feasible[0]


def test_nearest_targets_of_two_equal_rows_are_their_mean_and_others_stay():
    equal = (np.ones((2, 2)), np.array([3.0, 4.0]), np.array([0.4, 0.8]))
    moved, values = with_nearest_targets(batch(equal, equal), np.array([True, False]))
    np.testing.assert_allclose(moved.target, [[0.6, 0.6], [0.4, 0.8]], rtol=0, atol=1e-12)
    assert not values[1].any()
