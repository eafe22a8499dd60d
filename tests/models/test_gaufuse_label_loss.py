"""GauFuse's distillation loss: against plain loops, and its gradient against Eq. 7 as the
specification writes it out (G2).
"""

import math

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, one_by_one, random_batch
from wtal_core.models.gaufuse import label_cross_entropy as cross_entropy
from wtal_core.packed import Packed

EXACT = {"rtol": 0, "atol": 1e-12}
KINDS = ("positive", "delta", "one class")


def sample(kind="delta", streams=2, seed=0) -> tuple[torch.Tensor, torch.Tensor, Packed]:
    """Logits to differentiate by, labels of a kind, and their batch."""
    draw = torch.Generator().manual_seed(seed)
    logits, labels = (
        torch.randn(streams, sum(LENGTHS), 6, generator=draw, dtype=torch.float64) for _ in range(2)
    )
    if kind == "positive":
        labels = labels.abs()
    elif kind == "one class":
        labels = labels * (torch.arange(6) == 2)
    return (3 * logits).requires_grad_(), labels, random_batch(streams=streams)


def plain(logits: torch.Tensor, labels: torch.Tensor, lengths: tuple[int, ...]) -> list[float]:
    """Loops over videos, streams, snippets and classes."""
    values, first = [], 0
    for length in lengths:
        total = 0.0
        for scores, targets in zip(logits.tolist(), labels.tolist(), strict=True):
            for s, label in zip(
                scores[first : first + length], targets[first : first + length], strict=True
            ):
                norm = math.log(sum(math.exp(x) for x in s))
                total -= sum(y * (x - norm) for x, y in zip(s, label, strict=True)) / length
        values.append(total)
        first += length
    return values


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_plain_loop(kind, streams):
    logits, labels, batch = sample(kind, streams)
    np.testing.assert_allclose(
        cross_entropy(logits, labels, batch).detach(), plain(logits, labels, LENGTHS), **EXACT
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_negative_gradient_is_eq_7(kind):
    """p_c − q_c Σ_k p_k, over T; q the softmax. Labels of a single class leave (1 − q_c) p_c for
    it.
    """
    logits, labels, batch = sample(kind)
    (gradient,) = torch.autograd.grad(cross_entropy(logits, labels, batch).sum(), logits)
    q = logits.detach().softmax(-1)
    length = torch.tensor(LENGTHS, dtype=torch.float64)[batch.video][None, :, None]
    expected = (labels - q * labels.sum(-1, keepdim=True)) / length
    torch.testing.assert_close(-gradient, expected, **EXACT)
    if kind == "one class":
        torch.testing.assert_close(-gradient[..., 2], ((1 - q) * labels / length)[..., 2], **EXACT)


def test_autograd_agrees_with_differences():
    logits, labels, batch = sample()
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, labels, batch), logits)


def test_a_video_has_its_own_value_whatever_the_batch_and_none_without_snippets():
    logits, labels, batch = sample()
    cuts = zip(logits.split(LENGTHS, 1), labels.split(LENGTHS, 1), one_by_one(batch), strict=True)
    alone = torch.cat([cross_entropy(*cut) for cut in cuts])
    whole = cross_entropy(logits, labels, batch)
    torch.testing.assert_close(whole, alone, **EXACT)
    assert whole.shape == (len(LENGTHS),) and whole[LENGTHS.index(0)] == 0


def test_it_is_linear_in_the_labels_and_negative_ones_turn_it_round():
    logits, labels, batch = sample()
    value = cross_entropy(logits, labels, batch)
    torch.testing.assert_close(cross_entropy(logits, -2 * labels, batch), -2 * value, **EXACT)
    assert (cross_entropy(logits, torch.zeros_like(labels), batch) == 0).all()


def test_logits_far_apart_stay_finite():
    logits = torch.tensor([[[900.0, -900.0]]], requires_grad=True)
    batch = Packed(torch.zeros(1, 1, 1), (1,), torch.zeros(1, 1))
    value = cross_entropy(logits, torch.tensor([[[0.0, 0.5]]]), batch)
    assert (
        value.item() == pytest.approx(900)
        and torch.autograd.grad(value.sum(), logits)[0].isfinite().all()
    )
