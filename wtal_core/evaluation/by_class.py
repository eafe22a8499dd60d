"""A diagnosis class by class: counts, average precision, precision-recall curves, and which class
is taken for which.

All of it is made of an `outcomes` table, at one tIoU. Instances are counted as the protocol
`activitynet` counts them, so the area under a curve is the average precision of that protocol.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core.evaluation.error_types import BACKGROUND_TIOU, OUTCOMES, TRUE_POSITIVE
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.preparation import kept_instances
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.evaluation.worst import envelope

BUDGET = 10  # detections per instance of a class that the counts look at, as DETAD's profile does
NOTHING = -1  # no class: background among the true ones, no detection among the detected ones


@dataclass(frozen=True)
class Curve:
    """Precision against recall, from the best-scored detection on.

    instances: how many there are to find. envelope: the best precision at that recall or a higher
    one; average precision is the area under it.
    """

    instances: int
    recall: Float[np.ndarray, " P"]
    precision: Float[np.ndarray, " P"]
    envelope: Float[np.ndarray, " P"]

    def thinned(self, most: int) -> "Curve":
        """At most so many of the points, evenly by number, the last one among them."""
        count = len(self.recall)
        if count <= most:
            return self
        rows = np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))
        return Curve(self.instances, self.recall[rows], self.precision[rows], self.envelope[rows])


def instances_by_class(ground_truth: GroundTruth) -> pd.Series:
    """How many instances each class has, classes in the order of the list; without those of none.

    Left out are those that the protocol `activitynet` leaves out.
    """
    kept = ground_truth.segments[kept_instances(ground_truth, ACTIVITYNET)]
    counts = kept["label"].value_counts()
    present = [label for label in ground_truth.classes if label in counts.index]
    return counts.loc[present]


def class_table(
    judged: pd.DataFrame,
    ground_truth: GroundTruth,
    detections: pd.DataFrame,
    tiou: float,
    tious: tuple[float, ...],
) -> pd.DataFrame:
    """One row per class that has instances.

    Columns: `instances`; `detections`, all that are used; `ap`, at `tiou`; `average_ap`, mean over
    `tious` (fractions); and OUTCOMES, how many of the best-scored detections, at most BUDGET per
    instance, are of each kind.
    judged: `outcomes` of the detections at `tiou`.
    """
    instances = instances_by_class(ground_truth)
    within = judged[within_budget(judged, instances)]
    kinds = pd.crosstab(within["label"], within["outcome"])
    kinds = kinds.reindex(index=instances.index, columns=list(OUTCOMES), fill_value=0)
    at_one = evaluate(ground_truth, detections, ACTIVITYNET, (tiou,))
    at_all = evaluate(ground_truth, detections, ACTIVITYNET, tious)
    used = judged["label"].value_counts().reindex(instances.index, fill_value=0)
    scores = pd.DataFrame(
        {"ap": at_one.ap[0], "average_ap": at_all.ap.mean(axis=0)}, index=list(at_one.classes)
    )
    counts = pd.DataFrame({"instances": instances, "detections": used})
    return pd.concat([counts, scores.loc[instances.index], kinds], axis=1)


def within_budget(judged: pd.DataFrame, instances: pd.Series) -> np.ndarray:
    """Which rows of an `outcomes` table, best-scored first per class, are within BUDGET."""
    rank = judged.groupby("label", sort=False).cumcount()
    limit = BUDGET * judged["label"].map(instances).to_numpy(dtype=np.float64)
    return rank.to_numpy() < limit


def curves(judged: pd.DataFrame, ground_truth: GroundTruth) -> dict[str, Curve]:
    """Class -> its curve, a point per true positive, for each class that has instances."""
    rows_of = judged.groupby("label", sort=False).indices
    hit = (judged["outcome"] == TRUE_POSITIVE).to_numpy()
    nothing = np.zeros(0, dtype=np.int64)
    result = {}
    for label, count in instances_by_class(ground_truth).items():
        rank = np.flatnonzero(hit[rows_of.get(label, nothing)]) + 1
        result[str(label)] = _curve(np.arange(1, len(rank) + 1), rank, int(count))
    return result


def curve_of_all(judged: pd.DataFrame, ground_truth: GroundTruth) -> Curve:
    """The curve of all classes together, a point per score that occurs."""
    by_score = judged.sort_values("score", ascending=False, kind="stable")
    scores = by_score["score"].to_numpy(np.float64)
    hits = (by_score["outcome"] == TRUE_POSITIVE).to_numpy().cumsum()
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)[: len(scores)])
    return _curve(hits[last], last + 1, int(instances_by_class(ground_truth).sum()))


def _curve(hits: Int[np.ndarray, " P"], rank: Int[np.ndarray, " P"], instances: int) -> Curve:
    precision = hits / rank
    return Curve(instances, hits / instances, precision, envelope(precision))


def confusion(judged: pd.DataFrame, ground_truth: GroundTruth) -> pd.DataFrame:
    """Which class is taken for which: rows of `truth, detected, count`, counts above 0 only.

    Classes are numbers in the ground truth's list. Each detection within BUDGET counts once: its
    class as `detected`; as `truth` the class of the instance that it overlaps most, its own class
    for a true positive, NOTHING where that overlap is below BACKGROUND_TIOU. Each instance that no
    detection took counts once, `detected` as NOTHING.
    """
    numbers = {label: number for number, label in enumerate(ground_truth.classes)}
    of_instance = ground_truth.segments["label"].map(numbers).to_numpy()
    within = judged[within_budget(judged, instances_by_class(ground_truth))]
    nearest = within["nearest"].to_numpy()
    own = within["label"].map(numbers).to_numpy(dtype=np.int64)
    is_near = (within["overlap"].to_numpy() >= BACKGROUND_TIOU) & (nearest >= 0)
    truth = np.where(is_near, of_instance[nearest.clip(min=0)], NOTHING)
    truth = np.where(within["outcome"] == TRUE_POSITIVE, own, truth)
    free = kept_instances(ground_truth, ACTIVITYNET)
    free[judged.loc[judged["matched"] >= 0, "matched"]] = False
    missed = of_instance[free]
    pairs = pd.DataFrame(
        {
            "truth": np.concatenate([truth, missed]).astype(np.int64),
            "detected": np.concatenate([own, np.full(len(missed), NOTHING)]).astype(np.int64),
        }
    )
    return pairs.value_counts(sort=False).rename("count").reset_index()
