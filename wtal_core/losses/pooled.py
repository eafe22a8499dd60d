"""Class probabilities of a video, pooled over its snippets with weights (TEN, Eq. 4), and what they
owe to labels (Eq. 5).

Two readings of Eq. 4, whose brackets were lost: "A", softmax of the mean logits, and "B", mean of
the softmaxes.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.packed import Packed

Reading = Literal["A", "B"]
Normaliser = Literal["sum", "length"]


def pooled_log_probability(
    logits: Float[Tensor, "M K"],
    weight: Float[Tensor, " M"],
    batch: Packed,
    reading: Reading,
    normaliser: Normaliser = "sum",
    extra: float = 0.0,
) -> Float[Tensor, "B K"]:
    """Logarithm of p, with w the weights and Z their sum + `extra`, or the number T of snippets
    ("length", which is BGES):

    A: p = softmax((1 / Z) Σ_t w_t s_t). B: p = (1 / Z) Σ_t w_t softmax(s_t), which under "length"
    does not add up to 1. A video without snippets, or without weight, has the uniform distribution.
    """
    total = batch.membership @ weight
    size = total + extra if normaliser == "sum" else batch.membership.sum(1)
    tiny = torch.finfo(logits.dtype).tiny
    values = logits if reading == "A" else logits.softmax(-1)
    mean = (batch.membership @ (weight[:, None] * values)) / size.clamp_min(tiny)[:, None]
    if reading == "A":
        return mean.log_softmax(-1)
    empty = (total <= tiny)[:, None]
    return torch.where(empty, 1 / logits.shape[-1], mean.clamp_min(tiny)).log()


def shown(
    log_probability: Float[Tensor, "B K"], labels: Float[Tensor, "B K"], normalised: bool = True
) -> Float[Tensor, " B"]:
    """−Σ_c ŷ_c log p_c, ŷ = y / Σ y, or y itself; 0 for a video without any label."""
    count = labels.sum(-1, keepdim=True).clamp_min(1) if normalised else 1.0
    return -(labels / count * log_probability).sum(-1)
