"""FAC-Net's class-wise branch around other methods: against FAC-Net itself, against plain loops,
and in training.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.test_plugin_hosts import HOSTS
from tests.packed_samples import one_by_one, random_batch
from tests.tiny_dataset import tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.models import (
    bm,
    cw_plugin,
    facnet,
    gaufuse,
    method,
    rskp,
    stpn,
    topk_mil,
    um,
    wtalc,
)
from wtal_core.models.cw_plugin import OFFICIAL, Config, Network, loss, trained_as, wrap
from wtal_core.runs.train import Trainer

FACNET = replace(facnet.OFFICIAL, embedding=8)
AROUND = {
    **HOSTS,
    "facnet": FACNET,
    "rskp": replace(rskp.OFFICIAL, embedding=8, prototypes=3),
    "topk_mil": replace(topk_mil.OFFICIAL, hidden=8),
    "stpn": replace(stpn.for_plug_in(stpn.OFFICIAL), embedding=8),
    "bm": replace(bm.OFFICIAL, samples=10, attention_hidden=4),
    "um": replace(um.OFFICIAL, samples=10, width=8),
    "wtalc": replace(wtalc.OFFICIAL, hidden=8, crop=9),
}
OWN_VECTORS = {  # that hosts lend
    "facnet": lambda host: host.w_f,
    "stpn": lambda host: host.attend.last.weight.transpose(1, 2),
    "bm": lambda host: host.u[..., :1].transpose(1, 2),
}
SCALE = 10.0


def network_of(config: Config) -> Network:
    return Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()


def plain_loss(x, scores, foreground, lengths, labels, taus) -> np.ndarray:
    """L_cw of one stream, video by video, head by head and class by class."""
    values = []
    first = 0
    for length, label in zip(lengths, labels, strict=True):
        of_video = slice(first, first + length)
        first += length
        r = np.zeros(scores.shape[1])
        for j in range(scores.shape[1]):
            for tau in taus:
                weight = np.exp(tau * scores[of_video, j])
                gathered = (weight[:, None] / weight.sum() * x[of_video]).sum(0)
                norms = np.linalg.norm(gathered) * np.linalg.norm(foreground)
                r[j] += SCALE * gathered @ foreground / norms / len(taus)
        p = np.exp(r) / np.exp(r).sum()
        values.append(
            -sum(label[c] * np.log(p[c]) for c in range(len(label))) / (label.sum() + 1e-8)
        )
    return np.array(values)


@pytest.mark.parametrize("host", AROUND)
def test_the_loss_is_that_of_plain_loops(host):
    """On the snippets that the host has picked, with the host's own vector if it lends one."""
    config = wrap(host, AROUND[host])
    network = network_of(config)
    batch = random_batch((7, 12, 33))
    outputs = network(batch, torch.Generator().manual_seed(4))
    pieces = method(host)
    picked = pieces.host.snippets(outputs.host, batch) if pieces.host.snippets else batch
    signals = pieces.signals(outputs.host)
    lent = OWN_VECTORS.get(host)
    foreground = lent(network.host) if lent else network.w_f
    assert (network.w_f is None) == (lent is not None)
    expected = 0
    for stream, x in enumerate(signals["x"]):
        scores = signals["s_a"][min(stream, len(signals["s_a"]) - 1)]
        arrays = [values.detach().numpy() for values in (x, scores, foreground[stream, 0])]
        expected += plain_loss(*arrays, picked.lengths, batch.labels.numpy(), config.taus)
    losses = loss(outputs, batch, config)
    np.testing.assert_allclose(losses["cw"].detach(), expected, rtol=1e-9)
    own = pieces.loss(outputs.host, batch, config.base)
    torch.testing.assert_close(losses["total"], own["total"] + 0.1 * losses["cw"])
    assert set(losses) == {*own, "cw"}


