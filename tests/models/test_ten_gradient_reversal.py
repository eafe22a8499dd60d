"""Table 4's other manners: gradients turned round in three places, and every snippet as background
(specification A.8).
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, random_batch
from wtal_core.models.ten import (
    FULL,
    Branch,
    Config,
    Network,
    background_loss,
    baseline,
    every_snippet_loss,
    loss,
    reversed_gradient,
)
from wtal_core.packed import Packed

EXACT = {"rtol": 0, "atol": 1e-9}
SCOPES = ("path", "head", "features")
SMALL = replace(baseline(FULL), embedding=16, samples=None, dropout=0.0)


def network_of(config: Config) -> Network:
    return Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()


def by_weights(network: Network, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of embedding, classifier and attention, weights before biases; 0 where nothing
    comes.
    """
    layers = {"embed": network.embed, "classify": network.classify, "attend": network.attend}
    found = torch.autograd.grad(
        value.sum(),
        [p for layer in layers.values() for p in (layer.weight, layer.bias)],
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return {
        name: torch.cat([g.flatten() for g in found[2 * i : 2 * i + 2]])
        for i, name in enumerate(layers)
    }


def of_background(config: Config, training=True) -> dict[str, torch.Tensor]:
    network, batch = network_of(config), random_batch()
    outputs = network(batch, torch.Generator().manual_seed(1) if training else None)
    return by_weights(network, background_loss(outputs.base, batch, config))


def by_path(config: Config) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The plain background loss's gradients, what comes through the scores and what through the
    attention.
    """
    network, batch = network_of(config), random_batch()
    base = network.branch(batch, None)
    pairs = (base.cas, base.attention.detach()), (base.cas.detach(), base.attention)
    scores, attention = (
        by_weights(network, background_loss(replace(base, background=pair), batch, config))
        for pair in pairs
    )
    return scores, attention


@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4)])
@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0, 0.0])
def test_the_reversal_is_the_identity_with_a_gradient_turned_round(factor, shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    y = reversed_gradient(x, factor)
    assert torch.equal(y, x)
    (gradient,) = torch.autograd.grad((3 * y).sum(), x)
    assert torch.equal(gradient, torch.full(shape, -3.0 * factor, dtype=torch.float64))


def test_twice_reversed_is_not_reversed():
    x = torch.randn(4, requires_grad=True)
    (gradient,) = torch.autograd.grad((reversed_gradient(reversed_gradient(x)) ** 2).sum(), x)
    torch.testing.assert_close(gradient, 2 * x.detach())


@pytest.mark.parametrize("reading", "AB")
@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("scope", SCOPES)
def test_which_weights_the_background_loss_pushes_the_other_way(scope, factor, reading):
    """path: all that comes through the attention. head: the attention's own weights. features: the
    embedding.
    """
    plain = replace(SMALL, reading=reading)
    scores, attention = by_path(plain)
    found = of_background(replace(plain, background="grl", grl_scope=scope, grl_factor=factor))
    signs = {
        "path": (-factor, 1, -factor),
        "head": (-factor, 1, 0),
        "features": (1, -factor, -factor),
    }[scope]
    expected = {
        "attend": signs[0] * attention["attend"],
        "classify": scores["classify"],
        "embed": signs[1] * scores["embed"] + signs[2] * attention["embed"],
    }
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **EXACT)
        assert value.abs().max() > 1e-6
    assert (
        attention["embed"].abs().max() > 1e-6
        and (attention["classify"] == 0).all()
        and (scores["attend"] == 0).all()
    )


def test_without_reversal_the_gradient_is_the_sum_of_both_paths():
    scores, attention = by_path(SMALL)
    for name, value in of_background(SMALL).items():
        torch.testing.assert_close(value, scores[name] + attention[name], **EXACT)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_factor_of_zero_cuts_the_gradient_off(scope):
    config = replace(SMALL, background="grl", grl_scope=scope, grl_factor=0.0)
    found = of_background(config)
    cut = "embed" if scope == "features" else "attend"
    assert all((value == 0).all() == (name == cut) for name, value in found.items())


@pytest.mark.parametrize("tcb", [False, True])
@pytest.mark.parametrize("scope", SCOPES)
def test_the_reversal_changes_no_value_and_only_the_background_loss_s_gradient(scope, tcb):
    """The normaliser stays the sum of 1 - a; foreground and consistency losses push as before."""
    plain = replace(SMALL, tcb=tcb, dropout=0.5, lambda_bg=0.3)
    turned = replace(plain, background="grl", grl_scope=scope)
    found = []
    for config in (plain, turned):
        network, batch = network_of(config), random_batch()
        outputs = network(batch, torch.Generator().manual_seed(1))
        losses = loss(outputs, batch, config)
        background = by_weights(
            network, config.lambda_bg * background_loss(outputs.base, batch, config)
        )
        total = by_weights(network, loss(outputs, batch, config)["total"])
        found.append((losses, {name: total[name] - background[name] for name in total}, background))
    torch.testing.assert_close(found[0][0], found[1][0], **EXACT)
    torch.testing.assert_close(found[0][1], found[1][1], **EXACT)
    assert not torch.allclose(found[0][2]["embed"], found[1][2]["embed"])


@pytest.mark.parametrize("scope", SCOPES)
def test_evaluation_knows_no_reversal(scope):
    found = of_background(replace(SMALL, background="grl", grl_scope=scope), training=False)
    torch.testing.assert_close(found, of_background(SMALL, training=False), **EXACT)


def branch_of(seed=0) -> Branch:
    draw = torch.Generator().manual_seed(seed)
    s = torch.randn(sum(LENGTHS), 6, generator=draw, dtype=torch.float64).requires_grad_()
    a = torch.rand(sum(LENGTHS), generator=draw, dtype=torch.float64).requires_grad_()
    return Branch(s, a, s[None, :, :1], (s, a), s)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", ["snippets", "video"])
def test_every_snippet_is_asked_to_be_background(form, seed):
    """Eq. 10 and its gradient: (q_t - e_b) / T of each snippet; of the mean logits the same for all
    snippets. No attention.
    """
    base, batch = branch_of(seed), random_batch()
    value = every_snippet_loss(base, batch, replace(FULL, bvl_form=form))
    by_s, by_a = torch.autograd.grad(value.sum(), (base.cas, base.attention), allow_unused=True)
    assert by_a is None
    for v, length in ((v, length) for v, length in enumerate(LENGTHS) if length):
        mine = (batch.video == v).numpy()
        s = base.cas.detach().numpy()[mine]
        s = s if form == "snippets" else s.mean(0, keepdims=True)
        q = np.exp(s) / np.exp(s).sum(1, keepdims=True)
        assert value[v].item() == pytest.approx(-np.log(q[:, -1]).mean(), rel=0, abs=1e-9)
        np.testing.assert_allclose(
            by_s[mine], np.broadcast_to((q - np.eye(6)[-1]) / length, (length, 6)), **EXACT
        )


def test_both_forms_agree_where_all_snippets_are_alike():
    row = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    s = row.expand(9, -1)
    batch = Packed(
        torch.zeros(1, 9, 1, dtype=torch.float64), (4, 5), torch.zeros(2, 5, dtype=torch.float64)
    )
    base = Branch(s, s[:, 0].sigmoid(), s[None, :, :1], (s, s[:, 0].sigmoid()), s)
    one, two = (
        every_snippet_loss(base, batch, replace(FULL, bvl_form=form))
        for form in ("snippets", "video")
    )
    torch.testing.assert_close(one, two, **EXACT)
    torch.testing.assert_close(one, -row.log_softmax(0)[-1].expand(2), **EXACT)


def of_every_snippet(config: Config) -> dict[str, torch.Tensor]:
    network, batch = network_of(config), random_batch()
    outputs = network(batch, torch.Generator().manual_seed(1))
    return by_weights(network, every_snippet_loss(outputs.base, batch, config))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("form", ["snippets", "video"])
def test_the_loss_of_every_snippet_trains_classifier_and_embedding_or_the_classifier_alone(
    form, dropout
):
    config = replace(SMALL, lambda_bvl=0.1, bvl_form=form, dropout=dropout)
    whole, head = of_every_snippet(config), of_every_snippet(replace(config, bvl_detach=True))
    assert (whole["attend"] == 0).all() and (head["attend"] == 0).all()
    torch.testing.assert_close(head["classify"], whole["classify"], **EXACT)
    assert (whole["embed"] != 0).any() and (head["embed"] == 0).all()


def test_it_is_added_to_the_background_loss_with_its_own_weight():
    without, batch = loss_in_training(SMALL)
    with_, _ = loss_in_training(replace(SMALL, lambda_bvl=0.7))
    assert "bvl" not in without and torch.equal(with_["bg"], without["bg"])
    torch.testing.assert_close(with_["total"] - without["total"], 0.7 * with_["bvl"], **EXACT)
    assert (with_["bvl"] > 0).tolist() == [length > 0 for length in batch.lengths]


def loss_in_training(config: Config) -> tuple[dict[str, torch.Tensor], Packed]:
    batch = random_batch()
    return loss(network_of(config)(batch, torch.Generator().manual_seed(1)), batch, config), batch
