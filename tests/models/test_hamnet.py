"""HAM-Net agrees with the authors' code on reference vectors; every setting does something; packed
batches are videos one by one.
"""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.attention_samples import assert_same_rows, gradients, scene_of, trained
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.models.hamnet import (
    ACTIVITYNET12,
    METHOD,
    OFFICIAL,
    Config,
    Network,
    Outputs,
    activate,
    hidden_above,
    instances,
    localize,
    loss,
    signals,
    snippet_scores,
)
from wtal_core.models.shared.activation import Activation
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "hamnet.npz").items()
}
CASES = json.loads((GOLDEN_FOLDER / "hamnet_postprocess.json").read_text())["cases"]
EXACT = {"rtol": 1e-9, "atol": 1e-12}
SMALL = replace(OFFICIAL, samples=None, width=32, attention_width=16)
LAYERS = {
    "hidden_1": "classifier.0",
    "hidden_2": "classifier.2",
    "classify": "classifier.5",
    "attend_1": "attention.0",
    "attend_2": "attention.2",
    "attend_3": "attention.4",
}


def network_of(config=SMALL, streams=2, size=16) -> Network:
    return Network(config, streams, size, 5, torch.Generator().manual_seed(0)).double()


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    values = {}
    for ours, theirs in LAYERS.items():
        values[f"{ours}.weight"] = GOLDEN[f"{kind}/{theirs}.weight"].permute(2, 1, 0)
        values[f"{ours}.bias"] = GOLDEN[f"{kind}/{theirs}.bias"]
    return values


@pytest.fixture
def golden():
    """The reference network and batch."""
    network = network_of(streams=1, size=32)
    network.load_state_dict(official("weight"))
    videos, length, _ = GOLDEN["x"].shape
    return network, Packed(GOLDEN["x"].flatten(0, 1)[None], (length,) * videos, GOLDEN["y"])


def test_outputs_agree_with_the_official_code(golden):
    network, batch = golden
    outputs = network(batch)
    torch.testing.assert_close(outputs.logits, GOLDEN["logits"].flatten(0, 1), **EXACT)
    torch.testing.assert_close(outputs.attention, GOLDEN["attention"].flatten(), **EXACT)
    is_shown = outputs.attention < hidden_above(outputs.attention, batch, SMALL)
    assert torch.equal(is_shown.double(), GOLDEN["mask_hard"].flatten())
    activation = activate(outputs, batch, SMALL)
    expected = GOLDEN["eval_cas"].flatten(0, 1)[:, :-1].numpy()
    np.testing.assert_allclose(activation.cas[0], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(activation.scores[0], GOLDEN["eval_score"].numpy(), rtol=1e-9)


def test_losses_and_gradients_agree_with_the_official_code(golden):
    network, batch = golden
    losses = loss(network(batch), batch, SMALL)
    for name in ("base", "hard", "soft", "semi"):
        torch.testing.assert_close(losses[name], GOLDEN[f"loss_{name}_per_video"], **EXACT)
    for name in ("norm", "guide", "total"):
        torch.testing.assert_close(losses[name].mean(), GOLDEN[f"loss_{name}"], **EXACT)
    losses["total"].mean().backward()
    computed = {name: p.grad for name, p in network.named_parameters()}
    torch.testing.assert_close(computed, official("grad"), **EXACT)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_detections_agree_with_the_official_code(case):
    given = CASES[case]
    length = len(given["attention"])
    outputs = Outputs(
        torch.tensor(given["logits"], dtype=torch.float64),
        torch.tensor(given["attention"], dtype=torch.float64),
        torch.zeros(length, 1),
        Packed(torch.zeros(1, length, 1).double(), (length,), torch.zeros(1, 5)),
    )
    activation = activate(outputs, outputs.snippets, OFFICIAL)
    np.testing.assert_allclose(activation.scores[0, 0], given["class_score"], rtol=1e-9)
    table = localize(activation, scene_of((length,)), OFFICIAL)
    label = table["label"].str.removeprefix("class ").astype(int)
    ours = np.column_stack([label, table["t_start"], table["t_end"], table["score"]])
    theirs = np.array(given["detections"]).reshape(-1, 4)
    assert_same_rows(np.insert(ours, 0, 0, 1), np.insert(theirs, 0, 0, 1))


def test_a_run_of_the_first_snippet_alone_is_lost_until_fixed():
    """Case 6 of the reference vectors has one."""
    given = CASES[6]
    length = len(given["attention"])
    logits = np.array(given["logits"])[:, :-1]
    attention = np.array(given["attention"])
    activation = Activation(
        (logits * attention[:, None])[None],
        np.array(given["class_score"])[None, None],
        attention[None],
        (length,),
    )
    fixed = replace(OFFICIAL, rule=replace(OFFICIAL.rule, fix_any=True))
    (lost,) = instances(activation, 5, OFFICIAL)
    (proposed,) = instances(activation, 5, fixed)
    assert len(proposed.start) > len(lost.start) == len(given["detections"])
    assert (proposed.start[proposed.end == 1] == 0).any()


@pytest.mark.parametrize(
    "changes", [{}, {"smoothing": 5}, {"hide_by": "range"}, {"hide_by": "one", "fraction": 2}]
)
def test_a_packed_batch_equals_one_video_at_a_time(changes):
    config = replace(SMALL, **changes)
    network = network_of(config)
    batch = random_batch()
    together = network(batch)
    alone = [network(single) for single in one_by_one(batch)]
    for name in ("logits", "attention", "feature"):
        expected = torch.cat([getattr(outputs, name) for outputs in alone])
        torch.testing.assert_close(getattr(together, name), expected, rtol=0, atol=1e-9)
    separate = [gradients(METHOD, network, single, config) for single in one_by_one(batch)]
    expected = {name: sum(part[name] for part in separate) for name in separate[0]}
    torch.testing.assert_close(
        gradients(METHOD, network, batch, config), expected, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 0), (0, 1, 5), LENGTHS])
