"""Temporal convolutions of packed videos as matrix products: nothing is unfolded, zero stands
beyond the ends of each video.

A convolution of h taps has weights (h, D_in, D_out); tap i looks at snippet t + i - h // 2. Each
tap's input channels fall into blocks, and block b of snippet t is scaled by a coefficient k[b, t],
which is 0 where the tap leaves the video:

    f[t] = sum over blocks b = (tap i, channels c) of  k[b, t] * x[t + i - h // 2, c] @ H[i, c]

Affinity-modulated convolution (BackTAL, Eq. 15 and 16) is that with similarities in k; with the
mask alone it is plain.
"""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from wtal_core.packed import Packed


class Block(NamedTuple):
    """Channels [start, stop) of a tap, and the neighbour whose similarity scales them."""

    tap: int
    neighbour: int
    start: int
    stop: int


def channel_blocks(
    size_in: int, taps: int, layout: Literal["official_groups", "paper_eq15"]
) -> tuple[Block, ...]:
    """Which similarity scales which channels.

    "paper_eq15": tap i is scaled by the similarity to the neighbour that it looks at.
    "official_groups": tap i of channel c by that to neighbour g = (h c + i) // D_in, because the
    official code tiles the similarities tap-major over an unfolded tensor that is channel-major
    (BackTAL, `lib/network.py:36-61`).
    """
    if layout == "paper_eq15":
        return tuple(Block(i, i, 0, size_in) for i in range(taps))
    cuts = [[-(-(g * size_in - i) // taps) for g in range(taps)] + [size_in] for i in range(taps)]
    return tuple(
        Block(i, g, cut[g], cut[g + 1])
        for i, cut in enumerate(cuts)
        for g in range(taps)
        if cut[g] < cut[g + 1]
    )


def neighbours(x: Float[Tensor, "M E"], taps: int) -> Float[Tensor, "H M E"]:
    """x[t + i - h // 2] of each tap i, zero beyond the ends of the batch."""
    padded = pad(x, (0, 0, taps // 2, taps // 2))
    return torch.stack([padded[i : i + len(x)] for i in range(taps)])


def inside(batch: Packed, taps: int) -> Float[Tensor, "H M"]:
    """1 where a tap of a snippet looks at a snippet of the same video, else 0."""
    video = pad(batch.video[None], (taps // 2, taps // 2), value=-1)[0]
    same = [video[i : i + len(batch.video)] == batch.video for i in range(taps)]
    return torch.stack(same).to(batch.features.dtype)


def coefficients(
    similarity: Float[Tensor, "H M"] | None,
    blocks: tuple[Block, ...],
    batch: Packed,
    taps: int,
) -> Float[Tensor, "N M"]:
    """What scales each block of channels: the similarity to its neighbour, where its tap stays in
    the video.
    """
    mask = inside(batch, taps)[[block.tap for block in blocks]]
    return mask if similarity is None else mask * similarity[[block.neighbour for block in blocks]]


def _rows(block: Block, taps: int, snippets: int) -> tuple[slice, slice]:
    """The snippets that have a neighbour there, and those neighbours."""
    offset = block.tap - taps // 2
    first, last = max(0, -offset), snippets - max(0, offset)
    last = max(first, last)
    return slice(first, last), slice(first + offset, last + offset)


class _Shared(torch.autograd.Function):
    """P convolutions of one x (M, I) with coefficients (P, N, M): the matrix products are taken
    once, and again in backward rather than kept (all N are N times the size of the output)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, k: Tensor, weight: Tensor, blocks: tuple[Block, ...]
    ) -> Tensor:
        ctx.save_for_backward(x, k, weight)
        ctx.blocks = blocks
        out = x.new_zeros(len(k), len(x), weight.shape[2])
        buffer = x.new_empty(len(x), weight.shape[2])
        for b, block in enumerate(blocks):
            to, source = _rows(block, len(weight), len(x))
            y = _product(x[source], weight, block, buffer)
            out[:, to].addcmul_(k[:, b, to, None], y)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, k, weight = ctx.saved_tensors
        grad_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        grad_k = torch.zeros_like(k)
        grad_weight = torch.empty_like(weight)
        buffer, other = grad.new_empty(2, *grad.shape[1:])
        for b, block in enumerate(ctx.blocks):
            to, source = _rows(block, len(weight), len(x))
            channels = slice(block.start, block.stop)
            scale = k[:, b, to, None]
            grad_y = other[: to.stop - to.start]
            if ctx.needs_input_grad[1]:
                y = _product(x[source], weight, block, buffer)
                for p in range(len(k)):
                    grad_k[p, b, to] = torch.mul(grad[p, to], y, out=grad_y).sum(-1)
            torch.mul(scale[0], grad[0, to], out=grad_y)
            for p in range(1, len(k)):
                grad_y.addcmul_(scale[p], grad[p, to])
            torch.mm(x[source, channels].T, grad_y, out=grad_weight[block.tap, channels])
            if grad_x is not None:
                grad_x[source, channels] += grad_y @ weight[block.tap, channels].T
        return grad_x, grad_k, grad_weight, None


class _Own(torch.autograd.Function):
    """P convolutions, each of its own x (P, M, I), with the same coefficients (N, M): x is scaled,
    one matrix product a tap. What backward needs of the products with x it has for the gradient of
    x anyway."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, k: Tensor, weight: Tensor, blocks: tuple[Block, ...]
    ) -> Tensor:
        ctx.save_for_backward(x, k, weight)
        ctx.blocks = blocks
        rows = x.flatten(0, 1)
        k = k.repeat(1, len(x))
        out = x.new_zeros(*x.shape[:2], weight.shape[2])
        buffer = torch.empty_like(rows)
        for tap, part in _by_tap(blocks):
            to, source = _rows(part[0][1], len(weight), len(rows))
            out.flatten(0, 1)[to].addmm_(_scaled(rows[source], k[:, to], part, buffer), weight[tap])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, k, weight = ctx.saved_tensors
        passes = len(x)
        rows = x.flatten(0, 1)
        k = k.repeat(1, passes)
        grad = grad.flatten(0, 1)
        grad_x = torch.zeros_like(rows)
        grad_k = torch.zeros_like(k)
        grad_weight = torch.empty_like(weight)
        buffer = torch.empty_like(rows)
        for tap, part in _by_tap(ctx.blocks):
            to, source = _rows(part[0][1], len(weight), len(rows))
            torch.mm(
                _scaled(rows[source], k[:, to], part, buffer).T, grad[to], out=grad_weight[tap]
            )
            back = torch.mm(grad[to], weight[tap].T, out=buffer[: to.stop - to.start])
            for b, block in part:
                channels = slice(block.start, block.stop)
                grad_x[source, channels].addcmul_(k[b, to, None], back[:, channels])
                if ctx.needs_input_grad[1]:
                    grad_k[b, to] = back[:, channels].mul_(rows[source, channels]).sum(-1)
        return grad_x.view_as(x), grad_k.unflatten(1, (passes, -1)).sum(1), grad_weight, None


def _product(
    x: Float[Tensor, "m I"],
    weight: Float[Tensor, "H I O"],
    block: Block,
    buffer: Float[Tensor, "M O"],
) -> Float[Tensor, "m O"]:
    """The block's channels times its weights, in the first rows of the buffer."""
    channels = slice(block.start, block.stop)
    return torch.mm(x[:, channels], weight[block.tap, channels], out=buffer[: len(x)])


def _by_tap(blocks: tuple[Block, ...]) -> list[tuple[int, list[tuple[int, Block]]]]:
    """(tap, its blocks with their numbers) of each tap."""
    taps = dict.fromkeys(block.tap for block in blocks)
    return [
        (tap, [(b, block) for b, block in enumerate(blocks) if block.tap == tap]) for tap in taps
    ]


def _scaled(
    x: Float[Tensor, "m I"],
    k: Float[Tensor, "N m"],
    part: list[tuple[int, Block]],
    buffer: Float[Tensor, "M I"],
) -> Float[Tensor, "m I"]:
    """x with the channels of each block times the block's coefficients, in the first rows of the
    buffer.
    """
    out = buffer[: len(x)]
    for b, block in part:
        torch.mul(
            x[:, block.start : block.stop], k[b, :, None], out=out[:, block.start : block.stop]
        )
    return out


class Convolution(nn.Module):
    """A temporal convolution with torch's own initial weights: uniform in ±1 / √(h D_in), the bias
    too.

    Called, it is plain and right for any sizes. `modulated` and `shared` take coefficients and are
    made for D_in ≈ D_out.
    """

    def __init__(
        self, size_in: int, size_out: int, taps: int, bias: bool, generator: torch.Generator
    ):
        super().__init__()
        bound = (taps * size_in) ** -0.5
        self.weight = nn.Parameter(
            torch.empty(taps, size_in, size_out).uniform_(-bound, bound, generator=generator)
        )
        self.bias = (
            nn.Parameter(torch.empty(size_out).uniform_(-bound, bound, generator=generator))
            if bias
            else None
        )

    def forward(self, x: Float[Tensor, "*P M I"], batch: Packed) -> Float[Tensor, "*P M O"]:
        """Plain, as one product with the weights of all taps side by side; the products are
        shifted, not the input.
        """
        taps = len(self.weight)
        if taps == 1:
            return self._biased(x @ self.weight[0])
        products = x @ self.weight.transpose(0, 1).flatten(1)
        parts = pad(
            products.unflatten(-1, (taps, -1)).movedim(-2, 0), (0, 0, taps // 2, taps // 2)
        )  # (h, *P, M + 2 r, O)
        mask = inside(batch, taps)[..., None]
        total = torch.zeros_like(products[..., : self.weight.shape[2]])
        for i, part in enumerate(parts.unbind()):
            shifted = part.narrow(-2, i, x.shape[-2])
            total = total + (shifted if i == taps // 2 else mask[i] * shifted)
        return self._biased(total)

    def shared(
        self, x: Float[Tensor, "M I"], k: Float[Tensor, "P N M"], blocks: tuple[Block, ...]
    ) -> Float[Tensor, "P M O"]:
        """P modulated convolutions of the same x. Where nothing is shared, P = 1, fewer and larger
        products do.
        """
        if len(k) == 1:
            return self.modulated(x[None], k[0], blocks)
        return self._biased(_Shared.apply(x, k, self.weight, blocks))

    def modulated(
        self, x: Float[Tensor, "P M I"], k: Float[Tensor, "N M"], blocks: tuple[Block, ...]
    ) -> Float[Tensor, "P M O"]:
        """Each of P inputs with the same coefficients. They lie one after another; k is 0 wherever
        a tap leaves its own.
        """
        return self._biased(_Own.apply(x, k, self.weight, blocks))

    def _biased(self, x: Tensor) -> Tensor:
        return x if self.bias is None else x + self.bias


def kaiming_convolution(
    size_in: int, size_out: int, taps: int, generator: torch.Generator
) -> Convolution:
    """One that begins with weights uniform in ±√(6 / (h D_in)), as torch's `kaiming_uniform_`, and
    biases of 0 (HAM-Net, CO2-Net, DELU).
    """
    layer = Convolution(size_in, size_out, taps, True, generator)
    with torch.no_grad():
        layer.weight.mul_(6**0.5)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


def moving_mean(x: Float[Tensor, "M K"], batch: Packed, width: int) -> Float[Tensor, "M K"]:
    """Mean over `width` (odd) snippets around each; what lies beyond a video's ends counts as 0."""
    if width == 1:
        return x
    return (inside(batch, width)[..., None] * neighbours(x, width)).sum(0) / width
