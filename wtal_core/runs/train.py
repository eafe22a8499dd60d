"""Train one run: epochs, checkpoints, test-set scores on the way. The same for every method."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.mean_average_precision import Score, evaluate, thresholds
from wtal_core.evaluation.protocols import ACTIVITYNET_TIOUS, PROTOCOLS
from wtal_core.models import method
from wtal_core.models.contract import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, class_scale
from wtal_core.models.shared.objective import best_is_shown, recalled
from wtal_core.packed import Resident
from wtal_core.reading.refusal import reading
from wtal_core.reading.tensors import read_torch
from wtal_core.reading.values import whole
from wtal_core.runs.foreground import foreground_auc
from wtal_core.runs.inputs import inputs_of, label_vectors, resident, supervision
from wtal_core.runs.memory import freed_memory_kept
from wtal_core.runs.objective import judged

RUN_PROTOCOLS = ("wtalc", "wtalc-2019", "activitynet")
CHECKPOINT_SECONDS = 30.0
FROM_THE_START = "delete it and run again"  # what helps where a checkpoint does not
SMALL_NETWORK = 2_000_000  # parameters, up to which a second thread costs more than it gives
TEST_BATCH = 32
COMPARE_CLASSES = ("a2clpt", "c3net", "topk_mil", "wtalc")  # softmax over classes, no background
SELECTING = {"map50": (0.5,), "activitynet": ACTIVITYNET_TIOUS}  # tIoUs, by `Schedule.select`


@dataclass
class Progress:
    """All that changes while a run trains; what a checkpoint holds."""

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    epoch: int
    history: list[dict[str, float]]
    best: dict[str, Any] | None
    seconds: float
    clicks: torch.Tensor | None = None  # click targets that the method itself has extended
    targets: torch.Tensor | None = None  # pseudo labels that it has made

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the network's weights and buffers."""
        state = self.network.state_dict()
        return {name: values.detach().clone() for name, values in state.items()}

    def state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "generator": self.generator.get_state(),
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds,
            "clicks": self.clicks,
            "targets": self.targets,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        whole(state["epoch"], "its number of epochs")
        for name in ("epoch", "history", "best", "seconds", "clicks", "targets"):
            setattr(self, name, state[name])


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves: weights, detections and scores at the last and at the best
    epoch on the test set.

    classified: by rule, the share of test videos whose highest class score is of one of their
    labels. foreground: of the attention at the last epoch, see `foreground_auc`. objective: whether
    the training has met its own objective, see `Trainer.objective`.
    """

    network: torch.nn.Module
    weights: dict[str, dict[str, torch.Tensor]]
    detections: dict[str, pd.DataFrame]
    scores: dict[str, dict[str, Score]]
    best_epoch: int
    history: list[dict[str, float]]
    seconds: float
    classified: dict[str, float]
    foreground: list[float] | None
    objective: dict[str, Any]


@dataclass
class Reading:
    """What some weights say on the test set. scores: by protocol, those that were asked for."""

    weights: dict[str, torch.Tensor]
    activation: Activation
    detections: pd.DataFrame
    dataset: Dataset
    scores: dict[str, Score] = field(default_factory=dict)

    def score(self, protocol: str) -> Score:
        """mAP by a protocol."""
        if protocol not in self.scores:
            self.scores[protocol] = score(self.dataset, self.detections, protocol)
        return self.scores[protocol]

    def is_of(self, weights: dict[str, torch.Tensor]) -> bool:
        """Whether these are its weights, bit by bit."""
        same = (torch.equal(values, self.weights[name]) for name, values in weights.items())
        return weights.keys() == self.weights.keys() and all(same)


class Trainer:
    """Train a method on a data set that lies on the device as a whole.

    One generator, seeded with `seed`, makes the initial weights, the order of the videos and
    dropout. scale: of class thresholds; None: what the data set asks for, see `class_scale`.
    """

    def __init__(
        self,
        method_name: str,
        config: MethodConfig,
        dataset: Dataset,
        seed: int,
        device: str = "cpu",
        scale: float | None = None,
    ):
        self.method, self.config, self.dataset, self.device = (
            method(method_name),
            config,
            dataset,
            torch.device(device),
        )
        refuse_one_class(method_name, dataset)
        self.seed = seed
        self.scale = scale_of(dataset) if scale is None else scale
        inputs = inputs_of(config)
        self.train_videos = resident(
            dataset, "train", self.device, config.schedule.labels, inputs, seed
        )
        self.test_videos = resident(dataset, "test", self.device, inputs=inputs)
        self.order = torch.Generator().manual_seed(seed)
        network = self._new_network()
        # weights and order are drawn on the CPU, dropout where the features lie
        draw = self.order
        if self.device.type != "cpu":
            draw = torch.Generator(self.device).manual_seed(seed)
        self.progress = Progress(
            network, config.schedule.optimizer(network), draw, 0, [], None, 0.0
        )
        # Of the best epoch so far and of the latest scored one, which are often asked for again
        self._readings: dict[str, Reading] = {}

    def _new_network(self) -> torch.nn.Module:
        data = self.dataset
        return self.method.Network(
            self.config, len(data.streams), data.feature_size(), len(data.classes), self.order
        ).to(self.device)

    def begin_with(self, weights: dict[str, torch.Tensor]) -> None:
        """Take weights that an earlier training of the method has left, before the first epoch.

        Raises WorkbookError where they are of a network of another shape.
        """
        try:
            self.progress.network.load_state_dict(weights)
        except RuntimeError as error:
            raise WorkbookError(
                f"{self.method.name}: the weights to begin with are of a network of another shape; "
                "begin with a config of equal widths"
            ) from error

    def run(
        self,
        checkpoint: Path | None = None,
        on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    ) -> Trained:
        """All epochs, from the checkpoint if there is one. `on_epoch` is told the epoch's losses
        and scores.
        """
        self._resume(checkpoint)
        saved = time.monotonic()
        with suited_threads(self.progress.network), freed_memory_kept():
            while self.progress.epoch < self.config.schedule.epochs:
                entry = self.epoch()
                if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self.save(checkpoint)
                    saved = time.monotonic()
                if on_epoch is not None:
                    on_epoch(self.progress.epoch, entry)
        return self._finish()

    def epoch(self) -> dict[str, float]:
        """One pass over the training videos; the mean loss per video, and where it is due the
        average mAP on the test set.
        """
        begin = time.monotonic()
        progress = self.progress
        schedule = self.config.schedule
        for group in progress.optimizer.param_groups:
            group["lr"] = schedule.learning_rate_at(progress.epoch)
        batches = schedule.batches(self.train_videos.labels, self.order)
        sums = [self.step(batch) for batch in batches]
        count = sum(len(batch) for batch in batches)
        entry = {name: float(sum(terms[name] for terms in sums)) / count for name in sums[0]}
        if not np.isfinite(entry["total"]):
            raise WorkbookError(
                f"the loss of epoch {progress.epoch} is {entry['total']}; lower "
                f"schedule.learning_rate"
            )
        if schedule.is_evaluated(progress.epoch):
            average = self._evaluate()
            if np.isfinite(average):
                entry["average_map"] = average
        progress.history.append(entry)
        progress.epoch += 1
        self._between_epochs()
        progress.seconds += time.monotonic() - begin
        return entry

    def step(self, videos: list[int]) -> dict[str, torch.Tensor]:
        """One optimiser step on these training videos. Losses summed over them, still on the
        device.
        """
        progress = self.progress
        batch = self.train_videos.batch(videos)
        losses = self.method.loss(progress.network(batch, progress.generator), batch, self.config)
        progress.optimizer.zero_grad()
        self.config.schedule.reduce(losses["total"]).backward()
        progress.optimizer.step()
        return {name: value.detach().sum() for name, value in losses.items()}

    def _between_epochs(self) -> None:
        """What a method itself makes of the training videos between epochs: further clicks, a
        memory, pseudo labels.

        A method that does so has `between_epochs`, see `method.Method`.
        """
        progress = self.progress
        if self.method.between_epochs is None:
            return
        refreshed = self.method.between_epochs(
            progress.network, self.train_videos, self.config, progress.epoch, progress.generator
        )
        if refreshed is None:
            return
        if refreshed.clicks is not None:
            progress.clicks = refreshed.clicks
        if refreshed.targets is not None:
            progress.targets = refreshed.targets
        self._show_own_labels()
        progress.history[-1] |= refreshed.measures
        if refreshed.restart:
            progress.network = self._new_network()
            progress.optimizer = self.config.schedule.optimizer(progress.network)

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        torch.save(self.progress.state() | {"order": self.order.get_state()}, partial)
        os.replace(partial, path)

    def _resume(self, checkpoint: Path | None) -> None:
        if checkpoint is not None and checkpoint.exists():
            state = read_checkpoint(checkpoint, self.device)
            with reading(checkpoint, "is no checkpoint of this run", FROM_THE_START):
                self.order.set_state(state["order"].cpu())
                self.progress.load(state)
                self._show_own_labels()

    def _show_own_labels(self) -> None:
        """The training videos carry what the method has made of them so far."""
        if self.progress.clicks is not None:
            self.train_videos.clicks = self.progress.clicks
        if self.progress.targets is not None:
            self.train_videos.targets = self.progress.targets

    def _evaluate(self) -> float:
        """Average mAP now, by the data set's own protocol; the best epoch's weights are kept aside,
        earlier ones on a tie. What is best, the schedule says (`select`). Where nothing can be
        scored, the average is NaN and the latest epoch counts as the best.
        """
        if not is_scored(self.dataset):
            self._keep_aside(np.nan, self.progress.weights())
            return np.nan
        latest = self._readings["latest"] = self._reading()
        average = latest.score(self.dataset.default_protocol).average
        selecting = SELECTING.get(self.config.schedule.select)
        selected = average
        if selecting is not None:
            selected = score(self.dataset, latest.detections, "activitynet", selecting).average
        if self.progress.best is None or selected > self.progress.best["selected"]:
            self._readings["best"] = latest
            self._keep_aside(selected, latest.weights)
        return average

    def _keep_aside(self, selected: float, weights: dict[str, torch.Tensor]) -> None:
        """The network of now, with these weights, counts as the best one so far."""
        self.progress.best = {
            "selected": selected,
            "epoch": self.progress.epoch,
            "weights": weights,
        }

    def _reading(self) -> Reading:
        """What the network of now says on the test set."""
        activation = self._activation()
        detections = self._localized(activation)
        return Reading(self.progress.weights(), activation, detections, self.dataset)

    def detect(self) -> pd.DataFrame:
        """Detections on the test videos with the weights of now."""
        return self._localized(self._activation())

    def _activation(self) -> Activation:
        """What the network of now says about the test videos."""
        return activations(
            self.method,
            self.progress.network,
            self.config,
            self.test_videos,
            self.scale,
        )

    def _localized(self, activation: Activation) -> pd.DataFrame:
        return self.method.localize(activation, scene(self.dataset), self.config)

    def _finish(self) -> Trained:
        progress = self.progress
        best = progress.best
        if best is None:
            raise WorkbookError("no epoch was scored on the test set; choose schedule.epochs >= 1")
        weights = {"last": progress.weights(), "best": best["weights"]}
        return self.read(weights, best["epoch"], progress.history, progress.seconds)

    def read(
        self,
        weights: dict[str, dict[str, torch.Tensor]],
        best_epoch: int,
        history: list[dict[str, float]],
        seconds: float,
    ) -> Trained:
        """What weights say on the test set; those of the last epoch stay loaded. They may come from
        another config's training.
        """
        detections, scores, classified = {}, {}, {}
        labels = label_vectors(self.dataset, "test")
        for rule in ("best", "last"):
            put_back(self.progress.network, weights[rule], self.method.name)
            known = (of for of in self._readings.values() if of.is_of(weights[rule]))
            found = next(known, None) or self._reading()
            activation, detections[rule] = found.activation, found.detections
            classified[rule] = best_is_shown(activation.scores.mean(0), labels)
            scores[rule] = {protocol: found.score(protocol) for protocol in RUN_PROTOCOLS}
        return Trained(
            self.progress.network,
            weights,
            detections,
            scores,
            best_epoch,
            history,
            seconds,
            classified,
            foreground_auc(activation, self.dataset),
            self.objective(history),
        )

    def objective(self, history: list[dict[str, float]]) -> dict[str, Any]:
        """Whether the network of now has met its method's objective on the training videos, from
        losses and supervision alone: the share of labels that its video scores recall, the total
        loss, and each bound with the loss that has to be below it. JSON values.
        """
        told = supervision(self.dataset, self.config, self.seed)
        scores = video_scores(self.method, self.progress.network, self.config, self.train_videos)
        streams = len(self.dataset.streams)
        share = recalled(scores, told.labels)
        return judged(self.method.name, self.config, told, streams, history, share)


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """The state that `Trainer.save` wrote; a damaged file is named."""
    state = read_torch(path, FROM_THE_START, str(device))
    if not isinstance(state, dict):
        raise WorkbookError(
            f"{path}: expected the state of a training, but got {type(state).__name__}; "
            f"{FROM_THE_START}"
        )
    return state


def put_back(network: torch.nn.Module, weights: dict[str, torch.Tensor], name: str) -> None:
    """Give a network the weights that a run of this method has kept.

    Raises WorkbookError where they are of a network of another shape, or lack a part.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise WorkbookError(
            f"{name}: the weights that a run has kept are not of its network; delete its folder in "
            ".work of the results folder: it is then trained again"
        ) from error


