"""The errors to look at first: false positives by how early they come in their class, and the instances that nothing found."""

import numpy as np
import pandas as pd

from wtal_core.evaluation.error_types import TRUE_POSITIVE
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.matching import Edges, Intervals, edges
from wtal_core.segments import intersection


def worst_errors(found: pd.DataFrame, ground_truth: GroundTruth) -> pd.DataFrame:
    """False positives of an `outcomes` table, the most costly first, with the column `position`.

    position: place of the detection in its class, from 1, divided by the class's instances. Average precision is the mean
    precision where recall grows, so an error lowers it the more, the earlier it comes. Scores of two classes are not compared.
    """
    instances = ground_truth.segments["label"].value_counts()
    place = found.groupby("label", sort=False).cumcount().to_numpy() + 1
    table = found.assign(position=place / instances.reindex(found["label"]).to_numpy())
    return table[table["outcome"] != TRUE_POSITIVE].sort_values("position", kind="stable").reset_index(drop=True)


def missed_instances(found: pd.DataFrame, ground_truth: GroundTruth) -> pd.DataFrame:
    """Instances that no detection of an `outcomes` table matched, the longest first: the ground truth's columns, `row` (its
    number there) and `best` (largest tIoU with a detection of its class in its video, 0.0 if there is none)."""
    segments = ground_truth.segments.reset_index(drop=True)
    missed = segments.drop(index=found.loc[found["matched"] >= 0, "matched"]).rename_axis("row").reset_index()
    pairs = _pairs(found, missed)
    best = np.zeros(len(missed))
    np.maximum.at(best, pairs.instance, pairs.tiou)
    length = missed["t_end"] - missed["t_start"]
    return missed.assign(best=best).loc[length.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def own_class_ties(found: pd.DataFrame, ground_truth: GroundTruth) -> int:
    """How many "wrong label" and "confusion" errors of an `outcomes` table overlap an instance of their own class just as well.

    DETAD looks at the instance that is listed first. On THUMOS14 every cliff dive is annotated twice, as CliffDiving and as
    Diving, so a badly placed dive counts as confusion with CliffDiving.
    """
    pairs = _pairs(found, ground_truth.segments)
    best = np.zeros(len(found))
    np.maximum.at(best, pairs.detection, pairs.tiou)
    other = found["outcome"].isin(("wrong label", "confusion")).to_numpy()
    return int((other & (best > 0) & (best == found["overlap"].to_numpy())).sum())


def background_inside(found: pd.DataFrame, ground_truth: GroundTruth) -> int:
    """How many "background" errors of an `outcomes` table lie at least half inside an instance of their own class.

    A short detection inside of a long instance has a tIoU below .1 as well, and nothing of it is background.
    """
    segments = ground_truth.segments
    background = found[found["outcome"] == "background"]
    pairs = _pairs(background, segments)
    start, end, s, e = (table[name].to_numpy(np.float64)[rows] for table, rows in
                        ((background, pairs.detection), (segments, pairs.instance)) for name in ("t_start", "t_end"))
    deep = 2 * intersection(start, end, s, e) >= end - start
    return len(np.unique(pairs.detection[deep]))


def _pairs(found: pd.DataFrame, segments: pd.DataFrame) -> Edges:
    """Detections and instances of the same video and class that overlap."""
    names = pd.concat([found[["video", "label"]], segments[["video", "label"]]])
    key = names.groupby(["video", "label"], sort=False).ngroup().to_numpy()
    sides = (Intervals(one, table["t_start"].to_numpy(np.float64), table["t_end"].to_numpy(np.float64))
             for one, table in ((key[:len(found)], found), (key[len(found):], segments)))
    return edges(*sides, smallest=float(np.finfo(np.float64).tiny))
