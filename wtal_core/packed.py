"""Packed batches: videos of different lengths one after another on the time axis, no padding, and sums over each video."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """B videos with M = sum of lengths snippets.

    features: S streams. lengths: T of each video, 0 allowed. labels: 1 where the class is in the video.
    clicks: what an annotator clicked on a snippet, J = C + 1 shares of the classes with the background last, all 0 where
        nobody clicked; None where the method asks for no clicks.
    """

    features: Float[Tensor, "S M D"]
    lengths: tuple[int, ...]
    labels: Float[Tensor, "B C"]
    clicks: Float[Tensor, "M J"] | None = None

    @cached_property
    def video(self) -> Int[Tensor, " M"]:
        """Index of the video that each snippet belongs to."""
        lengths = torch.tensor(self.lengths)
        return torch.repeat_interleave(torch.arange(len(lengths)), lengths).to(self.features.device)

    @cached_property
    def membership(self) -> Float[Tensor, "B M"]:
        """1 where a snippet belongs to a video. A matrix product with it sums over each video's time."""
        return (torch.arange(len(self.lengths), device=self.video.device)[:, None] == self.video).to(self.features.dtype)

    def sum(self, values: Float[Tensor, "S M K"]) -> Float[Tensor, "S B K"]:
        """Sum over the snippets of each video; 0 for a video without snippets."""
        return self.membership @ values

    def softmax(self, scores: Float[Tensor, "S M K"]) -> Float[Tensor, "S M K"]:
        """Softmax over the snippets of each video, per column."""
        index = self.video[None, :, None].expand_as(scores)
        lowest = scores.new_full((len(scores), len(self.lengths), scores.shape[2]), -torch.inf)
        highest = lowest.scatter_reduce(1, index, scores.detach(), "amax")              # (S, B, K)
        weight = (scores - highest.index_select(1, self.video)).exp()
        return weight / self.sum(weight).index_select(1, self.video)

    def pool(self, weight: Float[Tensor, "S M K"], values: Float[Tensor, "S M D"]) -> Float[Tensor, "S B K D"]:
        """Weighted sum over the snippets of each video, for K weights at once. One matrix product a video."""
        pairs = zip(weight.split(self.lengths, 1), values.split(self.lengths, 1), strict=True)
        return torch.stack([w.transpose(1, 2) @ v for w, v in pairs], 1)

    def top_mean(self, scores: Float[Tensor, "S M K"], fraction: int) -> Float[Tensor, "S B K"]:
        """Mean of the max(1, T // fraction) largest scores of each video, per column; 0 for a video without snippets."""
        tops = [s.topk(max(1, s.shape[1] // fraction), dim=1).values.mean(1) if s.shape[1] else s.sum(1)
                for s in scores.split(self.lengths, 1)]
        return torch.stack(tops, 1)


class Resident:
    """All videos of a subset on the device at once, from which batches are cut."""

    def __init__(self, features: Sequence[Float[np.ndarray, "S T D"]], labels: Float[np.ndarray, "B C"],
                 device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32,
                 clicks: Float[np.ndarray, "M J"] | None = None):
        self.lengths = [f.shape[1] for f in features]
        self.features = torch.as_tensor(np.concatenate(features, 1)).to(device, dtype)
        self.labels = torch.as_tensor(labels).to(device, dtype)
        self.clicks = None if clicks is None else torch.as_tensor(clicks).to(device, dtype)
        self._starts = np.concatenate(([0], np.cumsum(self.lengths)))

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, videos: Sequence[int]) -> Packed:
        """The videos of these indices, in this order."""
        cuts = [slice(self._starts[v], self._starts[v + 1]) for v in videos]
        index = torch.as_tensor(list(videos), device=self.labels.device)
        clicks = None if self.clicks is None else torch.cat([self.clicks[cut] for cut in cuts])
        return Packed(torch.cat([self.features[:, cut] for cut in cuts], 1), tuple(self.lengths[v] for v in videos),
                      self.labels[index], clicks)
