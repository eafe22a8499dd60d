"""Ground truth on the snippet grid."""

import numpy as np
from jaxtyping import Bool

from wtal_core.data.dataset import Dataset
from wtal_core.segments import intersection


def inside(dataset: Dataset, video: str, label: str | None = None) -> Bool[np.ndarray, " T"]:
    """Whether at least half of a snippet lies in an instance of the class.

    Of any class if none is named.
    """
    segments = dataset.segments[dataset.segments["video"] == video]
    if label is not None:
        segments = segments[segments["label"] == label]
    snippets = np.arange(dataset.video(video).length, dtype=np.float64)
    begin = dataset.timebase.seconds(snippets)[:, None]
    shared = intersection(
        begin,
        begin + dataset.timebase.snippet_seconds,
        segments["t_start"].to_numpy(),
        segments["t_end"].to_numpy(),
    )
    return shared.sum(axis=1) >= 0.5 * dataset.timebase.snippet_seconds
