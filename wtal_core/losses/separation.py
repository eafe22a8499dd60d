"""Score separation between action and clicked background (BackTAL, Eq. 4 to 8)."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import softplus

from wtal_core.losses.clicks import mean_over_videos
from wtal_core.packed import Packed


def separation_loss(
    logits: Float[Tensor, "M K"],
    action: Float[Tensor, "B K"],
    background: Bool[Tensor, " M"],
    batch: Packed,
) -> Float[Tensor, " B"]:
    """−log of the softmax share of an action's top score beside its mean over background: mean over
    the video's labels.

    action: mean of the largest logits of each class. Two-way softmax, so −log p̂_act =
    softplus(p_bg − p_act), which also is −log(1 − p̂_bg): Eq. 8 counts it twice, the code once
    (`lib/criterion/loss.py:22-57`). Videos without background: 0.
    """
    chosen = batch.membership * background.to(logits.dtype)  # (B, M)
    count = chosen.sum(1)
    classes = batch.labels.shape[1]
    mean = (chosen @ logits[:, :classes]) / count.clamp_min(1)[:, None]
    apart = (batch.labels * softplus(mean - action[:, :classes])).sum(1) / batch.labels.sum(
        1
    ).clamp_min(1)
    return mean_over_videos(apart, count > 0)
