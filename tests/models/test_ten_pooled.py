"""TEN's video-level losses have the closed forms of Eqs. 9-13 (specification A.5-A.7), value and
gradient, in both readings.
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
    activate,
    background_loss,
    barrier,
    cross_entropy,
    foreground_loss,
    loss,
    pooled_log_probability,
)
from wtal_core.packed import Packed

EXACT = {"rtol": 0, "atol": 1e-9}
MACHINE = {"rtol": 0, "atol": 1e-13}
WAYS = [(reading, background) for reading in "AB" for background in ("plain", "bges")]
SMALL = replace(FULL, embedding=16, samples=None)


def sample(lengths=LENGTHS, seed=0, classes=5) -> tuple[torch.Tensor, torch.Tensor, Packed]:
    """Logits and attention to differentiate by, and their batch."""
    draw = torch.Generator().manual_seed(seed)
    s = 2 * torch.randn(sum(lengths), classes + 1, generator=draw, dtype=torch.float64)
    a = torch.rand(sum(lengths), generator=draw, dtype=torch.float64)
    return s.requires_grad_(), a.requires_grad_(), random_batch(lengths, 1, 1, classes, seed)


def branch(s: torch.Tensor, a: torch.Tensor) -> Branch:
    return Branch(s, a, s[None, :, :1], (s, a), s)


def l_b(s, a, batch: Packed, reading: str, background: str) -> torch.Tensor:
    return background_loss(
        branch(s, a), batch, replace(FULL, reading=reading, background=background)
    )


def by_autograd(s, a, batch: Packed, reading: str, background: str) -> tuple[torch.Tensor, ...]:
    """L_b of each video, and its gradients by the attention and by the logits."""
    value = l_b(s, a, batch, reading, background)
    return value.detach(), *torch.autograd.grad(value.sum(), (a, s))


def by_hand(s, a, reading: str, background: str) -> tuple[np.ndarray, ...]:
    """The same for one video, as the specification derives it in A.7.1-A.7.3."""
    s, n = s.detach().numpy(), 1 - a.detach().numpy()
    z_sum, t, b = n.sum(), len(n), np.eye(s.shape[1])[-1]
    q = np.exp(s) / np.exp(s).sum(1, keepdims=True)
    if reading == "B":
        p = n @ q[:, -1] / z_sum
        by_a = (q[:, -1] - p) / (z_sum * p) if background == "plain" else q[:, -1] / (z_sum * p)
        value = -np.log(p if background == "plain" else n @ q[:, -1] / t)
        return value, by_a, n[:, None] * q[:, -1:] * (q - b) / (z_sum * p)
    size = z_sum if background == "plain" else t
    z = n @ s / size
    p = np.exp(z) / np.exp(z).sum()
    by_a = (
        ((s[:, -1] - z[-1]) - (s - z) @ p) / z_sum
        if background == "plain"
        else (s[:, -1] - s @ p) / t
    )
    return -np.log(p[-1]), by_a, n[:, None] * (p - b) / size


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("reading", "background"), WAYS)
def test_background_loss_and_its_gradients_have_their_closed_forms(reading, background, seed):
    """Eq. 11 (plain) and Eq. 13 (BGES), video by video of a packed batch."""
    s, a, batch = sample(seed=seed)
    found = by_autograd(s, a, batch, reading, background)
    for v in (v for v, length in enumerate(LENGTHS) if length):
        mine = batch.video == v
        value, by_a, by_s = by_hand(s[mine], a[mine], reading, background)
        np.testing.assert_allclose(found[0][v], value, **EXACT)
        np.testing.assert_allclose(found[1][mine], by_a, **EXACT)
        np.testing.assert_allclose(found[2][mine], by_s, **EXACT)


@pytest.mark.parametrize(("reading", "background"), WAYS)
def test_attention_weights_get_eq_11_through_late_fusion(reading, background):
    """∂a/∂w of a stream is ½ aᵐ (1 - aᵐ) x; x, behind a ReLU, is not negative."""
    network, batch = network_of(), random_batch()
    base = network(batch).base
    of_stream = network.attend(base.x, batch).sigmoid()[..., 0].detach()  # (S, M)
    config = replace(SMALL, reading=reading, background=background)
    weight, bias = torch.autograd.grad(
        background_loss(base, batch, config).sum(),
        (network.attend.weight, network.attend.bias),
        retain_graph=True,
    )
    by_a = by_autograd(
        base.cas.detach().requires_grad_(),
        base.attention.detach().requires_grad_(),
        batch,
        reading,
        background,
    )[1]
    slope = by_a * of_stream * (1 - of_stream) / 2
    torch.testing.assert_close(weight[..., 0], (slope[..., None] * base.x).sum(1), **EXACT)
    torch.testing.assert_close(bias[:, 0, 0], slope.sum(1), **EXACT)
    assert (base.x >= 0).all() and (weight != 0).any()


@pytest.mark.parametrize("seed", range(4))
def test_bges_steps_further_down_by_p_bg_times_r_for_every_snippet(seed):
    """Eq. 12, reading B: each snippet pulls at a copy of the weights of its own."""
    s, _, batch = sample(seed=seed)
    draw, step = torch.Generator().manual_seed(seed), 0.1
    x = torch.rand(2, len(s), 3, generator=draw, dtype=torch.float64)
    w = (
        torch.randn(2, 1, 3, generator=draw, dtype=torch.float64)
        .expand(-1, len(s), -1)
        .clone()
        .requires_grad_()
    )
    each = (x * w).sum(-1).sigmoid()
    after = {}
    for background in ("plain", "bges"):
        (by_w,) = torch.autograd.grad(
            l_b(s, each.mean(0), batch, "B", background).sum(), w, retain_graph=True
        )
        after[background] = w.detach() - step * by_w
    n = 1 - each.detach().mean(0)
    z = (batch.membership @ n)[batch.video]
    p_bg = (batch.membership @ (n * s.detach().softmax(-1)[:, -1]))[batch.video] / z
    rest = (each * (1 - each) / 2 / (z * p_bg)).detach()[..., None] * x  # R_t
    torch.testing.assert_close(after["plain"] - after["bges"], step * p_bg[:, None] * rest, **EXACT)
    assert (after["bges"] <= after["plain"]).all() and (rest > 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_bges_of_mean_probabilities_is_the_plain_loss_and_a_barrier(seed):
    """Reading B: L̂ - L = -log(1 - ā); the attention's gradient moves by 1/Z alike for every
    snippet, the classifier's not.
    """
    s, a, batch = sample(seed=seed)
    plain, bges = by_autograd(s, a, batch, "B", "plain"), by_autograd(s, a, batch, "B", "bges")
    some = torch.tensor(LENGTHS) > 0
    n_sum, t = batch.membership @ (1 - a.detach()), batch.membership.sum(1)
    torch.testing.assert_close((bges[0] - plain[0])[some], -(n_sum / t)[some].log(), **MACHINE)
    torch.testing.assert_close(bges[1] - plain[1], (1 / n_sum)[batch.video], **MACHINE)
    torch.testing.assert_close(bges[2], plain[2], **MACHINE)
    added, mean = (
        barrier(branch(s, a.detach()), batch, replace(FULL, barrier=form))[some]
        for form in ("log", "mean")
    )
    torch.testing.assert_close(added, (bges[0] - plain[0])[some], **MACHINE)
    torch.testing.assert_close(mean, 1 - (n_sum / t)[some], **MACHINE)


@pytest.mark.parametrize("seed", range(4))
def test_bges_of_mean_logits_is_a_temperature(seed):
    """Reading A: p̂ = softmax((1 - ā) z), so the classifier's gradient changes, too."""
    s, a, batch = sample(seed=seed)
    p, p_hat = (
        pooled_log_probability(s, 1 - a, batch, "A", norm).exp().detach()
        for norm in ("sum", "length")
    )
    z = pooled_logits(s, 1 - a, batch)
    mean = batch.membership @ a.detach() / batch.membership.sum(1).clamp_min(1)
    torch.testing.assert_close(p, z.softmax(-1), **EXACT)
    torch.testing.assert_close(p_hat, ((1 - mean)[:, None] * z).softmax(-1), **EXACT)
    plain, bges = by_autograd(s, a, batch, "A", "plain"), by_autograd(s, a, batch, "A", "bges")
    assert ((bges[2] - plain[2]).abs().sum(-1) > 1e-6).all()
    push = (z[:, -1] - (z.softmax(-1) * z).sum(-1)) / (batch.membership @ (1 - a.detach()))
    held = plain[1] + push[batch.video]  # 1/Z and p as before, Eq. 13's difference left out
    s_t, z_sum = s.detach(), (batch.membership @ (1 - a.detach()))[batch.video]
    torch.testing.assert_close(held, (s_t[:, -1] - (p[batch.video] * s_t).sum(-1)) / z_sum, **EXACT)


