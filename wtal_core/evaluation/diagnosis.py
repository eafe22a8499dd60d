"""Where a detector errs: false positives, sensitivity and false negatives.

Source: DETAD, Alwassel et al. 2018.

All values are fractions and deterministic. The matching is that of the `activitynet` protocol,
average precision is the normalised one. Only the analysis of false positives has a budget, int(G n)
detections per class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.characteristics import (
    THUMOS14_BUCKETS,
    Buckets,
    characteristics,
    read_traits,
)
from wtal_core.evaluation.error_types import ERROR_TYPES, OUTCOMES, RULES, Assigned, assign
from wtal_core.evaluation.ground_truth import Detections, GroundTruth
from wtal_core.evaluation.mean_average_precision import thresholds
from wtal_core.evaluation.normalised_precision import (
    Hits,
    average_precision,
    hits_of,
)

WORTHLESS = 0.05  # false negatives: a match at a normalised precision up to this one does not count


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` finds; all values are fractions.

    counts: of every detection and instance of the input, see `prepare`, and:
        `beyond_budget` of the used detections;
        `instances_dropped` = `..._blocked` + `..._without_length` + `..._longer_than_video`;
        `without_<characteristic>`: used instances that are in no bucket.
    normalised_map: within the budget, mean over tIoUs.
    outcome_counts: index tIoU, columns OUTCOMES; within the budget.
    profile: index "1G", "2G", ..., columns OUTCOMES: shares of the n best detections of all
        classes, of the next n, ...; mean over tIoUs, NaN for an empty block.
    block_sizes: detections in each block of the profile.
    impact: index ERROR_TYPES: gain of normalised mAP if the errors of that type were not there.
        Never negative.
    sensitivity: characteristic, bucket, range (in words), instances, normalised_map (NaN for a
        bucket without instances). A detection counts for a bucket if at every threshold it is
        unmatched or matched to an instance of it, as in the published tool. So the value at several
        thresholds is not the mean of the values at each (up to .018 higher on 4240 detections).
    relative_change: index characteristic; smallest and largest normalised_map of its buckets, over
        normalised_map_of_all.
    false_negatives: characteristic, bucket, range, instances, share (of the instances used), rate
        (share of them that no detection matched at a normalised precision above .05; NaN for a
        bucket without instances).
    normalised_map_by_tiou: normalised_map before the mean.
    normalised_map_of_all: as normalised_map, but with all detections; the sensitivity is relative
        to it.
    reference: N, instances per class.
    left_out: characteristics that are not known of any instance.
    """

    tious: tuple[float, ...]
    counts: dict[str, int]
    normalised_map: float
    outcome_counts: pd.DataFrame
    profile: pd.DataFrame
    block_sizes: pd.Series
    impact: pd.Series
    sensitivity: pd.DataFrame
    relative_change: pd.DataFrame
    false_negatives: pd.DataFrame
    normalised_map_by_tiou: pd.Series
    normalised_map_of_all: float
    reference: float
    left_out: tuple[str, ...]


def diagnose(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    tious: Sequence[float] = (0.5,),
    traits: pd.DataFrame | None = None,
    buckets: Sequence[Buckets] = THUMOS14_BUCKETS,
    g: float | int = 10,
    as_published: bool = False,
) -> Diagnosis:
    """All three analyses of detections (`video, label, t_start, t_end, score`; seconds).

    Instances without positive length and those of coverage > 1 are removed, and counted.
    traits: a row per instance as `characteristics` returns it; None: without durations, so coverage
        is left out.
    g: the budget's G.
    as_published: see `error_types.assign`.

    Raises WorkbookError for thresholds outside (0, 1], g <= 0, traits that do not fit, and tables
    that `prepare` refuses.
    """
    if not 0 < g < math.inf:
        raise WorkbookError(
            f"diagnosis: a budget of {g} detections per instance is not usable; give a positive "
            "number"
        )
    if traits is None:
        traits = characteristics(ground_truth)
    known = read_traits(traits, ground_truth, buckets)
    levels = thresholds(RULES, tious)
    kept = np.arange(len(known))
    if "coverage" in known:
        kept = np.flatnonzero(~(known["coverage"].to_numpy() > 1))
    truth = replace(ground_truth, segments=ground_truth.segments.iloc[kept])
    assigned = assign(truth, detections, levels, g, as_published)
    used = kept[assigned.prepared.instance_row]
    traits_used = known.iloc[used].reset_index(drop=True)
    return _summary(assigned, traits_used, buckets, g, _counts(assigned, ground_truth, kept))


