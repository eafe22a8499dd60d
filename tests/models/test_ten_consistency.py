"""TEN's consistency losses against NumPy and SciPy, and its second pass over repeated snippets
(Eqs. 6-8, specification A.9).
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.stats import entropy

from tests.packed_samples import LENGTHS, random_batch
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.ten import (
    FULL,
    Branch,
    Config,
    Network,
    Outputs,
    attention_distance,
    attention_loss,
    correlation,
    divergence,
    loss,
    repeated,
    score_distance,
    score_loss,
    smoothed,
)
from wtal_core.packed import Packed

EXACT = {"rtol": 0, "atol": 1e-9}
FORMS = ("kl", "mae", "mse", "mae_logits", "mse_logits")
SMALL = replace(FULL, embedding=16, samples=None)


def two_of(shape: tuple[int, ...], seed=0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(2)
    ]


def each_mean(values: np.ndarray, batch: Packed) -> list[float]:
    """Mean over the snippets of each video, 0 without any."""
    video = batch.video.numpy()
    return [values[video == v].mean() if length else 0.0 for v, length in enumerate(batch.lengths)]


def softmax(s: torch.Tensor) -> np.ndarray:
    e = np.exp(s.detach().numpy())
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("lengths", [(1,), (2,), (3,), (5,), (20,), (20, 0, 1, 2, 5, 3), (0,)])
def test_smoothing_is_scipy_s_along_each_video(lengths, sigma):
    values, batch = two_of((sum(lengths),))[0].detach(), random_batch(lengths)
    rows = [
        gaussian_filter1d(row.numpy(), sigma, mode="reflect")
        for row in values.split(lengths)
        if len(row)
    ]
    np.testing.assert_allclose(smoothed(values, batch, sigma), np.concatenate([*rows, []]), **EXACT)


def test_gradients_go_through_the_smoothing():
    values, batch = two_of((sum(LENGTHS),))[0], random_batch()
    assert torch.autograd.gradcheck(lambda v: smoothed(v, batch, 1.0), values)
    flat = torch.full_like(values, 0.3)
    torch.testing.assert_close(smoothed(flat, batch, 2.0), flat, **EXACT)


def test_the_mean_over_time_is_a_video_s_own():
    values, batch = two_of((sum(LENGTHS),))[0], random_batch()
    np.testing.assert_allclose(
        mean_over_time(values, batch).detach(), each_mean(values.detach().numpy(), batch), **EXACT
    )


@pytest.mark.parametrize("form", ["mae", "mse"])
def test_attentions_are_apart_by_their_mean_difference(form):
    (one, two), batch = two_of((sum(LENGTHS),)), random_batch()
    apart = (one - two).detach().numpy()
    expected = each_mean(np.abs(apart) if form == "mae" else apart**2, batch)
    np.testing.assert_allclose(
        attention_distance(one, two, batch, form).detach(), expected, **EXACT
    )
    assert torch.equal(
        attention_distance(one, two, batch, form), attention_distance(two, one, batch, form)
    )


@pytest.mark.parametrize("form", FORMS[1:])
def test_class_scores_are_apart_by_their_mean_difference(form):
    (one, two), batch = two_of((sum(LENGTHS), 6)), random_batch()
    apart = (one - two).detach().numpy() if form.endswith("logits") else softmax(one) - softmax(two)
    expected = each_mean((np.abs(apart) if form.startswith("mae") else apart**2).mean(1), batch)
    np.testing.assert_allclose(score_distance(one, two, batch, form).detach(), expected, **EXACT)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("direction", ["symmetric", "one_other", "other_one"])
def test_the_divergence_is_kullback_leibler_s_in_its_direction(direction, temperature):
    (one, two), batch = two_of((sum(LENGTHS), 6)), random_batch()
    p, q = softmax(one / temperature), softmax(two / temperature)
    there, back = entropy(p, q, axis=1), entropy(q, p, axis=1)
    expected = {"symmetric": (there + back) / 2, "one_other": there, "other_one": back}[direction]
    found = score_distance(one, two, batch, "kl", direction, temperature)
    np.testing.assert_allclose(found.detach(), each_mean(expected, batch), **EXACT)
    assert not np.allclose(there, back)


def test_the_symmetric_divergence_is_symmetric_and_the_others_are_each_other_s_mirror():
    (one, two), batch = two_of((sum(LENGTHS), 6)), random_batch()
    both, back = (score_distance(*pair, batch, "kl") for pair in ((one, two), (two, one)))
    torch.testing.assert_close(both, back, **EXACT)
    forward = score_distance(one, two, batch, "kl", "one_other")
    assert torch.equal(forward, score_distance(two, one, batch, "kl", "other_one"))
    assert not torch.allclose(forward, score_distance(one, two, batch, "kl", "other_one"))


@pytest.mark.parametrize("form", ["att mae", "att mse", *FORMS])
def test_equal_passes_are_not_apart(form):
    batch = random_batch()
    one = two_of((sum(LENGTHS), 6))[0]
    if form.startswith("att"):
        found = attention_distance(one[:, 0], one[:, 0].clone(), batch, form[4:])
    else:
        found = score_distance(one, one.clone(), batch, form)
    assert (found == 0).all()
    (gradient,) = torch.autograd.grad(found.sum(), one)
    torch.testing.assert_close(gradient, torch.zeros_like(one), **EXACT)


def test_far_apart_logits_have_a_finite_divergence():
    one = torch.tensor([[800.0, -800, 0]], requires_grad=True)
    value = divergence(one, -one)
    assert (
        value.item() == pytest.approx(1600)
        and torch.autograd.grad(value.sum(), one)[0].isfinite().all()
    )


def numbered(lengths: tuple[int, ...], streams=2) -> Packed:
    """Features that are the snippets' own numbers."""
    number = torch.arange(float(sum(lengths)), dtype=torch.float64)[None, :, None].expand(
        streams, -1, -1
    )
    return Packed(number, lengths, torch.zeros(len(lengths), 2, dtype=torch.float64))


