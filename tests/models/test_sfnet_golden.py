"""SF-Net agrees with the authors' code on reference vectors: whole and zero-padded batches, videos
alone, expansion of labels, and segments.

The vectors have the background first; here it is last.
"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.losses.mined_background import (
    background_counts,
    hardest_background,
    last_background,
)
from wtal_core.models.sfnet import (
    OFFICIAL,
    Config,
    Network,
    Outputs,
    activate,
    expanded,
    localize,
    loss,
)
from wtal_core.models.shared.activation import Scene
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "sfnet.npz").items()
}
SEGMENTS = json.loads((GOLDEN_FOLDER / "sfnet_segments.json").read_text())["cases"]
VIDEOS, LENGTH, CLASSES, SIZE = 3, 40, 5, 16
WHOLE = replace(OFFICIAL, hidden=SIZE, dropout=0.0, crops=None)
PADDED = replace(WHOLE, padding="batch")
HARD = {"act_background": "hard_topk"}
OUTPUTS = ("rgb", "flow", "fused")
LINEAR = {
    "embed_1": "{}_cls_layer.0.0",
    "embed_2": "{}_cls_layer.1.0",
    "classify": "{}_classifier",
    "act_1": "{}_act_layer.layer.0.0",
    "act_2": "{}_act_layer.layer.1.0",
    "act": "{}_action",
}
BATCHES = {"whole": "", "padded": "ragged/"}  # prefix of their vectors


def assert_agree(found: torch.Tensor, name: str) -> None:
    expected = GOLDEN[name]
    tolerance = 1e-9 * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def background_last(values: torch.Tensor, dim: int = -1) -> torch.Tensor:
    return values.roll(-1, dim)


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes; without those that are not
    given.
    """
    found = {}
    for ours, pattern in LINEAR.items():
        names = [f"{kind}/{pattern.format(stream)}" for stream in OUTPUTS[:2]]
        if f"{names[0]}.weight" not in GOLDEN:
            continue
        weight = torch.stack([GOLDEN[f"{name}.weight"] for name in names])
        if weight.ndim == 4:  # (S, out, in, tap): the taps come side by side
            weight = weight.permute(0, 1, 3, 2).flatten(2)
        bias = torch.stack([GOLDEN[f"{name}.bias"] for name in names])[:, None]
        weight = weight.transpose(1, 2)
        last = background_last if ours == "classify" else torch.clone
        found[f"{ours}.weight"] = last(weight)
        found[f"{ours}.bias"] = last(bias)
    if f"{kind}/mul_r" in GOLDEN:
        factors = torch.stack([GOLDEN[f"{kind}/mul_r"], GOLDEN[f"{kind}/mul_f"]])
        found["fuse_logits"] = background_last(factors)[:, None]
    factors = torch.stack([GOLDEN[f"{kind}/act_r"], GOLDEN[f"{kind}/act_f"]])
    return found | {"fuse_act": factors[:, None]}


@cache
def batch_of(kind: str) -> Packed:
    """The reference videos, whole or shortened as the mask says."""
    lengths = GOLDEN[f"{BATCHES[kind]}lengths"].tolist()
    kept = torch.cat([torch.arange(v * LENGTH, v * LENGTH + n) for v, n in enumerate(lengths)])
    x = GOLDEN["x"].flatten(0, 1)[kept]
    clicks = torch.nn.functional.pad(GOLDEN["clicks"].flatten(0, 1)[kept], (0, 1))
    clicks = clicks / clicks.sum(1, keepdim=True).clamp_min(1)
    features = torch.stack([x[:, :SIZE], x[:, SIZE:]])
    return Packed(features, tuple(lengths), GOLDEN["y"], clicks)


def trained_with(kind: str, config: Config) -> tuple[Network, Packed, Outputs]:
    """The reference network, and what it says in training, where dropout is off."""
    network = Network(config, 2, SIZE, CLASSES, torch.Generator()).double()
    network.load_state_dict(official("weight") | {"steps": torch.tensor(0)})
    batch = batch_of(kind)
    return network, batch, network(batch, torch.Generator())


def valid(name: str, batch: Packed) -> torch.Tensor:
    """A reference array (B, T, ...) without its padding, one video after another."""
    parts = [GOLDEN[name][v, :n] for v, n in enumerate(batch.lengths)]
    return torch.cat(parts)


