"""What false positives are (DETAD, Alwassel et al. 2018). So far the one share that the data of the workbook is set by."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.matching import Intervals, edges, in_order_of_preference, match
from wtal_core.evaluation.preparation import Prepared, prepare
from wtal_core.evaluation.protocols import ACTIVITYNET

MATCHED_TIOU, BACKGROUND_TIOU = 0.5, 0.1


def background_error_share(ground_truth: GroundTruth, detections: pd.DataFrame, g: float | int = 10) -> float:
    """Share of false positives that are background errors: tIoU below .1 with every instance, of any class, of the video.

    Of each class the int(g * n) best detections are looked at, n its instances. A false positive finds no free instance of
    its class at tIoU .5 (ActivityNet matching). Instances without positive length are left out, as DETAD does. NaN if
    there is no false positive.
    """
    rules = replace(ACTIVITYNET, shortest=math.ulp(0.0))
    prepared = prepare(ground_truth, detections, rules)
    found = prepared.detections.part(_within_budget(prepared, g))
    instances = prepared.instances
    pairs = in_order_of_preference(edges(found, instances, MATCHED_TIOU), rules.matching, rules.tie)
    hit = match(pairs, np.array([MATCHED_TIOU]), len(instances.key)).detection
    missed = found.part(np.delete(np.arange(len(found.key)), hit))
    by_video = [Intervals(one.key // len(prepared.classes), one.start, one.end) for one in (missed, instances)]
    near = np.bincount(edges(*by_video, BACKGROUND_TIOU).detection, minlength=len(missed.key)) > 0
    return float(np.mean(~near)) if len(near) else math.nan


def _within_budget(prepared: Prepared, g: float | int) -> np.ndarray:
    """Rows [R] of the int(g * n) best-scored detections of each class."""
    budget = (g * np.bincount(prepared.instance_label, minlength=len(prepared.classes))).astype(np.int64)
    place = np.arange(len(prepared.label)) - np.searchsorted(prepared.label, prepared.label)
    return np.flatnonzero(place < budget[prepared.label])
