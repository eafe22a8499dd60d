"""The errors to look at first: costly false positives, and instances that nothing matched."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.evaluation.error_types import ERROR_TYPES, TRUE_POSITIVE
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.matching import Edges, Intervals, edges
from wtal_core.segments import intersection

ENTRIES_AT_ONCE = 1_000_000


def worst_errors(judged: pd.DataFrame, ground_truth: GroundTruth) -> pd.DataFrame:
    """False positives of an `outcomes` table, the most costly first, with the column `cost`.

    cost: what mAP at that tIoU (a fraction; protocol activitynet) would gain if this one detection
    were not there.
    """
    instances = ground_truth.segments["label"].value_counts()
    hit = (judged["outcome"] == TRUE_POSITIVE).to_numpy()
    cost = np.zeros(len(judged))
    rows_of = judged.groupby("label", sort=False).indices
    for label, count in instances.items():
        if label in rows_of:
            rows = rows_of[label]
            cost[rows] = costs(hit[rows]) / count / len(instances)
    table = judged.assign(cost=cost)
    return table[~hit].sort_values("cost", ascending=False, kind="stable").reset_index(drop=True)


def costs(hit: Bool[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """What the sum of interpolated precisions gains without each false positive of a class.

    The sum goes over the true positives. All false positives between two of these cost the same, so
    there are as many numbers as true positives: those after it each move up a place, and the
    precision envelope before it may rise with them.
    hit: whether a detection is a true positive, by decreasing score.
    """
    rank = np.flatnonzero(hit) + 1
    before = np.cumsum(hit)
    nth = np.arange(1, len(rank) + 1)
    precision = nth / rank
    # of those after the gap, without one before them
    lifted = envelope(nth / np.maximum(rank - 1, nth))
    rest = np.append(np.cumsum(lifted[::-1])[::-1], 0.0)
    gains = np.zeros(len(rank) + 1)  # 0 after the last true positive
    for gaps in np.array_split(np.arange(len(rank)), max(1, len(rank) ** 2 // ENTRIES_AT_ONCE)):
        before_gap = nth <= gaps[:, None]  # (gaps, M)
        best = envelope(np.where(before_gap, precision, 0.0))
        raised = np.where(before_gap, np.maximum(best, lifted[gaps][:, None]), 0.0)
        gains[gaps] = raised.sum(axis=1) + rest[gaps] - envelope(precision).sum()
    return np.where(hit, 0.0, gains[before])


def gains_by_kind(judged: pd.DataFrame, ground_truth: GroundTruth) -> pd.Series:
    """What mAP would gain if all errors of one kind were not there; index ERROR_TYPES.

    In the units of `worst_errors`: mAP at that tIoU as a fraction, protocol activitynet, all
    detections of an `outcomes` table.
    """
    instances = ground_truth.segments["label"].value_counts()
    gains = dict.fromkeys(ERROR_TYPES, 0.0)
    for label, own in judged.groupby("label", sort=False):
        outcome = own["outcome"].to_numpy(dtype=object)
        hit = outcome == TRUE_POSITIVE
        area = _area(hit)
        for kind in ERROR_TYPES:
            gain = _area(hit[outcome != kind]) - area
            gains[kind] += gain / instances[label] / len(instances)
    return pd.Series(gains, name="gain")


def _area(hit: Bool[np.ndarray, " N"]) -> float:
    """The sum of interpolated precisions over true positives."""
    rank = np.flatnonzero(hit) + 1
    return float(envelope(np.arange(1, len(rank) + 1) / rank).sum())


def envelope(precision: Float[np.ndarray, "*G M"]) -> Float[np.ndarray, "*G M"]:
    """The best precision at that place or later."""
    return np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]


def missed_instances(judged: pd.DataFrame, ground_truth: GroundTruth) -> pd.DataFrame:
    """Instances that no detection of an `outcomes` table matched, the longest first.

    Columns: those of the ground truth; `row`, the instance's number there; `best`, the largest tIoU
    with a detection of its class in its video, 0.0 if there is none.
    """
    segments = ground_truth.segments.reset_index(drop=True)
    matched = judged["matched"].to_numpy()
    unmatched = segments.drop(index=pd.Index(matched[matched >= 0]))
    missed = unmatched.rename_axis("row").reset_index()
    pairs = _pairs(judged, missed)
    best = np.zeros(len(missed))
    np.maximum.at(best, pairs.instance, pairs.tiou)
    length = missed["t_end"] - missed["t_start"]
    longest_first = length.sort_values(ascending=False, kind="stable").index
    return missed.assign(best=best).loc[longest_first].reset_index(drop=True)


def own_class_ties(judged: pd.DataFrame, ground_truth: GroundTruth) -> int:
    """How many "wrong label" and "confusion" errors overlap an instance of their own class as well.

    DETAD looks at the instance that is listed first. On THUMOS14 every cliff dive is annotated
    twice, as CliffDiving and as Diving, so a badly placed dive counts as confusion with
    CliffDiving.
    """
    pairs = _pairs(judged, ground_truth.segments)
    best = np.zeros(len(judged))
    np.maximum.at(best, pairs.detection, pairs.tiou)
    other = judged["outcome"].isin(("wrong label", "confusion")).to_numpy()
    return int((other & (best > 0) & (best == judged["overlap"].to_numpy())).sum())


def background_inside(judged: pd.DataFrame, ground_truth: GroundTruth) -> int:
    """How many "background" errors lie at least half inside an instance of their own class.

    A short detection inside of a long instance has a tIoU below .1 as well, and nothing of it is
    background.
    """
    segments = ground_truth.segments
    background = judged[judged["outcome"] == "background"]
    pairs = _pairs(background, segments)
    errors = background.iloc[pairs.detection]
    instances = segments.iloc[pairs.instance]
    start = errors["t_start"].to_numpy(np.float64)
    end = errors["t_end"].to_numpy(np.float64)
    shared = intersection(
        start,
        end,
        instances["t_start"].to_numpy(np.float64),
        instances["t_end"].to_numpy(np.float64),
    )
    deep = 2 * shared >= end - start
    return len(np.unique(pairs.detection[deep]))


def _pairs(judged: pd.DataFrame, segments: pd.DataFrame) -> Edges:
    """Detections and instances of the same video and class that overlap."""
    names = pd.concat([judged[["video", "label"]], segments[["video", "label"]]])
    key = names.groupby(["video", "label"], sort=False).ngroup().to_numpy()
    detections = _intervals(key[: len(judged)], judged)
    instances = _intervals(key[len(judged) :], segments)
    return edges(detections, instances, smallest=float(np.finfo(np.float64).tiny))


def _intervals(key: np.ndarray, table: pd.DataFrame) -> Intervals:
    return Intervals(
        key, table["t_start"].to_numpy(np.float64), table["t_end"].to_numpy(np.float64)
    )
