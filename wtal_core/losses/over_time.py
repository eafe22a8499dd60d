"""Means over the snippets of each video of a packed batch, and over a batch."""

from jaxtyping import Float, Int
from torch import Tensor

from wtal_core.packed import Packed


def mean_over_time(values: Float[Tensor, " M"], batch: Packed) -> Float[Tensor, " B"]:
    """Mean over the snippets of each video; 0 for a video without any."""
    return (batch.membership @ values) / batch.membership.sum(1).clamp_min(1)


def shares(
    values: Float[Tensor, "O N"], owner: Int[Tensor, "*O N"], videos: int
) -> Float[Tensor, " B"]:
    """The sum over O outputs of the mean over N values, as shares of the videos (`owner`) whose
    mean over a batch of `videos` it is. Without values it is 0.
    """
    owners = owner.expand(values.shape).flatten()
    total = values.new_zeros(videos).index_add(0, owners, values.flatten())
    return total * (videos / max(1, values.shape[1]))
