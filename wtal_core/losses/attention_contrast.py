"""A loss that wants some snippets of a video clearly inside and some clearly outside of all
actions. RSKP.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.packed import Packed


def attention_contrast(f: Float[Tensor, " M"], batch: Packed, fraction: int) -> Float[Tensor, " B"]:
    """Mean of the max(1, ⌊T / fraction⌋) smallest attentions less that of as many largest; 0 for a
    video without snippets.
    """
    lengths = torch.tensor(batch.lengths, device=f.device)
    count = (lengths // fraction).clamp_min(1)
    ranked = (
        (batch.padded(f) - 2.0 * ~batch.inside).sort(1, descending=True).values
    )  # f is in [0, 1]
    place = torch.arange(ranked.shape[1], device=f.device)
    largest = place < count[:, None]
    smallest = (place >= (lengths - count)[:, None]) & (place < lengths[:, None])
    return ((smallest.to(f.dtype) - largest.to(f.dtype)) * ranked).sum(1) / count * (lengths > 0)
