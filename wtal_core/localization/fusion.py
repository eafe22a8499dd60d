"""Instance fusion: what suppression would throw away is merged into what removes it.

GauFuse, Eqs. 1-4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.localization.suppression import OVERLAPS, PAIRS_AT_ONCE, suppress

FEWEST = 8  # looked at in each group at once
VARIANCE_FLOOR = 1e-3  # of the t-distribution: where all of a cluster agree, its width is not 0
STEPS = 1000
STEP_DONE = 1e-10
# weights become integers, the greatest this one, so that their sums are exact
MEDIAN_GRID = 2.0**40


@dataclass(frozen=True)
class FusionRule:
    """How a cluster, taken for samples of a distribution, becomes one instance.

    limit, overlap: as for `suppress`; Eq. 1 with the official code's overlap and limit (h, not in
        the paper).
    temperature: 𝒯 of the weights P = softmax(logit / 𝒯) within the cluster (Eq. 3), in units of
        the logit.
    logit: "score", as the paper says.
        DIFFERS: "inner", the inner mean alone, is the official code
        (`utils/utils.py:164-182`, `evaluation/detectionMAP.py:220-240`).
    distribution: its location, by weighted likelihood, for score, start and end each.
        "gaussian": the mean Σ P x (Eq. 4). The others are named in the paper's Table 3, but not
        spelt out there.
        "laplace" (its "exponential", two-sided): the weighted median.
        "uniform": the middle of the range, whatever the weights.
        "t": see `degrees`.
        "nms": the head.
    degrees: ν of the t-distribution, whose location solves Σ P (x - μ) / (ν s² + (x - μ)²) = 0,
        where s² is the weighted variance + 1e-3; below 1 the equation may have several solutions.

    Raises WorkbookError for a distribution, logit or overlap that is not known, or a number out of
    its range.
    """

    distribution: Literal["gaussian", "uniform", "laplace", "t", "nms"] = "gaussian"
    temperature: float = 0.2
    logit: Literal["inner", "score"] = "inner"
    limit: float = 0.25
    overlap: str = "own"
    degrees: float = 3.0

    def __post_init__(self) -> None:
        choices = {
            "distribution": tuple(LOCATIONS),
            "logit": ("inner", "score"),
            "overlap": tuple(OVERLAPS),
        }
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                raise WorkbookError(
                    f"unknown {name} {value!r} of a fusion; choose one of {', '.join(known)}"
                )
        if not self.temperature > 0:
            raise WorkbookError(
                f"the temperature of a fusion is {self.temperature}; choose one > 0, or the "
                "distribution nms"
            )
        if not self.limit >= 0:
            raise WorkbookError(f"the overlap limit of a fusion is {self.limit}; choose one >= 0")
        if not 1 <= self.degrees < np.inf:
            raise WorkbookError(
                f"the degrees of freedom of a fusion are {self.degrees}; choose 1 or more, or "
                "gaussian for inf"
            )


@dataclass(frozen=True)
class Fused:
    """K instances, one per cluster.

    By group, then by decreasing score of their heads (not of their own), as `suppress`.
    start, end: snippets, fractions of them.
    head: index of each one's head among the proposals.
    """

    group: Int[np.ndarray, " K"]
    start: Float[np.ndarray, " K"]
    end: Float[np.ndarray, " K"]
    score: Float[np.ndarray, " K"]
    head: Int[np.ndarray, " K"]


@dataclass(frozen=True)
class _Clusters:
    """Clusters of proposals.

    heads: index of each cluster's head.
    owner: which cluster each proposal belongs to.
    weight: of each proposal, as a share in (0, 1] of its cluster's greatest.
    """

    heads: Int[np.ndarray, " K"]
    owner: Int[np.ndarray, " N"]
    weight: Float[np.ndarray, " N"]

    def mean(
        self, x: Float[np.ndarray, " N"], weight: Float[np.ndarray, " N"] | None = None
    ) -> Float[np.ndarray, " K"]:
        """Weighted mean of each cluster.

        It is summed in the order of `x`, so that other clusters change no bit of it.
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
    """One instance per cluster of `clusters`; the rule locates its score, start and end.

    group: (video, class) pair of each proposal.
    start, end: snippets.
    inner: mean activation inside, as `propose` gives it.

    A group gives the same bits alone and in a batch. Source: GauFuse, section 3.1.
    Raises WorkbookError as `clusters` does.
    """
    heads, owner = clusters(group, start, end, score, rule.limit, rule.overlap)
    _check(group, inner=inner)
    logit = (inner if rule.logit == "inner" else score).astype(np.float64)
    weight = _weights(logit, owner, len(heads), rule.temperature)
    members = _Clusters(heads, owner, weight)
    locate = LOCATIONS[rule.distribution]
    return Fused(
        group=group[heads],
        start=locate(start.astype(np.float64), members, rule),
        end=locate(end.astype(np.float64), members, rule),
        score=locate(score.astype(np.float64), members, rule),
        head=heads,
    )


