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

from wtal_core.segments import tiou

PAIRS_AT_ONCE = 1_000_000
DETECTIONS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Edges:
    """Pairs of a detection and an instance of the same key with their tIoU, sorted by detection,
    then by instance.
    """

    detection: Int[np.ndarray, " E"]
    instance: Int[np.ndarray, " E"]
    tiou: Float[np.ndarray, " E"]


@dataclass(frozen=True)
class Matches:
    """True positives: at threshold number `level`, `detection` took `instance`. Sorted by level,
    then by detection.
    """

    level: Int[np.ndarray, " M"]
    detection: Int[np.ndarray, " M"]
    instance: Int[np.ndarray, " M"]


@dataclass(frozen=True)
class Intervals:
    """Intervals with the key (a video, or a video and class) inside of which they are compared;
    unit as the protocol's.
    """

    key: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]

    def part(self, rows: slice | Int[np.ndarray, " R"] | Bool[np.ndarray, " N"]) -> "Intervals":
        """These rows."""
        return Intervals(self.key[rows], self.start[rows], self.end[rows])


def edges(detections: Intervals, instances: Intervals, smallest: float) -> Edges:
    """All pairs of equal key with tIoU >= `smallest` > 0. Memory is bounded by PAIRS_AT_ONCE, not
    by the number of pairs.
    """
    order, first, stop = _windows(detections, instances)
    load = np.cumsum(stop - first)
    cuts = np.searchsorted(
        load, np.arange(PAIRS_AT_ONCE, load[-1] if len(load) else 0, PAIRS_AT_ONCE)
    )
    borders = [0, *np.unique(cuts[cuts > 0]).tolist(), len(load)]
    parts = [
        _edges_of_rows(detections, instances, smallest, np.arange(low, high), (order, first, stop))
        for low, high in pairwise(borders)
    ]
    return Edges(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _windows(
    detections: Intervals,
    instances: Intervals,
) -> tuple[Int[np.ndarray, " G"], Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """An order of the instances, and for each detection the range in it that holds all that it may
    overlap.

    Times of all keys are laid out on one line. Its rounding may let a range be too wide, never too
    narrow.
    """
    order = np.lexsort((instances.start, instances.key))
    if not len(order) or not len(detections.key):
        return (
            order,
            np.zeros(len(detections.key), np.int64),
            np.zeros(len(detections.key), np.int64),
        )
    base = min(detections.start.min(), instances.start.min())
    span = max(detections.end.max(), instances.end.max(), instances.start.max()) - base + 1
    starts, begins, ends = (
        one.key * span + (time - base)
        for one, time in (
            (instances, instances.start),
            (detections, detections.start),
            (detections, detections.end),
        )
    )
    stops = instances.key * span + (np.maximum(instances.end, instances.start) - base)
    slack = (max(np.abs(starts).max(), np.abs(ends).max()) + span) * 2.0**-48
    running = np.maximum.accumulate(stops[order])  # all before it have ended where this one has
    first = np.searchsorted(running, begins - slack)
    return order, first, np.maximum(np.searchsorted(starts[order], ends + slack, "right"), first)


def _edges_of_rows(
    detections: Intervals,
    instances: Intervals,
    smallest: float,
    rows: Int[np.ndarray, " R"],
    windows: tuple[Int[np.ndarray, " G"], Int[np.ndarray, " N"], Int[np.ndarray, " N"]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order, first, stop = windows
    count = (stop - first)[rows]
    i = np.repeat(rows, count)
    j = order[np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + first[i]]
    overlap = tiou(detections.start[i], detections.end[i], instances.start[j], instances.end[j])
    near = np.flatnonzero((overlap >= smallest) & (detections.key[i] == instances.key[j]))
    near = near[np.lexsort((j[near], i[near]))]
    return i[near], j[near], overlap[near]


def in_order_of_preference(pairs: Edges, matching: str, tie: str) -> Edges:
    """Sort the edges of each detection: "best" by decreasing tIoU, equal ones by `tie`; "first" by
    file order.
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
    """The greedy matching of all detections at each threshold, the best ranks first, some at a
    time.

    rank: place of each detection in its class. What is left for the later ones are the instances
    that are still free, and soon there are few, so that a million detections of one video cost
    little more than the first ones.
    """
    free = np.ones((len(tious), len(instances.key)), dtype=bool)
    found, order = [], np.argsort(rank, kind="stable")
    for begin in range(0, len(order), DETECTIONS_AT_ONCE):
        left = np.flatnonzero(free.any(axis=0))
        rows = np.sort(order[begin : begin + DETECTIONS_AT_ONCE])
        near = edges(detections.part(rows), instances.part(left), float(tious.min()))
        pairs = in_order_of_preference(
            Edges(near.detection, left[near.instance], near.tiou), matching, tie
        )
        some = match(pairs, tious, len(instances.key), free)
        free[some.level, some.instance] = False
        found.append((some.level, rows[some.detection], some.instance))
    level, detection, instance = (
        (np.concatenate(c) for c in zip(*found, strict=True))
        if found
        else np.zeros((3, 0), np.int64)
    )
    order = np.lexsort((detection, level))
    return Matches(level[order], detection[order], instance[order])


def match(
    pairs: Edges,
    tious: Float[np.ndarray, " K"],
    n_instances: int,
    free: Bool[np.ndarray, "K G"] | None = None,
) -> Matches:
    """The greedy matching at each threshold. Detections are numbered by rank (0 = first served
    within its class).

    pairs: sorted by detection, then by preference; those below a threshold do not exist for it.
    free: instances that may be taken at a threshold; None: all.
    """
    near = pairs.tiou >= tious[:, None]
    level, edge = np.nonzero(near if free is None else near & free[:, pairs.instance])
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
    """Who holds each seat in the end; P where nobody does. Proposer p asks for seat[first[p]], ...,
    seat[stop[p] - 1].

    Of two proposers for one seat the one with the smaller number wins. A round costs as much as
    there are proposals in it.
    """
    nobody = len(first)
    holder = np.full(n_seats, nobody)
    cursor, active = first.copy(), np.arange(len(first))
    while len(active):
        wanted = seat[cursor[active]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, active)
        won = holder[wanted] == active
        active = np.concatenate(
            (active[~won], before[won & (before < nobody)])
        )  # losers, and those who lost a seat
        cursor[active] += 1
        active = active[cursor[active] < stop[active]]
    return holder
