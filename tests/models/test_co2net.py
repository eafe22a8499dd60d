"""CO2-Net agrees with the authors' code on reference vectors; every setting does something; packed
batches are videos one by one, but for the co-activity of pairs.
"""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.attention_samples import (
    assert_same_detections,
    gradients,
    invented_activation,
    invented_scene,
    scene_of,
    trained,
)
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.losses.attended import lifted
from wtal_core.models.co2net import (
    ACTIVITYNET12,
    METHOD,
    OFFICIAL,
    Config,
    Network,
    Outputs,
    activate,
    instances,
    localize,
    loss,
    signals,
)
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "co2net.npz").items()
}
INVENTED = json.loads((GOLDEN_FOLDER / "co2net_postprocess.json").read_text())
EXACT = {"rtol": 1e-9, "atol": 1e-12}
SMALL = replace(OFFICIAL, samples=None, width=32, attention_width=8)
TWO_PAIRS = replace(SMALL, schedule=replace(SMALL.schedule, pairs=2))
CONSENSUS = {
    "whole": "channel_conv.0",
    "each": "bit_wise_attn.0",
    "attend_1": "attention.0",
    "attend_2": "attention.3",
    "attend_3": "attention.5",
}
LAYERS = {
    **{f"consensus.0.{ours}": f"vAttn.{theirs}" for ours, theirs in CONSENSUS.items()},
    **{f"consensus.1.{ours}": f"fAttn.{theirs}" for ours, theirs in CONSENSUS.items()},
    "fuse": "fusion.0",
    "hidden": "classifier.1",
    "classify": "classifier.4",
}
TERMS = {
    "orig": "mil_orig",
    "supp": "mil_supp",
    "co_activity": "coactivity",
    "mutual": "mutual",
    "norm": "norm",
    "guide": "guide",
    "total": "total",
}


def network_of(config=SMALL, streams=2) -> Network:
    return Network(config, streams, 16, 5, torch.Generator().manual_seed(0)).double()


def official(golden: dict, kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    values = {}
    for ours, theirs in LAYERS.items():
        values[f"{ours}.weight"] = golden[f"{kind}/{theirs}.weight"].permute(2, 1, 0)
        values[f"{ours}.bias"] = golden[f"{kind}/{theirs}.bias"]
    return values


def golden_batch(golden: dict) -> Packed:
    """RGB, then flow; two pairs lead."""
    videos, length, _ = golden["x"].shape
    features = golden["x"].flatten(0, 1).unflatten(1, (2, -1)).transpose(0, 1)
    return Packed(features.contiguous(), (length,) * videos, golden["y"])


@pytest.fixture
def golden():
    """The reference network and batch."""
    network = network_of(TWO_PAIRS)
    network.load_state_dict(official(GOLDEN, "weight"))
    return network, golden_batch(GOLDEN)


def assert_same_outputs(outputs: Outputs, golden: dict) -> None:
    torch.testing.assert_close(outputs.logits, golden["cas"].flatten(0, 1), **EXACT)
    torch.testing.assert_close(outputs.attention, golden["attn"].flatten(), **EXACT)
    own = torch.stack([golden["v_atn"].flatten(), golden["f_atn"].flatten()])
    torch.testing.assert_close(outputs.own, own, **EXACT)
    torch.testing.assert_close(outputs.feature, golden["feat"].flatten(0, 1), **EXACT)
    suppressed = lifted(outputs.logits, outputs.attention)
    torch.testing.assert_close(suppressed, golden["cas_supp"].flatten(0, 1), **EXACT)


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    assert_same_outputs(network(batch), GOLDEN)


def test_losses_and_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, TWO_PAIRS)
    for ours, theirs in TERMS.items():
        torch.testing.assert_close(losses[ours].mean(), GOLDEN[f"loss_{theirs}"], **EXACT)
    losses["total"].mean().backward()
    computed = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(computed, official(GOLDEN, "grad"), **EXACT)


def test_detections_and_map_agree_with_the_official_code():
    activation = invented_activation(INVENTED, Outputs, METHOD)
    np.testing.assert_allclose(activation.scores[0], INVENTED["video_scores"], rtol=1e-9)
    assert_same_detections(INVENTED, localize(activation, invented_scene(INVENTED), OFFICIAL))