def activations(
    method_: Method[Any, Any],
    network: torch.nn.Module,
    config: MethodConfig,
    videos: Resident,
    scale: float = 1.0,
) -> Activation:
    """What the network says about all videos, dropout off. scale: see `scale_of`."""
    whole = Activation.join(list(activated(method_, network, config, videos)))
    return replace(whole, class_scale=scale)


def scale_of(dataset: Dataset) -> float:
    """The factor of class thresholds on a data set, see `class_scale`."""
    return class_scale(dataset.labels_per_video)


def video_scores(
    method_: Method[Any, Any], network: torch.nn.Module, config: MethodConfig, videos: Resident
) -> Float[np.ndarray, "B C"]:
    """Class scores of all videos, dropout off, the mean over streams."""
    parts = activated(method_, network, config, videos)
    return np.concatenate([part.scores.mean(0) for part in parts])


@torch.no_grad()
def activated(
    method_: Method[Any, Any], network: torch.nn.Module, config: MethodConfig, videos: Resident
) -> Iterator[Activation]:
    """What the network says, a few videos at a time, dropout off."""
    network.eval()
    with suited_threads(network):
        for first in range(0, len(videos), TEST_BATCH):
            batch = videos.batch(range(first, min(first + TEST_BATCH, len(videos))))
            yield method_.activate(network(batch), batch, config)


