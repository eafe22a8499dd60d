"""What each detection turned out to be: a true positive, or one of five errors.

Source: DETAD, Alwassel et al. 2018.

An unmatched detection is judged by the instance of largest tIoU o in its video, of any class (of
equal ones the first listed), at the threshold a:

| | same class | other class |
|---|---|---|
| o >= a | double detection | wrong label |
| .1 <= o < a | localization | confusion |
| o < .1, or no instance in the video | background | background |
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, Detections, GroundTruth, checked
from wtal_core.evaluation.matching import (
    Edges,
    Intervals,
    Matches,
    edges,
    in_order_of_preference,
    match,
)
from wtal_core.evaluation.mean_average_precision import thresholds
from wtal_core.evaluation.preparation import Prepared, prepare
from wtal_core.evaluation.protocols import ACTIVITYNET

TRUE_POSITIVE = "true positive"
ERROR_TYPES = ("double detection", "wrong label", "localization", "confusion", "background")
OUTCOMES = (TRUE_POSITIVE, *ERROR_TYPES)
BACKGROUND = OUTCOMES.index("background")
MATCHED_TIOU = 0.5
BACKGROUND_TIOU = 0.1
# Matching as the ActivityNet toolkit does it, without the instances of no positive length.
RULES = replace(
    ACTIVITYNET, id="activitynet without instances of no length", shortest=math.ulp(0.0)
)


@dataclass(frozen=True)
class Assigned:
    """Outcome of each prepared detection at each threshold.

    code: number in OUTCOMES. overlap: largest tIoU with any instance of the video; nearest: that
    instance, -1 for none.
    within: whether the detection is among the int(g n) best-scored ones of its class, n its
    instances.
    """

    prepared: Prepared
    levels: Float[np.ndarray, " K"]
    matches: Matches
    code: Int[np.ndarray, "K D"]
    overlap: Float[np.ndarray, " D"]
    nearest: Int[np.ndarray, " D"]
    within: Bool[np.ndarray, " D"]


def outcomes(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    tiou: float = MATCHED_TIOU,
    as_published: bool = False,
) -> pd.DataFrame:
    """What each used detection turned out to be at one threshold, one row per detection.

    By class, then by decreasing score.
    Columns: video, label, t_start, t_end (seconds), score; row, the row number in `detections`;
    outcome, one of OUTCOMES; overlap, the largest tIoU with any instance of the video (0 without
    one); nearest, the row number of that instance in `ground_truth.segments` (-1: the video has
    none); matched, the row number of the instance that it took (-1: none). No budget. Instances
    without positive length are left out. as_published: `outcome` as the published tool has it, see
    `assign`; overlap and nearest stay those of the definition. Raises WorkbookError for a threshold
    outside (0, 1] and for tables that `prepare` refuses.
    """
    sound = checked(detections)
    assigned = assign(ground_truth, sound, thresholds(RULES, (tiou,)), as_published=as_published)
    prepared = assigned.prepared
    matches = assigned.matches
    matched = np.full(len(prepared.row), -1)
    matched[matches.detection] = prepared.instance_row[matches.instance]
    nearest = np.where(assigned.nearest < 0, -1, prepared.instance_row[assigned.nearest])
    used = sound.table[DETECTION_COLUMNS].iloc[prepared.row].reset_index(drop=True)
    return used.assign(
        row=prepared.row,
        outcome=np.array(OUTCOMES, dtype=object)[assigned.code[0]],
        overlap=assigned.overlap,
        nearest=nearest,
        matched=matched,
    )


def background_error_share(
    ground_truth: GroundTruth, detections: pd.DataFrame | Detections, g: float | int = 10
) -> float:
    """Share of false positives that are background errors.

    These have a tIoU below .1 with every instance, of any class, of the video.
    Of each class the int(g * n) best detections are looked at, n its instances. A false positive
    finds no free instance of its class at tIoU .5 (ActivityNet matching). Instances without
    positive length are left out, as DETAD does. NaN if there is no false positive.
    """
    assigned = assign(ground_truth, detections, np.array([MATCHED_TIOU]), g)
    code = assigned.code[0, assigned.within]
    missed = code[code > 0]
    return float(np.mean(missed == BACKGROUND)) if len(missed) else math.nan


def assign(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    levels: Float[np.ndarray, " K"],
    g: float | int = math.inf,
    as_published: bool = False,
) -> Assigned:
    """Match at all thresholds and name the errors.

    g: the budget that `within` marks; others are judged all the same.
    as_published: in a video without instances, the published tool judges only the first unmatched
    detection as background, the others by the instances of the previous video, in the order of
    names, that has instances and an unmatched
    detection. DIFFERS: the default judges all of them as background, as the definition does. Only
    detections within the budget are judged in that way; the first is that of the class which the
    ground truth names first, then of highest score.
    """
    sound = checked(detections)
    prepared = prepare(ground_truth, sound, RULES)
    candidates = _by_video(prepared.detections, prepared)
    instances = _by_video(prepared.instances, prepared)
    pairs = edges(candidates, instances, math.ulp(0.0))
    matches = _match(pairs, prepared, levels)
    overlap, nearest = _nearest(pairs, candidates, instances)
    code = _codes(overlap, _same_class(prepared.label, nearest, prepared), levels[:, None])
    code[matches.level, matches.detection] = 0
    n_instances = np.bincount(prepared.instance_label, minlength=len(prepared.classes))
    within = ragged.rank_in_group(prepared.label) + 1 <= g * n_instances[prepared.label]
    if as_published:
        names = sound.table["video"].to_numpy(dtype=object)[prepared.row]
        code = _judged_by_previous_video(code, names, within, prepared, levels)
    return Assigned(prepared, levels, matches, code, overlap, nearest, within)


def _by_video(intervals: Intervals, prepared: Prepared) -> Intervals:
    """To be compared inside of a video, whatever the class."""
    return Intervals(intervals.key // len(prepared.classes), intervals.start, intervals.end)


def _match(pairs: Edges, prepared: Prepared, levels: Float[np.ndarray, " K"]) -> Matches:
    """True positives; `pairs` are of one video and may be of two classes."""
    same = prepared.label[pairs.detection] == prepared.instance_label[pairs.instance]
    rows = np.flatnonzero(same & (pairs.tiou >= levels.min()))
    own = Edges(pairs.detection[rows], pairs.instance[rows], pairs.tiou[rows])
    ordered = in_order_of_preference(own, RULES.matching, RULES.tie)
    return match(ordered, levels, len(prepared.instances.key))


def _nearest(
    pairs: Edges, candidates: Intervals, instances: Intervals
) -> tuple[Float[np.ndarray, " D"], Int[np.ndarray, " D"]]:
    """Largest tIoU of each detection with an instance of its key, and that instance.

    Of several instances it is the first listed; -1: there is none.
    pairs: all of positive tIoU. Where there is none, every instance of the key has the largest
    tIoU, 0.
    """
    key, first = np.unique(instances.key, return_index=True)
    place = np.searchsorted(key, candidates.key).clip(max=len(key) - 1)
    nearest = np.where(key[place] == candidates.key, first[place], -1)
    overlap = np.zeros(len(candidates.key))
    np.maximum.at(overlap, pairs.detection, pairs.tiou)
    # backwards, so that the last one written is the first listed
    best = np.flatnonzero(pairs.tiou == overlap[pairs.detection])[::-1]
    nearest[pairs.detection[best]] = pairs.instance[best]
    return overlap, nearest


def _same_class(
    label: Int[np.ndarray, " D"], nearest: Int[np.ndarray, " D"], prepared: Prepared
) -> Bool[np.ndarray, " D"]:
    """Whether the nearest instance is of the detection's class.

    Without one: any answer, as its overlap is 0.
    """
    return label == prepared.instance_label[nearest]


def _codes(
    overlap: Float[np.ndarray, " D"],
    same: Bool[np.ndarray, " D"],
    level: Float[np.ndarray, "..."],
) -> Int[np.ndarray, "..."]:
    """Number in OUTCOMES of unmatched detections.

    overlap, same: tIoU with the nearest instance, and whether it is of the same class.
    """
    reached, near = np.broadcast_arrays(overlap >= level, overlap >= BACKGROUND_TIOU)
    return np.select([reached & same, reached, near & same, near], [1, 2, 3, 4], BACKGROUND)


def _judged_by_previous_video(
    code: Int[np.ndarray, "K D"],
    names: np.ndarray,
    within: Bool[np.ndarray, " D"],
    prepared: Prepared,
    levels: Float[np.ndarray, " K"],
) -> Int[np.ndarray, "K D"]:
    """The codes as the published tool has them, see `assign`. names: video of each detection."""
    candidates = _by_video(prepared.detections, prepared)
    instances = _by_video(prepared.instances, prepared)
    outside = ~np.isin(candidates.key, instances.key)
    video, number = np.unique(names.astype(str), return_inverse=True)
    level, d = np.nonzero((code > 0) & within & ~outside)
    # at each threshold, the video whose segments are in use
    source = np.full((len(levels), len(video)), -1)
    source[level, number[d]] = number[d]
    source = np.maximum.accumulate(source, axis=1)
    key = np.full(len(video) + 1, -1)  # the last one is for "no video yet", -1
    key[number] = candidates.key
    not_first = _not_first(number, outside & within, prepared)
    level, d = np.nonzero(np.broadcast_to(not_first, code.shape))
    moved = Intervals(key[source[level, number[d]]], candidates.start[d], candidates.end[d])
    overlap, nearest = _nearest(edges(moved, instances, math.ulp(0.0)), moved, instances)
    published = code.copy()
    same = _same_class(prepared.label[d], nearest, prepared)
    published[level, d] = _codes(overlap, same, levels[level])
    return published


def _not_first(
    number: Int[np.ndarray, " D"], asked: Bool[np.ndarray, " D"], prepared: Prepared
) -> Bool[np.ndarray, " D"]:
    """Of the detections asked for, those that are not the first of their video.

    The order is by class as listed, then by score.
    """
    present, listed = np.unique(prepared.instance_label, return_index=True)
    rows = np.flatnonzero(asked)
    class_rank = listed[np.searchsorted(present, prepared.label[rows])]
    rows = rows[np.argsort(class_rank, kind="stable")]
    first = np.unique(number[rows], return_index=True)[1]
    later = asked.copy()
    later[rows[first]] = False
    return later
