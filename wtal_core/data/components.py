"""Principal components of the snippets of bags, for streams that are to have equally many channels.

Labels play no part in them.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from wtal_core.data.bags import Bags, moments_of, standardise


def reduce_channels(train: Bags, test: Bags, channels: int) -> tuple[Bags, Bags]:
    """Each stream by its leading principal components, each of deviation 1 over training snippets.

    The statistics of a stream, D >= channels, differ in unit and are standardised first. All
    moments and directions are of the training bags.
    """
    train, test = standardise(train, test)
    axes = {
        stream: principal_axes(_stacked(train, stream), channels)
        for stream in train.videos[0].features
    }
    return standardise(_projected(train, axes), _projected(test, axes))


def affine_components(
    train: Bags, channels: int
) -> dict[str, tuple[Float[np.ndarray, "D K"], Float[np.ndarray, " K"]]]:
    """What `reduce_channels` does to features x of a stream, in one step: x @ axes + offset."""
    raw = moments_of(train)
    standard, _ = standardise(train, train)
    axes = {stream: principal_axes(_stacked(standard, stream), channels) for stream in raw}
    scores = moments_of(_projected(standard, axes))
    affine = {}
    for stream, moments in raw.items():
        directions = axes[stream] / moments.deviation[:, None] / scores[stream].deviation
        offset = -moments.mean @ directions - scores[stream].mean / scores[stream].deviation
        affine[stream] = (directions, offset)
    return affine


def principal_axes(values: Float[np.ndarray, "N D"], count: int) -> Float[np.ndarray, "D K"]:
    """The K = count directions of largest variance, first the largest.

    The sign of a direction is free; here its entry of largest size is positive.
    """
    centred = values - values.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # in order of growing variance
    leading = directions[:, ::-1][:, :count]
    largest = np.abs(leading).argmax(0)
    return leading * np.sign(leading[largest, np.arange(leading.shape[1])])


def _stacked(bags: Bags, stream: str) -> Float[np.ndarray, "N D"]:
    return np.concatenate([video.features[stream] for video in bags.videos]).astype(np.float64)


def _projected(bags: Bags, axes: dict[str, Float[np.ndarray, "_ _"]]) -> Bags:
    videos = []
    for video in bags.videos:
        features = {
            stream: (values @ axes[stream]).astype(np.float32)
            for stream, values in video.features.items()
        }
        videos.append(replace(video, features=features))
    return replace(bags, videos=tuple(videos))