@contextmanager
def suited_threads(network: torch.nn.Module) -> Iterator[None]:
    """One thread for a small network on a CPU, as many as before for others, and afterwards.

    Threads also change how sums are rounded, so that results of small networks do not depend on
    how many cores a machine has.
    """
    before = torch.get_num_threads()
    parameters = list(network.parameters())
    is_small = sum(p.numel() for p in parameters) <= SMALL_NETWORK
    if is_small and all(p.device.type == "cpu" for p in parameters):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_scored(dataset: Dataset) -> bool:
    """Whether any test video has a segment; without one there is no mAP."""
    return len(dataset.segments_of("test")) > 0


def refuse_one_class(method_name: str, dataset: Dataset) -> None:
    """Methods that compare classes with each other alone learn nothing from one: their loss is the
    same whatever the network says, or not even a number.
    """
    if len(dataset.classes) == 1 and method_name in COMPARE_CLASSES:
        raise WorkbookError(
            f"{method_name} only compares classes with each other, and {dataset.name} has one "
            f"({dataset.classes[0]}); label videos of another class, too, or use a method with a "
            "background class, such as facnet, basnet or bm"
        )


def scene(dataset: Dataset) -> Scene:
    """Names, times and ambiguous intervals of the test videos."""
    return Scene(
        tuple(v.id for v in dataset.test),
        dataset.classes,
        dataset.timebase,
        dataset.ambiguous,
        tuple(v.length for v in dataset.test),
    )


def score(
    dataset: Dataset,
    detections: pd.DataFrame,
    protocol: str,
    tious: tuple[float, ...] | None = None,
) -> Score:
    """mAP of detections on the test videos of a data set that the protocol uses; tious: None are
    the protocol's own. NaN where no test video has segments.
    """
    if not is_scored(dataset):
        levels = thresholds(PROTOCOLS[protocol], tious)
        unknown = np.full(len(levels), np.nan)
        ap = np.empty((len(levels), 0))
        return Score(protocol, tuple(levels.tolist()), (), ap, unknown, np.nan, {})
    return evaluate(ground_truth_of(dataset, protocol), detections, PROTOCOLS[protocol], tious)
