"""Affinity loss: embeddings of one kind of snippet alike, those of action and background apart
(BackTAL, Eq. 10 to 13).
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wtal_core.losses.clicks import mean_over_videos
from wtal_core.packed import Packed

BEYOND = 2.0  # no cosine is larger


def affinity_loss(
    embedding: Float[Tensor, "M E"],
    times: Float[Tensor, " M"],
    background: Bool[Tensor, " M"],
    batch: Packed,
    tau_same: float,
    tau_diff: float,
    hard: Literal["per_row", "global_max"],
) -> Float[Tensor, " B"]:
    """Hinge losses on the hardest pairs of foreground and clicked background snippets; 0 for videos
    without background.

    embedding: unit length. times: how often a snippet is foreground; one that is for two labels
    counts twice. "per_row": each snippet with its hardest partner, averaged, four terms, as the
    code (`lib/criterion/loss.py:59-103`). "global_max": the one hardest pair of each kind, three
    terms, as the paper.
    """
    used = batch.membership @ background.to(embedding.dtype) > 0
    index = (((times > 0) | background) & used[batch.video]).nonzero()[:, 0]
    if not len(index):
        return embedding.new_zeros(len(batch.lengths))
    rows, fg, bg = _padded(
        index, batch, embedding, times[:, None], background.to(embedding.dtype)[:, None]
    )
    gram = rows @ rows.transpose(1, 2)  # (B, R, R)
    fg, bg = fg[..., 0], bg[..., 0]
    pairs = (
        (tau_same - _extreme(-gram, fg).neg(), fg),
        (tau_same - _extreme(-gram, bg).neg(), bg),
        (_extreme(gram, bg) - tau_diff, fg),
        (_extreme(gram, fg) - tau_diff, bg),
    )
    terms = (
        [_mean(hinge, weight) for hinge, weight in pairs]
        if hard == "per_row"
        else [_hardest(hinge, weight) for hinge, weight in pairs[:3]]
    )
    return mean_over_videos(sum(terms), used)


def _padded(index: Tensor, batch: Packed, *values: Tensor) -> list[Tensor]:
    """The snippets `index` of each video side by side, (B, R, width), zero where a video has fewer
    than R.
    """
    video = batch.video[index]
    count = torch.bincount(video, minlength=len(batch.lengths))
    place = torch.arange(len(index), device=index.device) - (count.cumsum(0) - count)[video]
    shape = (len(batch.lengths), int(count.max()))
    return [v.new_zeros(*shape, v.shape[1]).index_put((video, place), v[index]) for v in values]


def _extreme(gram: Float[Tensor, "B R R"], partner: Float[Tensor, "B R"]) -> Float[Tensor, "B R"]:
    """Largest value of each row among the partners, −2 where there are none."""
    return gram.masked_fill(partner[:, None] == 0, -BEYOND).amax(-1)


def _mean(hinge: Float[Tensor, "B R"], weight: Float[Tensor, "B R"]) -> Float[Tensor, " B"]:
    return (weight * hinge.relu()).sum(-1) / weight.sum(-1).clamp_min(1)


def _hardest(hinge: Float[Tensor, "B R"], weight: Float[Tensor, "B R"]) -> Float[Tensor, " B"]:
    return hinge.masked_fill(weight == 0, -BEYOND).amax(-1).relu()