@pytest.mark.parametrize("interval", [1, 2, 3, 4, 5, 50])
@pytest.mark.parametrize("lengths", [(0,), (1,), (5,), (0, 1, 5), (7, 0, 1, 12, 33)])
def test_the_second_pass_repeats_a_snippet_of_each_segment_of_its_video(lengths, interval):
    batch, draw, seen = numbered(lengths), torch.Generator().manual_seed(0), []
    starts = np.cumsum((0, *lengths))
    segments = [
        range(starts[v] + t, starts[v] + min(t + interval, length))
        for v, length in enumerate(lengths)
        for t in range(0, length, interval)
    ]
    for _ in range(40):
        second = repeated(batch, interval, draw)
        assert second.lengths == lengths and second.labels is batch.labels
        assert torch.equal(second.features[0], second.features[1])  # both streams alike
        values = second.features[0, :, 0].long().tolist()
        drawn = [values[segment.start] for segment in segments]
        assert values == [d for d, segment in zip(drawn, segments, strict=True) for _ in segment]
        assert all(d in segment for d, segment in zip(drawn, segments, strict=True))
        seen.append(drawn)
    if interval == 1:
        assert torch.equal(second.features, batch.features)


@pytest.mark.parametrize("interval", [2, 3, 4, 5])
def test_every_snippet_of_a_segment_is_drawn_equally_often(interval):
    """Also of the last, shorter one; 11 is divided by none of them."""
    draw, times = torch.Generator().manual_seed(0), 3000
    drawn = torch.stack(
        [repeated(numbered((11,)), interval, draw).features[0, ::interval, 0] for _ in range(times)]
    ).long()
    for j, column in enumerate(drawn.T):
        segment = range(j * interval, min((j + 1) * interval, 11))
        counts = torch.bincount(column, minlength=11)[list(segment)]
        assert counts.sum() == times
        share = times / len(segment)
        assert (counts - share).abs().max() < 5 * share**0.5
    if interval < 5:  # segments are drawn for themselves
        assert (
            len({tuple((row - interval * torch.arange(len(row))).tolist()) for row in drawn})
            > interval
        )


