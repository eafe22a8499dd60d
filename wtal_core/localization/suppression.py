"""Greedy non-maximum suppression, exactly, for all videos and classes at once."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.segments import intersection, tiou

PAIRS_AT_ONCE = 2**16  # their arrays stay in the cache


def own_overlap(
    start_i: Num[np.ndarray, " N"],
    end_i: Num[np.ndarray, " N"],
    start_j: Num[np.ndarray, " N"],
    end_j: Num[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """Share of j that i covers, both ends counted in.

    It is max(0, min(E) - max(S) + 1) / (E_j - S_j + 1).
    DIFFERS: the papers say intersection over union; this is the official code (FAC-Net,
    `detectionMAP.py:172,187-196`).
    """
    return intersection(start_i, end_i + 1, start_j, end_j + 1) / (end_j - start_j + 1)


def plus_one_seconds(
    start_i: Num[np.ndarray, " N"],
    end_i: Num[np.ndarray, " N"],
    start_j: Num[np.ndarray, " N"],
    end_j: Num[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """Intersection over union of intervals in seconds, each taken to be a second longer.

    DIFFERS: this is a rule for pixels, where both ends count, applied to seconds. By it, short
    actions that do not touch overlap.
    Source: BackTAL, `post_process/nms.py:10-24`; BaS-Net, `utils.py`.
    """
    shared = np.maximum(0.0, np.minimum(end_i, end_j) - np.maximum(start_i, start_j) + 1)
    return shared / ((end_i - start_i + 1) + (end_j - start_j + 1) - shared)


OVERLAPS: dict[str, Callable] = {
    "own": own_overlap,
    "iou": tiou,
    "plus_one_seconds": plus_one_seconds,
}


def suppress(
    group: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Float[np.ndarray, " N"],
    limit: float,
    overlap: str = "own",
    inclusive: bool = False,
) -> Int[np.ndarray, " K"]:
    """Indices of the detections kept, by group, then by decreasing score.

    Within a group the best one left is kept, and takes away all others that it overlaps by more
    than `limit`. Memory is linear in N.

    Equal scores: of two, the one listed first is the better one. This is the rule of the protocols,
    too. Proposals are listed by threshold, in the order of their rule, then by start, so the lower
    threshold wins where thresholds rise.
    Such pairs are no accident at the end of a video: the inner area reaches one snippet past a run,
    but not past the video. So a run that ends with the video and one that ends a snippet before it,
    cut out by the next threshold, may have the same areas and thus the same score.
    DIFFERS: the official codes sort by `argsort()[::-1]`, which is not stable, and keep now the
    one, now the other.

    start, end: snippets ("own" adds 1 to lengths), or seconds for "plus_one_seconds".
    overlap: "own", relative to the one taken away, as the official code does;
        "iou", intersection over union;
        "plus_one_seconds", the same for intervals made one second longer.
    inclusive: an overlap of exactly `limit` takes away, too: BackTAL and BaS-Net keep what is
        < limit.

    Each pass settles the best few of those left in every group at once, as many as PAIRS_AT_ONCE
    allows: they are compared with all others left, and all that they remove is never looked at
    again.
    """
    if overlap not in OVERLAPS:
        raise WorkbookError(f"unknown overlap {overlap!r}; choose one of {', '.join(OVERLAPS)}")
    limit = np.nextafter(limit, -np.inf) if inclusive else limit  # no number lies between the two
    order = np.lexsort((-score, group))
    group = group[order]
    start = start[order]
    end = end[order]
    left = np.arange(len(order))
    kept = [np.zeros(0, dtype=np.int64)]
    while len(left):
        rank, followers = _ranks(group[left])
        heads = np.flatnonzero(rank < max(1, PAIRS_AT_ONCE // len(left)))
        i, j = _pairs(heads, followers[heads])
        left_start = start[left]
        left_end = end[left]
        overlaps = OVERLAPS[overlap](left_start[i], left_end[i], left_start[j], left_end[j])
        hit = overlaps > limit
        alive = _survivors(len(left), i[hit], j[hit])
        kept.append(left[heads[alive[heads]]])
        alive[heads] = False
        left = left[alive]
    return order[np.sort(np.concatenate(kept))]


def _ranks(group: Int[np.ndarray, " N"]) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """How many members of its group come before and after each one; `group` is sorted."""
    first = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    size = np.diff(np.append(first, len(group)))
    rank = ragged.positions(size)
    return rank, np.repeat(size, size) - rank - 1


def _pairs(
    head: Int[np.ndarray, " H"],
    followers: Int[np.ndarray, " H"],
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """All pairs (i, j) of a head and one that comes after it in its group."""
    return np.repeat(head, followers), ragged.ranges(head + 1, followers)


def _survivors(
    n: int, i: Int[np.ndarray, " E"], j: Int[np.ndarray, " E"]
) -> Bool[np.ndarray, " n"]:
    """Who is left of n after all edges "i, if kept, removes j" are applied, i before j.

    An i that no edge left points at is certainly kept, so its targets go, and their edges with
    them. Each round settles at least the first i; as many rounds are needed as removals hang on
    each other, not as there are detections.
    """
    alive = np.ones(n, dtype=bool)
    pointed_at = np.zeros(n, dtype=bool)
    while len(i):
        pointed_at[j] = True
        kept = ~pointed_at[i]
        alive[j[kept]] = False
        pointed_at[j] = False
        open_edges = ~kept & alive[i] & alive[j]
        i = i[open_edges]
        j = j[open_edges]
    return alive
