"""A2CL-PT against a plain form of its specification: one video and one class at a time."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from tests.models.test_topk_mil import scene_of
from tests.packed_samples import random_batch
from wtal_core.models import method
from wtal_core.models.a2clpt import (
    ERASED,
    OFFICIAL,
    Network,
    activate,
    localize,
    loss,
    most_typical,
    rates,
)

SMALL = replace(OFFICIAL, hidden=6, dropout=0.0, crop=None, erased=4, centre_delay=3)
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def sample(config=SMALL, seed=0):
    batch = random_batch(seed=seed)
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(1)).double()
    return network, batch


def trained(network, batch, steps: int, seed=3):
    """Outputs of the training step after `steps` of them, and the attention factors it drew."""
    network.steps.fill_(steps)
    outputs = network(batch, torch.Generator().manual_seed(seed))
    size = (2, 2, len(batch.lengths), 5)
    draws = torch.rand(size, generator=torch.Generator().manual_seed(seed)).double()
    return outputs, 0.001 + 0.099 * draws


def plain_mil(scores, labels) -> float:
    values = []
    for rows, label in zip(scores, labels, strict=True):
        k = math.ceil(len(rows) / 8)
        mean = torch.zeros(5).double()
        if k:
            mean = rows.sort(dim=0, descending=True).values[:k].mean(0)
        values.append(-(label / label.sum() * (mean - mean.logsumexp(0))).sum())
    return sum(values) / len(values)


def angle(a, b):
    return torch.acos(a @ b / (a.norm() * b.norm()))


def plain_pairs(labels, lengths, only_single: bool):
    pairs = []
    for video, label in enumerate(labels):
        if lengths[video] and (label.sum() == 1 or not only_single):
            pairs += [(video, c) for c in torch.nonzero(label)[:, 0].tolist()]
    return pairs


def plain_features(scores, x, factor):
    """Attended and hardly attended feature of one video and class."""
    attention = scores.softmax(0)
    hardly = (factor * scores).softmax(0)
    return attention @ x, hardly @ x


def plain_step(centres, gradient, rate):
    """Centres of one branch and stream on the sphere, less the gradient along it."""
    rows = []
    for centre, slope in zip(centres, gradient, strict=True):
        unit = centre / centre.norm()
        along = torch.eye(len(unit)).double() - torch.outer(unit, unit)
        rows.append(unit - rate * (along @ slope) / centre.norm())
    return torch.stack(rows)


def plain_angular(outputs, factors, centres, pairs):
    """The loss of one batch, and the step of the centres that the official code takes instead of
    its slope."""
    total = 0.0
    moved = torch.zeros_like(centres)
    lengths = outputs.snippets.lengths
    for branch, logits in enumerate((outputs.first, outputs.second)):
        for stream in range(2):
            own = centres[branch, stream]
            gradient = [torch.zeros_like(own) for _ in range(3)]
            counts = torch.ones(3, 5).double()
            for video, c in pairs:
                scores = logits[stream].split(lengths)[video][:, c]
                x = outputs.x[stream].split(lengths)[video]
                high, hardly = plain_features(scores, x, factors[branch, stream, video, c])
                to_own = angle(high, own[c])
                others = [(angle(high, own[k]), k) for k in range(5) if k != c]
                nearest, k = min(others, key=lambda pair: pair[0].item())
                first = to_own - angle(hardly, own[c]) + 2
                second = to_own - nearest + 1
                total = total + 0.6 * first.clamp_min(0) + second.clamp_min(0)
                unit = (high / high.norm()).detach()
                unit_hardly = (hardly / hardly.norm()).detach()
                if second > 0:
                    gradient[0][c] -= unit / math.sin(to_own.item())
                    gradient[1][k] += unit / math.sin(nearest.item())
                    counts[0, c] += 1
                    counts[1, k] += 1
                if first > 0:
                    low = unit_hardly / math.sin(angle(hardly, own[c]).item())
                    gradient[2][c] += 0.6 * (low - unit / math.sin(to_own.item()))
                    counts[2, c] += 1
            summed = sum(g / n[:, None] for g, n in zip(gradient, counts, strict=True)) / len(pairs)
            moved[branch, stream] = plain_step(own, summed, (0.1, 0.2)[stream])
    return total / len(pairs), moved


@pytest.mark.parametrize("steps", [0, 5])
def test_losses_and_moved_centres_are_those_of_the_plain_form(steps):
    network, batch = sample()
    network.centres *= 1.7  # in training they are not of length 1 either
    centres = network.centres.clone()
    outputs, factors = trained(network, batch, steps)
    found = loss(outputs, batch, SMALL)
    parts = torch.cat([outputs.first, outputs.second, outputs.fused])
    expected = sum(plain_mil(part.split(batch.lengths), batch.labels) for part in parts)
    torch.testing.assert_close(found["mil"].mean(), expected, **EXACT)
    pairs = plain_pairs(batch.labels, batch.lengths, only_single=steps < 2)
    angular, moved = plain_angular(outputs, factors, centres, pairs)
    total = 0.6 * found["negative"].mean() + found["centre"].mean()
    torch.testing.assert_close(total, angular, **EXACT)
    torch.testing.assert_close(found["total"].mean(), expected + angular, **EXACT)
    torch.testing.assert_close(network.centres, moved, **EXACT)


def test_the_rest_is_shown_to_the_adversarial_branch():
    network, batch = sample()
    outputs = network(batch)
    hidden = network.embed_2(network.embed_1(batch.features, batch).relu(), batch).relu()
    everywhere = network.classify_rest(hidden, batch)
    for video, length in enumerate(batch.lengths):
        start = sum(batch.lengths[:video])
        for stream in range(2):
            for c in range(5):
                column = outputs.first[stream, start : start + length, c]
                order = column.argsort(descending=True)[: length // 4].tolist()
                for t in range(length):
                    is_hidden = t in order
                    value = outputs.second[stream, start + t, c]
                    shown = everywhere[stream, start + t, c]
                    assert value == (ERASED if is_hidden else shown)
    fused = outputs.first + 0.6 * everywhere
    torch.testing.assert_close(outputs.fused[0], fused.sum(0), **EXACT)


def test_equal_snippets_are_shown():
    batch = random_batch(lengths=(8, 1, 0))
    flat = torch.zeros(2, 9, 5).double()
    assert not most_typical(flat, batch, SMALL).any()
    config = replace(SMALL, erase_by="crop", crop=32)
    rising = torch.arange(9).double()[None, :, None].expand(2, 9, 5)
    assert most_typical(rising, batch, config)[0, :, 0].tolist() == [False] + [True] * 7 + [False]


def test_hinges_that_do_not_act_move_nothing():
    config = replace(SMALL, margin_negative=0.0, margin_centre=0.0)
    network, batch = sample(config)
    # a snippet's feature that is its class's centre: no hinge acts on it
    outputs, _ = trained(network, batch, 5)
    with torch.no_grad():
        features = outputs.features
        ideal = outputs.centres[:, :, None].expand_as(features[0]).clone()
        again = replace(outputs, features=(ideal, -ideal))
        values = loss(again, batch, config)
    assert values["negative"].abs().max() < 1e-6 and values["centre"].abs().max() < 1e-6


def test_evaluation_draws_and_moves_nothing():
    network, batch = sample()
    before = network.centres.clone()
    outputs = network(batch)
    assert outputs.features is None and torch.equal(network.centres, before)
    values = loss(outputs, batch, SMALL)
    torch.testing.assert_close(values["total"], values["mil"], **EXACT)
    assert int(network.steps) == 0


def test_videos_alone_are_videos_in_a_batch():
    network, batch = sample()
    together = network(batch)
    for video, length in enumerate(batch.lengths):
        start = sum(batch.lengths[:video])
        index = torch.arange(start, start + length)
        single = replace(batch.at(index, (length,)), labels=batch.labels[video : video + 1])
        alone = network(single)
        torch.testing.assert_close(together.fused[:, index], alone.fused, **EXACT)
        torch.testing.assert_close(together.second[:, index], alone.second, **EXACT)


def test_official_sizes_and_rates():
    network = Network(OFFICIAL, 2, 1024, 20, torch.Generator())
    linear = 2 * (2 * (1024 * 1024 + 1024) + 2 * (1024 * 20 + 20))
    assert sum(p.numel() for p in network.parameters()) == linear + 2 * 20
    assert network.classify_rest.weight.abs().max() <= (6 / 1025) ** 0.5
    assert normalize(network.centres, dim=-1).allclose(network.centres)
    three = torch.zeros(3, 1, 1)
    assert rates(OFFICIAL, three).flatten().tolist() == pytest.approx([0.1, 0.2, 0.2])
    assert len(OFFICIAL.schedule.batches(torch.ones(200, 1), torch.Generator())) == 6
    assert method("a2clpt").profiles["official"] == OFFICIAL


def test_an_empty_batch_is_finite_and_without_detections():
    network, _ = sample()
    none = random_batch(lengths=(0, 0))
    outputs, _ = trained(network, none, 5)
    assert loss(outputs, none, SMALL)["total"].isfinite().all()
    assert localize(activate(network(none), none, SMALL), scene_of(2), SMALL).empty
