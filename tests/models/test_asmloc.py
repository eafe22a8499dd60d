"""ASM-Loc agrees with the authors' code on reference vectors; segments, sampling and steps."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.localization.instances import Instances
from wtal_core.models.asmloc import (
    OFFICIAL,
    QUICK,
    Config,
    Network,
    StepNetwork,
    View,
    activate,
    best_of_classes,
    between_epochs,
    context_spans,
    drawn,
    localize,
    loss,
    resampled,
    sampling_weights,
    segments_of,
    segments_of_video,
    signals,
    snippet_labels,
)
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import chosen
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "asmloc.npz").items()
}
SEGMENTS = json.loads((GOLDEN_FOLDER / "asmloc_segments.json").read_text())
EXACT = {"rtol": 0, "atol": 1e-9}
SMALL = replace(OFFICIAL, samples=40, width=32, dropout=0.0)
LAYERS = {
    "embed": "feature_embedding.0",
    "attend": "att_branch",
    "classify": "snippet_cls",
} | {
    f"{ours}.{layer}": f"{theirs}.conv_{layer}"
    for ours, theirs in (("intra", "MHSA_Intra"), ("inter", "MHSA_Inter"))
    for layer in ("query", "key", "value", "out")
}
NORMS = {"intra": "MHSA_Intra.bn", "inter": "MHSA_Inter.bn"}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients, "base/weight" say, under our names and shapes."""
    values = {}
    for ours, theirs in LAYERS.items():
        weight = GOLDEN.get(f"{kind}/{theirs}.weight")
        if weight is not None:
            values[f"{ours}.weight"] = weight.reshape(*weight.shape[:2], -1).permute(2, 1, 0)
            values[f"{ours}.bias"] = GOLDEN[f"{kind}/{theirs}.bias"]
    if kind.startswith("full"):
        for ours, theirs in NORMS.items():
            values[f"{ours}.scale"] = GOLDEN[f"{kind}/{theirs}.weight"]
            values[f"{ours}.shift"] = GOLDEN[f"{kind}/{theirs}.bias"]
        values["uncertain"] = GOLDEN[f"{kind}/uncertainty_branch.weight"].flatten()
    return values


def statistics(kind: str) -> dict[str, torch.Tensor]:
    """Running means and variances."""
    values = {}
    for ours, theirs in NORMS.items():
        values[f"{ours}.mean"] = GOLDEN[f"full/{kind}/{theirs}.running_mean"]
        values[f"{ours}.variance"] = GOLDEN[f"full/{kind}/{theirs}.running_var"]
    return values


def golden_view(refined: bool) -> tuple[View, Packed]:
    videos, length = GOLDEN["x"].shape[:2]
    batch = Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])
    spans = GOLDEN["segments"].long()
    is_segment = torch.arange(spans.shape[1]) < GOLDEN["segment_count"][:, None]
    labels = GOLDEN["pseudo_label"].flatten(0, 1) if refined else None
    return View(batch, np.ones(videos * length), spans, is_segment, labels), batch


@pytest.mark.parametrize("kind", ["base", "full"])
def test_outputs_losses_and_gradients_agree_with_the_official_code(kind):
    refined = kind == "full"
    draw = torch.Generator().manual_seed(0)
    network = StepNetwork(SMALL, 32, 5, refined, draw).double()
    state = official(f"{kind}/weight")
    network.load_state_dict(state | statistics("buffer") if refined else state)
    view, batch = golden_view(refined)
    if refined:
        check_outputs(network(view, None), "full/eval_")
    outputs = network(view, draw)
    check_outputs(outputs, f"{kind}/")
    losses = {name: value.mean() for name, value in loss(outputs, batch, SMALL).items()}
    names = {"fg": "fg", "bg": "bg", "abg": "abg", "total": "total"}
    if refined:
        names |= {"pseudo": "pseudo_ce", "uncertainty": "uncertainty"}
        torch.testing.assert_close(outputs.x[0], GOLDEN["full/after_inter"].flatten(0, 1), **EXACT)
        buffers = dict(network.named_buffers())
        torch.testing.assert_close(buffers, statistics("buffer_after"), **EXACT)
    for ours, theirs in names.items():
        torch.testing.assert_close(losses[ours], GOLDEN[f"{kind}/loss_{theirs}"], **EXACT)
    losses["total"].backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(gradients, official(f"{kind}/grad"), **EXACT)


