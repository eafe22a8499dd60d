"""Detections to instances, all thresholds at once, without a loop over detections.

The rule of the field is sequential: by decreasing score, each detection takes the instance that it likes best of those that
are still free and reach the threshold. This is a serial dictatorship, hence the only stable matching in which every
instance prefers the better score. So it may be found in any order of proposals (Gale and Shapley 1962), here in rounds:
every detection without a seat asks for its next choice; an instance keeps the best that asked; losers ask on.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from wtal_core.segments import pairs_by_key, tiou

PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Edges:
    """Pairs of a detection and an instance of the same key with their tIoU, sorted by detection, then by instance."""

    detection: Int[np.ndarray, " E"]
    instance: Int[np.ndarray, " E"]
    tiou: Float[np.ndarray, " E"]


@dataclass(frozen=True)
class Matches:
    """True positives: at threshold number `level`, `detection` took `instance`. Sorted by level, then by detection."""

    level: Int[np.ndarray, " M"]
    detection: Int[np.ndarray, " M"]
    instance: Int[np.ndarray, " M"]


@dataclass(frozen=True)
class Intervals:
    """Intervals with the key (a video, or a video and class) inside of which they are compared; unit as the protocol's."""

    key: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]

    def part(self, rows: slice | Int[np.ndarray, " R"] | Bool[np.ndarray, " N"]) -> "Intervals":
        """These rows."""
        return Intervals(self.key[rows], self.start[rows], self.end[rows])


def edges(detections: Intervals, instances: Intervals, smallest: float) -> Edges:
    """All pairs of equal key with tIoU >= `smallest`. Memory is bounded by PAIRS_AT_ONCE, not by the number of pairs."""
    parts = [_edges_of_rows(detections, instances, smallest, low, high)
             for low, high in pairwise(_borders(detections.key, instances.key))]
    return Edges(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _borders(key: Int[np.ndarray, " N"], other: Int[np.ndarray, " M"]) -> list[int]:
    """Cuts of the rows of `key`, so that each part has about PAIRS_AT_ONCE pairs (more where one row alone has more)."""
    ordered = np.sort(other)
    load = np.cumsum(np.searchsorted(ordered, key, "right") - np.searchsorted(ordered, key, "left"))
    total = load[-1] if len(load) else 0
    cuts = np.searchsorted(load, np.arange(PAIRS_AT_ONCE, total, PAIRS_AT_ONCE))
    return [0, *np.unique(cuts[cuts > 0]).tolist(), len(key)]


def _edges_of_rows(detections: Intervals, instances: Intervals, smallest: float, low: int, high: int,
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = detections.part(slice(low, high))
    i, j = pairs_by_key(rows.key, instances.key)
    overlap = tiou(rows.start[i], rows.end[i], instances.start[j], instances.end[j])
    near = np.flatnonzero(overlap >= smallest)
    return i[near] + low, j[near], overlap[near]


def in_order_of_preference(pairs: Edges, matching: str, tie: str) -> Edges:
    """Sort the edges of each detection: "best" by decreasing tIoU, equal ones by `tie`; "first" by file order."""
    if matching == "first":
        return pairs
    turn = -pairs.instance if tie == "later" else pairs.instance
    order = np.lexsort((turn, -pairs.tiou, pairs.detection))
    return Edges(pairs.detection[order], pairs.instance[order], pairs.tiou[order])


def match(pairs: Edges, tious: Float[np.ndarray, " K"], n_instances: int) -> Matches:
    """The greedy matching at each threshold. Detections are numbered by rank (0 = first served within its class).

    pairs: sorted by detection, then by preference; those below a threshold do not exist for it.
    """
    level, edge = np.nonzero(pairs.tiou >= tious[:, None])
    if not len(edge):
        return Matches(level, edge, edge)
    opens = (np.diff(level, prepend=-1) != 0) | (np.diff(pairs.detection[edge], prepend=-1) != 0)
    first = np.flatnonzero(opens)                                     # (P,) a proposer = (level, detection), best first
    stop = np.append(first[1:], len(edge))
    holder = _propose(level * n_instances + pairs.instance[edge], first, stop, len(tious) * n_instances)
    seat = np.flatnonzero(holder < len(first))
    proposer = holder[seat]
    order = np.argsort(proposer)
    level, instance = np.divmod(seat[order], n_instances)
    return Matches(level, pairs.detection[edge[first[proposer[order]]]], instance)


def _propose(seat: Int[np.ndarray, " E"], first: Int[np.ndarray, " P"], stop: Int[np.ndarray, " P"], n_seats: int,
             ) -> Int[np.ndarray, " S"]:
    """Who holds each seat in the end; P where nobody does. Proposer p asks for seat[first[p]], ..., seat[stop[p] - 1].

    Of two proposers for one seat the one with the smaller number wins. A round costs as much as there are proposals in it.
    """
    nobody = len(first)
    holder = np.full(n_seats, nobody)
    cursor, active = first.copy(), np.arange(len(first))
    while len(active):
        wanted = seat[cursor[active]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, active)
        won = holder[wanted] == active
        active = np.concatenate((active[~won], before[won & (before < nobody)]))   # losers, and those who lost a seat
        cursor[active] += 1
        active = active[cursor[active] < stop[active]]
    return holder
