"""What the trained network of a run does on the whole test list, in a few numbers that need no
weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside
from wtal_core.evaluation.error_types import MATCHED_TIOU, OUTCOMES, TRUE_POSITIVE, assign
from wtal_core.evaluation.ground_truth import GroundTruth, ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.operating_point import best_f1_scores
from wtal_core.evaluation.protocols import ACTIVITYNET, ACTIVITYNET_TIOUS
from wtal_core.study.top_share import top_share, top_share_bounds

WINDOW = 8
FRACTION = 8
POOLS = (10, 1)


@dataclass(frozen=True, eq=False)
class Facts:
    """Of one run, at its last epoch."""

    # detections of each of OUTCOMES at tIoU 0.5, among the first 10 G of each class and among the
    # first G; G: its instances
    outcomes: Int[np.ndarray, "2 6"]
    # share of the T // 8 highest snippets of a labelled class that lie in its instances
    top: float
    # the same of snippets drawn at random, and of an oracle
    bounds: Float[np.ndarray, "2"]
    # mean normalised activation of labelled classes, in their instances and outside of all
    levels: Float[np.ndarray, "2"]
    # mAP at ACTIVITYNET_TIOUS by the protocol `activitynet`, a fraction
    strict: Float[np.ndarray, "10"]
    # the least score of a detection that is drawn, per class, see `evaluation.operating_point`
    f1_scores: Float[np.ndarray, " C"]
    # mean cosine of the embeddings of snippets 1, ..., 8 apart: of the same kind (both in an
    # instance, or neither), and of different kinds; NaN where there are no such snippets
    similarity: Float[np.ndarray, "2 8"] | None = None

    @classmethod
    def of(cls, values: dict[str, list]) -> "Facts":
        """From what `values` gave."""
        similarity = values.get("similarity")
        return cls(
            outcomes=np.array(values["outcomes"], dtype=np.int64),
            top=float(values["top"][0]),
            bounds=np.array(values["bounds"], dtype=np.float64),
            levels=np.array(values["levels"], dtype=np.float64),
            strict=np.array(values["strict"], dtype=np.float64),
            f1_scores=np.array(values["f1_scores"], dtype=np.float64),
            similarity=None if similarity is None else np.array(similarity, dtype=np.float64),
        )

    def values(self) -> dict[str, list[Any]]:
        """As lists of numbers, to be kept; without what is None."""
        values = {
            "outcomes": self.outcomes.tolist(),
            "top": [self.top],
            "bounds": self.bounds.tolist(),
            "levels": self.levels.tolist(),
            "strict": self.strict.tolist(),
            "f1_scores": self.f1_scores.tolist(),
        }
        if self.similarity is not None:
            values["similarity"] = self.similarity.tolist()
        return values


def measured(
    dataset: Dataset,
    class_activation: Float[np.ndarray, "M C"],
    detections: pd.DataFrame,
    embedding: Float[np.ndarray, "M E"] | None = None,
) -> Facts:
    """The facts of one network, from what it says of all test videos, one after another.

    class_activation: of the leading stream. embedding: vectors of unit length.
    """
    truth = ground_truth_of(dataset, "activitynet")
    score = evaluate(truth, detections, ACTIVITYNET, ACTIVITYNET_TIOUS)
    return Facts(
        outcomes=outcomes(truth, detections),
        top=top_share(dataset, class_activation, FRACTION),
        bounds=np.array(top_share_bounds(dataset, FRACTION)),
        levels=levels(dataset, class_activation),
        strict=np.asarray(score.map, dtype=np.float64),
        f1_scores=best_f1_scores(truth, detections),
        similarity=None if embedding is None else similarity(dataset, embedding),
    )


def outcomes(truth: GroundTruth, detections: pd.DataFrame) -> Int[np.ndarray, "2 6"]:
    """How many detections have each outcome, per pool; see `Facts.outcomes`."""
    counts = []
    for pool in POOLS:
        assignment = assign(truth, detections, np.array([MATCHED_TIOU]), pool)
        codes = assignment.code[0, assignment.within]
        counts.append(np.bincount(codes, minlength=len(OUTCOMES)))
    return np.array(counts)


def levels(dataset: Dataset, cas: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "2"]:
    """Mean activation of action and of background; see `Facts.levels`. Normalised: 0 is the lowest
    value of a class in its video and 1 the highest.
    """
    action = []
    background = []
    for video, part in zip(dataset.test, _by_video(cas, dataset), strict=True):
        for label in video.labels if video.length else ():
            row = part[:, dataset.classes.index(label)]
            row = (row - row.min()) / (np.ptp(row) or 1.0)
            action.append(row[inside(dataset, video.id, label)])
            background.append(row[~inside(dataset, video.id)])
    return np.array([np.concatenate(action).mean(), np.concatenate(background).mean()])


def similarity(dataset: Dataset, embedding: Float[np.ndarray, "M E"]) -> Float[np.ndarray, "2 W"]:
    """Mean cosine per distance, W = WINDOW; see `Facts.similarity`."""
    total = np.zeros((2, WINDOW))
    count = np.zeros((2, WINDOW))
    for video, part in zip(dataset.test, _by_video(embedding, dataset), strict=True):
        kind = inside(dataset, video.id)
        for distance in range(1, min(WINDOW, video.length - 1) + 1):
            cosine = (part[distance:] * part[:-distance]).sum(1)
            same = kind[distance:] == kind[:-distance]
            for row, pairs in enumerate((same, ~same)):
                total[row, distance - 1] += cosine[pairs].sum()
                count[row, distance - 1] += pairs.sum()
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _by_video(values: Float[np.ndarray, "M K"], dataset: Dataset) -> list[Float[np.ndarray, "T K"]]:
    return np.split(values, np.cumsum([v.length for v in dataset.test])[:-1])


def error_table(facts: Sequence[Facts], seeds: Sequence[int], pool: int = 0) -> pd.DataFrame:
    """Counts of the outcomes: one row per seed, one column for each of OUTCOMES. pool: 0 for the
    first 10 G, 1 for the first G.
    """
    counts = [of_one_run.outcomes[pool] for of_one_run in facts]
    return pd.DataFrame(counts, index=list(seeds), columns=list(OUTCOMES))


def background_share(
    facts: Sequence[Facts], seeds: Sequence[int], pool: int = 0, with_right: bool = False
) -> pd.Series:
    """Background errors in percent of all errors, or of all detections (with_right), one value per
    seed; NaN where there are none.
    """
    counts = error_table(facts, seeds, pool)
    counted = counts if with_right else counts.drop(columns=TRUE_POSITIVE)
    whole = counted.sum(axis=1)
    return 100 * counts["background"] / whole.where(whole > 0)


def strict_table(facts: Sequence[Facts], seeds: Sequence[int]) -> pd.DataFrame:
    """mAP in percent at ACTIVITYNET_TIOUS and their mean "AVG", by the protocol `activitynet`: one
    row per seed, one column per tIoU.
    """
    values = 100 * np.array([of_one_run.strict for of_one_run in facts])
    columns = [f"{tiou:.2f}" for tiou in ACTIVITYNET_TIOUS]
    table = pd.DataFrame(values, index=list(seeds), columns=columns)
    return table.assign(AVG=values.mean(axis=1))
