"""Who annotated the test videos: what mAP says of the same detections by another annotation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import Protocol
from wtal_core.evaluation.statistics import paired_difference, rank_correlation

COLUMNS = ["video", "label", "t_start", "t_end"]


def reannotated(truth: GroundTruth, segments: pd.DataFrame) -> GroundTruth:
    """The same test list and classes with other segments (`video, label, t_start, t_end`,
    seconds), as far as they lie in these videos.
    """
    inside = segments["video"].isin(truth.videos) & segments["label"].isin(truth.classes)
    return replace(truth, segments=segments.loc[inside, COLUMNS].reset_index(drop=True))


def as_detections(segments: pd.DataFrame) -> pd.DataFrame:
    """An annotation as detections that are all equally sure: one annotator judged by another."""
    return segments[COLUMNS].assign(score=1.0)


def by_both(
    first: GroundTruth,
    second: GroundTruth,
    detections: Mapping[str, Sequence[pd.DataFrame]],
    protocol: Protocol,
) -> dict[str, pd.DataFrame]:
    """Row -> average mAP in percent, one line per seed, columns "first" and "second".

    detections: row -> those of each seed.
    """
    truths = {"first": first, "second": second}
    return {
        row: pd.DataFrame(
            [
                {
                    name: 100 * evaluate(truth, table, protocol).average
                    for name, truth in truths.items()
                }
                for table in tables
            ]
        )
        for row, tables in detections.items()
    }


def effect(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One line per row: mean by each annotation, and second minus first, paired by seed, with its
    95 % interval.
    """
    lines = {}
    for row, score in scores.items():
        difference = paired_difference(score["second"].to_numpy(), score["first"].to_numpy())
        low, high = difference.interval or (None, None)
        lines[row] = {
            "first": score["first"].mean(),
            "second": score["second"].mean(),
            "difference": difference.mean,
            "low": low,
            "high": high,
            "seeds": difference.n,
        }
    return pd.DataFrame(lines).T


def order(scores: Mapping[str, pd.DataFrame]) -> float:
    """Rank correlation of the rows' means by the two annotations."""
    means = pd.DataFrame({row: score.mean() for row, score in scores.items()}).T
    return rank_correlation(means["first"].to_numpy(), means["second"].to_numpy()).value
