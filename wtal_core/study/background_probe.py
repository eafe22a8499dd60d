"""How well a linear classifier tells the class of a video from all of it, from its background
alone, and from its actions alone: what a method can learn without looking at actions.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.grid import inside
from wtal_core.study.yardsticks import Classifier

Part = Literal["whole video", "background", "action"]
PARTS: tuple[Part, ...] = ("whole video", "background", "action")


def probe(dataset: Dataset) -> pd.DataFrame:
    """Accuracy on the test videos, from 0 to 1, of a ridge regression on the mean snippet of a part
    of each video: one row per part, one column per stream and "all streams".

    The classifier is trained on that part of the training videos, whose segments it is told. It is
    right where its highest response is of a label of the video. Videos without the part, and test
    videos without a label, do not count.
    """
    chosen: dict[str, tuple[str, ...]] = {stream: (stream,) for stream in dataset.streams}
    chosen["all streams"] = dataset.streams
    columns = {
        name: [accuracy(dataset, streams, part) for part in PARTS]
        for name, streams in chosen.items()
    }
    return pd.DataFrame(columns, index=list(PARTS))


def accuracy(dataset: Dataset, streams: Sequence[str], part: Part) -> float:
    """One cell of `probe`; NaN where no test video has the part."""
    train = _pooled(dataset, dataset.train, streams, part)
    test = _pooled(dataset, dataset.test, streams, part)
    if not train or not test:
        return float("nan")
    labels = np.array([_shown(dataset, dataset.video(video).labels) for video in train])
    classifier = Classifier.fitted(np.stack(list(train.values())), labels.astype(np.float64))
    best = classifier(np.stack(list(test.values()))).argmax(1)
    truth = np.array([_shown(dataset, dataset.video(video).labels) for video in test])
    return float(truth[np.arange(len(best)), best].mean())


def _pooled(
    dataset: Dataset, videos: Sequence[Video], streams: Sequence[str], part: Part
) -> dict[str, Float[np.ndarray, " D"]]:
    """Name of each labelled video that has the part -> the mean of its snippets there."""
    means = {}
    for video in videos:
        kept = np.ones(video.length, dtype=bool)
        if part != "whole video":
            kept = inside(dataset, video.id) == (part == "action")
        if kept.any() and video.labels:
            snippets = np.concatenate([video.features[stream] for stream in streams], axis=1)
            means[video.id] = snippets[kept].mean(0, dtype=np.float64)
    return means


def _shown(dataset: Dataset, labels: Sequence[str]) -> Bool[np.ndarray, " C"]:
    """Which classes are among the labels."""
    return np.isin(dataset.classes, labels)
