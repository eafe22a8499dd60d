"""Finer grids: positions by hand, against scipy, alone as in a batch."""

import numpy as np
import pytest
from scipy.interpolate import interp1d

from wtal_core.localization.upsampling import resize, stretch, upsample

LENGTHS = np.array([7, 0, 1, 30, 2])
LONGER = np.array([50, 9, 4, 11, 0])
ROWS = np.random.default_rng(0).standard_normal(LENGTHS.sum())


def parts(values, lengths):
    return np.split(values, np.cumsum(lengths)[:-1])


def test_resized_points_lie_at_half_pixels_and_stay_constant_outside():
    values, lengths = resize(
        np.array([0.0, 1.0, 4.0, 2.0, 6.0, 8.0]), np.array([2, 4]), np.array([4, 2])
    )
    assert values.tolist() == [0, 0.25, 0.75, 1, 3, 7] and lengths.tolist() == [
        4,
        2,
    ]  # at -1/4, 1/4, ...; at 1/2 and 5/2


def test_resizing_agrees_with_numpy_and_leaves_empty_sequences_empty():
    values, lengths = resize(ROWS, LENGTHS, LONGER)
    assert lengths.tolist() == [50, 0, 4, 11, 0]
    for row, fine in zip(parts(ROWS, LENGTHS), parts(values, lengths), strict=True):
        position = (np.arange(len(fine)) + 0.5) * len(row) / max(1, len(fine)) - 0.5
        np.testing.assert_allclose(
            fine,
            np.interp(position, np.arange(len(row)), row) if len(fine) else [],
            rtol=0,
            atol=1e-12,
        )


def test_a_sequence_has_the_same_bits_alone_and_in_a_batch():
    together = parts(*resize(ROWS, LENGTHS, LONGER)), parts(*stretch(ROWS, LENGTHS, 24))
    for p, row in enumerate(parts(ROWS, LENGTHS)):
        np.testing.assert_array_equal(together[0][p], resize(row, LENGTHS[[p]], LONGER[[p]])[0])
        np.testing.assert_array_equal(together[1][p], stretch(row, LENGTHS[[p]], 24)[0])


def test_resizing_by_a_factor_is_upsampling():
    fine, lengths = resize(ROWS, LENGTHS, 16 * LENGTHS)
    expected = upsample(ROWS, LENGTHS, 16)
    np.testing.assert_allclose(fine, expected[0], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(lengths, expected[1])


def test_stretching_is_left_aligned_and_goes_on_beyond_the_last_snippet():
    values, lengths = stretch(np.array([0.0, 1.0, 5.0]), np.array([2, 1]), 4)
    assert values.tolist() == [
        0,
        0.25,
        0.5,
        0.75,
        1,
        1.25,
        1.5,
        1.75,
        5,
        5,
        5,
        5,
    ] and lengths.tolist() == [8, 4]


def test_stretching_agrees_with_scipy():
    row = np.random.default_rng(1).standard_normal(750)
    line = interp1d(np.arange(750), row, fill_value="extrapolate")
    np.testing.assert_allclose(
        stretch(row, np.array([750]), 24)[0], line(np.arange(18000) / 24), rtol=0, atol=1e-12
    )


def test_factor_one_and_nothing_change_nothing():
    np.testing.assert_array_equal(stretch(ROWS, LENGTHS, 1)[0], ROWS)
    np.testing.assert_array_equal(resize(ROWS, LENGTHS, LENGTHS)[0], ROWS)
    none = np.zeros(0, dtype=np.int64)
    for values, lengths in (resize(np.zeros(0), none, none), stretch(np.zeros(0), none, 24)):
        assert len(values) == len(lengths) == 0


@pytest.mark.parametrize(
    "grow", [lambda *a: resize(*a, np.array([1000])), lambda *a: stretch(*a, 24)]
)
def test_a_constant_row_stays_constant(grow):
    values, _ = grow(np.full(30, 0.1), np.array([30]))
    assert set(values.tolist()) == {0.1}
