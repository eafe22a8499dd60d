"""Hard background snippets of a batch, mined beside clicked actions (SF-Net; BackTAL, Table 13 with
action clicks).

Shapes: M snippets of a packed batch of B videos, K mined snippets of the whole batch, O outputs
that mine for themselves. A video takes part in proportion to its clicks, but the snippets are
ranked over the batch, so one video may give them all.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wtal_core.packed import Packed


def background_counts(
    labelled: Bool[Tensor, " M"], batch: Packed, ratio: float = 7.0
) -> Int[Tensor, " B"]:
    """k_v = min(floor(ratio * n_v), L_v - n_v) of each video with n_v labelled snippets of L_v; 0
    without a label.

    labelled: snippets that carry a click. Source: SF-Net, `train.py:99-104`.
    """
    clicked = torch.bincount(batch.video[labelled], minlength=len(batch.lengths))
    lengths = torch.tensor(batch.lengths, dtype=torch.int64, device=clicked.device)
    return torch.minimum((ratio * clicked.double()).floor().long(), lengths - clicked)


def hardest_background(
    labelled: Bool[Tensor, " M"],
    counts: Int[Tensor, " B"],
    scores: Float[Tensor, "O M"],
    batch: Packed,
) -> Int[Tensor, "O K"]:
    """Indices of the K = Σ_v k_v unlabelled snippets of the batch with the largest scores, largest
    first, for each output.

    counts: k_v from `background_counts`. scores: raw background logits, or actionness; no gradient
    goes through the choice. Snippets of videos with k_v = 0 are never chosen. Of equal scores the
    first in the batch is taken.
    """
    outside = scores.detach().masked_fill(~_pool(labelled, counts, batch), -torch.inf)
    return outside.sort(dim=1, descending=True, stable=True).indices[:, : int(counts.sum())]


def last_background(
    labelled: Bool[Tensor, " M"], counts: Int[Tensor, " B"], batch: Packed
) -> Int[Tensor, " K"]:
    """Indices of the last K = Σ_v k_v unlabelled snippets in the order of the batch, whatever their
    scores.

    What SF-Net's code takes for its actionness: it means the hardest, but sorts along an axis of
    size 1 (`train.py:141-146`).
    """
    pool = _pool(labelled, counts, batch).nonzero()[:, 0]
    return pool[len(pool) - int(counts.sum()) :]


def _pool(
    labelled: Bool[Tensor, " M"], counts: Int[Tensor, " B"], batch: Packed
) -> Bool[Tensor, " M"]:
    """Unlabelled snippets of the videos that take part."""
    return ~labelled & (counts > 0)[batch.video]
