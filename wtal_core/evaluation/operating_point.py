"""Which detections a picture should keep: those above the score at which F1 is best."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.evaluation.error_types import MATCHED_TIOU, assign
from wtal_core.evaluation.ground_truth import Detections, GroundTruth, checked


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
