"""Ground truth on the snippet grid."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset, Video
from wtal_core.segments import intersection
from wtal_core.timebase import Timebase


def inside(dataset: Dataset, video: str, label: str | None = None) -> Bool[np.ndarray, " T"]:
    """Whether at least half of a snippet lies in an instance of the class.

    Of any class if none is named.
    """
    segments = dataset.segments[dataset.segments["video"] == video]
    if label is not None:
        segments = segments[segments["label"] == label]
    shared = _shared(dataset.timebase, dataset.video(video).length, segments)
    return shared.sum(axis=1) >= 0.5 * dataset.timebase.snippet_seconds


class SnippetTruth:
    """What is annotated of each snippet, for many videos of a data set: as `inside`, but the
    segments are sorted by video once.
    """

    def __init__(self, dataset: Dataset):
        self._dataset = dataset
        self._segments = dict(list(dataset.segments.groupby("video")))
        self._ambiguous = dict(list(dataset.ambiguous.groupby("video")))

    def is_annotated(self, video: Video) -> bool:
        """Whether any segment of the video is known. Of another one, nothing is background."""
        return video.id in self._segments

    def classes(self, video: Video) -> Bool[np.ndarray, "T C"]:
        """Whether at least half of a snippet lies in instances of a class."""
        names = pd.Index(self._dataset.classes)
        segments = self._segments.get(video.id)
        if segments is None:
            return np.zeros((video.length, len(names)), dtype=bool)
        timebase = self._dataset.timebase
        is_of_class = names.get_indexer(segments["label"])[:, None] == np.arange(len(names))
        shared = _shared(timebase, video.length, segments) @ is_of_class
        return shared >= 0.5 * timebase.snippet_seconds

    def background(self, video: Video) -> Bool[np.ndarray, " T"]:
        """Snippets of annotated videos that are of no class, and touch no ambiguous interval."""
        if not self.is_annotated(video):
            return np.zeros(video.length, dtype=bool)
        of_none = self.classes(video).sum(axis=1) == 0
        ambiguous = self._ambiguous.get(video.id)
        if ambiguous is None:
            return of_none
        shared = _shared(self._dataset.timebase, video.length, ambiguous)
        return of_none & ~shared.any(axis=1)


def _shared(timebase: Timebase, length: int, segments: pd.DataFrame) -> Float[np.ndarray, "T N"]:
    """Seconds that each of `length` snippets shares with each segment."""
    begin = timebase.seconds(np.arange(length, dtype=np.float64))[:, None]
    return intersection(
        begin,
        begin + timebase.snippet_seconds,
        segments["t_start"].to_numpy(),
        segments["t_end"].to_numpy(),
    )
