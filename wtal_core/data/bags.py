"""Cutting long recordings into weakly labelled bags, as the recordings of sensors are used here."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.dataset import SEGMENT_COLUMNS, Video, empty_segments
from wtal_core.segments import intersection

BAG_SECONDS = 60.0
# seconds: the last part of a recording is kept from 50 HAPT windows on, about half a bag
SHORTEST_BAG = 32.64
KEPT_SECONDS = 1.0  # a clipped instance stays if at least half of it, or one second, is inside


@dataclass(frozen=True)
class Recording:
    """A long recording.

    samples: raw, at `fps`.
    segments: in seconds of the recording.
    """

    id: str
    samples: Float[np.ndarray, "S K"]
    fps: float
    segments: pd.DataFrame


@dataclass(frozen=True)
class Bags:
    """Bags of one split.

    `without_label`: ids of bags in which no instance lies; training leaves them out.
    """

    videos: tuple[Video, ...]
    segments: pd.DataFrame
    without_label: tuple[str, ...]

    def labelled(self) -> "Bags":
        """The same without the bags that have no label."""
        return replace(self, videos=tuple(video for video in self.videos if video.labels))


def bag_edges(samples: int, fps: float) -> list[tuple[int, int]]:
    """First and last (exclusive) sample of each 60 s bag.

    A last part shorter than `SHORTEST_BAG` is dropped.
    """
    size = round(BAG_SECONDS * fps)
    shortest = round(SHORTEST_BAG * fps)
    edges = [(first, min(first + size, samples)) for first in range(0, samples, size)]
    return [(first, last) for first, last in edges if last - first >= shortest]


def equal_edges(samples: int, fps: float, seconds: float) -> list[tuple[int, int]]:
    """First and last (exclusive) sample of bags of about `seconds`, all of one length.

    As many as come nearest to that length; at least one. Nothing is dropped.
    """
    count = max(1, round(samples / (seconds * fps)))
    borders = np.rint(np.arange(count + 1) * samples / count).astype(int).tolist()
    return list(pairwise(borders))


@dataclass(frozen=True)
class Cutting:
    """How recordings become bags.

    edges: number of samples and fps -> first and last (exclusive) sample of each bag.
    kept_seconds: an instance that is cut stays if at least half of it, or so much, is inside.
    """

    edges: Callable[[int, float], list[tuple[int, int]]]
    kept_seconds: float = math.inf


MINUTES = Cutting(bag_edges, KEPT_SECONDS)
WHOLE = Cutting(lambda samples, fps: [(0, samples)])


def segments_inside(
    segments: pd.DataFrame,
    start: float,
    end: float,
    bag: str,
    kept_seconds: float = KEPT_SECONDS,
) -> pd.DataFrame:
    """Segments clipped to [start, end) seconds and counted from `start`.

    An instance that is cut stays if at least half of it, or `kept_seconds`, is inside.
    """
    t_start, t_end = segments["t_start"].to_numpy(), segments["t_end"].to_numpy()
    shared = intersection(t_start, t_end, np.array(start), np.array(end))
    kept = (shared > 0) & ((shared >= (t_end - t_start) / 2) | (shared >= kept_seconds))
    inside = pd.DataFrame(
        {
            "video": bag,
            "label": segments["label"].to_numpy(),
            "t_start": np.maximum(t_start, start) - start,
            "t_end": np.minimum(t_end, end) - start,
        }
    )
    return inside[kept]


def cut_recordings(
    recordings: Sequence[Recording],
    features_of: Callable[[np.ndarray], dict[str, np.ndarray]],
    cutting: Cutting = MINUTES,
) -> Bags:
    """Cut recordings into bags named `<recording>_<number>`.

    `features_of`: samples of a bag -> features per stream.
    """
    videos = []
    tables = []
    for recording in recordings:
        fps = recording.fps
        for number, (first, last) in enumerate(cutting.edges(len(recording.samples), fps)):
            bag = f"{recording.id}_{number:03d}"
            inside = segments_inside(
                recording.segments, first / fps, last / fps, bag, cutting.kept_seconds
            )
            features = features_of(recording.samples[first:last])
            labels = tuple(sorted(set(inside["label"])))
            videos.append(Video(bag, features, labels))
            if len(inside):
                tables.append(inside)
    segments = pd.concat(tables or [empty_segments()], ignore_index=True)[SEGMENT_COLUMNS]
    without_label = tuple(video.id for video in videos if not video.labels)
    return Bags(tuple(videos), segments, without_label)


def standardise(train: Bags, test: Bags) -> tuple[Bags, Bags]:
    """Features minus mean, over deviation, per channel; both from the training bags only.

    A constant channel becomes 0.
    """
    moments = moments_of(train)
    return _scaled(train, moments), _scaled(test, moments)


@dataclass(frozen=True)
class Moments:
    """Of each channel over all snippets; a constant channel has deviation 1."""

    mean: Float[np.ndarray, " D"]
    deviation: Float[np.ndarray, " D"]

    def scale(self, features: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "T D"]:
        return ((features - self.mean) / self.deviation).astype(np.float32)


def moments_of(bags: Bags) -> dict[str, Moments]:
    """Stream -> mean and deviation of its channels."""
    moments = {}
    for stream in bags.videos[0].features:
        stacked = np.concatenate([video.features[stream] for video in bags.videos])
        values = stacked.astype(np.float64)
        deviation = values.std(0)
        moments[stream] = Moments(values.mean(0), np.where(deviation > 1e-8, deviation, 1.0))
    return moments


def _scaled(bags: Bags, moments: dict[str, Moments]) -> Bags:
    videos = []
    for video in bags.videos:
        features = {
            stream: moments[stream].scale(array) for stream, array in video.features.items()
        }
        videos.append(replace(video, features=features))
    return replace(bags, videos=tuple(videos))
