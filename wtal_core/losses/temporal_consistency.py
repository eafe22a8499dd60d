"""How far two passes over one video are apart: in their attention (TEN, Eq. 6) and in their class
scores (Eq. 7).

Shapes: M snippets of a packed batch of B videos, K classes. A value a video, mean over its
snippets; 0 without any.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wtal_core.packed import Packed

RADIUS_IN_SIGMAS = 4.0


def mean_over_time(values: Float[Tensor, " M"], batch: Packed) -> Float[Tensor, " B"]:
    """Mean over the snippets of each video."""
    return (batch.membership @ values) / batch.membership.sum(1).clamp_min(1)


def smoothed(values: Float[Tensor, " M"], batch: Packed, sigma: float) -> Float[Tensor, " M"]:
    """Gaussian smoothing along each video, radius 4 σ (rounded), mirrored at the ends, which count
    twice.

    Equal to SciPy's `gaussian_filter1d` with its defaults, which DGAM uses (`lib/core/loss.py:47`).
    """
    radius = int(RADIUS_IN_SIGMAS * sigma + 0.5)
    offset = torch.arange(-radius, radius + 1, device=values.device)
    kernel = torch.exp(-0.5 * (offset.to(values.dtype) / sigma) ** 2)
    return (kernel / kernel.sum()) @ values[_mirrored(offset, batch)]


def _mirrored(offset: Int[Tensor, " R"], batch: Packed) -> Int[Tensor, "R M"]:
    """Index of the snippet that lies at each offset from each snippet, its video continued as its
    mirror image.
    """
    lengths = torch.tensor(batch.lengths, device=offset.device)
    first = (lengths.cumsum(0) - lengths)[batch.video]
    length = lengths[batch.video]
    place = torch.arange(len(batch.video), device=offset.device) - first
    turned = (place + offset[:, None]) % (2 * length)
    return first + torch.minimum(turned, 2 * length - 1 - turned)


def attention_distance(
    one: Float[Tensor, " M"],
    other: Float[Tensor, " M"],
    batch: Packed,
    form: Literal["mae", "mse"],
) -> Float[Tensor, " B"]:
    """Mean absolute or squared difference of two attentions."""
    apart = one - other
    return mean_over_time(apart.abs() if form == "mae" else apart**2, batch)


def divergence(p: Float[Tensor, "M K"], q: Float[Tensor, "M K"]) -> Float[Tensor, " M"]:
    """KL(softmax(p) ‖ softmax(q)) of logits, a value a snippet."""
    log_p, log_q = p.log_softmax(-1), q.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def score_distance(
    one: Float[Tensor, "M K"],
    other: Float[Tensor, "M K"],
    batch: Packed,
    form: Literal["kl", "mae", "mse", "mae_logits", "mse_logits"],
    direction: Literal["symmetric", "one_other", "other_one"] = "symmetric",
    temperature: float = 1.0,
) -> Float[Tensor, " B"]:
    """Distance of two passes' class logits: divergence of their softmaxes, or mean absolute or
    squared difference, of the softmaxes or of the logits themselves, over classes and snippets.

    direction: KL(one ‖ other), KL(other ‖ one), or the mean of both.
    """
    if form == "kl":
        p, q = one / temperature, other / temperature
        both = {"one_other": (divergence(p, q),), "other_one": (divergence(q, p),)}.get(
            direction
        ) or (divergence(p, q), divergence(q, p))
        return mean_over_time(sum(both) / len(both), batch)
    apart = one - other if form.endswith("_logits") else one.softmax(-1) - other.softmax(-1)
    return mean_over_time((apart.abs() if form.startswith("mae") else apart**2).mean(-1), batch)
