"""Gaussian soft suppression, exactly, for all videos and classes at once: nothing is removed, what
overlaps a better proposal loses score.
"""

import numpy as np
from jaxtyping import Float, Int, Num

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.segments import intersection


def longer_overlap(
    start_i: Num[np.ndarray, " N"],
    end_i: Num[np.ndarray, " N"],
    start_j: Num[np.ndarray, " N"],
    end_j: Num[np.ndarray, " N"],
    extra: float,
) -> Float[np.ndarray, " N"]:
    """Intersection over union of intervals that are each taken to be `extra` longer; 0 where the
    union is 0.
    """
    shared = intersection(start_i, end_i + extra, start_j, end_j + extra)
    union = (end_i - start_i + extra) + (end_j - start_j + extra) - shared
    return np.divide(shared, union, out=np.zeros(len(union)), where=union > 0)


def softened(
    group: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Num[np.ndarray, " N"],
    sigma: float,
    extra: float = 0.0,
) -> Float[np.ndarray, " N"]:
    """The score of each proposal when its turn comes.

    Within a group the best one left has its turn, and each other one left is multiplied by
    exp(-overlap² / sigma), so a negative score comes nearer to 0. Equal scores: first listed first;
    in the official codes their order follows from how they swap elements.

    start, end: any unit. extra: in that unit, what both intervals are longer by (see
    `longer_overlap`); the official codes take 1, a rule for pixels. Memory is linear in N.
    Source: HAM-Net, `utils/utils.py`; CO2-Net and DELU, `utils/wsad_utils.py`.
    Raises WorkbookError where a number is not finite.

    Proposals that no chain of overlaps joins never change each other, so each such cluster takes
    its turns on its own, all clusters at once.
    """
    for name, values in {"start": start, "end": end, "score": score}.items():
        if not np.isfinite(values).all():
            raise WorkbookError(f"the {name} of a proposal is not finite; has training diverged?")
    cluster = _clusters(group, start, end, extra)
    order = np.argsort(cluster, kind="stable")
    size = np.bincount(cluster)
    start = start[order]
    end = end[order]
    current = score[order].astype(np.float64)
    left = np.arange(len(order))
    while len(left):
        place = _first_best(current[left], size)
        head = np.repeat(left[place], size)
        overlap = longer_overlap(start[head], end[head], start[left], end[left], extra)
        waits = np.ones(len(left), dtype=bool)
        waits[place] = False
        left = left[waits]
        current[left] *= np.exp(-(overlap[waits] ** 2) / sigma)
        size = size[size > 1] - 1
    final = np.empty(len(order))
    final[order] = current
    return final


def _clusters(
    group: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    extra: float,
) -> Int[np.ndarray, " N"]:
    """Number of the cluster of each proposal, those of a group that chains of overlaps join."""
    by_start = np.lexsort((start, group))
    by_end = np.lexsort((end, group))
    rank = np.empty(len(group), dtype=np.int64)
    rank[by_end] = np.arange(len(group))
    # ranks of a later group are higher, so the running maximum begins anew in each
    furthest = end[by_end[np.maximum.accumulate(rank[by_start])]]
    apart = start[by_start][1:] >= furthest[:-1] + extra
    other_group = group[by_start][1:] != group[by_start][:-1]
    cluster = np.zeros(len(group), dtype=np.int64)
    cluster[by_start[1:]] = np.cumsum(apart | other_group)
    return cluster


def _first_best(
    score: Float[np.ndarray, " N"], size: Int[np.ndarray, " P"]
) -> Int[np.ndarray, " P"]:
    """Place of the first of the largest scores in each of P sequences, none empty."""
    best = np.repeat(np.maximum.reduceat(score, ragged.starts(size)), size)
    place = np.flatnonzero(score == best)
    owner = np.repeat(np.arange(len(size)), size)[place]
    return place[np.append(True, owner[1:] != owner[:-1])]
