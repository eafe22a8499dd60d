"""One video's signals in numbers: truth on the snippet grid, detections, separation."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import roc_auc_score

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside
from wtal_core.segments import tiou

__all__ = [
    "correlation",
    "detections_of",
    "hits",
    "inside",
    "separation",
    "softmax",
    "strongest",
    "truth_of",
]


def truth_of(dataset: Dataset, video: str) -> tuple[pd.DataFrame, str]:
    """The segments of the class that has most instances in the video, and that class."""
    segments = dataset.segments[dataset.segments["video"] == video]
    label = segments["label"].value_counts().sort_index().idxmax()
    return segments[segments["label"] == label].reset_index(drop=True), label


def separation(values: Float[np.ndarray, " T"], truth: Bool[np.ndarray, " T"]) -> float:
    """Area under the ROC curve of snippet scores.

    0.5 is chance, below it inverted; NaN where only one side exists.
    """
    return float(roc_auc_score(truth, values)) if truth.any() and not truth.all() else float("nan")


def correlation(a: Float[np.ndarray, " T"], b: Float[np.ndarray, " T"]) -> float:
    """Pearson correlation over time."""
    return float(np.corrcoef(a, b)[0, 1])


def softmax(scores: Float[np.ndarray, "T K"]) -> Float[np.ndarray, "T K"]:
    """Class activation sequences from class scores, over the classes."""
    return scipy_softmax(scores, axis=1)


def detections_of(
    arrays: dict[str, np.ndarray], column: int, lowest: float = -np.inf
) -> pd.DataFrame:
    """The kept detections of one class with at least that score: `t_start, t_end, score`."""
    rows = arrays["detections"]
    return pd.DataFrame(
        rows[(rows[:, 0] == column) & (rows[:, 3] >= lowest), 1:],
        columns=["t_start", "t_end", "score"],
    )


def counted(detections: pd.DataFrame, truth: pd.DataFrame, level: float = 0.5) -> dict[str, int]:
    """How many instances and detections there are, and how many of each meet the other ones.

    Both tables: `t_start, t_end` in seconds. level: the tIoU from which two meet.
    """
    return {
        "instances": len(truth),
        "drawn": len(detections),
        f"of them tIoU ≥ {level:g}": hits(detections, truth, level),
        "instances found": hits(truth, detections, level),
    }


def strongest(detections: pd.DataFrame, count: int) -> pd.DataFrame:
    """The detections of the highest scores, at most `count`, in the order of time.

    A picture of all detections at any score covers the whole video; this is a rule that needs no
    other video: as many as there are instances.
    """
    kept = detections.sort_values("score", ascending=False, kind="stable").head(count)
    return kept.sort_values("t_start", kind="stable")


def hits(these: pd.DataFrame, others: pd.DataFrame, level: float) -> int:
    """How many of these segments reach the tIoU with any of the others."""
    overlap = tiou(
        these["t_start"].to_numpy()[:, None],
        these["t_end"].to_numpy()[:, None],
        others["t_start"].to_numpy(),
        others["t_end"].to_numpy(),
    )
    return int((overlap >= level).any(axis=1).sum()) if overlap.size else 0
