"""What a number is worth: rows that know nothing, and rows that know the answer, by one protocol.

The first draw lots or look at whole videos only; the last are told what they would have to find.
None trains more than a linear classifier in closed form, and nothing of it is tuned.

B test videos with M snippets altogether, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.data.dataset import Dataset, Video
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.localization.detections import to_table
from wtal_core.models import topk_mil
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.train import scale_of, scene
from wtal_core.study.ridge import Classifier
from wtal_core.study.session import Session
from wtal_core.study.trained import TrainedRun

LABEL_SHARE = 0.5  # predicted are the classes with this share of the best one's response
LEAST = 1e-3  # score of a predicted class whose response is not positive
DRAWN = 20  # random segments per true label
WIDEST = 4096  # numbers per snippet up to which a linear classifier of snippets is fitted
PARTS = (2, 4, 8, 16, 32)  # windows into which a video is cut
# found by the localization of top-k MIL, which takes all classes that have a score
LOCALIZATION = replace(topk_mil.OFFICIAL, class_ratio=LEAST / 2)


@dataclass(frozen=True)
class Yardsticks:
    """The rows of one data set, each as detections `video, label, t_start, t_end, score`."""

    dataset: Dataset

    @cached_property
    def lengths(self) -> Int[np.ndarray, " B"]:
        return np.array([video.length for video in self.dataset.test])

    @cached_property
    def labels(self) -> Bool[np.ndarray, "B C"]:
        """The true ones of the test videos."""
        return _labels(self.dataset.test, self.dataset.classes)

    @cached_property
    def classifier(self) -> Classifier:
        videos = [video for video in self.dataset.train if video.length]
        labels = _labels(videos, self.dataset.classes).astype(float)
        return Classifier.fitted(np.stack([_snippets(v).mean(0) for v in videos]), labels)

    @cached_property
    def responses(self) -> Float[np.ndarray, "M C"]:
        """Of the classifier to every test snippet, video after video."""
        return np.concatenate([self.classifier(_snippets(video)) for video in self.dataset.test])

    @cached_property
    def scores(self) -> Float[np.ndarray, "B C"]:
        """Of the predicted labels of test videos; 0 for all other classes, and in empty videos."""
        parts = np.split(self.responses, np.cumsum(self.lengths)[:-1])
        # a linear response to the mean snippet is the mean response
        whole = np.stack([part.mean(0) if len(part) else np.zeros(part.shape[1]) for part in parts])
        best = whole.max(1, keepdims=True)
        predicted = (whole == best) | (whole >= LABEL_SHARE * best) & (best > 0)
        predicted &= (self.lengths > 0)[:, None]
        return np.where(predicted, np.clip(whole, LEAST, 1), 0.0)

    def random(self, seed: int) -> pd.DataFrame:
        """`DRAWN` random segments with random scores, for each true label."""
        rng = np.random.default_rng(seed)
        video, label = (each.repeat(DRAWN) for each in np.nonzero(self.labels))
        borders = np.sort(rng.random((len(video), 2)), axis=1) * self.lengths[video, None]
        return self._table(video, label, borders[:, 0], borders[:, 1], rng.random(len(video)))

    def whole_videos(self) -> pd.DataFrame:
        """Each predicted label from the first snippet to the last."""
        video, label = np.nonzero(self.scores)
        start = np.zeros(len(video))
        end = self.lengths[video].astype(float)
        return self._table(video, label, start, end, self.scores[video, label])

    def windows(self, seed: int) -> pd.DataFrame:
        """The video cut into 2, 4, ..., 32 equal parts, each with each predicted label. Windows of
        one score come in random order.
        """
        video, label = (each.repeat(sum(PARTS)) for each in np.nonzero(self.scores))
        pairs = len(video) // sum(PARTS)
        parts = np.tile(np.repeat(PARTS, PARTS), pairs)
        place = np.tile(ragged.positions(np.array(PARTS)), pairs)
        order = np.random.default_rng(seed).permutation(len(video))
        order = order[parts[order] <= self.lengths[video[order]]]  # a snippet is not cut
        video = video[order]
        label = label[order]
        size = self.lengths[video] / parts[order]
        start = size * place[order]
        return self._table(video, label, start, start + size, self.scores[video, label])

    def mean_pooling(self) -> pd.DataFrame:
        """Where the same linear classifier responds in a video, for its predicted labels."""
        attention = self.responses.max(1)[None]
        activation = Activation(
            self.responses[None],
            self.scores[None],
            attention,
            tuple(self.lengths.tolist()),
            class_scale=scale_of(self.dataset),
        )
        return topk_mil.localize(activation, scene(self.dataset), LOCALIZATION)

    def frame_labels(self) -> pd.DataFrame:
        """What full supervision of the plainest kind finds: a linear classifier of snippets and
        their neighbours, fitted to the true segments of the training videos, localized as top-k
        MIL is; the score of a class in a video is the mean of its largest responses.
        """
        videos = [video for video in self.dataset.train if video.length]
        targets = np.concatenate([self._inside(video) for video in videos])
        inputs = np.concatenate([_with_neighbours(video, self.reach) for video in videos])
        fitted = Classifier.fitted(inputs, targets)
        parts = [fitted(_with_neighbours(video, self.reach)) for video in self.dataset.test]
        scores = np.stack([_top_mean(part) for part in parts]).clip(0, 1)
        activation = Activation(
            np.concatenate(parts)[None],
            scores[None],
            np.concatenate(parts).max(1)[None],
            tuple(self.lengths.tolist()),
            class_scale=scale_of(self.dataset),
        )
        return topk_mil.localize(activation, scene(self.dataset), LOCALIZATION)

    @property
    def reach(self) -> int:
        """Neighbours at either side that the linear classifier of frame labels sees: 2, and none
        where the features are so wide that its equations would not fit.
        """
        width = self.dataset.feature_size() * len(self.dataset.streams)
        return 2 if 5 * width <= WIDEST else 0

    def _inside(self, video: Video) -> Float[np.ndarray, "T C"]:
        """1 where the middle of a snippet lies in a true segment of a class."""
        own = self._segments_of_training.get(video.id)
        inside = np.zeros((video.length, len(self.dataset.classes)))
        if own is None:
            return inside
        middle = self.dataset.timebase.seconds(np.arange(video.length) + 0.5)
        label = pd.Index(self.dataset.classes).get_indexer(own["label"])
        start, end = own["t_start"].to_numpy(), own["t_end"].to_numpy()
        row, place = np.nonzero((middle[:, None] >= start) & (middle[:, None] < end))
        inside[row, label[place]] = 1
        return inside

    @cached_property
    def _segments_of_training(self) -> dict[str, pd.DataFrame]:
        return dict(list(self.dataset.segments_of("train").groupby("video")))

    def true_segments(self) -> pd.DataFrame:
        """Every true segment, whatever its class, with each predicted label; scored by the mean
        response in it.
        """
        segments = self.dataset.segments_of("test").drop_duplicates(["video", "t_start", "t_end"])
        place = pd.Index([video.id for video in self.dataset.test]).get_indexer(segments["video"])
        row, label = np.nonzero(self.scores[place])
        chosen = segments.iloc[row]
        score = self.scores[place[row], label] * self._mean_response(chosen, place[row], label)
        names = np.array(self.dataset.classes, dtype=object)[label]
        return chosen.assign(label=names, score=score)[DETECTION_COLUMNS].reset_index(drop=True)

    def true_detections(self) -> pd.DataFrame:
        """The ground truth as detections, all of score 1: the most that the protocol lets anybody
        reach.
        """
        return self.dataset.segments_of("test").assign(score=1.0)[DETECTION_COLUMNS]

    def true_labels(self, trained: TrainedRun) -> pd.DataFrame:
        """What a trained network finds when it is told which classes each video shows."""
        activation = trained.activation
        scores = np.broadcast_to(self.labels.astype(float), activation.scores.shape).copy()
        oracle = replace(activation, scores=scores)
        detections = trained.method.localize(oracle, trained.scene, trained.run.config)
        return self.only_true_labels(detections)

    def only_true_labels(self, detections: pd.DataFrame) -> pd.DataFrame:
        """Without the class that a method may take for a video that shows none."""
        video = pd.Index([v.id for v in self.dataset.test]).get_indexer(detections["video"])
        label = pd.Index(self.dataset.classes).get_indexer(detections["label"])
        return detections[self.labels[video, label]].reset_index(drop=True)

    def map(self, detections: pd.DataFrame, protocol: str, tious: Sequence[float]) -> pd.Series:
        """mAP in percent per tIoU; no tIoUs: those of the protocol."""
        truth = ground_truth_of(self.dataset, protocol)
        score = evaluate(truth, detections, PROTOCOLS[protocol], tious or None)
        return pd.Series(100 * np.asarray(score.map), index=list(score.tious))

    def _mean_response(
        self,
        segments: pd.DataFrame,
        video: Int[np.ndarray, " N"],
        label: Int[np.ndarray, " N"],
    ) -> Float[np.ndarray, " N"]:
        """Of each segment's class, over the snippets that it touches; 0 outside of the video."""
        bounds = self.dataset.timebase.snippets(segments[["t_start", "t_end"]].to_numpy(float))
        length = self.lengths[video]
        start = np.clip(np.floor(bounds[:, 0]), 0, length).astype(np.int64)
        stop = np.clip(np.ceil(bounds[:, 1]), start, length).astype(np.int64)
        first = ragged.starts(self.lengths)[video]
        sums = np.vstack([np.zeros(self.responses.shape[1]), self.responses.cumsum(0)])
        total = sums[first + stop, label] - sums[first + start, label]
        return total / np.maximum(stop - start, 1)

    def _table(
        self,
        video: Int[np.ndarray, " N"],
        label: Int[np.ndarray, " N"],
        start: Float[np.ndarray, " N"],
        end: Float[np.ndarray, " N"],
        score: Float[np.ndarray, " N"],
    ) -> pd.DataFrame:
        data = self.dataset
        names = [v.id for v in data.test]
        return to_table(video, label, start, end, score, names, data.classes, data.timebase)


