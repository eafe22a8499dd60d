"""Aggregate numbers of a data set and its features, gathered video by video, none of which gives a
feature away.

S streams of D channels each lie side by side in W = S D columns; C classes. A snippet is of an
action or background as `grid.SnippetTruth` says; snippets that are neither count for neither.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset, Video

SIDES = ("train", "test")
LAGS = (1, 2, 4, 8, 16)  # snippets
CHANNEL_QUANTILES = (0.05, 0.5, 0.95)
LENGTH_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LARGEST = 3  # cosines that are told with their classes
DIGITS = 4


@dataclass(frozen=True)
class LeftOut:
    """Stands where a number would, and says why there is none."""

    reason: str


NO_SNIPPETS = LeftOut("no snippets")
NO_SEGMENTS = LeftOut("no segments")
TWO_CLASSES = LeftOut("fewer than two classes have action snippets")
Number = int | float | LeftOut


class Moments:
    """Mean and deviation of rows that come in parts.

    Source: Chan, Golub and LeVeque 1979, which loses no digits where the deviation is small.
    """

    def __init__(self, width: int):
        self.count = 0
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, rows: Float[np.ndarray, "N W"]) -> None:
        """Add N rows, N >= 0."""
        if not len(rows):
            return
        mean = rows.mean(0)
        moved = mean - self.mean
        total = self.count + len(rows)
        self._squares += ((rows - mean) ** 2).sum(0) + moved**2 * (self.count * len(rows) / total)
        self.mean += moved * (len(rows) / total)
        self.count = total

    @property
    def variance(self) -> Float[np.ndarray, " W"]:
        """Of the rows themselves, not of a population that they were drawn from."""
        return self._squares / max(1, self.count)


class FeatureSums:
    """What is gathered of the features of all videos, whatever their number."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self.streams = len(dataset.streams)
        width = self.streams * dataset.feature_size()
        self.channels = Moments(width)
        self.norms = {kind: Moments(self.streams) for kind in ("all", "action", "background")}
        self._zeros = np.zeros(width)
        self._least = np.full(width, np.inf)
        self._largest = np.full(width, -np.inf)
        self._of_class = np.zeros((len(dataset.classes), width))
        self._snippets_of_class = np.zeros(len(dataset.classes))
        self._correlation = np.zeros((len(LAGS), self.streams))
        self._weight = np.zeros((len(LAGS), self.streams))

    def add(
        self,
        features: Float[np.ndarray, "T W"],
        classes: Bool[np.ndarray, "T C"],
        background: Bool[np.ndarray, " T"],
    ) -> None:
        """Add one video."""
        if not len(features):
            return
        self.channels.add(features)
        self._zeros += (features == 0).sum(0)
        self._least = np.minimum(self._least, features.min(0))
        self._largest = np.maximum(self._largest, features.max(0))
        self._of_class += classes.T.astype(float) @ features
        self._snippets_of_class += classes.sum(0)
        norm = np.linalg.norm(features.reshape(len(features), self.streams, -1), axis=2)
        self.norms["all"].add(norm)
        self.norms["action"].add(norm[classes.any(1)])
        self.norms["background"].add(norm[background])
        self._add_correlation(features)

    def _add_correlation(self, features: Float[np.ndarray, "T W"]) -> None:
        """Autocorrelation of the channels that vary in this video, at lags up to half of it."""
        varies = (features.max(0) > features.min(0)).reshape(self.streams, -1)
        centred = features - features.mean(0)
        variance = np.where(varies.reshape(-1), (centred**2).mean(0), 1)
        varying = varies.sum(1)
        weight = len(features) * (varying > 0)
        for row, lag in enumerate(LAGS):
            if len(features) >= 2 * lag:
                ratio = (centred[lag:] * centred[:-lag]).mean(0) / variance
                by_stream = np.where(varies, ratio.reshape(self.streams, -1), 0).sum(1)
                self._correlation[row] += weight * by_stream / np.maximum(varying, 1)
                self._weight[row] += weight

    def columns(self, stream: int) -> slice:
        """The columns of a stream."""
        size = self.dataset.feature_size()
        return slice(stream * size, (stream + 1) * size)

    def scales(self, stream: int) -> Float[np.ndarray, " D"]:
        """Root mean square of each channel of a stream."""
        columns = self.columns(stream)
        return np.sqrt(self.channels.mean[columns] ** 2 + self.channels.variance[columns])

    def is_dead(self, stream: int) -> Bool[np.ndarray, " D"]:
        """Channels with one and the same value in every snippet."""
        columns = self.columns(stream)
        return self._largest[columns] <= self._least[columns]

    def of_stream(self, stream: int) -> dict[str, Any]:
        """Moments of channels, autocorrelation, norms and class means of a stream."""
        return {
            "channels": self._channels(stream),
            "autocorrelation": self._autocorrelation(stream),
            "norm": self._norms(stream),
            "class_means": self._class_means(stream),
        }

    def _autocorrelation(self, stream: int) -> dict[str, Number]:
        by_lag: dict[str, Number] = {}
        for row, lag in enumerate(LAGS):
            weight = self._weight[row, stream]
            missing = LeftOut(f"no video of {2 * lag} snippets that vary")
            by_lag[str(lag)] = self._correlation[row, stream] / weight if weight else missing
        return by_lag

    def _norms(self, stream: int) -> dict[str, dict[str, Number]]:
        by_kind = {}
        for kind, moments in self.norms.items():
            missing = NO_SNIPPETS if kind == "all" else LeftOut(f"no {kind} snippets")
            mean = moments.mean[stream] if moments.count else missing
            deviation = moments.variance[stream] ** 0.5 if moments.count else missing
            by_kind[kind] = {"mean": mean, "sd": deviation}
        return by_kind

    def _channels(self, stream: int) -> dict[str, Any]:
        columns = self.columns(stream)
        count = self.channels.count
        scales = self.scales(stream)
        logs = np.log(scales[scales > 0])
        mean = self.channels.mean[columns]
        deviation = np.sqrt(self.channels.variance[columns])
        numbers: dict[str, Any] = {
            "mean": quantiles(mean if count else mean[:0], CHANNEL_QUANTILES, NO_SNIPPETS),
            "sd": quantiles(deviation if count else mean[:0], CHANNEL_QUANTILES, NO_SNIPPETS),
            "sd_of_log_rms": logs.std() if len(logs) else LeftOut("all values are zero"),
            "share_of_zeros": self._zeros[columns].mean() / max(1, count),
            "minimum": self._least[columns].min(),
            "dead": int(self.is_dead(stream).sum()),
        }
        if not count:
            for name in ("sd_of_log_rms", "share_of_zeros", "minimum", "dead"):
                numbers[name] = NO_SNIPPETS
        return numbers

    def _class_means(self, stream: int) -> dict[str, Any]:
        """Cosines of the means of classes, seen from the mean of all snippets and from zero."""
        columns = self.columns(stream)
        shown = self._snippets_of_class > 0
        names = np.array(self.dataset.classes, dtype=object)[shown]
        means = self._of_class[shown, columns] / self._snippets_of_class[shown, None]
        centred = means - self.channels.mean[columns]
        missing = TWO_CLASSES if shown.any() else NO_SEGMENTS
        cosines = pairwise_cosines(centred)
        first, second = np.triu_indices(len(means), 1)
        order = np.argsort(-cosines, kind="stable")[:LARGEST]
        return {
            "cosine": mean_and_deviation(cosines, missing),
            "largest_cosines": [
                {"classes": [names[first[pair]], names[second[pair]]], "cosine": cosines[pair]}
                for pair in order
            ],
            "cosine_from_zero": mean_and_deviation(pairwise_cosines(means), missing),
            "effective_rank": effective_rank(unit(centred) @ unit(centred).T, missing),
        }


