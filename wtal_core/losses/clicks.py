"""Losses on single clicked snippets. A video or a batch without clicks gives 0, never NaN.

All return a value a video whose mean over the B videos of the batch is the loss, as
`Schedule.reduce` takes it: a mean over n snippets of the batch is B / n times the sum of each
video's.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import softplus

from wtal_core.packed import Packed

Mean = Literal["batch", "per_video"]


def mean_over(
    values: Float[Tensor, " M"], chosen: Bool[Tensor, " M"], batch: Packed, mean: Mean
) -> Float[Tensor, " B"]:
    """Mean of the values of the chosen snippets: of the batch at once, or of each video and then of
    the videos with any.
    """
    total = batch.membership @ torch.where(chosen, values, 0)
    count = batch.membership @ chosen.to(values.dtype)
    if mean == "batch":
        return len(batch.lengths) * total / count.sum().clamp_min(1)
    return mean_over_videos(total / count.clamp_min(1), count > 0)


def mean_over_videos(
    values: Float[Tensor, " B"], chosen: Bool[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Mean over the chosen videos."""
    return torch.where(chosen, values, 0) * len(values) / chosen.sum().clamp_min(1)


def clicked(batch: Packed) -> Bool[Tensor, " M"]:
    """The snippets with a click."""
    return (
        torch.zeros_like(batch.video, dtype=torch.bool)
        if batch.clicks is None
        else batch.clicks.sum(1) > 0
    )


def clicked_background(batch: Packed) -> Bool[Tensor, " M"]:
    """The snippets that were clicked as background and as nothing else."""
    return (
        torch.zeros_like(batch.video, dtype=torch.bool)
        if batch.clicks is None
        else batch.clicks[:, -1] == 1
    )


def frame_loss(logits: Float[Tensor, "M K"], batch: Packed, mean: Mean) -> Float[Tensor, " B"]:
    """Cross entropy of the clicked snippets with what was clicked (BackTAL, Eq. 3; SF-Net's frame
    loss).
    """
    if batch.clicks is None:
        return logits.new_zeros(len(batch.lengths))
    return mean_over(-(batch.clicks * logits.log_softmax(-1)).sum(-1), clicked(batch), batch, mean)


def background_loss(
    logits: Float[Tensor, "M K"], chosen: Bool[Tensor, " M"], batch: Packed
) -> Float[Tensor, " B"]:
    """Cross entropy of the chosen snippets with the background class, mean over those of
    the batch.
    """
    return mean_over(-logits.log_softmax(-1)[:, -1], chosen, batch, "batch")


def attention_loss(
    attention: Float[Tensor, " M"],
    background: Bool[Tensor, " M"],
    positive: Bool[Tensor, " M"],
    batch: Packed,
    mean: Mean,
) -> Float[Tensor, " B"]:
    """Binary cross entropy of attention logits: 0 at background clicks, 1 at `positive` ones
    (BackTAL, Table 8).
    """
    sign = torch.where(background, 1.0, -1.0).to(attention.dtype)
    return mean_over(softplus(sign * attention), background | positive, batch, mean)