def clusters(
    group: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Num[np.ndarray, " N"],
    limit: float,
    overlap: str = "own",
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " N"]]:
    """Indices that `suppress` keeps, in its order, and for each proposal which of these owns it.

    A proposal belongs to the head that removes it: the best of those of its group that overlap it
    by more than `limit`. A head belongs to itself. Of equal scores, the one listed first is the
    better one, as in `suppress`. Memory is linear in N.
    Raises WorkbookError if an array is not of the length of `group` or not finite, if a proposal
    ends before it starts, or if the overlap is not known.

    Each pass looks for heads among the best few of those left in every group, with `suppress`. It
    compares only them, not all of the few, with all others left: proposals of one action come from
    many thresholds, and most of the best are alike.
    """
    _check(group, start=start, end=end, score=score)
    if (end < start).any():
        raise WorkbookError(
            f"proposal {np.flatnonzero(end < start)[0]} ends before it starts; are start and end "
            "swapped?"
        )
    order = np.lexsort((-score, group))
    group = group[order]
    start = start[order]
    end = end[order]
    group = np.cumsum(np.append(0, group[1:] != group[:-1]))[: len(group)]  # numbered 0, 1, ...
    owner = np.full(len(order), -1)
    left = np.arange(len(order))
    while len(left):
        few = left[_rank(group[left]) < max(FEWEST, PAIRS_AT_ONCE // len(left))]
        by_rank = -few.astype(np.float64)
        heads = few[suppress(group[few], start[few], end[few], by_rank, limit, overlap)]
        of_left, of_heads = _pairs(group[left], group[heads])
        j = left[of_left]
        i = heads[of_heads]
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
    return np.arange(len(group)) - ragged.starts(np.bincount(group))[group]


def _pairs(
    group: Int[np.ndarray, " N"], other: Int[np.ndarray, " M"]
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """`pairs_by_key` of numbers that are small and sorted, which spares the search."""
    size = np.bincount(other, minlength=group[-1] + 1)
    count = size[group]
    return ragged.owners(count), ragged.ranges(ragged.starts(size)[group], count)


def _check(group: np.ndarray, **arrays: np.ndarray) -> None:
    for name, values in arrays.items():
        if values.shape != group.shape:
            raise WorkbookError(
                f"{name} has shape {values.shape}, but group {group.shape}; give one number per "
                "proposal"
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
    x: Float[np.ndarray, " N"], members: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    return x[members.heads]


def _mean(
    x: Float[np.ndarray, " N"], members: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """The mean, counted from the head's x.

    So where all of a cluster agree, it is exactly theirs, and truncating it loses no snippet.
    """
    origin = x[members.heads]
    return origin + members.mean(x - origin[members.owner])


def _middle(
    x: Float[np.ndarray, " N"], members: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """[μ - b, μ + b] has to hold all samples, and is most likely where b is least."""
    low = x[members.heads]
    high = x[members.heads]
    np.minimum.at(low, members.owner, x)
    np.maximum.at(high, members.owner, x)
    return (low + high) / 2


def _median(
    x: Float[np.ndarray, " N"], members: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """Where the cumulative weight passes one half.

    It is the midpoint of two values where the weight is exactly one half between them.
    Weights are rounded to 2**-40 of the cluster's greatest. So sums are exact, and equal weights
    balance.
    """
    order = np.lexsort((x, members.owner))
    ordered = x[order]
    owner = members.owner[order]
    integers = np.rint(members.weight[order] * MEDIAN_GRID).astype(np.int64)
    mass = np.cumsum(integers)  # may wrap: its differences are right
    size = np.bincount(owner)
    stop = np.cumsum(size)
    total = np.diff(mass[stop - 1], prepend=0)
    before = mass[stop - 1] - total
    balance = 2 * (mass - before[owner]) - total[owner]  # 0 at half of the cluster's weight
    lower = stop - size + _count(owner, balance < 0)
    upper = stop - size + _count(owner, balance <= 0)
    return (ordered[lower] + ordered[upper]) / 2


def _count(owner: Int[np.ndarray, " N"], chosen: Bool[np.ndarray, " N"]) -> Int[np.ndarray, " K"]:
    """How many of each cluster are chosen; `owner` is sorted."""
    return np.bincount(owner, chosen).astype(np.int64)


def _student(
    x: Float[np.ndarray, " N"], members: _Clusters, rule: FusionRule
) -> Float[np.ndarray, " K"]:
    """Reweighted means, from the Gaussian one, until a step is at most 1e-10; s² does not change.

    With s² the variance, steps shrink about as (2 / (ν + 1))ⁿ, and faster for most. A cluster that
    is done stays as it is, however long others take.
    """
    location = _mean(x, members, rule)
    width = rule.degrees * (members.mean((x - location[members.owner]) ** 2) + VARIANCE_FLOOR)
    moving = np.ones(len(location), dtype=bool)
    for _ in range(STEPS):
        distance = x - location[members.owner]
        step = members.mean(distance, members.weight / (width[members.owner] + distance**2))
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
