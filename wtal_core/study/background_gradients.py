"""The gradient that the attention of each snippet receives from TEN's background loss, measured and
by formula.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from wtal_core.models import ten
from wtal_core.packed import Packed

MANNERS = {"plain loss": "plain", "GRL": "grl", "BGES": "bges"}


def attention_gradients(
    branch: ten.Branch, batch: Packed, config: ten.Config
) -> dict[str, Float[np.ndarray, " M"]]:
    """∂L_b / ∂a_t of every snippet, by manner: the loss as it is, with its gradient reversed, and
    with BGES (Figure 3).

    Above 0, a step of gradient descent lowers the attention: the snippet is pushed towards
    background.
    """
    found = {}
    for name, background in MANNERS.items():
        attention = branch.attention.detach().requires_grad_()
        seen = (
            ten.reversed_gradient(attention, config.grl_factor)
            if background == "grl"
            else attention
        )
        given = replace(branch, background=(branch.cas.detach(), seen))
        ten.background_loss(given, batch, replace(config, background=background)).sum().backward()
        found[name] = attention.grad.numpy()
    return found


def closed_form(
    logits: Float[Tensor, "T K"],
    attention: Float[Tensor, " T"],
    reading: str,
    background: str,
) -> Float[Tensor, " T"]:
    """∂L_b / ∂a_t of one video by its formula, plain or with BGES (specification A7; the paper's
    Eq. 11 to 13 are reading B).
    """
    n = 1 - attention
    if reading == "A":
        z = (n @ logits) / n.sum()
        if background == "plain":
            return ((logits[:, -1] - z[-1]) - (logits - z) @ z.softmax(-1)) / n.sum()
        return (logits[:, -1] - logits @ (n.mean() * z).softmax(-1)) / len(n)
    q = logits.softmax(-1)[:, -1]
    p = (n @ q) / n.sum()
    return (q - p * (background == "plain")) / (n.sum() * p)
