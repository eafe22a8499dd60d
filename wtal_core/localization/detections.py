"""Detections as arrays on the snippet grid -> the table in seconds, and the ambiguity filter."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num

from wtal_core.segments import meets_any
from wtal_core.timebase import Timebase


def to_table(
    video: Int[np.ndarray, " N"],
    label: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    score: Float[np.ndarray, " N"],
    videos: Sequence[str],
    classes: Sequence[str],
    timebase: Timebase,
) -> pd.DataFrame:
    """Table `video, label, t_start, t_end, score` in seconds.

    By video, then class, then decreasing score; equal scores stay in the order given.
    video, label: indices into the names `videos` and `classes`, whose order the rows follow.
    start, end: snippets.
    """
    order = np.lexsort((-score, label, video))
    return pd.DataFrame(
        {
            "video": pd.Series(np.array(videos, dtype=object)[video[order]], dtype=str),
            "label": pd.Series(np.array(classes, dtype=object)[label[order]], dtype=str),
            "t_start": timebase.seconds(start[order].astype(np.float64)),
            "t_end": timebase.seconds(end[order].astype(np.float64)),
            "score": score[order].astype(np.float64),
        }
    )


def drop_ambiguous(
    video: Int[np.ndarray, " N"],
    start: Num[np.ndarray, " N"],
    end: Num[np.ndarray, " N"],
    ambiguous: pd.DataFrame,
    videos: Sequence[str],
    timebase: Timebase,
) -> Int[np.ndarray, " K"]:
    """Indices of the detections that share no snippet with an ambiguous interval of their video.

    In order, and whatever the class.
    start, end: snippets, truncated to the grid as the protocol does.
    ambiguous: `video, t_start, t_end` in seconds, rounded to the grid; intervals of videos that are
        not in `videos` are passed over.
    Source: FAC-Net, `evaluation/detectionMAP.py:14-26`.
    """
    # -1 = not in `videos`, which matches nothing
    known = pd.Index(videos).get_indexer(pd.Index(ambiguous["video"]))
    hit = meets_any(
        video,
        _truncated(start, timebase),
        _truncated(end, timebase),
        known.astype(np.int64),
        timebase.rounded(ambiguous["t_start"].to_numpy(dtype=np.float64)),
        timebase.rounded(ambiguous["t_end"].to_numpy(dtype=np.float64)),
    )
    return np.flatnonzero(~hit)


def _truncated(snippets: Num[np.ndarray, " N"], timebase: Timebase) -> Int[np.ndarray, " N"]:
    """Through seconds, so that the filter here and the evaluator's decide alike."""
    return timebase.truncated(timebase.seconds(snippets.astype(np.float64)))