def dataset_facts(dataset: Dataset) -> dict[str, Any]:
    """What the annotations, the time base and the lists of videos say."""
    videos: dict[str, tuple[Video, ...]] = {side: getattr(dataset, side) for side in SIDES}
    segments = {side: dataset.segments_of(side) for side in SIDES}
    table = pd.concat(list(segments.values()))
    seconds = (table["t_end"] - table["t_start"]).to_numpy(dtype=float)
    per_snippet = seconds / dataset.timebase.snippet_seconds
    annotated = set(table["video"])
    everything = [*videos["train"], *videos["test"]]
    return {
        "name": dataset.name,
        "title": dataset.title,
        "origin": dataset.origin,
        "fingerprint": dataset.fingerprint,
        "streams": list(dataset.streams),
        "channels": dataset.feature_size(),
        "classes": len(dataset.classes),
        "time_base": {
            **asdict(dataset.timebase),
            "snippet_seconds": dataset.timebase.snippet_seconds,
        },
        "videos": {side: len(listed) for side, listed in videos.items()},
        "snippets": {side: sum(v.length for v in listed) for side, listed in videos.items()},
        "empty_videos": sum(not video.length for video in everything),
        "videos_without_segments": sum(video.id not in annotated for video in everything),
        "labels_per_video": {side: _labels_per_video(listed) for side, listed in videos.items()},
        "instances": {side: len(listed) for side, listed in segments.items()},
        "instance_seconds": quantiles(seconds, LENGTH_QUANTILES, NO_SEGMENTS),
        "snippets_per_instance": per_snippet.mean() if len(seconds) else NO_SEGMENTS,
    }


