"""Mean average precision of temporal detections under a named protocol; float64, stable order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import Detections, GroundTruth, checked
from wtal_core.evaluation.matching import Matches, edges
from wtal_core.evaluation.preparation import Prepared, matches_of, prepare
from wtal_core.evaluation.protocols import Protocol

__all__ = ["GroundTruth", "Score", "evaluate", "order_range"]


@dataclass(frozen=True)
class Score:
    """Average precision under a protocol, as fractions.

    classes: those that have ground truth, in the order of the ground truth's list.
    ap: one value per threshold and class.
    map: mean over classes.
    average: mean of `map` over thresholds.
    counts: what became of every detection and instance, see `preparation.prepare`.
    """

    protocol: str
    tious: tuple[float, ...]
    classes: tuple[str, ...]
    ap: Float[np.ndarray, "K C"]
    map: Float[np.ndarray, " K"]
    average: float
    counts: dict[str, int]


def evaluate(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    protocol: Protocol,
    tious: Sequence[float] | None = None,
) -> Score:
    """Score detections (`video, label, t_start, t_end, score`; seconds) under a protocol.

    Among equal scores the detection listed first comes first. DIFFERS: published codes sort
    unstably. Raises WorkbookError for thresholds outside (0, 1] and for tables that
    `check_detections` or `prepare` refuses.
    """
    levels = thresholds(protocol, tious)
    prepared = prepare(ground_truth, checked(detections), protocol)
    return _score(prepared, protocol, levels)


def order_range(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    protocol: Protocol,
    tious: Sequence[float] | None = None,
) -> tuple[Score, Score]:
    """Scores under two other orders of equal scores: worst first, and best first.

    A detection is as good as its best tIoU. Both scores are attained by some order, so the range
    that orders span is at least as wide; it is not proven to be wider.
    """
    levels = thresholds(protocol, tious)
    sound = checked(detections)
    prepared = prepare(ground_truth, sound, protocol)
    pairs = edges(prepared.detections, prepared.instances, float(levels.min()))
    best = np.zeros(len(sound))
    np.maximum.at(best, prepared.row[pairs.detection], pairs.tiou)
    order = np.argsort(best, kind="stable")
    low = evaluate(ground_truth, sound.rows(order), protocol, tious)
    high = evaluate(ground_truth, sound.rows(order[::-1]), protocol, tious)
    return low, high


def thresholds(protocol: Protocol, tious: Sequence[float] | None) -> Float[np.ndarray, " K"]:
    """The tIoU thresholds to use, checked."""
    levels = np.asarray(protocol.tious if tious is None else tious, dtype=np.float64)
    if not len(levels) or not ((levels > 0) & (levels <= 1)).all():
        raise WorkbookError(
            f"tIoU thresholds {levels.tolist()} are not usable; give at least one, each in (0, 1]"
        )
    return levels


def _score(prepared: Prepared, protocol: Protocol, levels: Float[np.ndarray, " K"]) -> Score:
    matches = matches_of(prepared, protocol, levels)
    ap = average_precision(matches, prepared, len(levels), protocol.ap)
    mean = ap.mean(axis=1)
    if protocol.as_published and prepared.counts["classes_without_detections"]:
        mean = np.zeros(len(levels))
    return Score(
        protocol=protocol.id,
        tious=tuple(levels.tolist()),
        classes=prepared.classes,
        ap=ap,
        map=mean,
        average=float(mean.mean()),
        counts=prepared.counts,
    )


def average_precision(
    matches: Matches, prepared: Prepared, n_levels: int, rule: str
) -> Float[np.ndarray, "K C"]:
    """Area under the precision-recall curve per threshold and class; `rule` is the protocol's `ap`.

    Only true positives are looked at: recall grows at them alone, and between two of them precision
    only falls.
    """
    n_classes = len(prepared.classes)
    n_instances = np.bincount(prepared.instance_label, minlength=n_classes)
    label = prepared.label[matches.detection]
    group = matches.level * n_classes + label  # (M,) ascending: detections are sorted by class
    nth = ragged.rank_in_group(group)  # (M,) true positives of the group before this one
    rank = matches.detection - np.searchsorted(prepared.label, label)
    precision = np.zeros((n_levels * n_classes, int(n_instances.max())))
    precision[group, nth] = (nth + 1) / (rank + 1)
    if rule == "envelope":
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return precision.sum(axis=1).reshape(n_levels, n_classes) / n_instances
