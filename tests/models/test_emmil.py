"""EM-MIL against a plain form of its specification."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.test_topk_mil import scene_of
from tests.packed_samples import random_batch
from wtal_core.models.emmil import (
    OFFICIAL,
    Network,
    activate,
    between_epochs,
    localize,
    loss,
    step_of,
)
from wtal_core.models.shared.activation import Activation
from wtal_core.packed import Resident

SMALL = replace(OFFICIAL, hidden=6)
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def sample(epochs: int, config=SMALL):
    batch = random_batch()
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(1)).double()
    network.epochs.fill_(epochs)
    return network, batch


def log_loss(p, target):
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def plain_loss(outputs, batch, step) -> list[torch.Tensor]:
    """Key and class loss of each video."""
    values = []
    for v, label in enumerate(batch.labels):
        key = [part.split(batch.lengths)[v] for part in outputs.key]
        classes = [part.split(batch.lengths)[v] for part in outputs.s_a]
        if not len(key[0]):
            values.append(torch.tensor(0.0).double())
            continue
        k, c = sum(key) / 2, sum(classes) / 2
        if step == "E":
            target = torch.zeros_like(k)
            for j in torch.nonzero(label)[:, 0]:
                target = torch.maximum(target, (c[:, j] > c[:, j].mean()).double())
            values.append(sum(log_loss(part, target) for part in key))
            continue
        positive = torch.ones_like(k)
        if step == "M, key":
            positive = (k > k.mean() + 0.15 * (k.max() - k.min())).double()
        value = 0.0
        for part in classes:
            for j in range(5):
                value = value + log_loss(part[:, j], label[j] * positive)
        values.append(value)
    return values


@pytest.mark.parametrize(("epochs", "step"), [(0, "M, all"), (12, "E"), (25, "M, key"), (30, "E")])
def test_losses_are_those_of_the_plain_form(epochs, step):
    network, batch = sample(epochs)
    outputs = network(batch)
    found = loss(outputs, batch, SMALL)
    expected = torch.stack(plain_loss(outputs, batch, step))
    torch.testing.assert_close(found["key"] + found["cls"], expected, **EXACT)
    found["total"].sum().backward()
    learns = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    branch = {"key", "key_hidden"} if step == "E" else {"classify", "class_hidden"}
    assert learns == branch | {"video_attention", "video_classes"}


def test_steps_take_turns_as_in_the_official_code():
    steps = [step_of(epoch, OFFICIAL) for epoch in range(65)]
    assert steps[:10] == ["M, all"] * 10 and steps[10:20] == ["E"] * 10
    assert steps[20:30] == ["M, key"] * 10 and steps[30:34] == ["E", "M, key", "E", "M, key"]
    assert steps[64] == "E" and OFFICIAL.schedule.learning_rate_at(19) == 1e-4
    assert OFFICIAL.schedule.learning_rate_at(20) == pytest.approx(4e-4)


def test_video_classes_are_those_of_the_plain_form_and_stop_learning():
    network, batch = sample(3)
    outputs = network(batch)
    for v, label in enumerate(batch.labels):
        attention = 0.0
        scores = 0.0
        for s in range(2):
            x = batch.features[s].split(batch.lengths)[v]
            one, many = network.video_attention[s], network.video_classes[s]
            attention = attention + (x @ one.weight[0] + one.bias).softmax(0) / 2
            scores = scores + (x @ many.weight[0] + many.bias).softmax(1) / 2
        p = (attention * scores).sum(0)
        torch.testing.assert_close(outputs.p[v], p, **EXACT)
        if len(x):
            value = -(label / label.sum() * p.log()).sum()
            torch.testing.assert_close(loss(outputs, batch, SMALL)["video"][v], value, **EXACT)
    late, _ = sample(45)
    assert not loss(late(batch), batch, SMALL)["video"].any()


def test_the_network_is_told_how_many_epochs_are_done():
    network, batch = sample(0)
    videos = Resident([np.zeros((2, 3, 16))], np.ones((1, 5)))
    assert between_epochs(network, videos, SMALL, 12, torch.Generator()) is None
    assert network(batch).epochs == 12


def test_detections_of_a_case_by_hand():
    """Mean 0.5, range 1: above 0.55 are snippets 1, 2 and the last."""
    column = np.array([0.1, 0.9, 0.8, 0.3, 0.1, 0.8])
    column = column + (0.5 - column.mean())
    cas = np.stack([column, np.zeros(6)], -1)[None]
    activation = Activation(cas, np.array([[[0.2, 0.1]]]), np.zeros((1, 6)), (6,))
    official = localize(activation, scene_of(1), SMALL)
    assert official["t_start"].tolist() == [1.0] and official["t_end"].tolist() == [3.0]
    assert official["score"].tolist() == [1.0]
    whole = localize(
        activation, scene_of(1), replace(SMALL, keep_last=True, confidence="mean")
    ).sort_values("t_start")
    assert whole["t_end"].tolist() == [3.0, 6.0]
    assert whole["score"].tolist() == pytest.approx([column[1:3].mean(), column[5]])


def test_a_flat_video_and_an_empty_one_have_no_detections():
    network, _ = sample(0)
    none = random_batch(lengths=(0, 0))
    assert localize(activate(network(none), none, SMALL), scene_of(2), SMALL).empty
    assert loss(network(none), none, SMALL)["total"].isfinite().all()
    flat = Activation(np.full((1, 4, 1), 0.3), np.ones((1, 1, 1)), np.zeros((1, 4)), (4,))
    assert localize(flat, scene_of(1), SMALL).empty


def test_official_sizes():
    network = Network(OFFICIAL, 2, 1024, 20, torch.Generator())
    branch = 3 * 1024 * 256 + 256
    heads = 256 + 1 + 256 * 20 + 20
    video = 1024 + 1 + 1024 * 20 + 20
    assert sum(p.numel() for p in network.parameters()) == 2 * (2 * branch + heads + video)
