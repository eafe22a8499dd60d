"""The gradient reversal layer (Ganin and Lempitsky, 2015): the identity, whose gradient is turned
round.
"""

from typing import Any

import torch
from torch import Tensor


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * grad, None


def reversed_gradient(x: Tensor, factor: float = 1.0) -> Tensor:
    """x, through which a gradient g goes back as −factor · g."""
    return _Reversed.apply(x, factor)