@pytest.mark.parametrize("changes", [{}, {"smoothing": 5}, {"fraction": 2, "class_fraction": 3}])
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, lambda_co_activity=0.0, **changes)
    network = network_of(config)
    batch = random_batch()
    together = network(batch)
    alone = [network(single) for single in one_by_one(batch)]
    for name in ("logits", "attention", "feature"):
        expected = torch.cat([getattr(outputs, name) for outputs in alone])
        torch.testing.assert_close(getattr(together, name), expected, rtol=0, atol=1e-9)
    separate = [gradients(METHOD, network, single, config) for single in one_by_one(batch)]
    expected = {name: sum(part[name] for part in separate) for name in separate[0]}
    computed = gradients(METHOD, network, batch, config)
    torch.testing.assert_close(computed, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("streams", [1, 2, 3])
def test_videos_without_or_with_one_snippet_are_finite(lengths, streams):
    config = replace(SMALL, samples=20, smoothing=3)
    batch = random_batch(lengths, streams)
    network = network_of(config, streams)
    every = gradients(METHOD, network, batch, config)
    assert all(gradient.isfinite().all() for gradient in every.values())
    drawn = network(batch, torch.Generator().manual_seed(0))
    assert drawn.snippets.lengths == tuple(20 if length else 0 for length in lengths)
    assert loss(drawn, batch, config)["total"].isfinite().all()
    table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_a_pair_that_shares_a_class_is_compared():
    """Two videos of the same class cost something; of different ones, nothing."""
    same = random_batch((20, 30))
    other = Packed(same.features, same.lengths, torch.eye(5)[:2].double())
    same = Packed(same.features, same.lengths, torch.eye(5)[[0, 0]].double())
    outputs = network_of()(same)
    assert loss(outputs, same, SMALL)["co_activity"].mean() > 0.1
    other_outputs = replace(outputs, snippets=other)
    assert loss(other_outputs, other, SMALL)["co_activity"].tolist() == [0, 0]


def test_another_suppression_takes_the_place_of_the_soft_one():
    batch = random_batch((30, 50, 40))
    activation = activate(network_of()(batch), batch, SMALL)
    (own,) = instances(activation, 5, SMALL)
    (fused,) = instances(activation, 5, SMALL, FusionRule("gaussian", overlap="iou"))
    assert 3 <= len(fused.start) < len(own.start)
    assert (fused.end > fused.start).all()
    longer = replace(SMALL, rule=replace(SMALL.rule, longer_than=4.0))
    (long,) = instances(activation, 5, longer)
    kept = own.end - own.start > 4
    assert 0 < kept.sum() < len(kept) and np.array_equal(long.score, own.score[kept])


def test_sizes_and_settings_of_the_code():
    network = Network(OFFICIAL, 2, 1024, 20, torch.Generator())
    assert sum(p.numel() for p in network.parameters()) == 34_133_015
    schedule = OFFICIAL.schedule
    assert schedule.epochs * 20 == 5000 and (schedule.pairs, schedule.repeat) == (3, False)
    assert schedule.weight_decay == pytest.approx(10 * 1e-3)
    assert ACTIVITYNET12.schedule.weight_decay == pytest.approx(10 * 5e-4)
    shapes = {name: tuple(v.shape) for name, v in signals(network_of()(random_batch())).items()}
    total = sum(LENGTHS)
    assert shapes == {
        "s_a": (1, total, 6),
        "w": (1, total),
        "w_own": (2, total),
        "x": (1, total, 32),
    }


def test_an_even_smoothing_is_refused():
    with pytest.raises(WorkbookError, match="co2net: smoothing is 4; expected an odd number"):
        replace(OFFICIAL, smoothing=4)


CHANGES = {
    "samples": 20,
    "width": 8,
    "attention_width": 4,
    "consensus_dropout": 0.2,
    "logit_dropout": 0.0,
    "dropout": 0.2,
    "smoothing": 3,
    "fraction": 3,
    "lambda_co_activity": 0.3,
    "lambda_mutual": 0.3,
    "lambda_norm": 0.3,
    "lambda_guide": 0.3,
    "class_fraction": 2,
    "rule": replace(SMALL.rule, sigma=0.6),
    "schedule": Schedule(learning_rate=1e-2),
}


@pytest.mark.parametrize("name", [f.name for f in fields(Config) if f.name != "inputs"])
def test_every_field_of_config_changes_the_result(name):
    before = trained(METHOD, SMALL)
    change = {name: CHANGES[name]}
    after = trained(METHOD, replace(SMALL, **change))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])
    assert np.array_equal(before[1], trained(METHOD, replace(SMALL))[1])
