"""A random walk between the snippets of a video and a few prototypes, in closed form and without a
matrix of T x T.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def length(x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N 1"]:
    """Of each row, more than 0: RSKP's code adds 1e-9."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True) + 1e-9


def unit(x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
    """Rows of length 1, almost; a row of zeros stays one."""
    return x / length(x)


def cosine(
    x: Float[Tensor, "*B T D"],
    rows: Float[Tensor, "*R K D"],
    size: Float[Tensor, "*B T 1"] | None = None,
) -> Float[Tensor, "*B T K"]:
    """Of each snippet with each row. size: `length(x)`, for who needs it more than once. Divides T
    x K numbers, not T x D, which takes longer than the product where D is small.
    """
    return (x @ unit(rows).transpose(-1, -2)) / (length(x) if size is None else size)


def assigned(
    x: Float[Tensor, "B T D"],
    inside: Bool[Tensor, "B T"],
    prototypes: Float[Tensor, "B K D"],
    sharpness: float,
    filled: Bool[Tensor, "B K"] | None = None,
    size: Float[Tensor, "B T 1"] | None = None,
) -> tuple[Float[Tensor, "B K T"], Float[Tensor, "B K T"]]:
    """Z, how a snippet is shared out among the prototypes (softmax of sharpness · cosine), and Ẑ,
    the same divided by its sum over the video's snippets. inside: which rows of a video are
    snippets. filled: which prototypes there are (None: all).
    size: see `cosine`. Snippets last: a softmax over few columns that lie side by side takes twenty
    times as long.
    """
    there, size = inside[:, None], length(x) if size is None else size
    scores = sharpness * (unit(prototypes) @ x.transpose(1, 2)) / size.transpose(1, 2)
    if filled is not None:
        scores, there = (
            scores.masked_fill(~filled[..., None], torch.finfo(x.dtype).min),
            there & filled[..., None],
        )
    z = scores.softmax(1) * there
    return z, z / (z.sum(2, keepdim=True) + 1e-9)


def walk(
    x: Float[Tensor, "B T D"],
    inside: Bool[Tensor, "B T"],
    prototypes: Float[Tensor, "B K D"],
    w: float,
    sharpness: float,
    filled: Bool[Tensor, "B K"] | None = None,
    size: Float[Tensor, "B T 1"] | None = None,
) -> Float[Tensor, "B T D"]:
    """Snippets after infinitely many steps to the prototypes and back: X' = (1 − w)(I − w² Zᵀ Ẑ)⁻¹
    (w Zᵀ Y + X).

    It is the fixed point of X' = w Zᵀ M + (1 − w) X with M = w Ẑ X' + (1 − w) Y. By Woodbury's
    identity, with S = Ẑ Zᵀ, X' = (1 − w)[X + Zᵀ(w Y + w² (I − w² S)⁻¹ (Ẑ X + w S Y))]: time and
    memory grow with T K, not with T².
    Source: RSKP, `model/main_branch.py:22-34`, which inverts the T x T matrix.
    """
    z, share = assigned(x, inside, prototypes, sharpness, filled, size)
    reached, back = share @ x, share @ z.transpose(1, 2)  # Ẑ X and S
    identity = torch.eye(back.shape[1], dtype=x.dtype, device=x.device)
    inner = torch.linalg.solve(identity - w * w * back, reached + w * (back @ prototypes))
    return torch.baddbmm(
        x, z.transpose(1, 2), w * prototypes + w * w * inner, beta=1 - w, alpha=1 - w
    )