def _labels_per_video(videos: Sequence[Video]) -> Number:
    return float(np.mean([len(v.labels) for v in videos])) if videos else LeftOut("no videos")


def quantiles(
    values: Float[np.ndarray, " N"], at: Sequence[float], missing: LeftOut
) -> dict[str, Number]:
    """Such as {"5 %": 0.1, "50 %": 0.3}; between two values linear."""
    if not len(values):
        return {f"{100 * q:g} %": missing for q in at}
    return {f"{100 * q:g} %": float(np.quantile(values, q)) for q in at}


def mean_and_deviation(values: Float[np.ndarray, " N"], missing: LeftOut) -> dict[str, Number]:
    """`missing` twice where there are no values."""
    if not len(values):
        return {"mean": missing, "sd": missing}
    return {"mean": float(values.mean()), "sd": float(values.std())}


def unit(rows: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    """Rows of length 1; a row of zeros stays as it is."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def pairwise_cosines(rows: Float[np.ndarray, "N D"]) -> Float[np.ndarray, " P"]:
    """Of each pair of rows, P = N (N - 1) / 2, in the order of `np.triu_indices`."""
    return (unit(rows) @ unit(rows).T)[np.triu_indices(len(rows), 1)]


def effective_rank(products: Float[np.ndarray, "N N"], missing: LeftOut) -> Number:
    """exp of the entropy of the shares of the eigenvalues: N where all are equal, 1 where one is
    not 0. products: symmetric, such as a covariance. Source: Roy and Vetterli 2007, who take
    singular values; here it is their squares, so that it is of variance.
    """
    values = np.linalg.eigvalsh(products).clip(0) if len(products) else np.zeros(0)
    if not values.sum() > 0:
        return missing
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def printable(tree: dict[str, Any]) -> dict[str, Any]:
    """The numbers with four significant digits, counts as they are, and None where a number was
    left out; the reasons with the places they hold for are added under "left_out".
    """
    left_out: dict[str, list[str]] = {}

    def plain(value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return {
                key: plain(inner, f"{place}.{key}" if place else key)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [plain(inner, place) for inner in value]
        if isinstance(value, LeftOut):
            left_out.setdefault(value.reason, []).append(place)
            return None
        if isinstance(value, float | np.floating):
            return float(f"{value:.{DIGITS}g}") + 0.0  # -0.0 becomes 0.0
        return value

    return {**plain(tree, ""), "left_out": left_out}
