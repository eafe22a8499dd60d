"""A data set on the device as a method asks for it: label vectors, click targets, one length for
all videos.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.own_data import ORIGIN, clicks_table
from wtal_core.data.stored import AT_ONCE, Features, length_of, shapes_of
from wtal_core.errors import WorkbookError
from wtal_core.models.contract import MethodConfig
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.objective import Supervision
from wtal_core.packed import Resident, VideoFeatures

KINDS = {
    "none": (),
    "background": ("background",),
    "action": ("action",),
    "both": ("action", "background"),
}
PLAIN = Inputs()


def inputs_of(config: MethodConfig) -> Inputs:
    """What a method's config asks for."""
    return config.inputs


def resident(
    dataset: Dataset,
    subset: str,
    device: torch.device | str,
    labels_of: str = "video",
    inputs: Inputs = PLAIN,
    seed: int = 0,
) -> Resident:
    """The videos of a subset with their label vectors, and for training the clicks, ready for the
    device.

    labels_of: see `Schedule.labels`. seed: of the run, where it decides whose clicks are shown.
    """
    videos = dataset.train if subset == "train" else dataset.test
    features = [_Streams(video, dataset.streams, inputs) for video in videos]
    labels = label_vectors(dataset, subset, labels_of)
    lengths = np.array([streams.shape[1] for streams in features])
    clicks = (
        click_targets(dataset, videos, lengths, inputs, seed)
        if subset == "train" and inputs.clicks != "none"
        else None
    )
    counts = None
    if subset == "train" and inputs.counts:
        counts = instance_counts(dataset, videos)
    return Resident(_interpolated(features), labels, device, clicks=clicks, counts=counts)


def label_vectors(
    dataset: Dataset, subset: str, labels_of: str = "video"
) -> Float[np.ndarray, "B C"]:
    """1 for each class that a video of the subset is said to show, float32. labels_of: see
    `Schedule.labels`.
    """
    videos = dataset.train if subset == "train" else dataset.test
    if labels_of == "segments" and subset == "train":
        require_segments(dataset, "schedule.labels=video takes the videos' labels")
    shown = (
        {video.id: set(video.labels) for video in videos}
        if labels_of == "video"
        else dataset.segments_of(subset).groupby("video")["label"].agg(set).to_dict()
    )
    return np.array(
        [[float(c in shown.get(video.id, ())) for c in dataset.classes] for video in videos],
        dtype=np.float32,
    )


def supervision(dataset: Dataset, config: MethodConfig, seed: int) -> Supervision:
    """What a run's training is told of its videos."""
    inputs = inputs_of(config)
    videos = dataset.train
    streams = [_Streams(video, dataset.streams, inputs) for video in videos]
    lengths = np.array([video.shape[1] for video in streams], dtype=np.int64)
    clicks = np.zeros(len(videos), dtype=np.int64)
    if "background" in KINDS[inputs.clicks]:
        targets = click_targets(dataset, videos, lengths, inputs, seed)
        video = np.repeat(np.arange(len(videos)), lengths)
        clicks = np.bincount(video[targets[:, -1] == 1], minlength=len(videos))
    labels = label_vectors(dataset, "train", config.schedule.labels).astype(np.float64)
    return Supervision(labels, lengths, clicks)


def instance_counts(dataset: Dataset, videos: Sequence[Video]) -> Float[np.ndarray, "B C"]:
    """How many segments of each class the training videos have."""
    require_segments(dataset, "another method does without counts of instances")
    segments = dataset.segments_of("train")
    table = segments.groupby(["video", "label"]).size().unstack(fill_value=0)
    ids = [video.id for video in videos]
    counts = table.reindex(index=ids, columns=list(dataset.classes), fill_value=0)
    return counts.to_numpy(np.float64, copy=True)


def require_segments(dataset: Dataset, remedy: str) -> None:
    """Refuse to take labels or counts from segments where no training video has any."""
    if not len(dataset.segments_of("train")):
        raise WorkbookError(
            f"data set {dataset.name} has no segments of training videos, which this training asks "
            f"for; {remedy}"
        )


def _interpolated(videos: list["_Streams"]) -> list[VideoFeatures]:
    """With what must be interpolated done once, where it is not too much to keep."""
    changed = [streams for streams in videos if streams.is_interpolated]
    if sum(streams.bytes() for streams in changed) > AT_ONCE:
        return list(videos)
    return [np.stack(list(streams)) if streams.is_interpolated else streams for streams in videos]


