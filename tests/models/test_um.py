"""UM agrees with the authors' code on reference vectors, network and localization; short and long
videos; GauFuse's view of it.
"""

import json
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
import torch

from tests.models.reference_detections import assert_detections, assert_map
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.data.dataset import empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.sampling import thinned
from wtal_core.models.shared.schedule import Schedule
from wtal_core.models.um import (
    METHOD,
    OFFICIAL,
    QUICK,
    Config,
    Network,
    activate,
    instances,
    localize,
    loss,
    signals,
    summed_up,
    top_shares,
)
from wtal_core.packed import Packed
from wtal_core.timebase import Timebase

GOLDEN = {
    name: torch.from_numpy(value)
    for name, value in np.load(GOLDEN_FOLDER / "um.npz").items()
    if value.ndim
}
NUMBERS = {
    name: float(value)
    for name, value in np.load(GOLDEN_FOLDER / "um.npz").items()
    if not value.ndim
}
DETECTED = json.loads((GOLDEN_FOLDER / "um_postprocess.json").read_text())
SMALL = replace(OFFICIAL, samples=None, width=32)
EXACT = {"rtol": 1e-9, "atol": 1e-9}
LAYERS = {
    "embed.weight": "cas_module.conv.0.weight",
    "embed.bias": "cas_module.conv.0.bias",
    "classify.weight": "cas_module.classifier.0.weight",
}


def network_of(config=SMALL, streams=2, size=16) -> Network:
    return Network(config, streams, size, 5, torch.Generator().manual_seed(0)).double()


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    tensors = {ours: GOLDEN[f"{kind}/{theirs}"] for ours, theirs in LAYERS.items()}
    return {n: t.permute(2, 1, 0) if t.ndim == 3 else t for n, t in tensors.items()}


def scene_of(lengths, names=None, classes=5) -> Scene:
    return Scene(
        tuple(names or (f"video {v}" for v in range(len(lengths)))),
        tuple(f"class_{c}" for c in range(classes)),
        Timebase(),
        empty_segments(),
        tuple(lengths),
    )


def gradients(network, batch, config=SMALL) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, config)["total"].sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


@pytest.fixture
def golden():
    """The reference network and batch."""
    videos, length, size = GOLDEN["x"].shape
    network = network_of(streams=1, size=size)
    network.load_state_dict(official("weight"))
    return network, Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    expected = {
        "x": GOLDEN["features"].flatten(0, 1)[None],
        "s_a": GOLDEN["cas"].flatten(0, 1)[None],
        "length": GOLDEN["feat_magnitudes"].flatten(),
        "f_action": GOLDEN["feat_act"].mean(1),
        "f_background": GOLDEN["feat_bkg"].mean(1),
        "longest": GOLDEN["feat_act"].norm(dim=-1).mean(1),
        "shortest": GOLDEN["feat_bkg"].norm(dim=-1).mean(1),
    }
    for name, value in expected.items():
        torch.testing.assert_close(getattr(outputs, name), value, **EXACT)
    torch.testing.assert_close(outputs.s_action.softmax(-1), GOLDEN["score_act"], **EXACT)
    torch.testing.assert_close(outputs.s_background.softmax(-1), GOLDEN["score_bkg"], **EXACT)


def test_losses_and_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, SMALL)
    assert set(losses) == {"cls", "um", "be", "total"}
    for name, value in losses.items():
        assert value.mean().item() == pytest.approx(NUMBERS[f"loss_{name}"], rel=1e-9)
    losses["total"].mean().backward()
    torch.testing.assert_close(
        {name: p.grad for name, p in network.named_parameters()}, official("grad"), **EXACT
    )


def invented() -> tuple[Activation, Scene]:
    """The invented videos of the reference detections; their features have one channel, which is
    their length.
    """
    logits = torch.from_numpy(np.concatenate(DETECTED["cas"]))
    lengths = torch.from_numpy(np.concatenate(DETECTED["magnitudes"]))
    videos = Packed(lengths[None, :, None], tuple(DETECTED["lengths"]), torch.zeros(9, 6))
    outputs = summed_up(lengths[:, None], logits, torch.ones_like(lengths), videos, OFFICIAL)
    scene = scene_of(DETECTED["video_lengths"], DETECTED["videos"], classes=6)
    return activate(outputs, videos, OFFICIAL), scene