def pooled_logits(s, weight, batch: Packed) -> torch.Tensor:
    total = batch.membership @ weight.detach()
    return (
        batch.membership
        @ (weight[:, None] * s).detach()
        / torch.where(total > 0, total, 1)[:, None]
    )


@pytest.mark.parametrize("level", [1e-2, 1e-4, 1e-6, 0.0])
def test_without_attention_bges_of_mean_logits_becomes_the_plain_loss(level):
    s, a, batch = sample()
    a = (level * a.detach()).requires_grad_()
    plain, bges = by_autograd(s, a, batch, "A", "plain"), by_autograd(s, a, batch, "A", "bges")
    for i in (0, 2):  # loss and classifier's gradient; the attention's stays apart
        apart = (plain[i] - bges[i]).abs().max()
        assert apart <= 10 * level and (apart > 0) == (level > 0)
    assert (plain[1] - bges[1]).abs().max() > 1e-3


@pytest.mark.parametrize("per_snippet", [False, True])
@pytest.mark.parametrize(("reading", "background"), WAYS)
def test_a_constant_added_to_all_logits_changes_nothing(reading, background, per_snippet):
    s, a, batch = sample()
    shift = torch.linspace(-3, 5, len(s), dtype=torch.float64)[:, None] if per_snippet else 7.0
    before, after = (
        by_autograd(s, a, batch, reading, background),
        by_autograd(s + shift, a, batch, reading, background)[:2],
    )
    torch.testing.assert_close(after, before[:2], **EXACT)
    other = torch.cat([s[:, :-1], s[:, -1:] + 1], 1)  # not so for one class alone
    assert not torch.allclose(l_b(other, a, batch, reading, background), before[0])