@pytest.mark.parametrize("changes", [{}, {"samples": 20, "smoothing": 3}])
def test_videos_without_or_with_one_snippet_are_finite(lengths, changes):
    config = replace(SMALL, **changes)
    batch = random_batch(lengths)
    network = network_of(config)
    assert all(g.isfinite().all() for g in gradients(METHOD, network, batch, config).values())
    draw = torch.Generator().manual_seed(0)
    drawn = network(batch, draw)
    assert loss(drawn, batch, config)["total"].isfinite().all()
    table = localize(activate(network(batch), batch, config), scene_of(lengths), config)
    assert np.isfinite(table[["t_start", "t_end", "score"]].to_numpy()).all()


def test_snippets_are_drawn_in_training_only():
    config = replace(SMALL, samples=20)
    batch = random_batch((33, 0, 7))
    network = network_of(config)
    drawn = network(batch, torch.Generator().manual_seed(0))
    assert drawn.snippets.lengths == (20, 0, 20) and len(drawn.attention) == 40
    assert METHOD.host.snippets(drawn, batch) is drawn.snippets
    assert network(batch).snippets is batch
    assert snippet_scores(drawn)[0][1].shape == (1, 40, 6)


def test_flat_attention_is_not_hidden_and_ties_are_settled():
    """All attentions are 0: nothing is below a fifth of 0."""
    batch = random_batch((12,))
    outputs = Outputs(
        torch.zeros(12, 6).double(), torch.zeros(12).double(), torch.zeros(12, 1), batch
    )
    assert hidden_above(outputs.attention, batch, OFFICIAL).tolist() == [0.0] * 12
    assert loss(outputs, batch, OFFICIAL)["total"].isfinite().all()


def test_another_suppression_takes_the_place_of_the_soft_one():
    batch = random_batch((30, 50, 40))
    config = replace(SMALL, rule=replace(SMALL.rule, class_threshold=0.1))
    activation = activate(network_of()(batch), batch, config)
    (own,) = instances(activation, 5, config)
    (fused,) = instances(activation, 5, config, FusionRule("gaussian", overlap="iou"))
    assert 5 < len(fused.start) < len(own.start)
    assert (fused.end > fused.start).all()


def test_sizes_and_settings_of_the_code():
    network = Network(OFFICIAL, 2, 1024, 20, torch.Generator())
    assert sum(p.numel() for p in network.parameters()) == 29_146_646
    bound = (6 / (3 * 2048)) ** 0.5
    weight = network.hidden_1.weight
    assert 0.99 * bound < weight.max() <= bound and not network.hidden_1.bias.any()
    assert OFFICIAL.rule.thresholds[1] == pytest.approx(0.1 + 0.8 / 9)
    assert (ACTIVITYNET12.fraction, ACTIVITYNET12.smoothing) == (20, 17)
    shapes = {name: tuple(v.shape) for name, v in signals(network_of()(random_batch())).items()}
    total = sum(LENGTHS)
    assert shapes == {"s_a": (1, total, 6), "w": (1, total), "x": (1, total, 32)}


def test_an_even_smoothing_is_refused():
    with pytest.raises(WorkbookError, match="hamnet: smoothing is 4; expected an odd number"):
        replace(OFFICIAL, smoothing=4)


CHANGES = {
    "samples": 20,
    "width": 8,
    "attention_width": 4,
    "dropout": 0.2,
    "smoothing": 3,
    "hide": 0.5,
    "hide_by": "range",
    "fraction": 3,
    "lambda_base": 0.3,
    "lambda_hard": 0.3,
    "lambda_soft": 0.3,
    "lambda_semi": 0.3,
    "lambda_norm": 0.3,
    "lambda_guide": 0.3,
    "rule": replace(SMALL.rule, sigma=0.6),
    "schedule": Schedule(learning_rate=1e-2),
}


@pytest.mark.parametrize("name", [f.name for f in fields(Config) if f.name != "inputs"])
def test_every_field_of_config_changes_the_result(name):
    base = replace(SMALL, rule=replace(SMALL.rule, class_threshold=0.1))
    before = trained(METHOD, base)
    change = {name: CHANGES[name]}
    after = trained(METHOD, replace(base, **change))
    assert before[0] != after[0] or not np.array_equal(before[1], after[1])
    assert np.array_equal(before[1], trained(METHOD, replace(base))[1])