def places(indices: torch.Tensor, batch: Packed) -> set[tuple[int, int]]:
    """(video, snippet) of each index into a packed batch."""
    starts = torch.tensor([0, *batch.lengths]).cumsum(0)
    videos = batch.video[indices]
    return set(zip(videos.tolist(), (indices - starts[videos]).tolist(), strict=True))


def given_places(name: str) -> set[tuple[int, int]]:
    return {(video, snippet) for video, snippet in GOLDEN[name].tolist()}


@pytest.mark.parametrize("kind", BATCHES)
def test_outputs_agree_with_the_official_code(kind):
    _, batch, outputs = trained_with(kind, PADDED)
    for number, output in enumerate(OUTPUTS):
        logits = background_last(valid(f"{BATCHES[kind]}logits_{output}", batch))
        torch.testing.assert_close(outputs.logits[number], logits, rtol=0, atol=1e-9)
        actionness = valid(f"{BATCHES[kind]}act_{output}", batch)
        torch.testing.assert_close(outputs.actionness[number], actionness, rtol=0, atol=1e-9)


def test_without_padding_each_video_is_as_the_official_code_runs_it_alone():
    _, batch, outputs = trained_with("padded", WHOLE)
    for number, output in enumerate(OUTPUTS):
        for video, actionness in enumerate(outputs.actionness[number].split(batch.lengths)):
            assert_agree(actionness, f"alone/act_{output}_{video}")


def test_padding_reaches_the_last_snippet_of_shorter_videos_and_training_only():
    network, batch, outputs = trained_with("padded", PADDED)
    alone = trained_with("padded", WHOLE)[2]
    changed = (outputs.actionness - alone.actionness).abs().amax(0) > 1e-6
    longest = max(batch.lengths)
    ends = torch.tensor(batch.lengths).cumsum(0) - 1
    shorter = [n < longest for n in batch.lengths]
    assert changed.nonzero()[:, 0].tolist() == ends[shorter].tolist()
    assert sum(shorter) == 2
    assert torch.equal(network(batch).actionness, alone.actionness)


@pytest.mark.parametrize("kind", BATCHES)
def test_losses_agree_with_the_official_code(kind):
    _, batch, outputs = trained_with(kind, PADDED)
    prefix = BATCHES[kind]
    losses = {name: value.mean() for name, value in loss(outputs, batch, PADDED).items()}
    hard = loss(outputs, batch, replace(PADDED, **HARD))
    assert_agree(losses["video"], f"{prefix}loss_video")
    assert_agree(losses["frame"] + losses["mined"] / (CLASSES + 1), f"{prefix}loss_frame")
    assert_agree(losses["act"], f"{prefix}loss_act")
    assert_agree(losses["total"], f"{prefix}loss_total")
    assert_agree(hard["act"].mean(), f"{prefix}loss_act_hard")
    assert_agree(hard["total"].mean(), f"{prefix}loss_total_hard")


@pytest.mark.parametrize("number", range(3), ids=OUTPUTS)
@pytest.mark.parametrize("kind", BATCHES)
def test_each_output_s_losses_agree_with_the_official_code(kind, number):
    _, batch, outputs = trained_with(kind, PADDED)
    prefix = BATCHES[kind]
    output = OUTPUTS[number]
    one = replace(
        outputs,
        logits=outputs.logits[number : number + 1],
        actionness=outputs.actionness[number : number + 1],
    )
    losses = {name: value.mean() for name, value in loss(one, batch, PADDED).items()}
    hard = loss(one, batch, replace(PADDED, **HARD))
    assert_agree(losses["video"], f"{prefix}loss_video_{output}")
    assert_agree(losses["frame"], f"{prefix}loss_frame_clicks_{output}")
    assert_agree(losses["mined"], f"{prefix}loss_background_{output}")
    assert_agree(losses["act"], f"{prefix}loss_act_{output}")
    assert_agree(hard["act"].mean(), f"{prefix}loss_act_hard_{output}")


