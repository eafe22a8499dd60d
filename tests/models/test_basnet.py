"""BaS-Net agrees with the authors' code on reference vectors; its sampling; the ladder to BackTAL's
baseline.
"""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.models import backtal, basnet
from wtal_core.models.basnet import (
    OFFICIAL,
    QUICK,
    Config,
    Network,
    activate,
    ladder,
    localize,
    loss,
    signals,
)
from wtal_core.models.shared.activation import Scene
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.sampling import parts, pick
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed
from wtal_core.runs.inputs import rescaled
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "basnet.npz").items()
}
SMALL = replace(
    OFFICIAL,
    samples=None,
    width=16,
    filter_width=8,
    rule=replace(OFFICIAL.rule, class_threshold=0.1),
)
EXACT = {"rtol": 0, "atol": 1e-9}
LAYERS = {
    "filter_1": "filter_module.conv_1.0",
    "filter_2": "filter_module.conv_2.0",
    "conv_1": "cas_module.conv_1.0",
    "conv_2": "cas_module.conv_2.0",
    "classify": "cas_module.conv_3.0",
}


def network_of(config=SMALL, streams=2, size=16) -> Network:
    return Network(config, streams, size, 5, torch.Generator().manual_seed(0)).double()


def scene_of(lengths) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(len(lengths))),
        tuple(f"class {c}" for c in range(5)),
        Timebase(),
        empty_segments(),
        tuple(lengths),
    )


def gradients(network, batch, config) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    found = {
        f"{ours}.{what}": GOLDEN.get(f"{kind}/{theirs}.{what}")
        for ours, theirs in LAYERS.items()
        for what in ("weight", "bias")
    }
    return {
        name: value.permute(2, 1, 0) if value.ndim == 3 else value
        for name, value in found.items()
        if value is not None
    }


@pytest.fixture
def golden():
    """The reference network and batch."""
    network, videos, length = network_of(streams=1), len(GOLDEN["x"]), GOLDEN["x"].shape[1]
    network.load_state_dict(official("weight"))
    return network, Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    for i, name in enumerate(("base", "supp")):
        torch.testing.assert_close(outputs.cas[i], GOLDEN[f"cas_{name}"].flatten(0, 1), **EXACT)
        torch.testing.assert_close(outputs.s[i].softmax(-1), GOLDEN[f"score_{name}"], **EXACT)
    torch.testing.assert_close(outputs.w.sigmoid(), GOLDEN["fore_weights"].flatten(), **EXACT)


def test_losses_and_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, SMALL)
    assert set(losses) == {"base", "supp", "norm", "total"}
    for name, value in losses.items():
        torch.testing.assert_close(value.mean(), GOLDEN[f"loss_{name}"], **EXACT)
    losses["total"].mean().backward()
    torch.testing.assert_close(
        {name: p.grad for name, p in network.named_parameters()}, official("grad"), **EXACT
    )