def _summary(
    assigned: Assigned,
    known: pd.DataFrame,
    buckets: Sequence[Buckets],
    g: float | int,
    counts: dict[str, int],
) -> Diagnosis:
    """The three analyses put together. known: characteristics of the instances used."""
    n_levels = len(assigned.levels)
    hits = hits_of(assigned.matches, assigned.prepared, n_levels)
    within = hits.part(assigned.within[assigned.matches.detection])
    limited = within.map_by_tiou(n_levels)
    of_all = float(hits.map_by_tiou(n_levels).mean())
    sorted_in = []
    left_out = []
    without: dict[str, int] = {}
    for trait in buckets:
        values = known[trait.name]
        if not values.notna().any():
            left_out.append(trait.name)
            continue
        number = trait.number(values.to_numpy())
        sorted_in.append((trait, number))
        without[f"without_{trait.name}"] = int((number < 0).sum())
    sensitivity = _sensitivity(hits, sorted_in, assigned)
    false_negatives = _false_negatives(hits, sorted_in, n_levels)
    profile, block_sizes = profile_of(assigned, g)
    return Diagnosis(
        tious=tuple(assigned.levels.tolist()),
        normalised_map=float(limited.mean()),
        counts=counts | without,
        outcome_counts=_outcome_counts(assigned),
        profile=profile,
        block_sizes=block_sizes,
        impact=_impact(within, limited, assigned),
        sensitivity=sensitivity,
        relative_change=_relative_change(sensitivity, of_all),
        false_negatives=false_negatives,
        normalised_map_by_tiou=pd.Series(
            limited, index=pd.Index(assigned.levels, name="tIoU"), name="normalised_map"
        ),
        normalised_map_of_all=of_all,
        reference=hits.reference,
        left_out=tuple(left_out),
    )


def _counts(
    assigned: Assigned, ground_truth: GroundTruth, kept: Int[np.ndarray, " R"]
) -> dict[str, int]:
    """What `prepare` counted, with the instances of coverage > 1 that it did not see.

    kept: the rows of the ground truth that it saw.
    """
    counts = assigned.prepared.counts
    segments = ground_truth.segments
    blocked = int(segments["video"].iloc[kept].isin(ground_truth.blocked).sum())
    longer = len(segments) - len(kept)
    return {
        **counts,
        "beyond_budget": int((~assigned.within).sum()),
        "instances": len(segments),
        "instances_dropped": counts["instances_dropped"] + longer,
        "instances_dropped_blocked": blocked,
        "instances_dropped_without_length": counts["instances_dropped"] - blocked,
        "instances_dropped_longer_than_video": longer,
    }


def _outcome_counts(assigned: Assigned) -> pd.DataFrame:
    counts = [np.bincount(code[assigned.within], minlength=len(OUTCOMES)) for code in assigned.code]
    return pd.DataFrame(
        counts, index=pd.Index(assigned.levels, name="tIoU"), columns=list(OUTCOMES)
    )


def profile_of(assigned: Assigned, g: float | int) -> tuple[pd.DataFrame, pd.Series]:
    """Shares of the outcomes in each block of n detections per class, and the blocks' sizes.

    All classes are taken together.
    """
    prepared = assigned.prepared
    n_blocks = math.ceil(g)
    n_outcomes = len(OUTCOMES)
    n_instances = np.bincount(prepared.instance_label, minlength=len(prepared.classes))
    block_of_all = ragged.rank_in_group(prepared.label) // n_instances[prepared.label]
    block = block_of_all[assigned.within]
    cell = block * n_outcomes + assigned.code[:, assigned.within]
    counts = np.bincount(cell.ravel(), minlength=n_blocks * n_outcomes)
    counts = counts.reshape(n_blocks, n_outcomes)
    index = pd.Index([f"{number}G" for number in range(1, n_blocks + 1)], name="block")
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    sizes = pd.Series(np.bincount(block, minlength=n_blocks), index=index, name="detections")
    return pd.DataFrame(shares, index=index, columns=list(OUTCOMES)), sizes


def _impact(within: Hits, limited: Float[np.ndarray, " K"], assigned: Assigned) -> pd.Series:
    """Gain of normalised mAP without the errors of each type.

    Then fewer false positives come before each true one, so it is never a loss.
    """
    gains = []
    for code in range(1, len(OUTCOMES)):
        errors = np.flatnonzero(assigned.code == code)
        removed = np.searchsorted(errors, within.cell) - np.searchsorted(errors, within.start)
        gains.append(within.map_by_tiou(len(limited), removed).mean() - limited.mean())
    return pd.Series(gains, index=pd.Index(ERROR_TYPES, name="error type"), name="gain")