@pytest.mark.parametrize("kind", BATCHES)
def test_mined_snippets_are_those_of_the_official_code(kind):
    _, batch, outputs = trained_with(kind, PADDED)
    prefix = BATCHES[kind]
    labelled = batch.clicks.sum(1) > 0
    counts = background_counts(labelled, batch, PADDED.mined_ratio)
    unlabelled = ((~labelled) & (counts > 0)[batch.video]).nonzero()[:, 0]
    assert places(unlabelled, batch) == given_places(f"{prefix}background_pool")
    last = last_background(labelled, counts, batch)
    assert places(last, batch) == given_places(f"{prefix}act_background")
    mined = hardest_background(labelled, counts, outputs.logits[..., -1], batch)
    still = hardest_background(labelled, counts, outputs.actionness, batch)
    for number, output in enumerate(OUTPUTS):
        assert places(mined[number], batch) == given_places(f"{prefix}mined_{output}")
        expected = given_places(f"{prefix}act_background_hard_{output}")
        assert places(still[number], batch) == expected


@pytest.mark.parametrize(("changes", "name"), [({}, "grad"), (HARD, "grad_hard")])
@pytest.mark.parametrize("kind", BATCHES)
def test_gradients_agree_with_the_official_code(kind, changes, name):
    config = replace(PADDED, **changes)
    network, batch, outputs = trained_with(kind, config)
    loss(outputs, batch, config)["total"].mean().backward()
    expected = official(f"{BATCHES[kind]}{name}")
    assert len(expected) == (14 if name == "grad" else 7)  # the latter: of the actionness only
    parameters = dict(network.named_parameters())
    for parameter, gradient in expected.items():
        tolerance = 1e-9 * max(1.0, gradient.abs().max().item())
        found = parameters[parameter].grad
        torch.testing.assert_close(found, gradient, rtol=0, atol=tolerance)


def test_expansion_agrees_with_the_official_code():
    logits = GOLDEN["expand/logits"]
    labels = GOLDEN["expand/labels"]
    video = torch.arange(len(logits)).repeat_interleave(logits.shape[1])
    clicks = torch.nn.functional.pad(labels.flatten(0, 1), (0, 1))
    clicks = clicks / clicks.sum(1, keepdim=True).clamp_min(1)
    found = expanded(clicks, logits.flatten(0, 1), video, 3, 0.95)
    expected = GOLDEN["expand/new_labels"].flatten(0, 1) > 0
    assert torch.equal(found[:, :-1] > 0, expected)
    assert expected.sum() > (labels > 0).sum()


def test_expansion_by_the_network_s_own_logits_agrees_with_the_official_code():
    _, batch, outputs = trained_with("whole", WHOLE)
    logits = outputs.logits[-1, :, :-1].detach()
    found = expanded(batch.clicks, logits, batch.video, 3, 0.95)
    assert torch.equal(found[:, :-1] > 0, GOLDEN["expanded_clicks"].flatten(0, 1) > 0)


def detections_of(logits: torch.Tensor, actionness: torch.Tensor) -> list[list[float]]:
    """[class, start, end, 100 * score] of one video, from its fused logits and actionness."""
    length, classes = logits.shape
    batch = Packed(
        torch.zeros(1, length, 1, dtype=torch.float64),
        (length,),
        torch.zeros(1, classes, dtype=torch.float64),
    )
    logits = torch.nn.functional.pad(logits, (0, 1))[None]
    outputs = Outputs(logits, actionness[None], batch, batch.features)
    scene = Scene(
        ("video",),
        tuple(map(str, range(classes))),
        Timebase(fps=1.0, stride=1.0),
        empty_segments(),
    )
    table = localize(activate(outputs, batch, WHOLE), scene, WHOLE)
    table = table.assign(label=table["label"].astype(int), score=100 * table["score"])
    return sorted(table[["label", "t_start", "t_end", "score"]].values.tolist())


@pytest.mark.parametrize("number", range(len(SEGMENTS)))
def test_segments_agree_with_the_official_code(number):
    case = SEGMENTS[number]
    logits = torch.tensor(case["logits"], dtype=torch.float64)
    actionness = torch.tensor(case["actionness"], dtype=torch.float64)
    found = detections_of(logits, actionness)
    expected = sorted(case["segments"])
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    np.testing.assert_allclose(
        [row[3] for row in found], [row[3] for row in expected], rtol=0, atol=1e-9
    )


def test_some_segments_are_found():
    assert sum(len(case["segments"]) for case in SEGMENTS) > 20
