"""A trained network on the whole test list, as a case to diagnose: what it saw and what it said."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.ground_truth import ground_truth_of

SOURCE = "a run of this workbook"


def as_numbers(dataset: Dataset, detections: pd.DataFrame) -> Float[np.ndarray, "N 5"]:
    """Detections on the test videos: number of the video, of the class, start s, end s, score."""
    videos = [v.id for v in dataset.test]
    columns = [
        detections["video"].map(videos.index),
        detections["label"].map(list(dataset.classes).index),
        detections["t_start"],
        detections["t_end"],
        detections["score"],
    ]
    return np.column_stack(columns).astype(np.float64)


def as_table(dataset: Dataset, numbers: Float[np.ndarray, "N 5"]) -> pd.DataFrame:
    """The detections again that `as_numbers` has written."""
    videos = np.array([v.id for v in dataset.test], dtype=object)
    classes = np.array(dataset.classes, dtype=object)
    return pd.DataFrame(
        {
            "video": videos[numbers[:, 0].astype(int)],
            "label": classes[numbers[:, 1].astype(int)],
            "t_start": numbers[:, 2],
            "t_end": numbers[:, 3],
            "score": numbers[:, 4],
        }
    )


def case_of(name: str, title: str, dataset: Dataset, arrays: dict[str, np.ndarray]) -> Case:
    """A case from `cas` [M, C] and `attention` [M] on the snippets of all test videos, one after
    another, and `detections` [N, 5] as `as_numbers` gives them.
    """
    videos = [v.id for v in dataset.test]
    borders = np.cumsum([v.length for v in dataset.test])[:-1]
    activation = np.split(arrays["cas"].astype(np.float32), borders)
    attention = np.split(arrays["attention"].astype(np.float32), borders)
    return Case(
        name,
        title,
        ground_truth_of(dataset, "activitynet"),
        as_table(dataset, arrays["detections"]),
        {v.id: float(dataset.timebase.seconds(float(v.length))) for v in dataset.test},
        SOURCE,
        dict(zip(videos, activation, strict=True)),
        dict(zip(videos, attention, strict=True)),
    )
