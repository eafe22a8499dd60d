"""One step of training: losses and gradients are those of the method, and the network stays."""

from copy import deepcopy
from dataclasses import replace

import torch

from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.models import facnet
from wtal_core.runs.inputs import resident
from wtal_core.study.first_step import first_step, gradient_norms


def case():
    data = tiny_dataset()
    batch = resident(data, "train", "cpu").batch([0, 1, 2])
    draw = torch.Generator().manual_seed(0)
    return facnet.Network(CONFIG, 2, data.feature_size(), 3, draw), batch


def test_losses_are_the_methods_and_the_step_lowers_their_sum():
    network, batch = case()
    before = deepcopy(network.state_dict())
    step = first_step("facnet", network, batch, CONFIG)
    losses = facnet.loss(network(batch), batch, CONFIG)
    assert step.before["total"].tolist() == losses["total"].tolist()
    assert step.mean.loc["total", "after"] < step.mean.loc["total", "before"]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_norms_are_of_each_part():
    network, batch = case()
    norms = first_step("facnet", network, batch, CONFIG).gradients
    assert norms.columns.tolist() == ["w_a", "w_f", "embed_1", "embed_2"]
    assert norms.loc["mil", "w_f"] == 0  # MIL does not ask for the foreground
    facnet.loss(network(batch), batch, CONFIG)["cw"].mean().backward()
    parameters = [*network.embed_1.parameters()]
    by_hand = sum(float(p.grad.square().sum()) for p in parameters) ** 0.5
    assert abs(norms.loc["cw", "embed_1"] - by_hand) < 1e-5 * by_hand


def test_a_seed_switches_on_what_is_for_training_only():
    network, batch = case()
    network.config = replace(CONFIG, dropout=0.5)
    without = first_step("facnet", network, batch, CONFIG)
    once, again = (first_step("facnet", network, batch, CONFIG, seed=3) for _ in range(2))
    assert once.before.equals(again.before) and not once.before.equals(without.before)


def test_a_term_that_reaches_nothing_has_norm_0():
    network, _ = case()
    norms = gradient_norms(network, {"constant": torch.tensor(1.0)})
    assert (norms == 0).all(axis=None)
