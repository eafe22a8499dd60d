"""Co-activity similarity of pairs of videos (W-TALC, ECCV 2018), also in CO2-Net and DELU.

Shapes: M snippets of a packed batch of B videos, P pairs that lead it (videos 0 and 1, 2 and 3, and
so on), D features, C classes.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.packed import Packed

MARGIN = 0.5  # of the hinges; also their cost where all features are alike
ALIKE = "features that are more alike where two videos show a class than elsewhere"


def co_activity(
    features: Float[Tensor, "M D"],
    scores: Float[Tensor, "M C"],
    batch: Packed,
    pairs: int,
    margin: float = MARGIN,
) -> Float[Tensor, " B"]:
    """How far two videos that share a class are from looking alike where they show it, and unlike
    where only one does.

    Of a class, high = Σ α h and low = Σ (1 - α) h / max(l - 1, 1), α the softmax of its scores over
    the l snippets of a video, h their features. With d = 1 - cos, a shared class costs
    ½ max(0, d(high, high') - d(high, low') + margin) + ½ max(0, d(high, high') - d(low, high') +
    margin). The costs of all pairs are added and divided once by the number of shared classes over
    all pairs. The mean of the values over the batch is that number, shared by the videos of a pair;
    they are 0 where no class is shared. `batch` holds only the snippets that count, no padding.

    scores: of the actions, without the background. pairs: fewer where the batch has fewer videos.
    Source: W-TALC, `train.py:26-57`; CO2-Net, `model.py:183-214`. An all-zero row has the cosine 0
    (DIFFERS: not a number in the official codes).
    """
    videos = len(batch.lengths)
    count = 2 * min(pairs, videos // 2)
    if not count:
        return features.new_zeros(videos)
    rows = sum(batch.lengths[:count])
    paired = Packed(features[None, :rows], batch.lengths[:count], batch.labels[:count])
    high, low = pooled(paired, scores[None, :rows])

    present = paired.labels > 0
    shared = (present[::2] & present[1::2]).to(features.dtype)  # (P, C)
    alike = distance(high[::2], high[1::2])
    apart = distance(high[::2], low[1::2])
    apart_back = distance(low[::2], high[1::2])
    hinges = (alike - apart + margin).relu() + (alike - apart_back + margin).relu()
    per_pair = (shared * hinges / 2).sum(1) / shared.sum().clamp_min(1)

    half = per_pair.repeat_interleave(2) * (videos / 2)  # of each video of a pair
    return torch.cat([half, half.new_zeros(videos - count)])


def pooled(
    videos: Packed, scores: Float[Tensor, "1 M C"]
) -> tuple[Float[Tensor, "B C D"], Float[Tensor, "B C D"]]:
    """Features of each video where it shows a class most, and of all the rest of it."""
    high = videos.pool(videos.softmax(scores), videos.features)[0]
    everything = videos.sum(videos.features)[0, :, None]
    lengths = torch.tensor(videos.lengths, dtype=high.dtype, device=high.device)
    return high, (everything - high) / (lengths - 1).clamp_min(1)[:, None, None]


def distance(a: Float[Tensor, "*N D"], b: Float[Tensor, "*N D"]) -> Float[Tensor, "*N"]:
    """1 - the cosine of each row of `a` with that of `b`."""
    tiny = torch.finfo(a.dtype).tiny ** 0.5
    norm_a = torch.linalg.vector_norm(a, dim=-1).clamp_min(tiny)
    norm_b = torch.linalg.vector_norm(b, dim=-1).clamp_min(tiny)
    return 1 - (a * b).sum(-1) / (norm_a * norm_b)