@pytest.mark.parametrize("seed", range(8))
def test_attention_falls_exactly_where_a_snippet_is_more_background_than_its_video(seed):
    """The paper's claim, which holds under reading B for every snippet."""
    s, a, batch = sample(seed=seed)
    p = pooled_log_probability(s, 1 - a, batch, "B").exp()[batch.video, -1]
    sign = torch.sign(s.softmax(-1)[:, -1] - p).detach()
    sign[batch.video == 2] = 0  # the video of one snippet is as its snippet
    by_a = by_autograd(s, a, batch, "B", "plain")[1]
    torch.testing.assert_close(torch.sign(by_a.where(by_a.abs() > 1e-12, 0)), sign, rtol=0, atol=0)
    assert (by_autograd(s, a, batch, "B", "bges")[1] > 0).all()


def test_of_mean_logits_the_claim_fails():
    """Reading A: the first snippet has the higher background logit, and its attention rises; and
    often in random ones.
    """
    batch = Packed(
        torch.zeros(1, 2, 1, dtype=torch.float64), (2,), torch.zeros(1, 2, dtype=torch.float64)
    )
    s = torch.tensor([[5.0, 0, 1], [0, 0, 0]], dtype=torch.float64, requires_grad=True)
    a = torch.full((2,), 0.5, dtype=torch.float64, requires_grad=True)
    by_a = by_autograd(s, a, batch, "A", "plain")[1]
    assert s[0, -1] > s[1, -1] and by_a[0] < 0 < by_a[1]
    agree = []
    for seed in range(10):
        s, a, batch = sample((40,), seed)
        clean = s[:, -1] - pooled_logits(s, 1 - a, batch)[batch.video, -1]
        agree.append(torch.sign(clean) == torch.sign(by_autograd(s, a, batch, "A", "plain")[1]))
    assert 0.6 < torch.cat(agree).double().mean() < 0.98
    assert any((by_autograd(*sample((40,), seed), "A", "bges")[1] < 0).any() for seed in range(10))


def network_of(config: Config = SMALL) -> Network:
    return Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()


