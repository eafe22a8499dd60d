"""Operating points: precision, recall and F1 by score, and the score at which F1 is best."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.evaluation.error_types import MATCHED_TIOU, assign
from wtal_core.evaluation.ground_truth import Detections, GroundTruth, checked
from wtal_core.evaluation.mean_average_precision import thresholds
from wtal_core.evaluation.preparation import matches_of, prepare
from wtal_core.evaluation.protocols import Protocol


def best_f1_scores(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    level: float = MATCHED_TIOU,
) -> Float[np.ndarray, " C"]:
    """Of each class, the score down to which its detections have the best F1 at this tIoU.

    Of equally good scores it is the highest. Matching is ActivityNet's. It is infinite for a class
    without a true positive, of which nothing is worth keeping. The choice is made on the very
    instances that are drawn: for pictures, never for a score that is reported.
    """
    best = np.full(len(ground_truth.classes), np.inf)
    if not len(detections):
        return best
    sound = checked(detections)
    assigned = assign(ground_truth, sound, np.array([level]))
    prepared = assigned.prepared
    right = assigned.code[0] == 0
    scores = sound.table["score"].to_numpy(dtype=np.float64)[prepared.row]
    for number, name in enumerate(prepared.classes):
        own = prepared.label == number
        instances = int((prepared.instance_label == number).sum())
        if right[own].any():
            f1 = 2 * right[own].cumsum() / (np.arange(1, own.sum() + 1) + instances)
            best[ground_truth.classes.index(name)] = scores[own][np.argmax(f1)]
    return best


def operating_points(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    protocol: Protocol,
    level: float,
) -> pd.DataFrame:
    """Precision, recall and F1 of all classes together, down to each score that occurs.

    Columns `score, detections, true_positives, precision, recall, f1`, by decreasing score, all
    fractions. Matching is the protocol's at this tIoU; what comes below a score changes nothing
    above it. Raises WorkbookError as `evaluate` does.
    """
    sound = checked(detections)
    levels = thresholds(protocol, (level,))
    prepared = prepare(ground_truth, sound, protocol)
    matches = matches_of(prepared, protocol, levels)
    right = np.zeros(len(prepared.label), dtype=bool)
    right[matches.detection] = True
    scores = sound.table["score"].to_numpy(dtype=np.float64)[prepared.row]
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(order)])
    kept = last + 1
    hits = right[order].cumsum()[last]
    instances = len(prepared.instance_label)
    return pd.DataFrame(
        {
            "score": scores[order][last],
            "detections": kept,
            "true_positives": hits,
            "precision": hits / kept,
            "recall": hits / instances,
            "f1": 2 * hits / (kept + instances),
        }
    )


def some_rows(points: pd.DataFrame, most: int = 12) -> pd.DataFrame:
    """At most `most` + 1 rows of `operating_points`, evenly by number of detections, and the best.

    The column `best` marks the row of the best F1, the first of several.
    """
    if not len(points):
        return points.assign(best=[])
    best = int(np.argmax(points["f1"]))
    wanted = np.linspace(0, points["detections"].iloc[-1], most + 1)[1:]
    rows = np.searchsorted(points["detections"], wanted).clip(max=len(points) - 1)
    chosen = np.union1d(rows, [best])
    return points.iloc[chosen].assign(best=chosen == best)