def yardsticks_by_seed(session: Session) -> dict[int, Yardsticks]:
    """Seed -> the rows of the fold that its runs are of; the same object per fold."""
    datasets = session.folds()
    of_fold = {id(dataset): Yardsticks(dataset) for dataset in datasets.values()}
    return {seed: of_fold[id(dataset)] for seed, dataset in datasets.items()}


def one_per_fold(by_seed: Mapping[int, Yardsticks]) -> list[Yardsticks]:
    """Each fold's rows once, in the order of the seeds."""
    return list({id(rows): rows for rows in by_seed.values()}.values())


def yardsticks(
    session: Session,
    trained: Mapping[str, tuple[str, Any]] | None = None,
    protocol: str | None = None,
    tious: Sequence[float] = (),
) -> dict[str, pd.DataFrame]:
    """The block of rows that stands below a comparison: row -> mAP in percent, one line per seed,
    one column per tIoU. A row without chance has one line, or one per fold.

    trained: name -> (method, config) of networks that are told the true labels; the first seed of
    each, whose mAP is kept beside its record. protocol: the data set's own if none is named.
    """
    by = (protocol or session.dataset.default_protocol, tuple(tious))
    by_seed = yardsticks_by_seed(session)
    folds = one_per_fold(by_seed)
    lines = {
        "random segments, true labels": [
            rows.map(rows.random(seed), *by) for seed, rows in by_seed.items()
        ],
        "whole video, predicted labels": [rows.map(rows.whole_videos(), *by) for rows in folds],
        "uniform windows, predicted labels": [
            rows.map(rows.windows(seed), *by) for seed, rows in by_seed.items()
        ],
        "mean pooling": [rows.map(rows.mean_pooling(), *by) for rows in folds],
        "true segments, predicted labels": [rows.map(rows.true_segments(), *by) for rows in folds],
        "true segments, true labels": [rows.map(rows.true_detections(), *by) for rows in folds],
    }
    first = session.seeds[0]
    rows = by_seed[first]
    for name, (method, config) in (trained or {}).items():
        run = session.trained(method, config, first)
        lines[f"{name} (seed {first}), true labels"] = [_with_true_labels(rows, run, *by)]
    return {name: pd.DataFrame(of_row) for name, of_row in lines.items()}


