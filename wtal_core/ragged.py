"""Sequences of different lengths that lie one after another in one array.

P sequences of `lengths` (0 allowed) hold M = sum of lengths elements. Nothing here loops over
sequences or elements.
"""

import numpy as np
from jaxtyping import Float, Int, Num


def starts(lengths: Int[np.ndarray, " P"]) -> Int[np.ndarray, " P"]:
    """Where each sequence begins; an empty one begins where the next one does."""
    return np.cumsum(lengths) - lengths


def owners(lengths: Int[np.ndarray, " P"]) -> Int[np.ndarray, " M"]:
    """The number of the sequence that each element belongs to."""
    return np.repeat(np.arange(len(lengths)), lengths)


def positions(lengths: Int[np.ndarray, " P"]) -> Int[np.ndarray, " M"]:
    """The place of each element in its own sequence: 0, 1, 2, ..., 0, 1, ..."""
    return ranges(np.zeros_like(lengths), lengths)


def ranges(first: Int[np.ndarray, " P"], lengths: Int[np.ndarray, " P"]) -> Int[np.ndarray, " M"]:
    """The numbers first, first + 1, ..., first + length - 1 of each range, one after another."""
    shift = first - starts(lengths)
    return np.arange(lengths.sum()) + np.repeat(shift, lengths)


def rank_in_group(group: Int[np.ndarray, " M"]) -> Int[np.ndarray, " M"]:
    """0, 1, 2, ... within each run of equal values of a sorted array."""
    return np.arange(len(group)) - np.searchsorted(group, group)


def maxima(
    values: Num[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], empty: float = 0.0
) -> Float[np.ndarray, " P"]:
    """The largest value of each sequence, `empty` for one without elements."""
    return _reduced(np.maximum, values, lengths, empty)


def minima(
    values: Num[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], empty: float = 0.0
) -> Float[np.ndarray, " P"]:
    """The smallest value of each sequence, `empty` for one without elements."""
    return _reduced(np.minimum, values, lengths, empty)


def sums(values: Num[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """The sum of each sequence, float64, added from its first element on.

    A sequence has the same bits alone and beside others; one without elements has the sum 0.
    """
    total = np.bincount(owners(lengths), weights=values, minlength=len(lengths))
    return total.astype(np.float64)  # of no element at all, bincount returns integers


def means(values: Num[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """The mean of each sequence as `sums` adds it, 0 for one without elements."""
    return sums(values, lengths) / np.maximum(lengths, 1)


def _reduced(
    function: np.ufunc,
    values: Num[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    empty: float,
) -> Float[np.ndarray, " P"]:
    result = np.full(len(lengths), empty, dtype=np.float64)
    filled = lengths > 0
    if filled.any():
        # reduceat would give an empty range the next range's first value, so these are left out
        result[filled] = function.reduceat(values, starts(lengths)[filled])
    return result
