"""In what regime of the problem a data set is: how much of a video is action, how many classes a
video shows, and whether a label tells another one.

Weakly supervised localization was made for videos that are mostly background, of about one class:
THUMOS14's training videos have coverage .28 and 1.1 labels. Verdicts on a data set far from that
are to be read with these numbers beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import VIDEO_DATA, folds, open_dataset
from wtal_core.data.paths import data_root


@dataclass(frozen=True)
class Regime:
    """Of the videos of one side.

    videos: their number. coverage: share of their time that lies in an instance of any class.
    labels: mean number of classes per video. co_occurrence: the largest share of the videos of one
    class that show a certain other one, P(other | label); 0 where no video shows two. pair: that
    label and that other; empty texts where there are none.
    """

    videos: int
    coverage: float
    labels: float
    co_occurrence: float
    pair: tuple[str, str]

    def words(self) -> str:
        """As it stands beside a verdict: "coverage .17, 1.3 labels per video, P(V | TAP) = .21"."""
        text = f"coverage {_share(self.coverage)}, {self.labels:.3g} labels per video"
        label, other = self.pair
        return f"{text}, P({other} | {label}) = {_share(self.co_occurrence)}" if label else text


def regime(dataset: Dataset, subset: str = "train") -> Regime:
    """The regime of the "train" or "test" videos of an open data set."""
    videos = dataset.train if subset == "train" else dataset.test
    labels = {video.id: video.labels for video in videos}
    # the windows of a grid that begins late reach beyond the last snippet as far as it begins late
    late = dataset.timebase.seconds(0.0)
    seconds = {v.id: dataset.timebase.seconds(float(v.length)) + late for v in videos}
    return regime_of(dataset.segments_of(subset), labels, seconds)


def regime_by_name(name: str, root: str | Path | None = None) -> Regime:
    """The regime of a data set's training videos; of one with folds, those of the first.

    Of video data sets only the annotations are read, so their features need not be there.
    """
    if name not in VIDEO_DATA:
        return regime(open_dataset(name, root, 0 if folds(name) > 1 else None))
    data = VIDEO_DATA[name](data_root(root) / load_manifest(name).folder)
    videos = data.listed("train")
    labels = {video.video: video.labels for video in videos}
    seconds = {video.video: video.duration for video in videos}
    segments = data.annotations.segments
    return regime_of(segments[segments["video"].isin(list(labels))], labels, seconds)


def regime_of(
    segments: pd.DataFrame, labels: Mapping[str, Sequence[str]], seconds: Mapping[str, float]
) -> Regime:
    """The regime of the videos in `labels`.

    segments: `video, label, t_start, t_end` in seconds, of these videos. labels: video -> its
    classes. seconds: video -> duration; a video without one (NaN) does not count for the coverage.
    """
    shown = {video: set(classes) for video, classes in labels.items()}
    share, pair = co_occurrence(list(shown.values()))
    mean = float(np.mean([len(classes) for classes in shown.values()])) if shown else 0.0
    return Regime(len(shown), coverage(segments, seconds), mean, share, pair)


def coverage(segments: pd.DataFrame, seconds: Mapping[str, float]) -> float:
    """Share of the videos' time inside an instance; where instances overlap, time counts once."""
    timed = {video: duration for video, duration in seconds.items() if np.isfinite(duration)}
    total = sum(timed.values())
    known = segments[segments["video"].isin(list(timed))].sort_values("t_start", kind="stable")
    covered = 0.0
    for video, own in known.groupby("video", sort=False):
        end = np.clip(own["t_end"].to_numpy(float), 0, timed[str(video)])
        # an instance adds what no earlier one has reached
        reached = np.concatenate(([0.0], np.maximum.accumulate(end)[:-1]))
        begin = np.maximum(own["t_start"].to_numpy(float), reached)
        covered += float(np.maximum(end - begin, 0).sum())
    return covered / total if total else 0.0


def co_occurrence(shown: Sequence[set[str]]) -> tuple[float, tuple[str, str]]:
    """The largest P(other | label) over videos, and the pair (label, other).

    shown: the classes of each video. Of equal pairs the one of most videos counts, then the first
    in order of the alphabet.
    """
    classes = sorted(set().union(*shown))
    membership = np.array([[name in video for name in classes] for video in shown], dtype=float)
    if len(classes) < 2:
        return 0.0, ("", "")
    together = membership.T @ membership
    number = np.diag(together).copy()
    np.fill_diagonal(together, 0.0)
    shares = together / number[:, None]
    if not together.any():
        return 0.0, ("", "")
    label, other = np.nonzero(shares == shares.max())
    first = np.argmax(together[label, other])
    pair = (classes[label[first]], classes[other[first]])
    return float(shares.max()), pair


def _share(value: float) -> str:
    """.17, 1.00: two digits, without a leading zero."""
    return f"{value:.2f}".removeprefix("0")
