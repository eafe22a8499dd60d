"""Gaussian smoothing along each video of a packed batch."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wtal_core.packed import Packed

RADIUS_IN_SIGMAS = 4.0


def smoothed(values: Float[Tensor, "*S M"], batch: Packed, sigma: float) -> Float[Tensor, "*S M"]:
    """Gaussian smoothing along each video, radius 4 σ (rounded), mirrored at the ends, which count
    twice.

    Equal to SciPy's `gaussian_filter1d` with its defaults, which DGAM uses (`lib/core/loss.py:47`).
    """
    radius = int(RADIUS_IN_SIGMAS * sigma + 0.5)
    offset = torch.arange(-radius, radius + 1, device=values.device)
    kernel = torch.exp(-0.5 * (offset.to(values.dtype) / sigma) ** 2)
    return (kernel / kernel.sum()) @ values[..., _mirrored(offset, batch)]


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