@dataclass(frozen=True)
class _Streams:
    """Features of one video as a network is given them, made when a batch needs them.

    Features that came rescaled to the very length that is asked for are given unchanged.
    """

    video: Video
    streams: tuple[str, ...]
    inputs: Inputs

    @property
    def features(self) -> Features:
        """The features that are given, or that are interpolated."""
        stored = self.video.as_stored
        if stored is not None and length_of(stored) == self.inputs.length:
            return stored
        return self.video.features

    @property
    def is_interpolated(self) -> bool:
        """Whether the network is given other values than the features hold."""
        return self.inputs.length not in (None, length_of(self.features))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(S, T, D)."""
        ((length, channels),) = shapes_of(self.features)
        if self.inputs.length is not None and length:
            length = self.inputs.length
        return len(self.streams), length, channels

    def __iter__(self) -> Iterator[Float[np.ndarray, "T D"]]:
        features = self.features
        for stream in self.streams:
            yield rescaled(features[stream][None], self.inputs)[0]

    def bytes(self) -> int:
        """What they take in memory."""
        return 4 * math.prod(self.shape)


def rescaled(features: Float[np.ndarray, "S T D"], inputs: Inputs) -> Float[np.ndarray, "S L D"]:
    """Brought to `inputs.length` snippets by linear interpolation; a video without snippets stays
    without.
    """
    length, longer = features.shape[1], inputs.length
    if longer is None or length in (0, longer):
        return features
    j = np.arange(longer)
    position = {
        "half_pixel": (j + 0.5) * length / longer - 0.5,
        "left": j * length / longer,
        "corners": j * (length - 1) / max(1, longer - 1),
    }[inputs.align]
    position = np.clip(position, 0, length - 1)
    left = np.floor(position).astype(np.int64)
    weight = (position - left).astype(features.dtype)[:, None]
    return (1 - weight) * features[:, left] + weight * features[:, np.minimum(left + 1, length - 1)]


def on_grid(values: Float[np.ndarray, "L *K"], length: int) -> Float[np.ndarray, "T *K"]:
    """Values of a video that was brought to another length, back on `length` snippets, for
    display.
    """
    if 0 in (length, len(values)):
        return values[:0]
    return rescaled(values.reshape(1, len(values), -1), Inputs(length=length))[0].reshape(
        length, *values.shape[1:]
    )


def click_targets(
    dataset: Dataset,
    videos: tuple[Video, ...],
    lengths: Int[np.ndarray, " B"],
    inputs: Inputs,
    seed: int,
) -> Float[np.ndarray, "M J"]:
    """What was clicked on each snippet of the videos, one after another: J = C + 1, the background
    last.

    A row is the mean of the one-hot vectors of the snippet's different labels, all 0 where nobody
    clicked. Clicks on other videos, and action clicks of a class that the data set does not have,
    are passed over.
    """
    tables = [clicks_shown(dataset, kind, inputs, seed) for kind in KINDS[inputs.clicks]]
    table = _joined(tables)
    video = pd.Index([v.id for v in videos]).get_indexer(table["video"])
    label = pd.Index([*dataset.classes, "background"]).get_indexer(table["label"])
    usable = (video >= 0) & (label >= 0)
    usable[usable] = lengths[video[usable]] > 0
    video, label, table = video[usable], label[usable], table[usable]
    native = np.array([v.length for v in videos])
    first, last = snippets_clicked(table, dataset, lengths[video], native[video], inputs.click_map)
    row, snippet = _ranges(first, last)
    targets = np.zeros((int(lengths.sum()), len(dataset.classes) + 1), dtype=np.float32)
    targets[(np.cumsum(lengths) - lengths)[video[row]] + snippet, label[row]] = 1
    targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1)
    return targets


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One table `video, label, t, t_end`; a click without an end ends where it begins."""
    ends = [
        table.assign(t_end=table["t_end"].fillna(table["t"]) if "t_end" in table else table["t"])
        for table in tables
    ]
    return pd.concat([table[["video", "label", "t", "t_end"]] for table in ends], ignore_index=True)


def clicks_shown(dataset: Dataset, kind: str, inputs: Inputs, seed: int) -> pd.DataFrame:
    """The clicks of a kind by the annotators that the inputs choose. A data set without such clicks
    is an error.
    """
    if kind not in dataset.clicks:
        known = ", ".join(dataset.clicks) or "none"
        raise WorkbookError(
            f"data set {dataset.name} has no {kind} clicks (it has: {known}), which this training "
            f"asks for; {_remedy(dataset, kind)}"
        )
    table = dataset.clicks[kind]
    if "annotator" not in table:
        return table
    files = np.sort(table["annotator"].unique())
    if inputs.annotator == "video":
        ids = pd.Index([video.id for video in dataset.train])
        drawn = files[np.random.default_rng(seed).integers(len(files), size=len(ids))]
        return table[table["annotator"].to_numpy() == drawn[ids.get_indexer(table["video"])]]
    chosen = files[seed % len(files)] if inputs.annotator == "seed" else inputs.annotator
    if chosen not in files:
        raise WorkbookError(
            f"data set {dataset.name}: {kind} clicks have the annotators {files.tolist()}, not "
            f"{chosen}; "
            "choose another inputs.annotator"
        )
    return table[table["annotator"] == chosen]


def _remedy(dataset: Dataset, kind: str) -> str:
    """What to do where clicks of a kind are missing."""
    others = "choose a method that needs none, such as basnet"
    table = clicks_table(dataset.name) if dataset.origin == ORIGIN else None
    if table is not None:
        label = "background" if kind == "background" else "a class"
        return (
            f"write them into {table} (video,label,t: the label is {label}, t in seconds) and give "
            f"the command again, or {others}"
        )
    if not dataset.clicks:
        return f"choose a data set that has some, or {others}"
    return f"try --set inputs.clicks={next(iter(dataset.clicks))}, or {others}"


def snippets_clicked(
    table: pd.DataFrame,
    dataset: Dataset,
    lengths: Int[np.ndarray, " N"],
    native: Int[np.ndarray, " N"],
    rule: str,
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """First and last snippet of each click, on a grid of `lengths` snippets where `native` came;
    see `Inputs.click_map`.
    """

    def place(column: str) -> np.ndarray:
        return dataset.timebase.snippets(table[column].to_numpy(np.float64)) * lengths / native

    begin = place("t")
    if rule == "interval":
        first, last = np.floor(begin), np.floor(np.nextafter(place("t_end"), -np.inf))
    else:
        first = np.floor(begin) if rule == "floor" else np.rint(begin)
        last = first
    first = np.clip(first, 0, lengths - 1).astype(np.int64)
    return first, np.clip(last, first, lengths - 1).astype(np.int64)


def _ranges(
    first: Int[np.ndarray, " N"], last: Int[np.ndarray, " N"]
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """Every whole number of every range [first, last], with the number of its range."""
    size = last - first + 1
    row = np.repeat(np.arange(len(size)), size)
    return row, first[row] + np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
