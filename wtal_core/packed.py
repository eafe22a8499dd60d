"""Packed batches: videos of different lengths one after another on the time axis.

There is no padding; sums go over each video.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """B videos with M = sum of lengths snippets.

    features: of S streams.
    lengths: T of each video, 0 allowed.
    labels: 1 where the class is in the video.
    counts: how many instances of each class a training video has; None where the method does not
        ask for them.
    clicks: what an annotator clicked on a snippet, J = C + 1 shares of the classes with the
        background last, all 0 where nobody clicked; None where the method asks for no clicks.
    targets: the N latest pseudo labels of the snippets that the method itself has made, the newest
        first, for each of the Q streams that it scores snippets in, S or 1 where it joins them;
        None before it has.
    """

    features: Float[Tensor, "S M D"]
    lengths: tuple[int, ...]
    labels: Float[Tensor, "B C"]
    clicks: Float[Tensor, "M J"] | None = None
    targets: Float[Tensor, "N Q M J"] | None = None
    counts: Float[Tensor, "B C"] | None = None

    @cached_property
    def video(self) -> Int[Tensor, " M"]:
        """Index of the video that each snippet belongs to."""
        lengths = torch.tensor(self.lengths, dtype=torch.int64)
        return torch.repeat_interleave(torch.arange(len(lengths)), lengths).to(self.features.device)

    @cached_property
    def membership(self) -> Float[Tensor, "B M"]:
        """1 where a snippet belongs to a video.

        A matrix product with it sums over each video's time.
        """
        return (
            torch.arange(len(self.lengths), device=self.video.device)[:, None] == self.video
        ).to(self.features.dtype)

    @cached_property
    def slots(self) -> Int[Tensor, "B T"]:
        """Where each video's snippets stand in the packed order, T the longest length.

        M where the video is over.
        """
        lengths = torch.tensor(self.lengths, dtype=torch.int64)
        place = torch.arange(max(self.lengths, default=0))
        starts = lengths.cumsum(0) - lengths
        slots = torch.where(place < lengths[:, None], starts[:, None] + place, int(lengths.sum()))
        return slots.to(self.features.device)

    @cached_property
    def inside(self) -> Bool[Tensor, "B T"]:
        """Which places of a padded video are snippets."""
        return self.slots < len(self.video)

    def padded(self, values: Float[Tensor, "M *K"]) -> Float[Tensor, "B T *K"]:
        """One row per video, zeros behind its end.

        For products of every video's snippets with something of its own.
        """
        if len(set(self.lengths)) == 1:
            return values.unflatten(0, self.slots.shape)
        return torch.cat([values, values.new_zeros(1, *values.shape[1:])])[self.slots]

    def unpadded(self, values: Float[Tensor, "B T *K"]) -> Float[Tensor, "M *K"]:
        """The way back from `padded`."""
        return values.flatten(0, 1) if len(set(self.lengths)) == 1 else values[self.inside]

    def parts(self, most: int) -> list["Packed"]:
        """Consecutive videos together as long as all of them, padded, have at most `most` places.

        A longer one alone.
        """
        cuts = [0]
        longest = 0
        for i, length in enumerate(self.lengths):
            longest = max(longest, length)
            if i > cuts[-1] and (i + 1 - cuts[-1]) * longest > most:
                cuts.append(i)
                longest = length
        if len(cuts) == 1:
            return [self]
        starts = np.concatenate(([0], np.cumsum(self.lengths)))
        return [
            Packed(
                self.features[:, starts[i] : starts[j]],
                self.lengths[i:j],
                self.labels[i:j],
                None if self.clicks is None else self.clicks[starts[i] : starts[j]],
                None if self.targets is None else self.targets[:, :, starts[i] : starts[j]],
                None if self.counts is None else self.counts[i:j],
            )
            for i, j in pairwise([*cuts, len(self.lengths)])
        ]

    def at(self, index: Int[Tensor, " N"], lengths: tuple[int, ...]) -> "Packed":
        """These snippets, by their places in the packed order, as videos of these lengths; clicks
        and pseudo labels go with them.
        """
        return Packed(
            self.features[:, index],
            lengths,
            self.labels,
            None if self.clicks is None else self.clicks[index],
            None if self.targets is None else self.targets[:, :, index],
            self.counts,
        )

    def sum(self, values: Float[Tensor, "S M K"]) -> Float[Tensor, "S B K"]:
        """Sum over the snippets of each video; 0 for a video without snippets."""
        return self.membership @ values

    def softmax(self, scores: Float[Tensor, "S M K"]) -> Float[Tensor, "S M K"]:
        """Softmax over the snippets of each video, per column."""
        index = self.video[None, :, None].expand_as(scores)
        lowest = scores.new_full((len(scores), len(self.lengths), scores.shape[2]), -torch.inf)
        highest = lowest.scatter_reduce(1, index, scores.detach(), "amax")  # (S, B, K)
        weight = (scores - highest.index_select(1, self.video)).exp()
        return weight / self.sum(weight).index_select(1, self.video)

    def pool(
        self, weight: Float[Tensor, "S M K"], values: Float[Tensor, "S M D"]
    ) -> Float[Tensor, "S B K D"]:
        """Weighted sum over the snippets of each video, for K weights at once.

        One matrix product per video.
        """
        weights = weight.split(self.lengths, 1)
        parts = values.split(self.lengths, 1)
        pooled = [w.transpose(1, 2) @ v for w, v in zip(weights, parts, strict=True)]
        return torch.stack(pooled, 1)

    def top_mean(self, scores: Float[Tensor, "S M K"], fraction: int) -> Float[Tensor, "S B K"]:
        """Mean of the max(1, T // fraction) largest scores of each video, per column.

        0 for a video without snippets.
        """
        tops = [
            s.topk(max(1, s.shape[1] // fraction), dim=1).values.mean(1) if s.shape[1] else s.sum(1)
            for s in scores.split(self.lengths, 1)
        ]
        return torch.stack(tops, 1)


class Resident:
    """All videos of a subset on the device at once, from which batches are cut."""

    def __init__(
        self,
        features: Sequence[Float[np.ndarray, "S T D"]],
        labels: Float[np.ndarray, "B C"],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        clicks: Float[np.ndarray, "M J"] | None = None,
        counts: Float[np.ndarray, "B C"] | None = None,
    ):
        self.lengths = [f.shape[1] for f in features]
        self.features = torch.as_tensor(np.concatenate(features, 1)).to(device, dtype)
        self.labels = torch.as_tensor(labels).to(device, dtype)
        self.clicks = None if clicks is None else torch.as_tensor(clicks).to(device, dtype)
        self.counts = None if counts is None else torch.as_tensor(counts).to(device, dtype)
        self.targets: Float[Tensor, "N Q M J"] | None = None
        self._starts = np.concatenate(([0], np.cumsum(self.lengths)))

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, videos: Sequence[int]) -> Packed:
        """The videos of these indices, in this order."""
        cuts = [slice(self._starts[v], self._starts[v + 1]) for v in videos]
        index = torch.as_tensor(list(videos), device=self.labels.device)
        clicks = None if self.clicks is None else torch.cat([self.clicks[cut] for cut in cuts])
        targets = None
        if self.targets is not None:
            targets = torch.cat([self.targets[:, :, cut] for cut in cuts], 2)
        return Packed(
            torch.cat([self.features[:, cut] for cut in cuts], 1),
            tuple(self.lengths[v] for v in videos),
            self.labels[index],
            clicks,
            targets,
            None if self.counts is None else self.counts[index],
        )
