"""Means over the snippets of each video of a packed batch."""

from jaxtyping import Float
from torch import Tensor

from wtal_core.packed import Packed


def mean_over_time(values: Float[Tensor, " M"], batch: Packed) -> Float[Tensor, " B"]:
    """Mean over the snippets of each video; 0 for a video without any."""
    return (batch.membership @ values) / batch.membership.sum(1).clamp_min(1)
