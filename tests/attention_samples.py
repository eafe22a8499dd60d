"""For the tests of HAM-Net, CO2-Net and DELU: scenes, detections in order, training in small, and
the invented videos of CO2-Net's and DELU's reference vectors.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.packed_samples import random_batch
from wtal_core.data.dataset import empty_segments
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.models.contract import Method
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

IN_SNIPPETS = Timebase(1.0, 1.0)


def scene_of(lengths) -> Scene:
    """Videos of five classes on THUMOS14's grid."""
    names = tuple(f"video {v}" for v in range(len(lengths)))
    classes = tuple(f"class {c}" for c in range(5))
    return Scene(names, classes, Timebase(), empty_segments(), tuple(lengths))


def assert_same_rows(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Rows (video, class, start, end, score) are the same set."""
    assert ours.shape == theirs.shape
    ordered = []
    for rows in (ours, theirs):
        video, label, start, end, score = rows.T
        order = np.lexsort((score, end.round(6), start.round(6), label, video))
        ordered.append(rows[order])
    np.testing.assert_allclose(*ordered, rtol=1e-9, atol=1e-15)


def gradients(method: Method, network, batch: Packed, config) -> dict[str, torch.Tensor]:
    """Of the summed total loss."""
    network.zero_grad()
    method.loss(network(batch), batch, config)["total"].sum().backward()
    unused = torch.zeros(())
    return {
        name: unused if p.grad is None else p.grad.clone() for name, p in network.named_parameters()
    }


def trained(method: Method, config: Any) -> tuple[list[float], np.ndarray]:
    """Losses of three steps with dropout, then detections, from a seed; the first two videos are a
    pair.
    """
    batch = random_batch((12, 20, 16))
    batch.labels[1] = batch.labels[0]
    draw = torch.Generator().manual_seed(3)
    network = method.Network(config, 2, 16, 5, draw).double()
    optimizer = config.schedule.optimizer(network)
    values = []
    for _ in range(3):
        losses = method.loss(network(batch, draw), batch, config)
        value = config.schedule.reduce(losses["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    activation = method.activate(network(batch), batch, config)
    table = method.localize(activation, scene_of(batch.lengths), config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


def invented_activation(golden: dict, outputs_of: Callable[..., Any], method: Method) -> Activation:
    """What the official network is given to have said of the invented videos."""
    logits = torch.tensor(np.concatenate(golden["cas"]), dtype=torch.float64)
    attention = torch.tensor(np.concatenate(golden["attention"]), dtype=torch.float64)
    lengths = tuple(golden["lengths"])
    features = torch.zeros(1, len(logits), 1, dtype=torch.float64)
    batch = Packed(features, lengths, torch.zeros(len(lengths), len(golden["classes"])).double())
    outputs = outputs_of(logits, attention, attention[None], features[0], batch)
    return method.activate(outputs, batch, method.profiles["official"])


def invented_scene(golden: dict) -> Scene:
    """The invented videos; their ambiguous intervals."""
    ambiguous = pd.DataFrame(golden["ambiguous"], columns=["video", "t_start", "t_end"])
    return Scene(
        tuple(golden["videos"]),
        tuple(golden["classes"]),
        Timebase(),
        ambiguous.assign(label="Ambiguous"),
        tuple(golden["lengths"]),
    )


def assert_same_detections(golden: dict, table: pd.DataFrame) -> None:
    """Detections, in snippets, and their mAP."""
    video = pd.Index(golden["videos"]).get_indexer(table["video"])
    label = pd.Index(golden["classes"]).get_indexer(table["label"])
    start = Timebase().snippets(table["t_start"].to_numpy())
    end = Timebase().snippets(table["t_end"].to_numpy())
    ours = np.column_stack([video, label, start, end, table["score"]])
    theirs = [
        (v, *row)
        for v, name in enumerate(golden["videos"])
        for row in golden["detections"].get(name, [])
    ]
    assert_same_rows(ours, np.array(theirs))
    score = evaluate(_truth(golden), table, _IN_SNIPPETS_AS_ACTIVITYNET)
    np.testing.assert_allclose(100 * score.map, golden["map"], rtol=0, atol=1e-9)


_IN_SNIPPETS_AS_ACTIVITYNET = replace(
    protocol("activitynet"), unit="snippets", tious=tuple(i / 10 for i in range(1, 10))
)


def _truth(golden: dict) -> GroundTruth:
    rows = [
        (video, golden["classes"][label], *segment)
        for video, labels, segments in zip(
            golden["videos"], golden["labels"], golden["segments"], strict=True
        )
        for label, segment in zip(labels, segments, strict=True)
    ]
    segments = pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"])
    return GroundTruth(segments, tuple(golden["videos"]), tuple(golden["classes"]))