def test_detections_agree_with_the_official_code():
    activation, scene = invented()
    np.testing.assert_allclose(activation.scores[0], DETECTED["video_scores"], rtol=1e-9)
    table = localize(activation, scene, OFFICIAL)
    assert_detections(table, DETECTED, "detections", seconds=1.0)
    assert_map(table, DETECTED, "activitynet")
    parameters = DETECTED["parameters"]
    rule = OFFICIAL.rule
    np.testing.assert_allclose(rule.thresholds, parameters["cas_thresholds"])
    np.testing.assert_allclose(rule.magnitude, parameters["magnitude_thresholds"])


@pytest.mark.parametrize("changes", [{}, {"samples": 20}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network, batch = network_of(config), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    for name in ("s_action", "s_background", "f_action", "longest"):
        expected = torch.cat([getattr(a, name) for a in alone])
        torch.testing.assert_close(getattr(together, name), expected, **EXACT)
    summed = [gradients(network, single, config) for single in one_by_one(batch)]
    expected = {name: sum(g[name] for g in summed) for name in summed[0]}
    torch.testing.assert_close(gradients(network, batch, config), expected, **EXACT)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("samples", [None, 20])
def test_videos_without_or_with_one_snippet_are_finite(lengths, samples):
    config, batch = replace(SMALL, samples=samples), random_batch(lengths)
    network, draw = network_of(config), torch.Generator().manual_seed(1)
    values = loss(network(batch, draw), batch, config)
    assert all(value.isfinite().all() for value in values.values())
    assert all(g.isfinite().all() for g in gradients(network, batch, config).values())
    with torch.no_grad():
        table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()
    assert set(table["video"]) <= {f"video {v}" for v, n in enumerate(lengths) if n}


def test_equal_lengths_are_picked_from_the_first_on():
    values = torch.tensor([1.0, 3.0, 3.0, 3.0, 2.0, 0.0, 0.0])
    batch = Packed(values[None, :, None], (5, 0, 2), torch.zeros(3, 1))
    assert top_shares(values, batch, 2).tolist() == [0, 0.5, 0.5, 0, 0, 1, 0]
    assert top_shares(values, batch, 9).tolist() == [0, 1, 0, 0, 0, 1, 0]


def test_a_dropped_snippet_is_no_pick_while_others_are_left():
    x = torch.arange(1.0, 9.0, dtype=torch.float64)[:, None]
    batch = Packed(x[None], (8,), torch.ones(1, 1, dtype=x.dtype))
    config = replace(SMALL, action_fraction=4, background_fraction=4)
    kept = torch.ones(8, dtype=x.dtype)
    kept[[7, 0]] = 0
    outputs = summed_up(x, x, kept, batch, config)
    assert outputs.longest.item() == 6.5 and outputs.shortest.item() == 2.5
    assert outputs.s_action.item() == 7.5  # whose scores are means over all snippets' largest


def test_long_videos_are_thinned_in_evaluation_and_drawn_from_in_training():
    batch = Packed(torch.arange(44.0)[None, :, None], (33, 0, 7, 4), torch.zeros(4, 1))
    still = thinned(batch, 7)
    assert still.lengths == (7, 0, 7, 4)
    assert still.features[0, :7, 0].tolist() == [j * 33 // 7 for j in range(7)]
    assert still.features[0, 7:, 0].tolist() == list(range(33, 44))
    assert thinned(batch, 33) is batch
    config = replace(SMALL, samples=7, width=4)
    network = Network(config, 1, 1, 1, torch.Generator().manual_seed(0))
    assert network(batch).snippets.lengths == (7, 0, 7, 4)
    trained = network(batch, torch.Generator().manual_seed(0))
    assert trained.snippets.lengths == (7, 0, 7, 7)
    assert METHOD.host.snippets(trained, batch) is trained.snippets
    assert trained.s_a.shape == (1, 21, 1)


def test_detections_of_thinned_videos_are_in_seconds():
    config, batch = replace(SMALL, samples=20), random_batch((60, 12))
    with torch.no_grad():
        activation = activate(network_of(config)(batch), batch, config)
    assert activation.lengths == (20, 12)
    for suppression in (None, FusionRule("nms", limit=0.6, overlap="iou")):
        table = localize(activation, scene_of((60, 12)), config, suppression)
        ends = table.groupby("video")["t_end"].max()
        assert (ends <= np.array([60, 12]) * 0.64 + 1e-9).all()
        assert (ends > np.array([60, 12]) * 0.5).all()


def test_instances_are_the_detections_before_the_rule_that_settles_them():
    """With NMS by an overlap that does not depend on the unit, in snippets and in seconds alike."""
    activation, scene = invented()
    config = replace(OFFICIAL, rule=replace(OFFICIAL.rule, nms_iou="iou", nms=0.5))
    by_rule = FusionRule("nms", limit=np.nextafter(0.5, 0), overlap="iou")
    (found,) = instances(activation, 6, config, by_rule)
    assert (found.end <= np.array(activation.lengths)[found.video]).all()
    fused = localize(activation, scene, config, by_rule)
    own = localize(activation, scene, config)
    assert len(found.video) == len(fused) == len(own) > 50
    columns = ["t_start", "t_end", "score"]
    np.testing.assert_allclose(fused[columns], own[columns], atol=1e-9)
    gaussian = localize(activation, scene, config, FusionRule())
    assert 0 < len(gaussian) != len(own)


def trained(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of three steps with dropout, then detections, from a seed."""
    batch = random_batch((30, 50, 40))
    draw = torch.Generator().manual_seed(3)
    network = Network(config, 2, 16, 5, draw).double()
    optimizer, values = config.schedule.optimizer(network), []
    for _ in range(3):
        value = config.schedule.reduce(loss(network(batch, draw), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    activation = activate(network(batch), batch, config)
    table = localize(activation, scene_of(batch.lengths), config)
    return values, table[["t_start", "t_end", "score"]].to_numpy()


@cache
def trained_small() -> tuple[list[float], np.ndarray]:
    return trained(SMALL)


CHANGES = {
    "samples": 20,
    "width": 16,
    "dropout": 0.2,
    "pick_dropout": 0.2,
    "action_fraction": 3,
    "background_fraction": 9,
    "margin": 1.0,
    "alpha": 0.1,
    "beta": 0.3,
    "rule": replace(SMALL.rule, gamma=0.7),
    "schedule": Schedule(learning_rate=1e-2),
}


@pytest.mark.parametrize("name", [f.name for f in fields(Config)])
def test_every_field_of_config_changes_the_result(name):
    before, after = trained_small(), trained(replace(SMALL, **{name: CHANGES[name]}))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])


def test_sizes_and_settings_of_the_paper():
    network = Network(replace(OFFICIAL, width=64), 2, 32, 20, torch.Generator())
    assert sum(p.numel() for p in network.parameters()) == 3 * 64 * 64 + 64 + 64 * 20
    schedule = OFFICIAL.schedule
    assert schedule.epochs * 13 == 9997
    assert (schedule.learning_rate, schedule.weight_decay, schedule.betas) == (
        1e-4,
        16 * 5e-4,
        (0.9, 0.999),
    )
    assert QUICK.alpha * QUICK.margin**2 == OFFICIAL.alpha * OFFICIAL.margin**2
    shapes = {n: tuple(v.shape) for n, v in signals(network_of()(random_batch())).items()}
    snippets = sum(LENGTHS)
    assert shapes == {"s_a": (1, snippets, 5), "x": (1, snippets, 32), "length": (1, snippets)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 0}, "um: samples is 0; expected a whole number >= 1 or None"),
        ({"pick_dropout": 1.0}, r"um: pick_dropout is 1.0; expected a number in \[0, 1\)"),
        ({"margin": -1.0}, "um: margin is -1.0; expected a number >= 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(WorkbookError, match=message):
        replace(OFFICIAL, **change)