def check_outputs(outputs, prefix: str) -> None:
    """Under either attention, of snippets and of videos."""
    attention = outputs.attention
    under = [(outputs.s_a[0] * attention[:, i : i + 1]).softmax(-1) for i in (0, 1)]
    values = {
        "fg_score": outputs.fg.softmax(-1),
        "bg_score": outputs.bg.softmax(-1),
        "attention": attention,
        "cas": outputs.s_a[0].softmax(-1),
        "fg_cas": under[0],
        "bg_cas": under[1],
    }
    if outputs.uncertainty is not None:
        values["uncertainty"] = outputs.uncertainty
    for name, value in values.items():
        expected = GOLDEN[prefix + name]
        torch.testing.assert_close(value.flatten(), expected.flatten(), **EXACT)


def activation_of(video: dict, step: str, weights: np.ndarray) -> Activation:
    attention = np.array(video[f"attention{step}"])[None]
    return Activation(
        np.array(video[f"fg_cas{step}"])[None, :, :-1],
        np.array(video["fg_score"])[None, None, :-1],
        attention,
        (attention.shape[1],),
        attention,
        weights,
    )


def found(video: dict, step: str, weights: np.ndarray, rule) -> Instances:
    native = np.array([video["length"]])
    return segments_of(
        activation_of(video, step, weights), native, Timebase().seconds(native), rule
    )


def rows_of(part: Instances) -> np.ndarray:
    return as_set(np.stack([part.label, part.start, part.end, part.score], 1))


def as_set(rows) -> np.ndarray:
    """In an order that rounding does not change."""
    rows = np.array(rows, dtype=np.float64)
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


@pytest.mark.parametrize("name", list(SEGMENTS["videos"]))
def test_segments_sampling_and_labels_agree_with_the_official_code(name):
    video, expected = SEGMENTS["videos"][name], SEGMENTS["expected"][name]
    length, classes = video["length"], SEGMENTS["classes"]
    ones = np.ones(length)
    part = found(video, "", ones, SMALL.pseudo_rule)
    np.testing.assert_allclose(rows_of(part), as_set(expected["pseudo_segments"]), **CLOSE)
    at_step_0 = found(video, "", ones, SMALL.rule)
    np.testing.assert_allclose(rows_of(at_step_0), as_set(expected["detections_step0"]), **CLOSE)
    if "validation" in name:
        part = chosen(part, np.flatnonzero(np.isin(part.label, video["label"])))
    weights = sampling_weights(part, length, SMALL)
    np.testing.assert_allclose(weights, expected["weights"], **CLOSE)
    features = torch.tensor(video["features"], dtype=torch.float64)[None]
    batch = Packed(features, (length,), torch.zeros(1, classes))
    evenly = resampled(batch, [ones], 40, None).features[0]
    np.testing.assert_allclose(evenly, expected["uniform_feature"], **CLOSE)
    dense = resampled(batch, [weights], 40, None)
    np.testing.assert_allclose(dense.features[0], expected["sampled_feature"], **CLOSE)
    spans = context_spans(part, weights, dense.lengths[0], SMALL)
    assert spans.tolist() == expected["segments"]
    labelled = chosen(part, np.flatnonzero(np.isin(part.label, video["label"])))
    labels = snippet_labels(labelled, weights, dense.lengths[0], classes, SMALL)
    np.testing.assert_allclose(labels, expected["pseudo_label"], **CLOSE)
    at_step_1 = found(video, "2", weights, SMALL.rule)
    np.testing.assert_allclose(rows_of(at_step_1), as_set(expected["detections_step1"]), **CLOSE)


CLOSE = {"rtol": 0, "atol": 1e-9}
