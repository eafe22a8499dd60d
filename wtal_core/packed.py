"""Packed batches: videos of different lengths one after another on the time axis.

There is no padding; sums go over each video.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SMALL = 64 * 2**20  # bytes of features up to which a copy in one piece is kept on a CPU
DEVICE_SHARE = 0.4  # of a GPU's free memory that the features of a subset may take


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


@runtime_checkable
class VideoFeatures(Protocol):
    """Features of one video `[S, T, D]`, in memory or read when they are iterated over.

    An array is one.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, T, D)."""

    def __iter__(self) -> Iterator[Any]:
        """The S streams, `[T, D]` each."""


class Resident:
    """The videos of a subset, from which batches are cut.

    On a CPU they stay where they are, in the arrays of the data set or on disk, unless they are so
    few that a copy in one piece costs nothing and is quicker to cut. On another device all of them
    are copied there once if they take at most `DEVICE_SHARE` of its free memory; else each batch is
    copied when it is cut.

    labels, clicks, targets: on the device, see `Packed`; a method may replace the latter two.
    """

    def __init__(
        self,
        features: Sequence[VideoFeatures],
        labels: Float[np.ndarray, "B C"],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        clicks: Float[np.ndarray, "M J"] | None = None,
        counts: Float[np.ndarray, "B C"] | None = None,
    ):
        self.lengths = [int(f.shape[1]) for f in features]
        self.dtype = dtype
        self.labels = torch.as_tensor(labels).to(device, dtype)
        self.clicks = None if clicks is None else torch.as_tensor(clicks).to(device, dtype)
        self.counts = None if counts is None else torch.as_tensor(counts).to(device, dtype)
        self.targets: Float[Tensor, "N Q M J"] | None = None
        self._features = list(features)
        self._starts = np.concatenate(([0], np.cumsum(self.lengths)))
        self._copy: Float[Tensor, "S M D"] | None = None
        if features and self._bytes() <= copied_bytes(self.labels.device):
            self._copy = self._cut(range(len(features)))
            self._features = []

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
        if self._copy is None:
            features = self._cut(videos)
        else:
            features = torch.cat([self._copy[:, cut] for cut in cuts], 1).to(self.dtype)
        return Packed(
            features,
            tuple(self.lengths[v] for v in videos),
            self.labels[index],
            clicks,
            targets,
            None if self.counts is None else self.counts[index],
        )

    @property
    def features(self) -> Float[Tensor, "S M D"]:
        """All of them, in the order of the videos; put together anew where there is no copy."""
        return self._cut(range(len(self))) if self._copy is None else self._copy.to(self.dtype)

    def keep_as(self, dtype: torch.dtype) -> None:
        """Keep the copy on the device in this type, such as bfloat16 in half the memory; batches
        are still given in the type of before. Nothing happens where there is no copy.
        """
        if self._copy is not None:
            self._copy = self._copy.to(dtype)

    def double(self) -> None:
        """Go on in double precision."""
        self.dtype = torch.float64
        self.labels = self.labels.double()
        if self._copy is not None:
            self._copy = self._copy.double()
        if self.clicks is not None:
            self.clicks = self.clicks.double()
        if self.counts is not None:
            self.counts = self.counts.double()

    def _cut(self, videos: Sequence[int]) -> Float[Tensor, "S M D"]:
        """Features of these videos, one after another, on the device."""
        lengths = [self.lengths[v] for v in videos]
        streams, _, channels = self._features[videos[0]].shape
        features = torch.empty(streams, sum(lengths), channels, dtype=self.dtype)
        joined = features.numpy()  # the same memory; arrays that are read from a file only fit here
        begin = 0
        for v, length in zip(videos, lengths, strict=True):
            for stream, values in enumerate(self._features[v]):
                joined[stream, begin : begin + length] = values
            begin += length
        return features.to(self.labels.device)

    def _bytes(self) -> int:
        """Memory of all features."""
        streams, _, channels = self._features[0].shape
        return streams * sum(self.lengths) * channels * self.dtype.itemsize


def copied_bytes(device: torch.device) -> int:
    """Bytes of features up to which they are copied to a device as a whole."""
    if device.type == "cpu":
        return SMALL
    if device.type != "cuda":
        return sys.maxsize
    free, _ = torch.cuda.mem_get_info(device)
    return int(free * DEVICE_SHARE)
