"""The plain baseline: packed = one video at a time, and its localization."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from wtal_core.data.dataset import empty_segments
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.topk_mil import OFFICIAL, Network, activate, localize, loss, signals
from wtal_core.timebase import Timebase

SMALL = replace(OFFICIAL, hidden=8)
EXACT = {"rtol": 0, "atol": 1e-9}


def network_of(config=SMALL) -> Network:
    return Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()


def scene_of(videos: int) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(videos)),
        tuple(f"class {c}" for c in range(5)),
        Timebase(fps=1.0, stride=1.0),
        empty_segments(),
    )


def gradients(network: Network, batch) -> list[torch.Tensor]:
    network.zero_grad()
    loss(network(batch), batch, SMALL)["total"].sum().backward()
    return [p.grad.clone() for p in network.parameters()]


def test_a_packed_batch_equals_one_video_at_a_time():
    network, batch = network_of(), random_batch()
    together, alone = network(batch), [network(single) for single in one_by_one(batch)]
    torch.testing.assert_close(together.logits, torch.cat([a.logits for a in alone], 1), **EXACT)
    torch.testing.assert_close(together.p, torch.cat([a.p for a in alone], 1), **EXACT)
    summed = [
        sum(parts)
        for parts in zip(*(gradients(network, single) for single in one_by_one(batch)), strict=True)
    ]
    torch.testing.assert_close(gradients(network, batch), summed, **EXACT)


def test_a_video_without_snippets_is_uniform_and_never_detected():
    network, batch = network_of(), random_batch()
    outputs = network(batch)
    empty = LENGTHS.index(0)
    torch.testing.assert_close(outputs.p[0, empty], torch.full((5,), 0.2, dtype=torch.float64))
    assert loss(outputs, batch, SMALL)["total"].isfinite().all()
    table = localize(
        activate(outputs, batch, SMALL), scene_of(len(LENGTHS)), replace(SMALL, class_ratio=0.0)
    )
    assert f"video {empty}" not in set(table["video"])
    assert np.isfinite(table["score"]).all()


def test_both_streams_reach_the_logits():
    network, batch = network_of(), random_batch()
    for stream in range(2):
        other = random_batch()
        other.features[stream] = 0
        assert not torch.equal(network(other).logits, network(batch).logits)
    assert set(signals(network(batch))) == {"s_a", "x"}


def test_the_loss_is_the_normalised_cross_entropy_of_the_video_scores():
    outputs, batch = network_of()(random_batch()), random_batch()
    target = batch.labels / batch.labels.sum(1, keepdim=True)
    torch.testing.assert_close(
        loss(outputs, batch, SMALL)["mil"], -(target * outputs.p[0].log()).sum(1), rtol=0, atol=1e-7
    )


def one_video(row: np.ndarray, score: float) -> Activation:
    """Class 2 has these activations, all others are flat; its video score is `score`."""
    cas, scores = np.zeros((1, len(row), 5)), np.full((1, 1, 5), (1 - score) / 4)
    cas[0, :, 2], scores[0, 0, 2] = row, score
    return Activation(cas, scores, np.zeros((1, len(row))), (len(row),))


def test_a_bump_is_found_on_its_own_range():
    row = np.full(30, -7.0)
    row[10:15] = 3.0
    table = localize(one_video(row, 0.8), scene_of(1), SMALL)
    assert table[["label", "t_start", "t_end"]].values.tolist() == [["class 2", 10.0, 16.0]]
    assert table["score"].item() == pytest.approx(
        5 / 6 * 0.8
    )  # the mean takes the snippet past the run
    assert localize(one_video(row, 0.39), scene_of(1), SMALL).empty  # below twice the uniform 1 / 5
    assert localize(one_video(np.full(30, 4.0), 0.8), scene_of(1), SMALL).empty


def test_the_scale_of_the_logits_does_not_matter():
    row = np.random.default_rng(0).normal(size=60).cumsum()
    found, scaled = (localize(one_video(r, 0.8), scene_of(1), SMALL) for r in (row, 10 * row - 4))
    assert len(found) > 1
    np.testing.assert_allclose(
        found[["t_start", "t_end", "score"]], scaled[["t_start", "t_end", "score"]]
    )