def test_around_facnet_without_its_branch_it_is_facnet():
    """Losses and gradients, empty and one-snippet videos included."""
    batch = random_batch()
    without = replace(FACNET, lambda_cw=0.0)
    config = wrap("facnet", without, lambda_cw=1.0)
    plugged = network_of(config)
    alone = facnet.Network(FACNET, 2, 16, 5, torch.Generator().manual_seed(0)).double()
    found = loss(plugged(batch), batch, config)["total"]
    expected = facnet.loss(alone(batch), batch, FACNET)["total"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    found.sum().backward()
    expected.sum().backward()
    assert plugged.w_f is None
    for name, parameter in alone.named_parameters():
        own = plugged.host.get_parameter(name).grad
        torch.testing.assert_close(own, parameter.grad, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("host", AROUND)
def test_the_branch_teaches_embedding_scores_and_its_vector(host):
    """Through its own loss alone; and each video's value is that of the video alone."""
    config = wrap(host, AROUND[host], foreground="own")
    network = network_of(config)
    batch = random_batch()
    loss(network(batch), batch, config)["cw"].sum().backward()
    assert network.w_f.grad.abs().sum() > 0
    taught = [p for p in network.host.parameters() if p.grad is not None and p.grad.any()]
    # features as they come have no weights: there the classifier alone is taught
    assert len(taught) >= (1 if host == "bm" else 2)
    assert all(p.grad.isfinite().all() for p in taught)

    together = network(batch).p_cw
    alone = torch.cat([network(one).p_cw for one in one_by_one(batch)], 1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-9)


def test_the_host_begins_as_it_would_alone():
    config = wrap("topk_mil", AROUND["topk_mil"])
    alone = topk_mil.Network(config.base, 2, 16, 5, torch.Generator().manual_seed(0))
    plugged = Network(config, 2, 16, 5, torch.Generator().manual_seed(0))
    for name, value in alone.state_dict().items():
        assert torch.equal(plugged.host.state_dict()[name], value)
    assert plugged.w_f.shape == (1, 1, 8) and plugged.w_f.abs().max() <= (6 / 9) ** 0.5


def test_an_attention_of_two_layers_lends_no_vector():
    base = replace(AROUND["stpn"], attention_hidden=4)
    assert network_of(wrap("stpn", base)).w_f.shape == (2, 1, 8)


def test_the_background_is_never_foreground():
    """A video is better off the less its background class is like the foreground."""
    config = wrap("facnet", FACNET)
    batch = random_batch((9,))
    outputs = network_of(config)(batch)
    values = []
    for share in (0.1, 0.5):
        p = torch.full((2, 1, 6), (1 - share) / 5, dtype=torch.float64)
        p[..., 5] = share
        values.append(loss(replace(outputs, p_cw=p), batch, config)["cw"].item())
    assert values[0] < values[1]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "changes",
    [
        {"lambda_cw": 1.0},
        {"taus": (1.0,)},
        {"delta": 5.0},
        {"video_scale": 5.0},
        {"foreground": "own"},
        {"base": replace(FACNET, delta=2.0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_field_changes_the_loss(changes):
    config = wrap("facnet", FACNET)
    batch = random_batch()
    totals = []
    for each in (config, replace(config, **changes)):
        totals.append(loss(network_of(each)(batch), batch, each)["total"])
    assert not torch.equal(*totals)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("host", AROUND)
def test_it_trains_and_is_localized_as_its_host(host):
    base = replace(AROUND[host], schedule=replace(HOSTS["ten"].schedule, epochs=4))
    run = Trainer("cw_plugin", wrap(host, base, lambda_cw=1.0), tiny_dataset(), 0)
    trained = run.run()
    values = [entry["cw"] for entry in trained.history]
    assert np.isfinite(values).all() and min(values[1:]) < values[0]
    assert all(np.isfinite(list(entry.values())).all() for entry in trained.history)

    batch = run.test_videos.batch(range(6))
    network = run.progress.network
    with torch.no_grad():
        own = method(host).activate(network.host(batch), batch, base)
        given = cw_plugin.activate(network(batch), batch, run.config)
    np.testing.assert_array_equal(given.cas, own.cas)


def test_runs_that_differ_at_test_time_only_share_their_training():
    fused = replace(rskp.OFFICIAL, suppression=gaufuse.AT_TEST_TIME)
    assert trained_as(wrap("rskp", fused)) == trained_as(wrap("rskp", rskp.OFFICIAL))
    assert trained_as(OFFICIAL) == OFFICIAL


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Config("gaufuse", gaufuse.OFFICIAL), "gaufuse cannot host the CW branch; choose"),
        (
            lambda: Config("nothing", FACNET),
            "nothing cannot host the CW branch; choose one of back",
        ),
        (
            lambda: Config("facnet", rskp.OFFICIAL),
            "base of host facnet needs to be a models.facnet",
        ),
        (lambda: replace(OFFICIAL, foreground="ours"), "expected one of 'host', 'own'"),
        (lambda: replace(OFFICIAL, lambda_cw=-1.0), "lambda_cw is -1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(WorkbookError, match=message):
        make()


def test_a_host_without_embedding_is_refused_by_name(monkeypatch):
    blind = replace(topk_mil.METHOD, signals=lambda outputs: {"s_a": outputs.logits})
    monkeypatch.setattr(topk_mil, "METHOD", blind)
    with pytest.raises(WorkbookError, match="topk_mil has no x; add it to `signals` in models/top"):
        network_of(wrap("topk_mil", topk_mil.OFFICIAL))
