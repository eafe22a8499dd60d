"""Cross entropy between the class scores of single snippets and labels that need not be
probabilities (GauFuse).
"""

from jaxtyping import Float
from torch import Tensor

from wtal_core.losses.over_time import mean_over_time
from wtal_core.packed import Packed


def label_cross_entropy_per_snippet(
    logits: Float[Tensor, "S M K"],
    labels: Float[Tensor, "S M K"],
    batch: Packed,
) -> Float[Tensor, " B"]:
    """−(1 / T) Σ_t Σ_j ℓ_tj log softmax(s_t)_j of each video, summed over streams; 0 for a video
    without snippets.

    logits: K class scores of the M snippets of a packed batch, the background among them. labels:
    constants, taken as they
    are: neither normalised nor cut at 0, as the differences of two pseudo labels may be negative
    (Eq. 8), and then so may
    be the loss. Source: GauFuse, `utils/utils.py:397-403`.
    """
    return mean_over_time(-(labels * logits.log_softmax(-1)).sum((0, 2)), batch)
