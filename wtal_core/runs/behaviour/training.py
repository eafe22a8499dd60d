"""Numbers of micro-runs: train a variant in float64 on one thread, write down what it says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.train import Trained, Trainer, activations

TIOUS = (0.1, 0.3, 0.5, 0.7)
SEED = 1
Numbers = dict[str, list[float]]


@contextmanager
def exact() -> Iterator[None]:
    """float64 and one thread, so that another CPU differs in the last digits only."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)


def trained_numbers(
    method_name: str, config: Any, dataset: Dataset, scored: bool = False
) -> Numbers:
    """Losses, weights, signals, activations, detections and mAP of one micro-run.

    scored: also what the trainer itself scores, at the last and at the best epoch.
    """
    trainer = Trainer(method_name, config, dataset, SEED, scale=1.0)
    for videos in (trainer.train_videos, trainer.test_videos):
        videos.double()
    if scored:
        trained = trainer.run()
        history = trained.history
    else:
        history = [trainer.epoch() for _ in range(config.schedule.epochs)]
    numbers = _epochs(history)
    numbers["weights"] = _weights(trainer.progress.network)
    numbers |= _said(trainer, config)
    detections = trainer.detect()
    numbers["detections"] = detection_sums(detections)
    numbers |= maps(dataset, detections, list(PROTOCOLS) if scored else ["activitynet"])
    return numbers | _scores(trained) if scored else numbers


def _epochs(history: list[dict[str, float]]) -> Numbers:
    """Each loss and measure over the epochs that have it."""
    names = sorted({name for entry in history for name in entry})
    return {
        f"epochs, {name}": [entry[name] for entry in history if name in entry] for name in names
    }


def _scores(trained: Trained) -> Numbers:
    """What the trainer itself scored, at the last and at the best epoch."""
    numbers = {"best epoch": [float(trained.best_epoch)]}
    for rule, scores in trained.scores.items():
        numbers[f"detections, {rule} epoch"] = detection_sums(trained.detections[rule])
        numbers[f"mAP, {rule} epoch"] = [score.average for score in scores.values()]
    return numbers


def _weights(network: torch.nn.Module) -> list[float]:
    """Sums over all parameters, whatever their names and order."""
    parameters = [parameter.detach() for parameter in network.parameters()]
    return [
        float(sum(p.sum() for p in parameters)),
        float(sum(p.abs().sum() for p in parameters)),
        float(sum((p**2).sum() for p in parameters)),
    ]


@torch.no_grad()
def _said(trainer: Trainer, config: Any) -> Numbers:
    """Signals of all training videos, and activations of the test videos."""
    network = trainer.progress.network
    network.eval()
    batch = trainer.train_videos.batch(range(len(trainer.train_videos)))
    signals = trainer.method.signals(network(batch))
    numbers = {f"signal, {name}": sums(values.numpy()) for name, values in signals.items()}
    activation = activations(trainer.method, network, config, trainer.test_videos)
    return numbers | activation_sums(activation)


def activation_sums(activation: Activation) -> Numbers:
    """Sums of each array of an activation."""
    arrays = {
        "cas": activation.cas,
        "scores": activation.scores,
        "attention": activation.attention,
        "magnitude": activation.magnitude,
        "ranking": activation.ranking,
    }
    return {
        f"activation, {name}": sums(values) for name, values in arrays.items() if values is not None
    }


def sums(values: np.ndarray) -> list[float]:
    """Sum, sum of squares, and a sum that knows places: weights k / 101 that do not repeat soon."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    weights = (37 * np.arange(len(flat)) % 101 + 1) / 101
    return [float(flat.sum()), float((flat**2).sum()), float((flat * weights).sum())]


def detection_sums(detections: pd.DataFrame) -> list[float]:
    """Number of detections, and sums of starts, ends and scores, weighted by place in the table."""
    weights = 1 / (1 + np.arange(len(detections)))
    columns = [detections[name].to_numpy(dtype=np.float64) for name in ("t_start", "t_end")]
    columns.append(detections["score"].to_numpy(dtype=np.float64))
    return [float(len(detections)), *(float((column * weights).sum()) for column in columns)]


def maps(dataset: Dataset, detections: pd.DataFrame, protocols: list[str]) -> Numbers:
    """mAP under these protocols at several tIoU."""
    numbers = {}
    for name in protocols:
        score = evaluate(ground_truth_of(dataset, name), detections, PROTOCOLS[name], TIOUS)
        numbers[f"mAP, {name}"] = score.map.tolist()
    return numbers
