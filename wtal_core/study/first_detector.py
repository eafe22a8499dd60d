"""The detector of `notebooks/start_here.ipynb`: one direction per class, without a network.

The notebook makes it line by line; its exercises compare variants, which are made of these pieces.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.grid import inside
from wtal_core.localization.detections import to_table
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.suppression import suppress


@dataclass(frozen=True)
class Directions:
    """weight: one column per class. centre: of the features. scale: of each class's activation."""

    stream: str
    weight: Float[np.ndarray, "D C"]
    centre: Float[np.ndarray, " D"]
    scale: Float[np.ndarray, " C"]

    def activation(self, video: Video) -> Float[np.ndarray, "T C"]:
        """How far each snippet lies along each direction."""
        apart = video.features[self.stream] - self.centre
        return (apart @ self.weight / self.scale).astype(np.float64)


def from_labels(dataset: Dataset, stream: str) -> Directions:
    """Mean features of the videos that show a class, less those of the others."""
    means = np.stack([video.features[stream].mean(0) for video in dataset.train])
    columns = []
    for label in dataset.classes:
        shown = np.array([label in video.labels for video in dataset.train])
        columns.append(means[shown].mean(0) - means[~shown].mean(0))
    return _scaled(dataset, stream, np.stack(columns, axis=1), means.mean(0))


def from_segments(dataset: Dataset, stream: str) -> Directions:
    """Mean features of the training snippets inside of a class, less those of all others: full
    supervision.
    """
    features = np.concatenate([video.features[stream] for video in dataset.train])
    centre = np.stack([video.features[stream].mean(0) for video in dataset.train]).mean(0)
    columns = []
    for label in dataset.classes:
        within = np.concatenate([inside(dataset, video.id, label) for video in dataset.train])
        columns.append(features[within].mean(0) - features[~within].mean(0))
    return _scaled(dataset, stream, np.stack(columns, axis=1), centre)


def detected(
    dataset: Dataset, directions: Directions, rule: ProposalRule, told: bool = False
) -> pd.DataFrame:
    """Detections of one class in each test video: the one with the highest top eighth, or, where
    the labels are `told`, the first true one.
    """
    parts = []
    for video in dataset.test:
        values = directions.activation(video)
        highest = np.sort(values, axis=0)[-max(1, video.length // 8) :]
        column = int(highest.mean(axis=0).argmax())
        if told:
            column = dataset.classes.index(video.labels[0])
        found = propose(values[:, column], np.array([video.length]), rule)
        kept = suppress(found.sequence, found.start, found.end, found.score, 0.5, overlap="iou")
        index = np.zeros(len(kept), dtype=int)
        names = [video.id], [dataset.classes[column]]
        bounds = found.start[kept], found.end[kept], found.score[kept]
        parts.append(to_table(index, index, *bounds, *names, dataset.timebase))
    return pd.concat(parts, ignore_index=True)


def _scaled(
    dataset: Dataset,
    stream: str,
    weight: Float[np.ndarray, "D C"],
    centre: Float[np.ndarray, " D"],
) -> Directions:
    """With the deviation of each class's activation over all training snippets."""
    values = [(video.features[stream] - centre) @ weight for video in dataset.train]
    return Directions(stream, weight, centre, np.concatenate(values).std(0))
