"""What every reader makes and every method takes: a Video and a Dataset."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wtal_core.data.stored import Features, Stored, length_of, shapes_of
from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import shown
from wtal_core.timebase import Timebase

SEGMENT_COLUMNS = ["video", "label", "t_start", "t_end"]
CLICK_COLUMNS = ["video", "label", "t"]


def empty_segments() -> pd.DataFrame:
    """No segments, with the right columns and types."""
    return pd.DataFrame(
        {
            "video": pd.Series(dtype=str),
            "label": pd.Series(dtype=str),
            "t_start": pd.Series(dtype=float),
            "t_end": pd.Series(dtype=float),
        }
    )


@dataclass(frozen=True)
class Video:
    """One untrimmed video.

    features: stream -> `[T, D]`, float32, T >= 0. They lie in memory or are read when a stream is
        asked for.
    labels: at video level.
    as_stored: features `[L, D]` that came rescaled to a length L, before `features` were made of
        them by interpolation; None where the features came as they are.
    """

    id: str
    features: Features
    labels: tuple[str, ...]
    as_stored: Features | None = None

    @property
    def length(self) -> int:
        """Number of snippets T."""
        return length_of(self.features)


def with_origin(title: str, origin: str) -> str:
    """ "SHREC'21 (hand skeletons; real data)"; a title that says "simulated" itself stays alone."""
    if origin.split()[0] in title.lower():
        return title
    if title.endswith(")"):
        return f"{title[:-1]}; {origin} data)"
    return f"{title} ({origin} data)"


@dataclass(frozen=True)
class Dataset:
    """A named set of training and test videos.

    origin: "simulated", "real", or "simulated features, real annotations"; printed on every table
        and figure.
    streams: in the order in which networks are stacked; the last one leads (THUMOS14: rgb, flow).
    segments: DataFrame `video, label, t_start, t_end` in seconds, of test *and* training videos;
        training segments are for diagnosis and simulated clicks only.
    fingerprint: hash of everything that decides the content; part of every run's key.
    ambiguous: intervals `video, label, t_start, t_end` that the W-TALC protocols filter; may be
        empty.
    clicks: kind ("action", "background") -> DataFrame `video, label, t` in seconds; the label of a
        background click is "background".
    left_out: protocol id -> test videos that this protocol does not use.
    probes: test videos that the figures of single videos show.
    """

    name: str
    title: str
    origin: str
    classes: tuple[str, ...]
    streams: tuple[str, ...]
    timebase: Timebase
    train: tuple[Video, ...]
    test: tuple[Video, ...]
    segments: pd.DataFrame
    default_protocol: str
    fingerprint: str
    ambiguous: pd.DataFrame = field(default_factory=empty_segments)
    clicks: dict[str, pd.DataFrame] = field(default_factory=dict)
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    probes: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """Title and origin, as captions say them."""
        return with_origin(self.title, self.origin)

    def feature_size(self) -> int:
        """D, equal for all streams."""
        return next(iter(shapes_of(self.train[0].features)))[1]

    @property
    def labels_per_video(self) -> float:
        """Mean number of labels of a training video; 1 without any training video."""
        return float(np.mean([len(v.labels) for v in self.train])) if self.train else 1.0

    def video(self, video_id: str) -> Video:
        """The training or test video of that id."""
        for video in (*self.test, *self.train):
            if video.id == video_id:
                return video
        raise WorkbookError(f"data set {self.name} has no video {video_id!r}")

    def segments_of(self, subset: str) -> pd.DataFrame:
        """Ground truth of the "train" or "test" videos, in the order of the annotation files."""
        ids = {video.id for video in getattr(self, subset)}
        return self.segments[self.segments["video"].isin(ids)].reset_index(drop=True)


def check_dataset(dataset: Dataset) -> Dataset:
    """Refuse what would later give wrong numbers, naming the video.

    Features that are read later are checked for NaN when they are read. Returns the data set
    unchanged.
    """
    classes = set(dataset.classes)
    checked_ids = set()
    size = dataset.feature_size() if dataset.train else 0
    for video in (*dataset.train, *dataset.test):
        if video.id in checked_ids:
            raise WorkbookError(f"{dataset.name}: video {video.id} is listed twice; list it once")
        checked_ids.add(video.id)
        _check_video(dataset, video, size)
        unknown = set(video.labels) - classes
        if unknown:
            raise WorkbookError(
                f"{dataset.name}: video {video.id} has the unknown class {shown(min(unknown))}; "
                "add it to the classes or correct the label"
            )
    for video in dataset.train:
        if not video.labels:
            raise WorkbookError(
                f"{dataset.name}: training video {video.id} has no label; "
                "give it one in the label file or remove it from the training list"
            )
    check_segments(dataset.segments, classes, dataset.name)
    return dataset


def _check_video(dataset: Dataset, video: Video, channels: int) -> None:
    if tuple(video.features) != dataset.streams:
        raise WorkbookError(
            f"{dataset.name}: video {video.id} has the streams {tuple(video.features)}, "
            f"expected {dataset.streams}"
        )
    sizes = shapes_of(video.features)
    if len(sizes) > 1:
        raise WorkbookError(
            f"{dataset.name}: the streams of video {video.id} have different shapes {sorted(sizes)}"
        )
    (size,) = sizes
    if len(size) != 2 or size[1] != channels:
        raise WorkbookError(
            f"{dataset.name}: features of video {video.id} have shape {size}, "
            f"expected (T, {channels})"
        )
    if isinstance(video.features, Stored):
        return
    if not all(np.isfinite(features).all() for features in video.features.values()):
        raise WorkbookError(
            f"{dataset.name}: features of video {video.id} hold NaN or infinite values"
        )


def check_segments(segments: pd.DataFrame, classes: set[str], source: str) -> None:
    """Refuse unknown classes, and segments that are reversed, negative or not finite.

    The error names the first one.
    A segment of zero length is kept: published annotations hold some, and each protocol states what
    it does with them.
    """
    unknown = segments[~segments["label"].isin(classes)]
    if len(unknown):
        row = unknown.iloc[0]
        raise WorkbookError(
            f"{source}: unknown class {shown(row['label'])} in video {row['video']}"
        )
    start = segments["t_start"].to_numpy()
    end = segments["t_end"].to_numpy()
    bad = ~(np.isfinite(start) & np.isfinite(end) & (start >= 0) & (end >= start))
    if bad.any():
        row = segments[bad].iloc[0]
        raise WorkbookError(
            f"{source}: segment [{row['t_start']}, {row['t_end']}] of class {row['label']} in "
            f"video {row['video']} is reversed, negative or not finite"
        )
