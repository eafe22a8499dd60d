"""Detections to instances, all thresholds at once, without a loop over detections.

The rule of the field is sequential: by decreasing score, each detection takes the instance that it
likes best of those that are still free and reach the threshold. This is a serial dictatorship,
hence the only stable matching in which every instance prefers the better score. So it may be found
in any order of proposals (Gale and Shapley 1962), here in rounds: every detection without a seat
asks for its next choice; an instance keeps the best that asked; losers ask on.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.segments import tiou

PAIRS_AT_ONCE = 1_000_000
DETECTIONS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Edges:
    """Pairs of a detection and an instance of the same key, with their tIoU.

    Sorted by detection, then by instance.
    """

    detection: Int[np.ndarray, " E"]
    instance: Int[np.ndarray, " E"]
    tiou: Float[np.ndarray, " E"]


@dataclass(frozen=True)
class Matches:
    """True positives: at threshold number `level`, `detection` took `instance`.

    Sorted by level, then by detection.
    """

    level: Int[np.ndarray, " M"]
    detection: Int[np.ndarray, " M"]
    instance: Int[np.ndarray, " M"]


@dataclass(frozen=True)
class Intervals:
    """Intervals with the key (a video, or a video and class) inside of which they are compared.

    Unit as the protocol's.
    """

    key: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]

    def part(self, rows: slice | Int[np.ndarray, " R"] | Bool[np.ndarray, " N"]) -> "Intervals":
        """These rows."""
        return Intervals(self.key[rows], self.start[rows], self.end[rows])


def edges(detections: Intervals, instances: Intervals, smallest: float) -> Edges:
    """All pairs of equal key with tIoU >= `smallest` > 0.

    Memory is bounded by PAIRS_AT_ONCE, not by the number of pairs.
    """
    windows = _windows(detections, instances)
    load = np.cumsum(windows.stop - windows.first)
    total = load[-1] if len(load) else 0
    cuts = np.searchsorted(load, np.arange(PAIRS_AT_ONCE, total, PAIRS_AT_ONCE))
    borders = [0, *np.unique(cuts[cuts > 0]).tolist(), len(load)]
    parts = [
        _edges_of_rows(detections, instances, smallest, np.arange(low, high), windows)
        for low, high in pairwise(borders)
    ]
    return Edges(
        np.concatenate([part.detection for part in parts]),
        np.concatenate([part.instance for part in parts]),
        np.concatenate([part.tiou for part in parts]),
    )


@dataclass(frozen=True)
class _Windows:
    """For each detection the instances order[first], ..., order[stop - 1]."""

    order: Int[np.ndarray, " G"]
    first: Int[np.ndarray, " N"]
    stop: Int[np.ndarray, " N"]


def _windows(detections: Intervals, instances: Intervals) -> _Windows:
    """For each detection the range of instances that holds all that it may overlap.

    The range is one in an order of the instances, by key and start.
    Times of all keys are laid out on one line. Its rounding may let a range be too wide, never too
    narrow.
    """
    order = np.lexsort((instances.start, instances.key))
    if not len(order) or not len(detections.key):
        nothing = np.zeros(len(detections.key), np.int64)
        return _Windows(order, nothing, nothing)
    base = min(detections.start.min(), instances.start.min())
    span = max(detections.end.max(), instances.end.max(), instances.start.max()) - base + 1
    starts = instances.key * span + (instances.start - base)
    begins = detections.key * span + (detections.start - base)
    ends = detections.key * span + (detections.end - base)
    stops = instances.key * span + (np.maximum(instances.end, instances.start) - base)
    slack = (max(np.abs(starts).max(), np.abs(ends).max()) + span) * 2.0**-48
    running = np.maximum.accumulate(stops[order])  # all before it have ended where this one has
    first = np.searchsorted(running, begins - slack)
    stop = np.searchsorted(starts[order], ends + slack, "right")
    return _Windows(order, first, np.maximum(stop, first))


def _edges_of_rows(
    detections: Intervals,
    instances: Intervals,
    smallest: float,
    rows: Int[np.ndarray, " R"],
    windows: _Windows,
) -> Edges:
    first = windows.first[rows]
    count = windows.stop[rows] - first
    i = np.repeat(rows, count)
    j = windows.order[ragged.ranges(first, count)]
    overlap = tiou(detections.start[i], detections.end[i], instances.start[j], instances.end[j])
    near = np.flatnonzero((overlap >= smallest) & (detections.key[i] == instances.key[j]))
    near = near[np.lexsort((j[near], i[near]))]
    return Edges(i[near], j[near], overlap[near])


def in_order_of_preference(pairs: Edges, matching: str, tie: str) -> Edges:
    """Sort the edges of each detection: "best" by decreasing tIoU, equal ones by `tie`.

    "first" by file order.
    """
    if matching == "first":
        return pairs
    turn = -pairs.instance if tie == "later" else pairs.instance
    order = np.lexsort((turn, -pairs.tiou, pairs.detection))
    return Edges(pairs.detection[order], pairs.instance[order], pairs.tiou[order])


def match_in_turn(
    detections: Intervals,
    rank: Int[np.ndarray, " N"],
    instances: Intervals,
    tious: Float[np.ndarray, " K"],
    matching: str,
    tie: str,
) -> Matches:
    """The greedy matching of all detections at each threshold.

    The best ranks come first, some at a time.
    rank: place of each detection in its class. What is left for the later ones are the instances
    that are still free, and soon there are few, so that a million detections of one video cost
    little more than the first ones.
    """
    free = np.ones((len(tious), len(instances.key)), dtype=bool)
    order = np.argsort(rank, kind="stable")
    parts = []
    for begin in range(0, len(order), DETECTIONS_AT_ONCE):
        left = np.flatnonzero(free.any(axis=0))
        rows = np.sort(order[begin : begin + DETECTIONS_AT_ONCE])
        near = edges(detections.part(rows), instances.part(left), float(tious.min()))
        pairs = Edges(near.detection, left[near.instance], near.tiou)
        ordered = in_order_of_preference(pairs, matching, tie)
        part = match(ordered, tious, len(instances.key), free)
        free[part.level, part.instance] = False
        parts.append(Matches(part.level, rows[part.detection], part.instance))
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Matches(nothing, nothing, nothing)
    level = np.concatenate([part.level for part in parts])
    detection = np.concatenate([part.detection for part in parts])
    instance = np.concatenate([part.instance for part in parts])
    order = np.lexsort((detection, level))
    return Matches(level[order], detection[order], instance[order])


def match(
    pairs: Edges,
    tious: Float[np.ndarray, " K"],
    n_instances: int,
    free: Bool[np.ndarray, "K G"] | None = None,
) -> Matches:
    """The greedy matching at each threshold.

    Detections are numbered by rank (0 = first served within its class).
    pairs: sorted by detection, then by preference; those below a threshold do not exist for it.
    free: instances that may be taken at a threshold; None: all.
    """
    near = pairs.tiou >= tious[:, None]
    if free is not None:
        near = near & free[:, pairs.instance]
    level, edge = np.nonzero(near)
    if not len(edge):
        return Matches(level, edge, edge)
    opens = (np.diff(level, prepend=-1) != 0) | (np.diff(pairs.detection[edge], prepend=-1) != 0)
    first = np.flatnonzero(opens)  # (P,) a proposer = (level, detection), best first
    stop = np.append(first[1:], len(edge))
    holder = _propose(
        level * n_instances + pairs.instance[edge], first, stop, len(tious) * n_instances
    )
    seat = np.flatnonzero(holder < len(first))
    proposer = holder[seat]
    order = np.argsort(proposer)
    level, instance = np.divmod(seat[order], n_instances)
    return Matches(level, pairs.detection[edge[first[proposer[order]]]], instance)


def _propose(
    seat: Int[np.ndarray, " E"],
    first: Int[np.ndarray, " P"],
    stop: Int[np.ndarray, " P"],
    n_seats: int,
) -> Int[np.ndarray, " S"]:
    """Who holds each seat in the end; P where nobody does.

    Proposer p asks for seat[first[p]], ..., seat[stop[p] - 1].
    Of two proposers for one seat the one with the smaller number wins. A round costs as much as
    there are proposals in it.
    """
    nobody = len(first)
    holder = np.full(n_seats, nobody)
    cursor = first.copy()
    active = np.arange(len(first))
    while len(active):
        wanted = seat[cursor[active]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, active)
        won = holder[wanted] == active
        unseated = before[won & (before < nobody)]
        active = np.concatenate((active[~won], unseated))
        cursor[active] += 1
        active = active[cursor[active] < stop[active]]
    return holder
