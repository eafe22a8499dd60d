"""FAC-Net's class-wise branch: snippets are gathered class by class, and asked whether what comes
together is foreground.

Shapes: S streams, M snippets of a packed batch of B videos, D embedding, J scored classes, H heads
of the hybrid attention. Equation numbers are FAC-Net's.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.models.shared.layers import cosine
from wtal_core.packed import Packed


def hybrid_attention(
    scores: Float[Tensor, "S M J"], taus: tuple[float, ...], batch: Packed
) -> Float[Tensor, "S M H J"]:
    """Softmax over the snippets of each video at H temperatures (Eq. 2 and 9; Section 3.5).

    The heads' video-level scores, not their attention, are averaged later
    (`model/main_branch.py:69,79,85`).
    """
    sharp = torch.stack([tau * scores for tau in taus], 2)
    return batch.softmax(sharp.flatten(2)).unflatten(2, sharp.shape[2:])


def foreground_scores(
    gathered: Float[Tensor, "S B H J D"], foreground: Float[Tensor, "S 1 D"], scale: float
) -> Float[Tensor, "S B J"]:
    """`scale` times the cosine of each class's features with the foreground, mean over the heads
    (Eq. 4).
    """
    return scale * cosine(gathered, foreground[:, None, None]).squeeze(-1).mean(2)