@pytest.mark.parametrize("changes", [{}, {"samples": 20}, {"cls": "ce", "conv_bias": False}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network, batch = network_of(config), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    for name in ("cas", "s"):
        torch.testing.assert_close(
            getattr(together, name), torch.cat([getattr(a, name) for a in alone], 1), **EXACT
        )
    summed = [gradients(network, single, config) for single in one_by_one(batch)]
    expected = {name: sum(g[name] for g in summed) for name in summed[0]}
    torch.testing.assert_close(gradients(network, batch, config), expected, **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("samples", [None, 20])
def test_videos_without_or_with_one_snippet_are_finite(lengths, samples):
    config, batch = replace(SMALL, samples=samples), random_batch(lengths)
    network = network_of(config)
    assert all(g.isfinite().all() for g in gradients(network, batch, config).values())
    with torch.no_grad():
        detections = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(detections[["t_start", "t_end", "score"]].to_numpy()).all()


def by_the_code(length: int, samples: int) -> list[list[int]]:
    """Which snippets each sample may be, step by step."""
    if length == samples:
        return [[j] for j in range(samples)]
    s = [j * length / samples for j in range(samples)]
    following = [int(v) for v in s[1:]] + [length - 1]
    return [
        list(range(int(a), b + 1)) if int(a) != b else [int(a)]
        for a, b in zip(s, following, strict=True)
    ]


@pytest.mark.parametrize("length", [1, 7, 20, 33, 61])
def test_samples_come_from_their_part(length):
    first, last = parts(torch.tensor([length]), 20)
    assert [
        list(range(a, b + 1)) for a, b in zip(first[0].tolist(), last[0].tolist(), strict=True)
    ] == by_the_code(length, 20)


def test_sampling_is_regular_in_evaluation_and_random_in_training():
    lengths, generator = (33, 0, 7), torch.Generator().manual_seed(0)
    batch = Packed(torch.arange(40.0)[None, :, None], lengths, torch.zeros(3, 2))
    still = pick(batch, 20, None)
    assert still.lengths == (20, 0, 20)
    assert still.features[0, :20, 0].tolist() == [j * 33 // 20 for j in range(20)]
    drawn = torch.stack([pick(batch, 20, generator).features[0, :, 0] for _ in range(300)])
    choices = by_the_code(33, 20) + [[33 + k for k in ks] for ks in by_the_code(7, 20)]
    assert [
        sorted(set(column)) for column in drawn.T.int().tolist()
    ] == choices  # all that may come does come


def test_detections_of_sampled_videos_are_in_seconds():
    config, batch = (
        replace(SMALL, samples=20, rule=replace(SMALL.rule, class_threshold=0.0)),
        random_batch((33, 12)),
    )
    with torch.no_grad():
        activation = activate(network_of(config)(batch), batch, config)
    assert activation.lengths == (20, 20) and activation.cas.shape[1] == 40
    detections = localize(activation, scene_of((33, 12)), config)
    ends = detections.groupby("video")["t_end"].max()
    assert (ends <= np.array([33, 12]) * 0.64 + 1e-9).all() and (
        ends > np.array([33, 12]) * 0.5
    ).all()


def test_sizes_and_settings_of_the_paper():
    assert (
        sum(p.numel() for p in Network(OFFICIAL, 2, 1024, 20, torch.Generator()).parameters())
        == 26_262_529
    )
    assert OFFICIAL.schedule.epochs * 13 == 1495 and OFFICIAL.schedule.order == "independent"
    assert (OFFICIAL.rule.nms, OFFICIAL.rule.grid, OFFICIAL.rule.outer_end) == (
        0.7,
        24,
        "inclusive",
    )
    assert QUICK.samples is None
    shapes = {
        name: tuple(value.shape) for name, value in signals(network_of()(random_batch())).items()
    }
    assert shapes == {
        "s_a": (1, sum(LENGTHS), 6),
        "w": (1, sum(LENGTHS)),
        "x": (1, sum(LENGTHS), 16),
    }


def test_each_rung_of_the_ladder_changes_one_thing():
    rungs = list(ladder(OFFICIAL, backtal.BASE).values())
    assert len(rungs) == 10 and rungs[0] == OFFICIAL
    changed = [
        [f.name for f in fields(Config) if getattr(a, f.name) != getattr(b, f.name)]
        for a, b in pairwise(rungs)
    ]
    assert changed == [
        ["rule"],
        ["inputs", "samples"],
        ["cls"],
        ["conv_bias"],
        ["rule"],
        ["rule"],
        ["rule"],
        ["schedule"],
        ["rule"],
    ]
    assert rungs[-1].rule == backtal.BASE.rule and rungs[-1].schedule == backtal.BASE.schedule
    assert rungs[-1].inputs == backtal.BASE.inputs


def trained(module, config, batch: Packed) -> tuple[list[float], np.ndarray]:
    """Losses of three steps with dropout, then detections, from a seed."""
    draw = torch.Generator().manual_seed(3)
    network = module.Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for _ in range(3):
        value = config.schedule.reduce(module.loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    table = module.localize(
        module.activate(network(batch), batch, config), scene_of(batch.lengths), config
    )
    return values, table[["t_start", "t_end", "score"]].to_numpy()


def test_the_last_rung_is_backtal_s_baseline():
    goal = replace(
        backtal.BASE, width=16, filter_width=8, rule=replace(backtal.BASE.rule, class_threshold=0.1)
    )
    start, batch = (
        replace(SMALL, rule=replace(OFFICIAL.rule, class_threshold=0.1)),
        random_batch((30, 50, 40)),
    )
    last = list(ladder(start, goal).values())[-1]
    ours, theirs = trained(backtal, goal, batch), trained(basnet, last, batch)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    assert len(ours[1]) > 5
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9)


CHANGES = {
    "inputs": Inputs(length=20),
    "samples": 20,
    "width": 8,
    "filter_width": 4,
    "conv_bias": False,
    "dropout": 0.2,
    "top": 0.5,
    "cls": "ce",
    "lambda_norm": 0.1,
    "rule": replace(SMALL.rule, gamma=0.7),
    "schedule": Schedule(learning_rate=1e-2),
}


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    batch = random_batch((30, 50, 40))
    videos = [
        torch.from_numpy(rescaled(f.numpy(), config.inputs))
        for f in batch.features.split(batch.lengths, 1)
    ]
    return trained(
        basnet,
        config,
        Packed(torch.cat(videos, 1), tuple(v.shape[1] for v in videos), batch.labels),
    )


@pytest.mark.parametrize("name", [f.name for f in fields(Config)])
def test_every_field_of_config_changes_the_result(name):
    before, after = run_through(SMALL), run_through(replace(SMALL, **{name: CHANGES[name]}))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])
    assert np.array_equal(before[1], run_through(replace(SMALL))[1])