def branch_of(seed: int) -> Branch:
    draw = torch.Generator().manual_seed(seed)
    s = torch.randn(sum(LENGTHS), 6, generator=draw, dtype=torch.float64).requires_grad_()
    a = torch.rand(sum(LENGTHS), generator=draw, dtype=torch.float64).requires_grad_()
    return Branch(s, a, s[None, :, :1], (s, a), s)


CONSISTENCY = [("att", form) for form in ("mae", "mse")] + [("cas", form) for form in FORMS]


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(("what", "form"), CONSISTENCY)
def test_a_detached_second_pass_is_a_fixed_target(what, form, detach):
    one, two, batch = branch_of(0), branch_of(1), random_batch()
    config = replace(FULL, detach=detach, **{what: form})
    value = (attention_loss if what == "att" else score_loss)(two, one, batch, config)
    by_one, by_two = torch.autograd.grad(
        value.sum(),
        [b.attention if what == "att" else b.cas for b in (one, two)],
        allow_unused=True,
    )
    assert (by_one != 0).any()
    assert by_two is None if detach else (by_two != 0).any()
    assert torch.equal(
        value,
        (attention_loss if what == "att" else score_loss)(
            two, one, batch, replace(config, detach=False)
        ),
    )


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize(
    ("smooth", "sides"),
    [("both", (True, True)), ("tcb_only", (False, True)), ("none", (False, False))],
)
def test_which_attention_is_smoothed_is_a_choice(smooth, sides, sigma):
    one, two, batch = branch_of(0), branch_of(1), random_batch()
    rows = [
        np.concatenate(
            [
                gaussian_filter1d(r.numpy(), sigma) if side and len(r) else r.numpy()
                for r in b.attention.detach().split(LENGTHS)
            ]
        )
        for b, side in zip((one, two), sides, strict=True)
    ]
    found = attention_loss(two, one, batch, replace(FULL, smooth=smooth, sigma=sigma)).detach()
    np.testing.assert_allclose(found, each_mean(np.abs(rows[0] - rows[1]), batch), **EXACT)


def test_summed_over_time_the_divergence_is_as_many_times_larger():
    one, two, batch = branch_of(0), branch_of(1), random_batch()
    mean, summed = (
        score_loss(two, one, batch, replace(FULL, cas_sum=way)) for way in (False, True)
    )
    torch.testing.assert_close(summed, mean * torch.tensor(LENGTHS), **EXACT)


def losses_of(config: Config, seed=1) -> tuple[dict[str, torch.Tensor], Outputs]:
    """Losses in training, with dropout."""
    batch = random_batch()
    network = Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double()
    outputs = network(batch, torch.Generator().manual_seed(seed))
    return loss(outputs, batch, config), outputs


@pytest.mark.parametrize("background", ["plain", "bges", "grl"])
def test_the_video_s_losses_are_those_of_the_base_branch_only(background):
    config = replace(SMALL, background=background, lambda_bvl=0.1, barrier="mean")
    with_, without = losses_of(config)[0], losses_of(replace(config, tcb=False))[0]
    assert set(with_) - set(without) == {"att", "cas"}
    for name in ("fg", "bg", "bvl", "barrier", "attention", "correlation"):
        assert torch.equal(with_[name], without[name])


def test_the_total_is_eq_8():
    config = replace(
        SMALL, lambda_bg=0.3, beta_att=0.7, beta_cas=0.6, lambda_bvl=0.2, barrier="log"
    )
    losses, _ = losses_of(config)
    weights = {"fg": 1, "bg": 0.3, "bvl": 0.2, "barrier": 0.3, "att": 0.7, "cas": 0.6}
    assert set(losses) == {*weights, "attention", "correlation", "total"}
    torch.testing.assert_close(
        losses["total"], sum(weights[name] * losses[name] for name in weights), **EXACT
    )
    for what, other in (("att", "cas"), ("cas", "att")):
        assert what not in losses_of(replace(config, **{what: "none"}))[0]
        assert torch.equal(losses_of(replace(config, **{what: "none"}))[0][other], losses[other])


