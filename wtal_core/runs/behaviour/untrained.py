"""Numbers that depend on no training: made activations through localization and evaluation, made
detections through evaluation and diagnosis, and the code that makes data.
"""

from functools import cache
from typing import Any

import numpy as np

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside
from wtal_core.data.hapt import window_statistics
from wtal_core.data.salads50 import bag_features
from wtal_core.data.simulator import open_simulated
from wtal_core.evaluation.error_types import OUTCOMES, background_error_share, outcomes
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate, order_range
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.models import method
from wtal_core.models.shared.activation import Activation
from wtal_core.models.shared.inputs import Inputs
from wtal_core.runs.behaviour.micro_data import (
    TEST,
    made_activation,
    made_detections,
    made_scores,
    micro_dataset,
)
from wtal_core.runs.behaviour.training import Numbers, detection_sums, maps, sums
from wtal_core.runs.inputs import click_targets, rescaled, resident
from wtal_core.runs.train import scene

TIED_TIOUS = (0.25, 0.5, 0.75)  # reached exactly by made detections


def localized_numbers(method_name: str, config: Any, dataset: Dataset) -> Numbers:
    """Detections of made activations, and their mAP under every protocol."""
    detections = method(method_name).localize(fixed_activation(), scene(dataset), config)
    numbers = {"detections": detection_sums(detections)}
    return numbers | maps(dataset, detections, list(PROTOCOLS))


@cache
def fixed_activation() -> Activation:
    """Two streams, the second one a snippet late; the feature magnitude is the sum over classes."""
    main = made_activation()
    cas = np.stack([main, np.roll(main, 1, axis=0)])
    scores = np.stack([made_scores(), made_scores()])
    lengths = tuple(plan.length for plan in TEST)
    return Activation(cas, scores, cas.max(-1), lengths, cas.sum(-1))


@cache
def common_numbers() -> Numbers:
    """What all methods build on: labels, snippet grid, evaluation, diagnosis, data sets."""
    dataset = micro_dataset()
    return {
        **_labels(dataset),
        **_grid(dataset),
        **_evaluation(dataset),
        **_error_types(dataset),
        **_simulated(),
        **_readers(),
    }


def _labels(dataset: Dataset) -> Numbers:
    """Label vectors and features as a method is given them."""
    numbers = {}
    for source in ("video", "segments"):
        videos = resident(dataset, "train", "cpu", source)
        numbers[f"labels of {source}"] = videos.labels.flatten().tolist()
        numbers[f"features, labels of {source}"] = sums(videos.features.numpy())
    return numbers


def _grid(dataset: Dataset) -> Numbers:
    """Seconds and snippets, and ground truth on the snippet grid."""
    timebase = dataset.timebase
    seconds = np.arange(12) / 8
    numbers = {
        "seconds of snippets": timebase.seconds(np.arange(4)).tolist(),
        "snippets of seconds": timebase.snippets(seconds).tolist(),
        "rounded to snippets": timebase.rounded(seconds).astype(float).tolist(),
        "truncated to snippets": timebase.truncated(seconds).astype(float).tolist(),
    }
    for video in ("train_0", "train_1", "test_1"):
        numbers[f"inside, {video}"] = inside(dataset, video).astype(float).tolist()
    return numbers


def _evaluation(dataset: Dataset) -> Numbers:
    """AP of every class, what became of detections, and the range over orders of equal scores."""
    detections = made_detections()
    numbers = {}
    for name, protocol in PROTOCOLS.items():
        truth = ground_truth_of(dataset, name)
        score = evaluate(truth, detections, protocol, TIED_TIOUS)
        numbers[f"AP, {name}"] = score.ap.flatten().tolist()
        numbers[f"counts, {name}"] = [float(score.counts[key]) for key in sorted(score.counts)]
        both = order_range(truth, detections, protocol, TIED_TIOUS)
        numbers[f"range over orders, {name}"] = [end.average for end in both]
        own = evaluate(truth, detections, protocol)
        numbers[f"average mAP, {name}"] = [own.average]
    return numbers


def _error_types(dataset: Dataset) -> Numbers:
    """How many detections came to each outcome, at two thresholds and as the published tool counts;
    and the share of background errors.
    """
    detections = made_detections()
    truth = ground_truth_of(dataset, "activitynet")
    numbers = {}
    for tiou, as_published in ((0.25, False), (0.5, False), (0.5, True)):
        table = outcomes(truth, detections, tiou, as_published)
        counts = table["outcome"].value_counts()
        name = f"outcomes at {tiou}{', as published' if as_published else ''}"
        numbers[name] = [float(counts.get(outcome, 0)) for outcome in OUTCOMES]
        numbers[f"{name}, overlaps"] = sums(table["overlap"].to_numpy())
    shares = [background_error_share(truth, detections, budget) for budget in (1, 10)]
    return numbers | {"share of background errors": shares}


def _simulated() -> Numbers:
    """The embedded data set: its fingerprint, and sums of what it holds."""
    dataset = open_simulated()
    numbers: Numbers = {"simulated, fingerprint": [float(int(dataset.fingerprint[:12], 16))]}
    for subset in ("train", "test"):
        videos = getattr(dataset, subset)
        for stream in dataset.streams:
            joined = np.concatenate([video.features[stream] for video in videos])
            numbers[f"simulated, {subset} {stream}"] = sums(joined)
    numbers["simulated, segments"] = sums(dataset.segments[["t_start", "t_end"]].to_numpy())
    for kind, clicks in dataset.clicks.items():
        numbers[f"simulated, {kind} clicks"] = sums(clicks["t"].to_numpy())
    return numbers


def _readers() -> Numbers:
    """Features that the readers of recordings compute, of made samples."""
    time = np.arange(160)
    samples = np.stack([(time * step % 17) / 16 for step in (1, 3, 5)], axis=1)
    numbers = {"features of hapt": sums(window_statistics(samples))}
    for stream, values in bag_features(samples).items():
        numbers[f"features of salads50, {stream}"] = sums(values)
    return numbers


@cache
def input_numbers() -> Numbers:
    """Rescaled features and click targets, for methods that ask for them."""
    dataset = micro_dataset()
    numbers = {}
    ramp = np.stack([np.arange(22.0).reshape(11, 2), np.arange(22.0).reshape(11, 2) ** 2])
    for align in ("half_pixel", "corners", "left"):
        for length in (4, 16):
            values = rescaled(ramp, Inputs(length=length, align=align))
            numbers[f"rescaled to {length}, {align}"] = sums(values)
    for kind in ("background", "action", "both"):
        for place in ("floor", "round", "interval"):
            asked = Inputs(clicks=kind, click_map=place)
            numbers[f"{kind} clicks, {place}"] = _targets(dataset, asked, seed=0)
    for annotator in (1, "seed", "video"):
        asked = Inputs(clicks="both", annotator=annotator, length=16)
        numbers[f"clicks of annotator {annotator}"] = _targets(dataset, asked, seed=3)
    return numbers


def _targets(dataset: Dataset, inputs: Inputs, seed: int) -> list[float]:
    lengths = [video.length for video in dataset.train]
    if inputs.length is not None:
        lengths = [inputs.length if length else 0 for length in lengths]
    return sums(click_targets(dataset, dataset.train, np.array(lengths), inputs, seed))
