"""RSKP's memory: who reads, who writes and what is kept, against plain loops; and both walks
against the plain form.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.plain.rskp import RSKP, Memory, video_loss, walk
from tests.models.test_rskp import EXACT, PARTS, SMALL, gradients, network_of, scene_of
from tests.packed_samples import LENGTHS, one_by_one, random_batch
from wtal_core.models import rskp
from wtal_core.models.rskp import Network, activate, between_epochs, localize, loss
from wtal_core.packed import Packed, Resident

pytestmark = pytest.mark.usefixtures("one_thread")

REMEMBERS = replace(SMALL, dropout=0.0, warm_up=3)


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def remembering(config=REMEMBERS, filled=True) -> Network:
    """A network after its warm-up, with prototypes in memory."""
    network = network_of(config)
    network.epoch.fill_(config.warm_up)
    if filled:
        network.bank.copy_(torch.randn(network.bank.shape, generator=draw(), dtype=torch.float64))
        network.bank_scores.copy_(
            0.3 * torch.rand(network.bank_scores.shape, generator=draw(), dtype=torch.float64)
        )
    return network


def offered(labels: list[list[int]], seed=0) -> tuple[Packed, torch.Tensor, torch.Tensor]:
    """Videos of these classes, with prototypes and scores of their own."""
    generator, videos = torch.Generator().manual_seed(seed), len(labels)
    y = torch.tensor([[float(c in own) for c in range(5)] for own in labels], dtype=torch.float64)
    mu = torch.randn(videos, 8, 16, generator=generator, dtype=torch.float64)
    pi = torch.rand(videos, 8, 6, generator=generator, dtype=torch.float64)
    return Packed(torch.zeros(2, videos, 16, dtype=torch.float64), (1,) * videos, y), mu, pi


class Bank:
    """Specification R2 and G4 in plain lists: [(score, prototype), ...] a class, best first; zeros
    at first.
    """

    def __init__(self, size=16, slots=5):
        self.rows = {c: [(0.0, [0.0] * size)] * slots for c in range(5)}

    def owners(self, own: list[int], index: str) -> list[int]:
        return own if index == "label" else [0 for _ in own]

    def copy(self) -> "Bank":
        other = Bank()
        other.rows = {c: list(rows) for c, rows in self.rows.items()}
        return other

    def read(self, owners: list[int]) -> list[list[float]]:
        return [row for c in owners for _, row in self.rows[c]]

    def write(self, owners: list[int], mu: torch.Tensor, pi: torch.Tensor) -> None:
        for c in owners:
            new = [(score[c].item(), row.tolist()) for score, row in zip(pi, mu, strict=True)]
            self.rows[c] = sorted(self.rows[c] + new, key=lambda pair: -pair[0])[
                : len(self.rows[c])
            ]


BATCHES = [[[1], [1, 3], [0], [1]], [[3, 4], [], [3], [0, 1]], [[2], [2]], [[], []]]


@pytest.mark.parametrize("read", ["sequential", "batch"])
@pytest.mark.parametrize("index", ["label", "slot0"])
def test_the_memory_equals_a_plain_loop(index, read):
    """Each video reads before it writes; with "slot0" a video of two classes reads and writes the
    first slots twice.
    """
    network, bank = network_of(replace(SMALL, memory_index=index, memory_read=read)), Bank()
    for seed, labels in enumerate(BATCHES):
        batch, mu, pi = offered(labels, seed)
        found, filled = network.recall(batch, mu, pi)
        before = bank.copy()
        assert found.shape == (len(labels), 5 * max(map(len, labels)), 16)
        for v, own in enumerate(labels):
            owners = bank.owners(own, index)
            expected = (bank if read == "sequential" else before).read(owners)
            assert filled[v].tolist() == [True] * len(expected) + [False] * (
                found.shape[1] - len(expected)
            )
            assert found[v][filled[v]].tolist() == expected
            bank.write(owners, mu[v], pi[v])
        assert network.bank.tolist() == [[row for _, row in bank.rows[c]] for c in range(5)]
        assert network.bank_scores.tolist() == [
            [score for score, _ in bank.rows[c]] for c in range(5)
        ]


def test_a_video_of_two_classes_is_twice_in_the_slots_of_the_first():
    network = network_of(replace(SMALL, memory_index="slot0", memory_slots=4))
    batch, mu, pi = offered([[2, 4]])
    network.recall(batch, mu, pi)
    best = pi[0, :, 0].topk(2)
    assert network.bank_scores[0].tolist() == [s for s in best.values.tolist() for _ in range(2)]
    assert (
        torch.equal(network.bank[0], mu[0, best.indices].repeat_interleave(2, 0))
        and not network.bank[1:].any()
    )


def test_slots_keep_the_best_of_all_that_was_ever_offered():
    network, given = network_of(replace(SMALL, memory_slots=6)), []
    for seed in range(7):
        batch, mu, pi = offered([[2], [2, 3]], seed)
        network.recall(batch, mu, pi)
        given.append(torch.cat([pi.flatten(0, 1), mu.flatten(0, 1)], 1))
    rows = torch.cat(given)
    best = rows[rows[:, 2].argsort(descending=True)][:6]
    assert torch.equal(network.bank_scores[2], best[:, 2]) and torch.equal(
        network.bank[2], best[:, 6:]
    )
    assert not network.bank[[0, 1, 4]].any()
    network.forget()
    assert not network.bank.any() and not network.bank_scores.any()


@pytest.mark.parametrize("read", ["sequential", "batch"])
def test_a_batch_with_memory_equals_one_video_at_a_time(read):
    config = replace(REMEMBERS, memory_read=read)
    network, batch, singles = remembering(config), random_batch(), one_by_one(random_batch())
    start = {name: value.clone() for name, value in network.named_buffers()}
    outputs = network(batch, draw())
    together = loss(outputs, batch, config)
    found, end, alone, summed = gradients(network, together["total"]), network.bank.clone(), [], 0
    network.load_state_dict(start, strict=False)
    for v, single in enumerate(singles):
        if read == "batch":
            network.load_state_dict(start, strict=False)
        one = network(single, draw())
        for part in PARTS:
            mine = slice(v, v + 1) if part.startswith("p") else batch.video == v
            torch.testing.assert_close(
                getattr(outputs.remembered, part)[mine], getattr(one.remembered, part), **EXACT
            )
        alone.append(loss(one, single, config))
        each = gradients(network, alone[-1]["total"])
        summed = {name: g + (summed[name] if summed else 0) for name, g in each.items()}
    for name, value in together.items():
        torch.testing.assert_close(value, torch.cat([a[name] for a in alone]), **EXACT)
    torch.testing.assert_close(found, summed, **EXACT)
    if read == "sequential":
        torch.testing.assert_close(network.bank, end, **EXACT)


def plain_of(network: Network) -> tuple[RSKP, Memory]:
    """The plain form with the same weights and memory."""
    plain, memory = RSKP(32, 16, 5, 0.0).double(), Memory(5, 16, network.bank)
    values = (
        network.mu,
        network.w_a,
        network.w_f,
        network.embed.weight[0].T,
        network.embed.bias[0, 0],
    )
    for target, source in zip(plain.parameters(), values, strict=True):
        target.data.copy_(source.detach())
    memory.prototypes, memory.scores = list(network.bank.clone()), list(network.bank_scores.clone())
    return plain, memory


def test_outputs_and_losses_with_memory_are_those_of_the_plain_form():
    network, batch = remembering(), random_batch((7, 1, 12, 33))
    plain, memory = plain_of(network)
    outputs = network(batch, draw())
    found = loss(outputs, batch, replace(REMEMBERS, spl_weights=((0, 0.7),)))
    for v, features in enumerate(batch.features.split(batch.lengths, 1)):
        owners = torch.nonzero(batch.labels[v])[:, 0].tolist()
        read = memory.read(owners)
        branches = plain(torch.cat(list(features), 1), memory, owners)
        torch.testing.assert_close(outputs.remembered.s[batch.video == v], branches[2][3], **EXACT)
        x = outputs.x[batch.video == v]
        torch.testing.assert_close(
            plain.heads(walk(x, read))[0], outputs.remembered.p_ca[v], **EXACT
        )
        torch.testing.assert_close(
            found["total"][v], video_loss(branches, batch.labels[v], 0.7), **EXACT
        )
    torch.testing.assert_close(network.bank, torch.stack(memory.prototypes), **EXACT)


def test_no_gradient_reaches_the_memory_nor_comes_through_it():
    network, batch = remembering(), random_batch()
    outputs = network(batch, draw())
    assert not network.bank.requires_grad and not outputs.remembered.p_ca.isnan().any()
    assert torch.autograd.grad(
        outputs.remembered.p_ca.square().sum(), network.mu, allow_unused=True
    ) == (None,)


@pytest.mark.parametrize(
    ("epoch", "trains", "used"),
    [(2, True, False), (3, True, True), (9, True, True), (9, False, False)],
)
def test_the_memory_is_used_in_training_after_the_warm_up_only(epoch, trains, used):
    network, batch = remembering(), random_batch()
    network.epoch.fill_(epoch)
    before = network.bank.clone()
    outputs = network(batch, draw() if trains else None)
    assert (outputs.remembered is not None) == used and outputs.epoch == epoch
    assert torch.equal(network.bank, before) == (not used)
    assert localize(activate(outputs, batch, SMALL), scene_of(5), SMALL).equals(
        localize(activate(network(batch), batch, SMALL), scene_of(5), SMALL)
    )


@pytest.mark.parametrize("lengths", [LENGTHS, (5, 3), (0,)])
@pytest.mark.parametrize("labelled", [False, True])
def test_videos_without_labels_have_no_memory_and_are_finite(lengths, labelled):
    """They only keep their snippets, at half the length. In float32; "labelled": the last
    video is.
    """
    network, batch = remembering().float(), random_batch(lengths)
    labels = torch.zeros_like(batch.labels).float()
    labels[-1, 2] = labelled
    batch = Packed(batch.features.float(), lengths, labels)
    outputs = network(batch, draw())
    losses = loss(outputs, batch, REMEMBERS)
    mine = batch.video < len(lengths) - labelled
    torch.testing.assert_close(
        outputs.remembered.s[mine], outputs.original.s[mine], rtol=0, atol=1e-4
    )
    assert not losses["fore"][: len(lengths) - labelled].any()
    assert all(value.isfinite().all() for value in losses.values())
    assert all(g.isfinite().all() for g in gradients(network, losses["total"]).values())


def training_videos(lengths=(7, 12, 1, 33, 9), size=16) -> Resident:
    batch = random_batch(lengths, size=size)
    features = [f.numpy() for f in batch.features.split(batch.lengths, 1)]
    return Resident(features, batch.labels.numpy(), dtype=torch.float64)


@pytest.mark.parametrize("at_once", [1, 2, 32])
def test_the_memory_is_filled_from_all_videos_at_the_end_of_the_warm_up(monkeypatch, at_once):
    """Without dropout, in their order, and without reading."""
    monkeypatch.setattr(rskp, "VIDEOS_AT_ONCE", at_once)
    config, videos = replace(SMALL, warm_up=3), training_videos()
    network, bank, generator = network_of(config), Bank(), draw()
    for done in (1, 2):
        assert between_epochs(network, videos, config, done, generator) is None
        assert network.epoch == done and not network.bank.any()
    between_epochs(network, videos, config, 3, generator)
    for v in range(len(videos)):
        batch = videos.batch([v])
        outputs = network(batch)
        bank.write(
            torch.nonzero(batch.labels[0])[:, 0].tolist(),
            outputs.mu[0].detach(),
            outputs.pi[0].detach(),
        )
    np.testing.assert_allclose(
        network.bank, [[row for _, row in bank.rows[c]] for c in range(5)], **EXACT
    )
    np.testing.assert_allclose(
        network.bank_scores, [[score for score, _ in bank.rows[c]] for c in range(5)], **EXACT
    )
    before = network.bank.clone()
    between_epochs(network, videos, config, 4, generator)
    assert (
        network.epoch == 4
        and torch.equal(network.bank, before)
        and torch.equal(generator.get_state(), draw().get_state())
    )
