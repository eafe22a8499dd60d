"""RSKP on a CPU takes long videos one at a time: the same outputs, gradients and memory."""

from dataclasses import replace

import pytest
import torch

from tests.packed_samples import random_batch
from wtal_core.models import rskp
from wtal_core.models.rskp import OFFICIAL, Network, loss

PARTS = ("p_ca", "p_cw", "f", "s")


def made(epoch: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Outputs and memory, and gradients."""
    config = replace(OFFICIAL, embedding=16, warm_up=5, dropout=0.0)
    network, batch = (
        Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double(),
        random_batch(),
    )
    network.epoch.fill_(epoch)
    outputs = network(batch, torch.Generator().manual_seed(0))
    loss(outputs, batch, config)["total"].sum().backward()
    heads = [
        getattr(h, part)
        for h in (outputs.original, outputs.refined, outputs.remembered)
        if h
        for part in PARTS
    ]
    return [*heads, outputs.mu, outputs.pi, network.bank, network.bank_scores], [
        p.grad for p in network.parameters()
    ]


@pytest.mark.parametrize("places", [1, 16 * 20, 16 * 33])
@pytest.mark.parametrize("epoch", [0, 5])
def test_videos_in_parts_give_what_they_give_together(places, epoch, monkeypatch):
    together = made(epoch)
    monkeypatch.setattr(rskp, "PLACES", places)
    assert len(random_batch().parts(places // 16)) > 1 and len(together[0]) == (16 if epoch else 12)
    torch.testing.assert_close(made(epoch), together, rtol=0, atol=1e-9)
