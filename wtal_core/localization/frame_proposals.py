"""Activations on the frame grid -> scored runs, as in BackTAL, BaS-Net and UM.

Normalisation, thresholds, outer-inner contrast.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core import ragged
from wtal_core.localization.proposals import PrefixSums


@dataclass(frozen=True)
class Runs:
    """N half-open runs [start, end) of frames above a threshold.

    By threshold, then by sequence, then by start.
    level: index of the threshold.
    sequence: index of the sequence.
    start, end: frames.
    """

    level: Int[np.ndarray, " N"]
    sequence: Int[np.ndarray, " N"]
    start: Int[np.ndarray, " N"]
    end: Int[np.ndarray, " N"]

    def where(self, chosen: Bool[np.ndarray, " N"] | Int[np.ndarray, " K"]) -> "Runs":
        """Some of them."""
        return Runs(self.level[chosen], self.sequence[chosen], self.start[chosen], self.end[chosen])

    def followed_by(self, others: "Runs") -> "Runs":
        """These, then others."""
        return Runs(
            np.concatenate([self.level, others.level]),
            np.concatenate([self.sequence, others.sequence]),
            np.concatenate([self.start, others.start]),
            np.concatenate([self.end, others.end]),
        )


def normalised(
    rows: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]
) -> Float[np.ndarray, " M"]:
    """(a - m) / (M - m) in each of P sequences, m = max(0, min a) and M = max(0, max a).

    Where M <= m, the divisor is 1. So the largest value is 1 unless none is positive, and negative
    values stay negative.
    Source: BackTAL, `post_process/functions.py:16-31`; BaS-Net, `utils.py`.
    """
    top = np.maximum(ragged.maxima(rows, lengths), 0)
    bottom = np.maximum(ragged.minima(rows, lengths), 0)
    span = np.where(top > bottom, top - bottom, 1.0)
    return (rows - np.repeat(bottom, lengths)) / np.repeat(span, lengths)


def find_runs(
    values: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    thresholds: tuple[float, ...],
    drop_frame0_run: bool,
) -> Runs:
    """Maximal runs of values >= a threshold (>= 0) and > 0, in P sequences one after another.

    drop_frame0_run: where frame 0 is a sequence's only one above a threshold, it is passed over, as
        in the official codes, which ask whether any of the frames' *numbers* is true.
    """
    levels = np.array(thresholds, dtype=np.float64)
    # a > limit exactly where a >= level and a > 0
    limits = np.where(levels > 0, np.nextafter(levels, -np.inf), 0.0)
    passed = np.zeros(len(values), dtype=np.uint16)  # how many limits each value is above
    above = np.empty(len(values), dtype=bool)
    for limit in limits:
        np.greater(values, limit, out=above)
        passed += above
    runs = _runs_above(passed, lengths, np.searchsorted(np.sort(limits), limits))
    if drop_frame0_run:
        return runs.where(~_only_frame0(runs, len(lengths)))
    return runs


def _runs_above(
    passed: Num[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], ranks: Int[np.ndarray, " K"]
) -> Runs:
    """Runs with passed > rank (>= 0), for each of K ranks.

    Only the places where `passed` changes are looked at. Each sequence has a wall before it, and
    the last one a wall after it, so that no run crosses; the masks of all ranks lie one after
    another, and change in turn at starts and ends.
    """
    first = ragged.starts(lengths)
    total = len(passed)
    borders = np.append(first, total)
    changes = np.empty(total, dtype=bool)
    np.not_equal(passed[1:], passed[:-1], out=changes[1:])
    changes[first[lengths > 0]] = True
    piece = np.flatnonzero(changes)  # first frames of pieces of equal `passed`
    wall = np.searchsorted(piece, borders)
    position = np.insert(piece, wall, borders)
    inside = np.insert(passed[piece], wall, 0) > ranks[:, None]
    owner = ragged.owners(np.diff(wall) + 1)  # walls counted to their sequence
    flat = inside.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    level, begin = np.divmod(edges[::2], len(position))
    sequence = owner[begin]
    start = position[begin]
    end = position[edges[1::2] % len(position)]
    return Runs(level, sequence, start - first[sequence], end - first[sequence])


def _only_frame0(runs: Runs, sequences: int) -> Bool[np.ndarray, " N"]:
    """Which runs hold frame 0 only and are the only ones of their threshold and sequence."""
    key = runs.level * sequences + runs.sequence
    borders = np.concatenate(([True], key[1:] != key[:-1], [True]))
    alone = borders[:-1] & borders[1:]
    return alone & (runs.end == 1)


class ThresholdedSums:
    """Sums of what a sequence keeps once all that is not in a threshold's runs is 0.

    Integers, as `PrefixSums` makes them. The sum up to a position is that of all runs that begin
    before it, less the rest of the last one where that reaches past it.
    """

    def __init__(self, sums: PrefixSums, runs: Runs):
        self._sums = sums
        self._runs = runs
        self._first = ragged.starts(sums.lengths)
        self._width = int(sums.lengths.sum()) + 1
        self._starts = self._key(runs.level, runs.sequence, runs.start)
        totals = sums.total(runs.sequence, runs.start, runs.end)
        self._before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(totals)))

    def _key(
        self,
        level: Int[np.ndarray, " N"],
        sequence: Int[np.ndarray, " N"],
        position: Int[np.ndarray, " N"],
    ) -> Int[np.ndarray, " N"]:
        return level * self._width + self._first[sequence] + position

    def _up_to(
        self,
        level: Int[np.ndarray, " N"],
        sequence: Int[np.ndarray, " N"],
        position: Int[np.ndarray, " N"],
    ) -> Int[np.ndarray, " N"]:
        key = self._key(level, sequence, position)
        begun = np.searchsorted(self._starts, key)
        last = self._runs.where(np.maximum(begun - 1, 0))
        beyond = np.maximum(self._key(last.level, last.sequence, last.end) - key, 0)
        rest = beyond * (begun > 0)  # before the first run there is no last one
        return self._before[begun] - self._sums.total(last.sequence, last.end - rest, last.end)

    def total(
        self,
        level: Int[np.ndarray, " N"],
        sequence: Int[np.ndarray, " N"],
        start: Int[np.ndarray, " N"],
        stop: Int[np.ndarray, " N"],
    ) -> Int[np.ndarray, " N"]:
        """Sums over [start, stop) of sequences, on their own grids as those of `PrefixSums`."""
        return self._up_to(level, sequence, stop) - self._up_to(level, sequence, start)


@dataclass(frozen=True)
class Margin:
    """The outer area of a run of n frames: about scale * n frames at both sides.

    It is cut off at the video's ends. A run from frame p to frame q has it from
    trunc(p - scale * n) to below p, and from above q to trunc(q + scale * n), which itself is left
    out ("exclusive", BackTAL) or not ("inclusive", BaS-Net).
    """

    scale: float
    end: Literal["exclusive", "inclusive"]

    def bounds(
        self,
        start: Int[np.ndarray, " N"],
        end: Int[np.ndarray, " N"],
        length: Int[np.ndarray, " N"],
    ) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
        """First frame, and the one past the last, of outer area and run [start, end) together."""
        reach = self.scale * (end - start)
        left = np.maximum(np.trunc(start - reach), 0).astype(np.int64)
        stop = np.trunc(end - 1 + reach) + (self.end == "inclusive")
        right = np.minimum(stop, length).astype(np.int64)
        return left, np.maximum(right, end)


def contrast(
    values: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    runs: Runs,
    margin: Margin,
    thresholded: bool,
) -> Float[np.ndarray, " N"]:
    """Mean of a run less the mean of its outer area, as `inner_and_outer` gives them."""
    inner, outer = inner_and_outer(values, lengths, runs, margin, thresholded)
    return inner - outer


def inner_and_outer(
    values: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    runs: Runs,
    margin: Margin,
    thresholded: bool,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Mean of a run, and of its outer area, 0 where that is empty.

    thresholded: `runs` are all runs of these sequences, and the outer area counts what is in none
        of its threshold's runs as 0.
    """
    sums = PrefixSums(np.maximum(values, 0) if thresholded else values, lengths)
    left, right = margin.bounds(runs.start, runs.end, lengths[runs.sequence])
    inner = sums.total(runs.sequence, runs.start, runs.end)
    if thresholded:
        whole = ThresholdedSums(sums, runs).total(runs.level, runs.sequence, left, right)
    else:
        whole = sums.total(runs.sequence, left, right)
    inner_size = runs.end - runs.start
    outer_size = np.maximum(right - left - inner_size, 1)
    inner_mean = sums.value(runs.sequence, inner) / inner_size
    outer_mean = sums.value(runs.sequence, whole - inner) / outer_size
    return inner_mean, outer_mean
