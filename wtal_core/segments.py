"""Interval geometry: pure functions on arrays of starts and ends, any unit; all broadcast."""

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core import ragged


def intersection(
    start_a: Num[np.ndarray, "..."],
    end_a: Num[np.ndarray, "..."],
    start_b: Num[np.ndarray, "..."],
    end_b: Num[np.ndarray, "..."],
) -> Num[np.ndarray, "..."]:
    """Length shared by [start_a, end_a) and [start_b, end_b), 0 where they are apart."""
    return np.maximum(np.minimum(end_a, end_b) - np.maximum(start_a, start_b), 0)


def tiou(
    start_a: Num[np.ndarray, "..."],
    end_a: Num[np.ndarray, "..."],
    start_b: Num[np.ndarray, "..."],
    end_b: Num[np.ndarray, "..."],
) -> Float[np.ndarray, "..."]:
    """Temporal intersection over union, in [0, 1]; 0 for two intervals of zero length."""
    shared = intersection(start_a, end_a, start_b, end_b)
    union = (end_a - start_a) + (end_b - start_b) - shared
    return np.divide(shared, union, out=np.zeros(np.shape(union)), where=union > 0)


def runs_of_mask(
    mask: Bool[np.ndarray, " T"],
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Maximal runs of True as half-open index pairs (starts, ends), in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return edges[::2], edges[1::2]


def pairs_by_key(
    key_a: Int[np.ndarray, " A"],
    key_b: Int[np.ndarray, " B"],
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """All index pairs (i, j) with key_a[i] == key_b[j], by i, then j."""
    order = np.argsort(key_b, kind="stable")
    ordered = key_b[order]
    first = np.searchsorted(ordered, key_a, "left")
    count = np.searchsorted(ordered, key_a, "right") - first
    return ragged.owners(count), order[ragged.ranges(first, count)]


def meets_any(
    key: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    other_key: Int[np.ndarray, " M"],
    other_start: Num[np.ndarray, " M"],
    other_end: Num[np.ndarray, " M"],
) -> Bool[np.ndarray, " N"]:
    """Whether each interval shares a positive length with any `other` interval of its key.

    key: video or group of an interval; intervals of different keys never meet.
    """
    i, j = pairs_by_key(key, other_key)
    hit = intersection(start[i], end[i], other_start[j], other_end[j]) > 0
    return np.bincount(i[hit], minlength=len(key)) > 0
