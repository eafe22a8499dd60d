"""Activations on the frame grid -> scored runs: normalisation, thresholds, outer-inner contrast.
BackTAL and BaS-Net.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core.localization.proposals import PrefixSums


@dataclass(frozen=True)
class Runs:
    """N half-open runs [start, end) of frames above a threshold, by threshold, then by sequence,
    then by start.

    level: index of the threshold. sequence: index of the sequence. start, end: frames.
    """

    level: Int[np.ndarray, " N"]
    sequence: Int[np.ndarray, " N"]
    start: Int[np.ndarray, " N"]
    end: Int[np.ndarray, " N"]

    def where(self, chosen: Bool[np.ndarray, " N"] | Int[np.ndarray, " K"]) -> "Runs":
        """Some of them."""
        return Runs(*(getattr(self, field.name)[chosen] for field in fields(self)))


def normalised(
    rows: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]
) -> Float[np.ndarray, " M"]:
    """(a - m) / (M - m) in each of P sequences, m = max(0, min a) and M = max(0, max a); over 1
    where M <= m.

    So the largest value is 1 unless none is positive, and negative values stay negative. Source:
    BackTAL, `post_process/functions.py:16-31`; BaS-Net, `utils.py`.
    """
    begins = (np.cumsum(lengths) - lengths)[lengths > 0]
    top, bottom = np.zeros(len(lengths)), np.zeros(len(lengths))
    if len(begins):
        top[lengths > 0] = np.maximum(np.maximum.reduceat(rows, begins), 0)
        bottom[lengths > 0] = np.maximum(np.minimum.reduceat(rows, begins), 0)
    span = np.where(top > bottom, top - bottom, 1.0)
    return (rows - np.repeat(bottom, lengths)) / np.repeat(span, lengths)


def find_runs(
    values: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    thresholds: tuple[float, ...],
    drop_frame0_run: bool,
) -> Runs:
    """Maximal runs of values that are >= a threshold (>= 0) and > 0, in P sequences one after
    another.

    drop_frame0_run: where frame 0 is a sequence's only one above a threshold, it is passed over, as
    in the official codes, which ask whether any of the frames' *numbers* is true.
    """
    levels = np.array(thresholds, dtype=np.float64)
    limits = np.where(
        levels > 0, np.nextafter(levels, -np.inf), 0.0
    )  # a > limit exactly where a >= level, a > 0
    passed, hit = np.zeros(len(values), dtype=np.uint16), np.empty(len(values), dtype=bool)
    for limit in limits:
        np.greater(values, limit, out=hit)
        passed += hit
    found = _runs_above(passed, lengths, np.searchsorted(np.sort(limits), limits))
    return found.where(~_only_frame0(found, len(lengths))) if drop_frame0_run else found


def _runs_above(
    passed: Num[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], ranks: Int[np.ndarray, " K"]
) -> Runs:
    """Runs with passed > rank (>= 0), for each of K ranks.

    Only the places where `passed` changes are looked at. Each sequence has a wall before it, and
    the last one a wall after it, so that no run crosses; the masks of all ranks lie one after
    another, and change in turn at starts and ends.
    """
    first, total = np.cumsum(lengths) - lengths, len(passed)
    changes = np.empty(total, dtype=bool)
    np.not_equal(passed[1:], passed[:-1], out=changes[1:])
    changes[first[lengths > 0]] = True
    piece = np.flatnonzero(changes)  # first frames of pieces of equal `passed`
    wall = np.searchsorted(piece, np.append(first, total))
    position = np.insert(piece, wall, np.append(first, total))
    inside = np.insert(passed[piece], wall, 0) > ranks[:, None]
    owner = np.repeat(np.arange(len(lengths)), np.diff(wall) + 1)  # walls counted to their sequence
    flat = inside.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    level, begin = np.divmod(edges[::2], len(position))
    sequence = owner[begin]
    start, end = position[begin], position[edges[1::2] % len(position)]
    return Runs(level, sequence, start - first[sequence], end - first[sequence])


def _only_frame0(runs: Runs, sequences: int) -> Bool[np.ndarray, " N"]:
    """Which runs hold frame 0 only and are the only ones of their threshold and sequence."""
    key = runs.level * sequences + runs.sequence
    apart = np.concatenate(([True], key[1:] != key[:-1], [True]))
    return apart[:-1] & apart[1:] & (runs.end == 1)


class ThresholdedSums:
    """Sums of what a sequence keeps once all that is not in a threshold's runs is 0; integers, as
    `PrefixSums` makes them.

    Up to a position: all runs that begin before it, less the rest of the last one where that
    reaches past it.
    """

    def __init__(self, sums: PrefixSums, runs: Runs):
        self._sums, self._runs = sums, runs
        self._first, self._width = (
            np.cumsum(sums.lengths) - sums.lengths,
            int(sums.lengths.sum()) + 1,
        )
        self._starts = self._key(runs.level, runs.sequence, runs.start)
        self._before = np.concatenate(
            (
                np.zeros(1, dtype=np.int64),
                np.cumsum(sums.total(runs.sequence, runs.start, runs.end)),
            )
        )

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
        rest = np.maximum(self._key(last.level, last.sequence, last.end) - key, 0) * (begun > 0)
        return self._before[begun] - self._sums.total(last.sequence, last.end - rest, last.end)

    def total(
        self,
        level: Int[np.ndarray, " N"],
        sequence: Int[np.ndarray, " N"],
        start: Int[np.ndarray, " N"],
        stop: Int[np.ndarray, " N"],
    ) -> Int[np.ndarray, " N"]:
        """Sums over [start, stop) of sequences; as those of `PrefixSums`, on the sequences' own
        grids.
        """
        return self._up_to(level, sequence, stop) - self._up_to(level, sequence, start)


@dataclass(frozen=True)
class Margin:
    """The outer area of a run of n frames: trunc(scale * n) frames or so at both sides, cut off at
    the video's ends.

    A run from frame p to frame q has it from trunc(p - scale * n) to below p, and from above q to
    trunc(q + scale * n), which itself is left out ("exclusive", BackTAL) or not ("inclusive",
    BaS-Net).
    """

    scale: float
    end: Literal["exclusive", "inclusive"]

    def bounds(
        self,
        start: Int[np.ndarray, " N"],
        end: Int[np.ndarray, " N"],
        length: Int[np.ndarray, " N"],
    ) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
        """First frame, and the one past the last, of the outer area and the run [start, end)
        together.
        """
        reach = self.scale * (end - start)
        left = np.maximum(np.trunc(start - reach), 0).astype(np.int64)
        right = np.minimum(np.trunc(end - 1 + reach) + (self.end == "inclusive"), length).astype(
            np.int64
        )
        return left, np.maximum(right, end)


def contrast(
    values: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    runs: Runs,
    margin: Margin,
    thresholded: bool,
) -> Float[np.ndarray, " N"]:
    """Mean of a run less the mean of its outer area, 0 where that is empty.

    thresholded: `runs` are all runs of these sequences, and the outer area counts what is in none
    of its threshold's as 0.
    """
    sums = PrefixSums(np.maximum(values, 0) if thresholded else values, lengths)
    left, right = margin.bounds(runs.start, runs.end, lengths[runs.sequence])
    inner = sums.total(runs.sequence, runs.start, runs.end)
    whole = (
        ThresholdedSums(sums, runs).total(runs.level, runs.sequence, left, right)
        if thresholded
        else sums.total(runs.sequence, left, right)
    )
    inner_size = runs.end - runs.start
    outer_size = np.maximum(right - left - inner_size, 1)
    return (
        sums.value(runs.sequence, inner) / inner_size
        - sums.value(runs.sequence, whole - inner) / outer_size
    )