def _sensitivity(
    hits: Hits, sorted_in: list[tuple[Buckets, np.ndarray]], assigned: Assigned
) -> pd.DataFrame:
    parts = []
    for trait, number in sorted_in:
        map_by_bucket = _map_by_bucket(hits, number, len(trait.labels), assigned)
        parts.append(_sizes(trait, number).assign(normalised_map=map_by_bucket))
    return _stacked(parts, ["characteristic", "bucket", "range", "instances", "normalised_map"])


def _false_negatives(
    hits: Hits, sorted_in: list[tuple[Buckets, np.ndarray]], n_levels: int
) -> pd.DataFrame:
    """Share of each bucket's instances that no detection matched at P_N > .05, mean over tIoUs."""
    matched = hits.instance[hits.precision() > WORTHLESS]
    parts = []
    for trait, number in sorted_in:
        sizes = _sizes(trait, number)
        n = sizes["instances"].to_numpy()
        bucket = number[matched]
        n_matched = np.bincount(bucket[bucket >= 0], minlength=len(n))
        n_all = n_levels * n
        rate = np.divide(n_all - n_matched, n_all, out=np.full(len(n), np.nan), where=n > 0)
        parts.append(sizes.assign(share=n / len(number), rate=rate))
    return _stacked(parts, ["characteristic", "bucket", "range", "instances", "share", "rate"])


def _sizes(buckets: Buckets, number: Int[np.ndarray, " G"]) -> pd.DataFrame:
    counts = np.bincount(number[number >= 0], minlength=len(buckets.labels))
    return pd.DataFrame(
        {
            "characteristic": buckets.name,
            "bucket": list(buckets.labels),
            "range": buckets.ranges(),
            "instances": counts,
        }
    )


def _stacked(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _map_by_bucket(
    hits: Hits, number: Int[np.ndarray, " G"], n_buckets: int, assigned: Assigned
) -> Float[np.ndarray, " B"]:
    """Normalised mAP on the instances of each bucket.

    Mean over thresholds, then over classes with instances in the bucket.
    """
    n_levels = len(assigned.levels)
    n_groups = len(hits.n_instances)
    n_classes = n_groups // n_levels
    inside = number >= 0
    cell = number[inside] * n_classes + assigned.prepared.instance_label[inside]
    size = np.bincount(cell, minlength=n_buckets * n_classes).reshape(n_buckets, n_classes)
    bucket, false_before = _left_to_bucket(hits, number, n_buckets, assigned)
    order = np.argsort(bucket, kind="stable")
    order = order[bucket[order] >= 0]
    ap = average_precision(
        bucket[order] * n_groups + hits.group[order],
        false_before[order],
        np.tile(size, n_levels).ravel(),
        hits.reference,
    )
    of_class = ap.reshape(n_buckets, n_levels, n_classes).mean(axis=1)
    present = (size > 0).sum(axis=1)
    total = np.where(size > 0, of_class, 0).sum(axis=1)
    return np.divide(total, present, out=np.full(n_buckets, np.nan), where=present > 0)


def _left_to_bucket(
    hits: Hits,
    number: Int[np.ndarray, " G"],
    n_buckets: int,
    assigned: Assigned,
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]:
    """Of each true positive, the bucket it is kept for, and the false positives kept before it.

    The bucket is -1 where it is kept for none. A detection is kept for a bucket if at every
    threshold it is unmatched or matched to an instance of the bucket.
    """
    detection = assigned.matches.detection
    n_cells = assigned.code.size
    low = np.full(len(assigned.within), n_buckets)
    high = np.full(len(assigned.within), -2)
    np.minimum.at(low, detection, number[hits.instance])
    np.maximum.at(high, detection, number[hits.instance])
    own = np.where(low == high, low, -1)  # the one bucket that it is ever matched to
    never = np.append(0, np.cumsum(np.tile(high == -2, len(assigned.levels))))
    # matched at some thresholds, at this one not
    level, d = np.nonzero((assigned.code > 0) & (own >= 0))
    partly = np.sort(own[d] * n_cells + level * len(own) + d)
    bucket = own[detection]
    shift = bucket * n_cells
    up_to_hit = np.searchsorted(partly, shift + hits.cell)
    up_to_start = np.searchsorted(partly, shift + hits.start)
    false_before = never[hits.cell] - never[hits.start] + (up_to_hit - up_to_start)
    return bucket, false_before


def _relative_change(sensitivity: pd.DataFrame, of_all: float) -> pd.DataFrame:
    """NaN where nothing was found at all."""
    by = sensitivity.groupby("characteristic", sort=False)["normalised_map"]
    extremes = pd.DataFrame({"smallest": by.min(), "largest": by.max()}).astype(float)
    return extremes / of_all if of_all > 0 else extremes * np.nan