def _with_true_labels(
    rows: Yardsticks, trained: TrainedRun, protocol: str, tious: Sequence[float]
) -> pd.Series:
    """mAP of a network that is told the true labels, kept beside its record."""
    name = "_".join(["true_labels", protocol, *(f"{tiou:g}" for tiou in tious)])
    kept = trained.record.arrays(name)
    if kept is None:
        values = rows.map(rows.true_labels(trained), protocol, tious)
        kept = {"tious": values.index.to_numpy(float), "map": values.to_numpy()}
        trained.record.keep_arrays(name, kept)
    return pd.Series(kept["map"], index=list(kept["tious"]))


def _with_neighbours(video: Video, reach: int) -> Float[np.ndarray, "T N"]:
    """Each snippet beside its neighbours up to `reach`; the video's ends are repeated."""
    snippets = _snippets(video)
    places = np.arange(len(snippets))[:, None] + np.arange(-reach, reach + 1)
    width = places.shape[1] * snippets.shape[1]
    return snippets[places.clip(0, max(0, len(snippets) - 1))].reshape(len(snippets), width)


def _top_mean(responses: Float[np.ndarray, "T C"]) -> Float[np.ndarray, " C"]:
    """Mean of the largest eighth of each class's responses, as top-k MIL takes it; 0 of none."""
    if not len(responses):
        return np.zeros(responses.shape[1])
    count = max(1, len(responses) // topk_mil.OFFICIAL.fraction)
    return np.sort(responses, axis=0)[-count:].mean(0)


def _snippets(video: Video) -> Float[np.ndarray, "T D"]:
    """All streams side by side."""
    return np.concatenate(list(video.features.values()), axis=1).astype(np.float64)


def _labels(videos: Sequence[Video], classes: Sequence[str]) -> Bool[np.ndarray, "N C"]:
    """Which classes each video shows."""
    place = pd.Index(classes)
    labels = np.zeros((len(videos), len(classes)), dtype=bool)
    for row, video in zip(labels, videos, strict=True):
        row[place.get_indexer(list(video.labels))] = True
    return labels
