"""Cross entropies between video-level scores and label sets."""

from jaxtyping import Float
from torch import Tensor


def normalised_cross_entropy(
    probability: Float[Tensor, "*B K"], labels: Float[Tensor, "*B K"]
) -> Float[Tensor, "*B"]:
    """−Σ_j ŷ_j log P_j with ŷ = y / Σy, one value per video (FAC-Net, Eq. 6 and 12; L_cls of RSKP
    and others).

    A video without any label gives 0. Source of the 1e-8: FAC-Net, `model/losses.py`; nothing is
    clamped.
    """
    target = labels / (labels.sum(-1, keepdim=True) + 1e-8)
    return -(target * probability.log()).sum(-1)
