"""RSKP's memory phase against the numbers of the official code, where every video is run alone.

The official code never pads a video, so that there is no padded form of this method. A bank is
filled by one set of weights and read by another one, so that it holds stale prototypes.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.test_rskp import EXACT, gradients, network_of
from tests.places import GOLDEN_FOLDER
from wtal_core.models.rskp import OFFICIAL, Heads, Network, activate, loss
from wtal_core.packed import Packed

pytestmark = pytest.mark.usefixtures("one_thread")

GOLDEN = {
    name: torch.from_numpy(values)
    for name, values in np.load(GOLDEN_FOLDER / "rskp_memory.npz").items()
}
CONFIG = replace(OFFICIAL, embedding=32, dropout=0.0, warm_up=1, spl_weights=((0, 1.0), (1, 0.5)))
LENGTHS = tuple(GOLDEN["lengths"].tolist())
VIDEOS = range(len(LENGTHS))
HEADS = {"p_ca": "ca", "p_cw": "cw", "f": "att", "s": "cas"}
BRANCHES = {"original": "o", "refined": "m", "remembered": "r"}


def official(kind: str) -> dict[str, torch.Tensor]:
    """The authors' weights or gradients under our names and shapes."""
    return {
        "embed.weight": GOLDEN[f"{kind}/feature_embedding.0.weight"].T[None],
        "embed.bias": GOLDEN[f"{kind}/feature_embedding.0.bias"][None, None],
        "mu": GOLDEN[f"{kind}/mu"],
        "w_a": GOLDEN[f"{kind}/ac_center"],
        "w_f": GOLDEN[f"{kind}/fg_center"],
    }


def batch_of(videos) -> Packed:
    features = torch.cat([GOLDEN["x"][v, : LENGTHS[v]] for v in videos])[None]
    return Packed(features, tuple(LENGTHS[v] for v in videos), GOLDEN["y"][list(videos)])


def filled(config=CONFIG) -> Network:
    """The bank filled with the first weights, the second ones loaded, the warm-up over."""
    network = network_of(config, streams=1, size=32)
    network.load_state_dict(official("fill_weight"), strict=False)
    network.remember(batch_of(VIDEOS))
    network.load_state_dict(official("weight"), strict=False)
    network.epoch.fill_(config.warm_up)
    return network


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def packed(values: torch.Tensor) -> torch.Tensor:
    """(N, T, ...) without the places behind each video's end."""
    return torch.cat([values[v, : LENGTHS[v]] for v in VIDEOS])


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs.view(ours.shape), **EXACT)


def test_videos_differ_in_length():
    assert len(set(LENGTHS)) > 1 and max(LENGTHS) == GOLDEN["x"].shape[1]


def test_the_bank_after_each_video_that_fills_it():
    network = network_of(CONFIG, streams=1, size=32)
    network.load_state_dict(official("fill_weight"), strict=False)
    for v in VIDEOS:
        outputs = network(batch_of([v]))
        assert_close(outputs.mu[0], GOLDEN["fill/mu"][v])
        assert_close(outputs.pi[0], GOLDEN["fill/mu_pred"][v])
        network.remember(batch_of([v]))
        assert_close(network.bank, GOLDEN["fill/bank"][v])
        assert_close(network.bank_scores, GOLDEN["fill/bank_score"][v])


def test_the_bank_after_each_training_video_and_what_it_has_read():
    network = filled()
    for v in VIDEOS:
        batch = batch_of([v])
        with torch.no_grad():
            outputs = network(batch)
        read, present = network.recall(batch, outputs.mu, outputs.pi)
        assert present.all()
        assert_close(read[0], GOLDEN[f"retrieved_{v}"])
        assert_close(network.bank, GOLDEN["bank"][v])
        assert_close(network.bank_scores, GOLDEN["bank_score"][v])


def test_outputs_of_all_branches_in_one_batch():
    outputs = filled()(batch_of(VIDEOS), draw())
    for branch, prefix in BRANCHES.items():
        heads: Heads = vars(outputs)[branch]
        for ours, theirs in HEADS.items():
            expected = GOLDEN[f"{prefix}_{theirs}"]
            by_snippet = ours in ("f", "s")
            assert_close(vars(heads)[ours], packed(expected) if by_snippet else expected)
    assert_close(outputs.x, packed(GOLDEN["embedding"]))
    assert_close(outputs.mu, GOLDEN["mu"])
    assert_close(outputs.pi, GOLDEN["mu_pred"])


def test_losses_of_all_videos_in_one_batch():
    batch = batch_of(VIDEOS)
    losses = loss(filled()(batch, draw()), batch, CONFIG)
    for name in ("fore", "back", "att", "spl", "total"):
        assert_close(losses[name], GOLDEN[f"loss_{name}"])


def test_gradients_of_the_sum_over_videos():
    network, batch = filled(), batch_of(VIDEOS)
    found = gradients(network, loss(network(batch, draw()), batch, CONFIG)["total"])
    for name, expected in official("grad").items():
        assert_close(found[name], expected)


def test_gradients_of_the_first_video_alone():
    network, batch = filled(), batch_of([0])
    found = gradients(network, loss(network(batch, draw()), batch, CONFIG)["total"])
    for name, expected in official("grad_first").items():
        assert_close(found[name], expected)


def test_activations_for_localization():
    batch = batch_of(VIDEOS)
    activation = activate(filled()(batch), batch, CONFIG)
    assert_close(torch.from_numpy(activation.cas[0]), packed(GOLDEN["eval_cas"]))
    assert_close(torch.from_numpy(activation.scores[0]), GOLDEN["eval_score"])


@pytest.mark.parametrize("change", [{"memory_index": "slot0"}, {"memory_read": "batch"}])
def test_the_numbers_tell_the_switches_of_the_memory_apart(change):
    config = replace(CONFIG, **change)
    batch = batch_of(VIDEOS)
    total = loss(filled(config)(batch, draw()), batch, config)["total"]
    assert (total - GOLDEN["loss_total"]).abs().max() > 1e-4
