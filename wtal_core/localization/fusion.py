"""Instance fusion: what suppression would throw away is merged into the proposal that removes it.
GauFuse, Eqs. 1-4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core.errors import WorkbookError
from wtal_core.localization.suppression import OVERLAPS, PAIRS_AT_ONCE, suppress

FEWEST = 8  # looked at in each group at once
VARIANCE_FLOOR = 1e-3  # of the t-distribution: where all of a cluster agree, its width is not 0
STEPS, STEP_DONE = 1000, 1e-10
MEDIAN_GRID = (
    2.0**40
)  # weights become integers, the greatest this one, so that their sums are exact


@dataclass(frozen=True)
class FusionRule:
    """How a cluster, taken for samples of a distribution, becomes one instance.

    limit, overlap: as for `suppress`; Eq. 1 with the official code's overlap and limit (h, not in
    the paper).
    temperature: 𝒯 of the weights P = softmax(logit / 𝒯) within the cluster (Eq. 3), in units of the
    logit.
    logit: "score", as the paper says; DIFFERS: "inner", the inner mean alone, is the official code
        (`utils/utils.py:164-182`, `evaluation/detectionMAP.py:220-240`).
    distribution: its location, by weighted likelihood, for score, start and end each. "gaussian":
    the mean Σ P x (Eq. 4).
        The others are named in the paper's Table 3, but not spelt out there. "laplace" (its
        "exponential", two-sided): the weighted median. "uniform": the middle of the range, whatever
        the weights. "t": see `degrees`. "nms": the head.
    degrees: ν of the t-distribution, whose location solves Σ P (x - μ) / (ν s² + (x - μ)²) = 0,
    where s² is the weighted
        variance + 1e-3; below 1 the equation may have several solutions.
    Raises WorkbookError for a distribution, logit or overlap that is not known, or a number out of
    its range.
    """

    distribution: Literal["gaussian", "uniform", "laplace", "t", "nms"] = "gaussian"
    temperature: float = 0.2
    logit: Literal["inner", "score"] = "inner"
    limit: float = 0.25
    overlap: str = "own"
    degrees: float = 3.0

    def __post_init__(self):
        for name, known in (
            ("distribution", LOCATIONS),
            ("logit", ("inner", "score")),
            ("overlap", OVERLAPS),
        ):
            if getattr(self, name) not in known:
                raise WorkbookError(
                    f"unknown {name} {getattr(self, name)!r} of a fusion; choose one of "
                    f"{', '.join(known)}"
                )
        if not self.temperature > 0:
            raise WorkbookError(
                f"the temperature of a fusion is {self.temperature}; choose one > 0, or the "
                f"distribution nms"
            )
        if not self.limit >= 0:
            raise WorkbookError(f"the overlap limit of a fusion is {self.limit}; choose one >= 0")
        if not 1 <= self.degrees < np.inf:
            raise WorkbookError(
                f"the degrees of freedom of a fusion are {self.degrees}; choose 1 or more, or "
                f"gaussian for inf"
            )


@dataclass(frozen=True)
class Fused:
    """K instances, one a cluster, by group, then by decreasing score of their heads (not of their
    own), as `suppress`.

    start, end: snippets, fractions of them. head: index of each one's head among the proposals
    given.
    """

    group: Int[np.ndarray, " K"]
    start: Float[np.ndarray, " K"]
    end: Float[np.ndarray, " K"]
    score: Float[np.ndarray, " K"]
    head: Int[np.ndarray, " K"]


@dataclass(frozen=True)
class _Clusters:
    """Heads, whom each proposal belongs to, and the weights, in (0, 1] of the cluster's
    greatest.
    """

    heads: Int[np.ndarray, " K"]
    owner: Int[np.ndarray, " N"]
    weight: Float[np.ndarray, " N"]

    def mean(
        self, x: Float[np.ndarray, " N"], weight: Float[np.ndarray, " N"] | None = None
    ) -> Float[np.ndarray, " K"]:
        """Weighted mean of each cluster, summed in the order given, so that other clusters change
        no bit of it.
        """
        weight = self.weight if weight is None else weight
        return np.bincount(self.owner, weight * x) / np.bincount(self.owner, weight)


def fuse(
    group: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Num[np.ndarray, " N"],
    inner: Num[np.ndarray, " N"],
    rule: FusionRule,
) -> Fused:
    """One instance for each cluster of `clusters`, where its score, start and end are located by
    the rule.

    group: (video, class) pair of each proposal. start, end: snippets. inner: mean activation
    inside, as `propose` gives it. A group gives the same bits alone and in a batch. Source:
    GauFuse, section 3.1. Raises WorkbookError as `clusters` does.
    """
    heads, owner = clusters(group, start, end, score, rule.limit, rule.overlap)
    _check(group, inner=inner)
    logit = {"inner": inner, "score": score}[rule.logit].astype(np.float64)
    found = _Clusters(heads, owner, _weights(logit, owner, len(heads), rule.temperature))
    start, end, score = (
        LOCATIONS[rule.distribution](x.astype(np.float64), found, rule) for x in (start, end, score)
    )
    return Fused(group[heads], start, end, score, heads)


def clusters(
    group: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Num[np.ndarray, " N"],
    limit: float,
    overlap: str = "own",
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " N"]]:
    """(heads, owner): indices that `suppress` keeps, in its order, and where in `heads` the one is
    that each belongs to.

    A proposal belongs to the head that removes it: the best of those of its group that overlap it
    by more than `limit`. A head belongs to itself. Memory is linear in N.
    Raises WorkbookError if an array is not of the length of `group` or not finite, if a proposal
    ends before it starts, or if the overlap is not known.

    Each pass looks for heads among the best few of those left in every group, with `suppress`, and
    compares only them, not
    all of the few, with all others left: proposals of one action come from many thresholds, and
    most of the best are alike.
    """
    _check(group, start=start, end=end, score=score)
    if (end < start).any():
        raise WorkbookError(
            f"proposal {np.flatnonzero(end < start)[0]} ends before it starts; are start and end "
            f"swapped?"
        )
    order = np.lexsort((-score, group))
    group, start, end = group[order], start[order], end[order]
    group = np.cumsum(np.append(0, group[1:] != group[:-1]))[: len(group)]  # numbered 0, 1, ...
    owner, left = np.full(len(order), -1), np.arange(len(order))
    while len(left):
        few = left[_rank(group[left]) < max(FEWEST, PAIRS_AT_ONCE // len(left))]
        heads = few[
            suppress(group[few], start[few], end[few], -few.astype(np.float64), limit, overlap)
        ]
        j, i = _pairs(group[left], group[heads])
        j, i = left[j], heads[i]
        hit = np.flatnonzero(OVERLAPS[overlap](start[i], end[i], start[j], end[j]) > limit)[::-1]
        owner[j[hit]] = i[hit]  # of many heads, the best is written last, and stays
        owner[heads] = heads
        left = left[owner[left] < 0]
    own = owner == np.arange(len(order))
    number = np.empty_like(owner)
    number[order] = (np.cumsum(own) - 1)[owner]
    return order[own], number


def _rank(group: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """How many of its group come before each; `group` is sorted."""
    size = np.bincount(group)
    return np.arange(len(group)) - (np.cumsum(size) - size)[group]


def _pairs(
    group: Int[np.ndarray, " N"], other: Int[np.ndarray, " M"]
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """`pairs_by_key` of numbers that are small and sorted, which spares the search."""
    size = np.bincount(other, minlength=group[-1] + 1)
    count = size[group]
    shift = (np.cumsum(size) - size)[group] - (np.cumsum(count) - count)
    return np.repeat(np.arange(len(group)), count), np.arange(count.sum()) + np.repeat(shift, count)


def _check(group: np.ndarray, **arrays: np.ndarray) -> None:
    for name, values in arrays.items():
        if values.shape != group.shape:
            raise WorkbookError(
                f"{name} has shape {values.shape}, but group {group.shape}; give one number a "
                f"proposal"
            )
        if not np.isfinite(values).all():
            position = np.flatnonzero(~np.isfinite(values))[0]
            raise WorkbookError(
                f"the {name} of proposal {position} is {values[position]}; has training diverged?"
            )


def _weights(
    logit: Float[np.ndarray, " N"],
    owner: Int[np.ndarray, " N"],
    count: int,
    temperature: float,
) -> Float[np.ndarray, " N"]:
    """exp(logit / 𝒯) over the greatest of its cluster, so that no temperature overflows."""
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, owner, logit)
    with np.errstate(over="ignore"):  # -inf at a tiny temperature is a weight of 0
        return np.exp((logit - highest[owner]) / temperature)


def _head(
    x: Float[np.ndarray, " N"], found: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    return x[found.heads]


def _mean(
    x: Float[np.ndarray, " N"], found: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """Taken from the head's x: where all of a cluster agree, the mean is exactly theirs, and
    truncating it loses no snippet.
    """
    origin = x[found.heads]
    return origin + found.mean(x - origin[found.owner])


def _middle(
    x: Float[np.ndarray, " N"], found: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """[μ - b, μ + b] has to hold all samples, and is most likely where b is least."""
    low, high = x[found.heads], x[found.heads]
    np.minimum.at(low, found.owner, x)
    np.maximum.at(high, found.owner, x)
    return (low + high) / 2


def _median(
    x: Float[np.ndarray, " N"], found: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """Where the cumulative weight passes one half; the midpoint of two values where it is exactly
    one half between them.

    Weights are rounded to 2**-40 of the cluster's greatest. So sums are exact, and equal weights
    balance.
    """
    order = np.lexsort((x, found.owner))
    x, owner = x[order], found.owner[order]
    mass = np.cumsum(
        np.rint(found.weight[order] * MEDIAN_GRID).astype(np.int64)
    )  # may wrap: its differences are right
    size = np.bincount(owner)
    stop = np.cumsum(size)
    total = np.diff(mass[stop - 1], prepend=0)
    balance = (
        2 * (mass - (mass[stop - 1] - total)[owner]) - total[owner]
    )  # 0 at half of the cluster's weight
    lower, upper = (stop - size + _count(owner, below) for below in (balance < 0, balance <= 0))
    return (x[lower] + x[upper]) / 2


def _count(owner: Int[np.ndarray, " N"], chosen: Bool[np.ndarray, " N"]) -> Int[np.ndarray, " K"]:
    """How many of each cluster are chosen; `owner` is sorted."""
    return np.bincount(owner, chosen).astype(np.int64)


def _student(
    x: Float[np.ndarray, " N"], found: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """Reweighted means, from the Gaussian one, until a step is at most 1e-10; s² does not change.

    With s² the variance, steps shrink about as (2 / (ν + 1))ⁿ, and faster for most. A cluster that
    is done stays as it is, however long others take.
    """
    location = _mean(x, found, rule)
    width = rule.degrees * (found.mean((x - location[found.owner]) ** 2) + VARIANCE_FLOOR)
    moving = np.ones(len(location), dtype=bool)
    for _ in range(STEPS):
        apart = x - location[found.owner]
        step = found.mean(apart, found.weight / (width[found.owner] + apart**2))
        location = np.where(moving, location + step, location)
        moving &= np.abs(step) > STEP_DONE
        if not moving.any():
            break
    return location


LOCATIONS: dict[str, Callable[..., np.ndarray]] = {
    "gaussian": _mean,
    "uniform": _middle,
    "laplace": _median,
    "t": _student,
    "nms": _head,
}
