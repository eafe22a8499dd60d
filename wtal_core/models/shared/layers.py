"""Layers for S independent networks, one per stream, that run as one batched matrix product."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from wtal_core.packed import Packed


def cosine(a: Float[Tensor, "*S N D"], b: Float[Tensor, "*R K D"]) -> Float[Tensor, "*S N K"]:
    """Cosine of each row of `a` with each row of `b`; 0 where a row is all zero.

    DIFFERS: the official codes divide 0 by 0 there (a snippet whose embedding dropout switched off
    altogether).
    """
    tiny = torch.finfo(a.dtype).tiny ** 0.5
    norm_a = torch.linalg.vector_norm(a, dim=-1, keepdim=True).clamp_min(tiny)
    norm_b = torch.linalg.vector_norm(b, dim=-1, keepdim=True).clamp_min(tiny)
    return (a @ (b / norm_b).transpose(-1, -2)) / norm_a


def dropout(x: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Inverted dropout from an explicit generator; without one (evaluation) the identity.

    16 random bits an element are exact enough (the rate is rounded to 1/65536) and take a quarter
    of the draws.
    """
    if generator is None or rate == 0:
        return x
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
    bits = (
        words.random_(-(2**63), None, generator=generator)
        .view(torch.int16)[: x.numel()]
        .view(x.shape)
    )
    # as numbers at once: a truth value per element would be read and written once more
    kept = torch.ge(bits, round(rate * 2**16) - 2**15, out=torch.empty_like(x))
    return x * kept.mul_(1 / (1 - rate))


class StackedLinear(nn.Module):
    """Linear layers of S networks: (S, M, D_in) -> (S, M, D_out), Xavier-uniform weights and zero
    biases.

    kernel 3 sees the snippet before and after, zero at the ends of each video: a temporal
    convolution.
    """

    def __init__(
        self,
        streams: int,
        size_in: int,
        size_out: int,
        kernel: Literal[1, 3],
        generator: torch.Generator,
    ):
        super().__init__()
        self.kernel = kernel
        self.weight = xavier(streams, kernel * size_in, size_out, generator)
        self.bias = nn.Parameter(torch.zeros(streams, 1, size_out))

    def forward(self, x: Float[Tensor, "S M I"], batch: Packed) -> Float[Tensor, "S M O"]:
        return torch.baddbmm(
            self.bias, x if self.kernel == 1 else with_neighbours(x, batch), self.weight
        )


class SnippetAttention(nn.Module):
    """How much each snippet counts, in (0, 1): (S, M, D) -> (S, M). A sigmoid after one linear
    layer, or after two with a ReLU between them, of `hidden` channels.
    """

    def __init__(self, streams: int, size_in: int, hidden: int | None, generator: torch.Generator):
        super().__init__()
        self.hidden = None
        if hidden is not None:
            self.hidden = StackedLinear(streams, size_in, hidden, 1, generator)
        self.last = StackedLinear(streams, hidden or size_in, 1, 1, generator)

    def forward(self, x: Float[Tensor, "S M D"], batch: Packed) -> Float[Tensor, "S M"]:
        if self.hidden is not None:
            x = self.hidden(x, batch).relu()
        return self.last(x, batch).sigmoid()[..., 0]


def xavier(streams: int, size_in: int, size_out: int, generator: torch.Generator) -> nn.Parameter:
    """Xavier-uniform weights (S, D_in, D_out), bound √(6 / (D_in + D_out))."""
    bound = (6 / (size_in + size_out)) ** 0.5
    return nn.Parameter(
        torch.empty(streams, size_in, size_out).uniform_(-bound, bound, generator=generator)
    )


def with_neighbours(x: Float[Tensor, "S M D"], batch: Packed) -> Float[Tensor, "S M E"]:
    """Each snippet with the one before and the one after it in its video, side by side (E = 3 D),
    zero at the ends.
    """
    lengths = torch.tensor([length for length in batch.lengths if length], dtype=torch.int64)
    ends = lengths.cumsum(0)
    first = (ends - lengths).to(x.device)
    last = (ends - 1).to(x.device)
    widened: Tensor = _Neighbours.apply(x, first, last)
    return widened


class _Neighbours(torch.autograd.Function):
    """Each row between the rows before and after it, written once. first, last: rows of the videos'
    ends, which have one neighbour.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "S M D"], first: Int[Tensor, " B"], last: Int[Tensor, " B"]
    ) -> Float[Tensor, "S M E"]:
        ctx.save_for_backward(first, last)
        streams, snippets, size = x.shape
        sides = x.new_empty(streams, snippets, 3, size)
        sides[:, :, 1] = x
        sides[:, 1:, 0] = x[:, :-1]
        sides[:, :-1, 2] = x[:, 1:]
        sides[:, first, 0] = 0
        sides[:, last, 2] = 0
        return sides.flatten(2)

    @staticmethod
    def backward(
        ctx: Any, grad: Float[Tensor, "S M E"]
    ) -> tuple[Float[Tensor, "S M D"], None, None]:
        first, last = ctx.saved_tensors
        before, own, after = grad.chunk(3, 2)
        total = own.clone()
        # nothing comes over the end of a video: its rows are put back
        kept = total[:, first]
        total[:, 1:] += after[:, :-1]
        total[:, first] = kept
        kept = total[:, last]
        total[:, :-1] += before[:, 1:]
        total[:, last] = kept
        return total, None, None


def top_mean(scores: Float[Tensor, "S M K"], batch: Packed, share: float) -> Float[Tensor, "S B K"]:
    """Mean of the max(1, ⌊share T⌋) largest scores of each video, per column; 0 for a video without
    snippets.
    """
    tops = [
        s.topk(top_count(s.shape[1], share), dim=1).values.mean(1) if s.shape[1] else s.sum(1)
        for s in scores.split(batch.lengths, 1)
    ]
    return torch.stack(tops, 1)


def top_count(length: int, share: float) -> int:
    """k of the top-k mean: ⌊share T⌋, at least 1."""
    return max(1, int(length * share))


def top_mean_rounded_up(
    scores: Float[Tensor, "S M K"], batch: Packed, fraction: int
) -> Float[Tensor, "S B K"]:
    """Mean of the ceil(T / fraction) largest scores of each video, per column; 0 for a video
    without snippets.
    """
    means = []
    for of_video in scores.split(batch.lengths, 1):
        count = -(-of_video.shape[1] // fraction)  # rounded up
        top = of_video.topk(count, dim=1).values
        means.append(top.mean(1) if count else top.sum(1))
    return torch.stack(means, 1)