def through(config: Config) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Losses in training, with dropout, and all gradients of the total."""
    network, batch = network_of(config), random_batch()
    losses = loss(network(batch, torch.Generator().manual_seed(1)), batch, config)
    losses["total"].sum().backward()
    return losses, {name: p.grad for name, p in network.named_parameters()}


@pytest.mark.parametrize("weight", [0.02, 0.1, 1.0])
@pytest.mark.parametrize(
    "changes",
    [{"tcb": False}, {}, {"tcb": False, "samples": 20}, {"fuse": "sum", "kernel": 1}],
    ids=["BL", "TEN", "sampled", "sum of streams"],
)
def test_through_the_whole_network_bges_is_the_barrier(changes, weight):
    """BL+BGES ≡ BL + λ · (-log(1 - ā)) under reading B: total loss and every gradient; not under
    reading A.
    """
    config = replace(SMALL, reading="B", lambda_bg=weight, **changes)
    bges, added = through(config), through(replace(config, background="plain", barrier="log"))
    torch.testing.assert_close(bges[0]["total"], added[0]["total"], **MACHINE)
    torch.testing.assert_close(bges[1], added[1], **MACHINE)
    torch.testing.assert_close(bges[0]["bg"], added[0]["bg"] + added[0]["barrier"], **MACHINE)
    a = replace(config, reading="A")
    assert not torch.allclose(
        through(a)[0]["total"], through(replace(a, background="plain", barrier="log"))[0]["total"]
    )


@pytest.mark.parametrize("reading", "AB")
def test_bges_leaves_the_foreground_and_the_inference_as_they_are(reading):
    plain, bges = (replace(SMALL, reading=reading, background=way) for way in ("plain", "bges"))
    before, after = through(plain)[0], through(bges)[0]
    assert torch.equal(before["fg"], after["fg"]) and not torch.equal(before["bg"], after["bg"])
    batch = random_batch()
    one, two = (activate(network_of(config)(batch), batch, config) for config in (plain, bges))
    for name in ("cas", "scores", "attention"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("label_norm", [True, False])
@pytest.mark.parametrize(("norm", "extra"), [("sum", 0.0), ("sum", 1.0), ("length", 0.0)])
@pytest.mark.parametrize("reading", "AB")
def test_the_foreground_loss_is_a_cross_entropy_of_pooled_probabilities(
    reading, norm, extra, label_norm
):
    s, a, batch = sample()
    config = replace(
        FULL, reading=reading, foreground_norm=norm, foreground_extra=extra, label_norm=label_norm
    )
    found = foreground_loss(branch(s, a), batch, config).detach()
    assert (batch.labels.sum(1) > 1).any()
    for v in (v for v, length in enumerate(LENGTHS) if length):
        mine, y = (batch.video == v).numpy(), batch.labels[v].numpy()
        s_v, a_v = s.detach().numpy()[mine], a.detach().numpy()[mine]
        size = a_v.sum() + extra if norm == "sum" else mine.sum()
        q = np.exp(s_v) / np.exp(s_v).sum(1, keepdims=True)
        z = a_v @ s_v / size
        p = np.exp(z) / np.exp(z).sum() if reading == "A" else a_v @ q / size
        target = y / y.sum() if label_norm else y
        assert found[v].item() == pytest.approx(-(target * np.log(p[:-1])).sum(), rel=0, abs=1e-9)


@pytest.mark.parametrize("reading", "AB")
def test_nothing_in_the_foreground_loss_opposes_a_smaller_attention(reading):
    """Invariant to a → k a (A.7.4); with DGAM's 1 in the normaliser, or over the length,
    it is not.
    """
    s, a, batch = sample()
    for changes, same in (
        ({}, True),
        ({"foreground_extra": 1.0}, False),
        ({"foreground_norm": "length"}, False),
    ):
        config = replace(FULL, reading=reading, **changes)
        one, two = (foreground_loss(branch(s, k * a), batch, config) for k in (1, 0.3))
        assert torch.allclose(one, two, rtol=0, atol=1e-9) == same


@pytest.mark.parametrize(
    ("reading", "norm"), [("A", "sum"), ("A", "length"), ("B", "sum"), ("B", "length")]
)
def test_pooled_probabilities_add_up_to_one_or_to_the_mean_weight(reading, norm):
    s, a, batch = sample()
    total = pooled_log_probability(s, a, batch, reading, norm).exp().sum(-1).detach()
    mean = batch.membership @ a.detach() / batch.membership.sum(1)
    expected = (
        mean.nan_to_num(1.0) if (reading, norm) == ("B", "length") else torch.ones_like(total)
    )  # NaN: no snippets
    torch.testing.assert_close(total, expected, **EXACT)


@pytest.mark.parametrize("reading", "AB")
def test_over_one_snippet_both_readings_are_its_softmax(reading):
    s, a, batch = sample((1, 1))
    torch.testing.assert_close(
        pooled_log_probability(s, a, batch, reading), s.log_softmax(-1), **EXACT
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["sum", "length"])
@pytest.mark.parametrize("reading", "AB")
def test_without_any_weight_the_distribution_is_uniform_and_gradients_are_finite(
    reading, norm, dtype
):
    s, _, batch = sample((3, 0))
    batch = replace(batch, features=batch.features.to(dtype))
    s, a = s.detach().to(dtype).requires_grad_(), torch.zeros(3, dtype=dtype, requires_grad=True)
    log_p = pooled_log_probability(s, a, batch, reading, norm)
    torch.testing.assert_close(log_p.detach(), torch.full((2, 6), -np.log(6), dtype=dtype))
    assert all(g.isfinite().all() for g in torch.autograd.grad(log_p.sum(), (s, a)))


def test_a_video_without_labels_owes_nothing():
    log_p, labels = (
        torch.tensor([[0.2, 0.3, 0.5]] * 3).log(),
        torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0]]),
    )
    shares = [0, -np.log(0.2), -np.log(0.2 * 0.3) / 2]
    np.testing.assert_allclose(cross_entropy(log_p, labels), shares, atol=1e-6)
    np.testing.assert_allclose(
        cross_entropy(log_p, labels, False), [0, -np.log(0.2), -np.log(0.2 * 0.3)], atol=1e-6
    )
