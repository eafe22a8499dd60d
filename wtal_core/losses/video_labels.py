"""What video-level class logits owe to the label set of the video: the cross entropy of BackTAL and
others, and BaS-Net's binary one.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy


def label_cross_entropy(
    logits: Float[Tensor, "B K"], labels: Float[Tensor, "B K"], extra: float = 1e-10
) -> Float[Tensor, " B"]:
    """−Σ_j ŷ_j log softmax(s)_j with ŷ = y / (Σ y + extra), one value per video; 0 without a label.

    Source: BackTAL, `lib/criterion/loss.py:112-118`; HAM-Net, CO2-Net and DELU add 1e-4.
    """
    target = labels / (labels.sum(-1, keepdim=True) + extra)
    return -(target * logits.log_softmax(-1)).sum(-1)


def label_binary_cross_entropy(
    logits: Float[Tensor, "B K"], labels: Float[Tensor, "B K"]
) -> Float[Tensor, " B"]:
    """Binary cross entropy of softmax(s) with the soft targets ŷ, mean over the K classes, a value
    a video.

    About 1 / K of the size of the cross entropy, so that all other terms weigh more. Source:
    BaS-Net, `train.py:11-31`.
    """
    target = labels / labels.sum(-1, keepdim=True).clamp_min(1)
    return binary_cross_entropy(logits.softmax(-1), target, reduction="none").mean(-1)


LABEL_LOSSES = {"ce": label_cross_entropy, "bce_on_softmax": label_binary_cross_entropy}
