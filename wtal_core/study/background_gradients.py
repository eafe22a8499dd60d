"""The gradient that the attention of each snippet receives from TEN's background loss, measured and
by formula.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.models import ten
from wtal_core.packed import Packed

Manner = Literal["plain", "grl", "bges"]
MANNERS: dict[str, Manner] = {"plain loss": "plain", "GRL": "grl", "BGES": "bges"}


def branch_of(cas: Float[Tensor, "M K"], attention: Float[Tensor, " M"]) -> ten.Branch:
    """A branch with these logits and this attention, for its background loss; without embedding."""
    no_embedding = cas.new_zeros(1, len(cas), 0)
    return ten.Branch(cas, attention, no_embedding, (cas, attention), cas)


def attention_gradients(
    branch: ten.Branch, batch: Packed, config: ten.Config
) -> dict[str, Float[np.ndarray, " M"]]:
    """∂L_b / ∂a_t of every snippet, by manner: the loss as it is, with its gradient reversed, and
    with BGES (Figure 3).

    Above 0, a step of gradient descent lowers the attention: the snippet is pushed towards
    background.
    """
    return {name: _gradient(branch, batch, config, manner) for name, manner in MANNERS.items()}


def _gradient(
    branch: ten.Branch, batch: Packed, config: ten.Config, manner: Manner
) -> Float[np.ndarray, " M"]:
    attention = branch.attention.detach().requires_grad_()
    # through the reversal the attention keeps its values; only its gradient changes sign
    seen = ten.reversed_gradient(attention, config.grl_factor) if manner == "grl" else attention
    detached = replace(branch, background=(branch.cas.detach(), seen))
    loss = ten.background_loss(detached, batch, replace(config, background=manner))
    (gradient,) = torch.autograd.grad(loss.sum(), attention)
    return gradient.numpy()


def closed_form(
    logits: Float[Tensor, "T K"],
    attention: Float[Tensor, " T"],
    reading: str,
    background: str,
) -> Float[Tensor, " T"]:
    """∂L_b / ∂a_t of one video by its formula, plain or with BGES (the paper's Eq. 11 to 13 are
    reading B).
    """
    n = 1 - attention
    if reading == "A":
        z = (n @ logits) / n.sum()
        if background == "plain":
            own = logits[:, -1] - z[-1]
            return (own - (logits - z) @ z.softmax(-1)) / n.sum()
        return (logits[:, -1] - logits @ (n.mean() * z).softmax(-1)) / len(n)
    q = logits.softmax(-1)[:, -1]
    p = (n @ q) / n.sum()
    if background == "plain":
        return (q - p) / (n.sum() * p)
    return q / (n.sum() * p)