@pytest.mark.parametrize(
    "changes", [{what: form} for what, form in CONSISTENCY], ids=[" ".join(c) for c in CONSISTENCY]
)
def test_the_same_pass_twice_costs_nothing(changes):
    """Segments of one snippet and no dropout; segments of four, or other masks, make the passes
    differ.
    """
    what, config = next(iter(changes)), replace(SMALL, interval=1, dropout=0.0, **changes)
    assert (losses_of(config)[0][what] == 0).all()
    assert (losses_of(replace(config, interval=4))[0][what][[0, 3, 4]] > 0).all()
    assert (losses_of(replace(config, dropout=0.5))[0][what][[0, 3, 4]] > 0).all() == (
        what == "cas"
    )  # a comes before dropout


def test_the_second_pass_has_the_same_weights_and_is_for_training_only():
    config = replace(SMALL, dropout=0.0)
    batch, network = (
        random_batch(),
        Network(config, 2, 16, 5, torch.Generator().manual_seed(0)).double(),
    )
    outputs = network(batch, torch.Generator().manual_seed(5))
    again = network(repeated(batch, 4, torch.Generator().manual_seed(5))).base
    torch.testing.assert_close(
        (outputs.continuity.cas, outputs.continuity.attention),
        (again.cas, again.attention),
        **EXACT,
    )
    assert network(batch).continuity is None
    assert (
        Network(replace(config, tcb=False), 2, 16, 5, torch.Generator())
        .double()(batch, torch.Generator())
        .continuity
        is None
    )


def with_foreground(q: torch.Tensor, a: torch.Tensor) -> Branch:
    """Logits whose foreground probability 1 - q_b is q."""
    s = torch.stack([q.log(), (1 - q).log()], 1)
    return Branch(s, a, s[None, :, :1], (s, a), s)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_the_correlation_of_attention_and_foreground_is_pearson_s_in_each_video(seed, dtype):
    base, batch = branch_of(seed), random_batch()
    a, q = base.attention.detach().numpy(), 1 - softmax(base.cas)[:, -1]
    expected = [
        np.corrcoef(a[mine], q[mine])[0, 1] if mine.sum() > 1 else 0.0
        for mine in ((batch.video == v).numpy() for v in range(len(LENGTHS)))
    ]
    given = replace(base, cas=base.cas.to(dtype), attention=base.attention.to(dtype))
    found = correlation(given, replace(batch, features=batch.features.to(dtype)))
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-9 if dtype == torch.float64 else 1e-5
    )
    assert not found.requires_grad


@pytest.mark.parametrize(("slope", "expected"), [(0.5, 1), (-0.5, -1)])
def test_an_inverted_attention_has_a_negative_correlation(slope, expected):
    a = torch.linspace(0.1, 0.9, 20, dtype=torch.float64)
    assert correlation(
        with_foreground(0.5 + slope * (a - 0.5), a), numbered((20,))
    ).item() == pytest.approx(expected)


@pytest.mark.parametrize("constant", ["attention", "foreground"])
@pytest.mark.parametrize("length", [1, 2, 13, 33])
def test_where_one_of_both_is_constant_there_is_no_correlation(length, constant):
    varied, fixed = (
        torch.linspace(0.2, 0.7, length, dtype=torch.float64),
        torch.full((length,), 0.3, dtype=torch.float64),
    )
    q, a = (varied, fixed) if constant == "attention" else (fixed, varied)
    assert correlation(with_foreground(q, a), numbered((length,))).item() == pytest.approx(
        0, abs=1e-9
    )


@pytest.mark.parametrize(
    "length", [1, 2, 13]
)  # 13: deviations from the mean that are rounding errors
def test_where_both_are_constant_there_is_no_correlation(length):
    q, a = (
        torch.full((length,), 0.2, dtype=torch.float64),
        torch.full((length,), 0.1, dtype=torch.float64),
    )
    assert correlation(with_foreground(q, a), numbered((length,))).item() == 0


def test_the_diagnosis_says_how_high_the_attention_is_and_weighs_nothing():
    losses, outputs = losses_of(SMALL)
    a = outputs.base.attention.detach()
    torch.testing.assert_close(losses["attention"], mean_over_time(a, random_batch()), **EXACT)
    assert torch.equal(losses["correlation"], correlation(outputs.base, random_batch()))
    assert not losses["attention"].requires_grad and not losses["correlation"].requires_grad
