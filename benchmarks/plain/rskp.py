"""RSKP as the field writes it: one video at a time, the walk by inverting a T x T matrix, gradients
summed over ten videos.

From the paper's equations: nothing of it is batched, and the memory is a list per class.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

W, DELTA, SHARPNESS, EM_STEPS, TEMPERATURE, SLOTS = 0.5, 20.0, 5.0, 2, 0.2, 5
LAMBDA_BACK, LAMBDA_ATT, LAMBDA_MEMORY, MEMORY_SHARE = 0.2, 0.1, 0.5, 0.2
Heads = tuple[Tensor, Tensor, Tensor, Tensor]


def unit(x: Tensor) -> Tensor:
    """Rows divided by their length + 1e-9."""
    return x / (x.norm(dim=-1, keepdim=True) + 1e-9)


def assigned(x: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
    """Z (K, T), and its rows divided by their sums."""
    z = (SHARPNESS * unit(prototypes) @ unit(x).T).softmax(0)
    return z, z / (z.sum(1, keepdim=True) + 1e-9)


def walk(x: Tensor, prototypes: Tensor) -> Tensor:
    """(1 - w)(I - w² A)⁻¹(w Zᵀ Y + X) with A = Zᵀ Ẑ, which is T x T."""
    z, share = assigned(x, prototypes)
    inverse = torch.linalg.inv(
        torch.eye(len(x), dtype=x.dtype, device=x.device) - W * W * z.T @ share
    )
    return (1 - W) * inverse @ (W * z.T @ prototypes + x)


class Memory:
    """The best prototypes of each class, and their scores of when they came; zeros at first."""

    def __init__(self, classes: int, size: int, like: Tensor):
        self.prototypes = [like.new_zeros(SLOTS, size) for _ in range(classes)]
        self.scores = [like.new_zeros(SLOTS) for _ in range(classes)]

    def read(self, owners: list[int]) -> Tensor:
        return torch.cat([self.prototypes[c] for c in owners])

    def write(self, owners: list[int], mu: Tensor, pi: Tensor) -> None:
        for c in owners:
            scores = torch.cat([self.scores[c], pi[:, c]])
            self.scores[c], best = scores.sort(descending=True, stable=True)
            self.scores[c] = self.scores[c][:SLOTS]
            self.prototypes[c] = torch.cat([self.prototypes[c], mu])[best[:SLOTS]]


class RSKP(nn.Module):
    """Forward takes one video (T, D), and the prototypes of the memory or None."""

    def __init__(self, size_in: int, size: int, classes: int, rate: float, prototypes: int = 8):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(size_in, size), nn.ReLU(), nn.Dropout(rate))
        self.mu = nn.Parameter(torch.randn(prototypes, size) * 0.03)
        self.w_a = nn.Parameter(torch.randn(classes + 1, size) * 0.03)
        self.w_f = nn.Parameter(-self.w_a[-1:].detach().clone())

    def heads(self, x: Tensor) -> Heads:
        """P_ca, P_cw, attention f and scores S of snippets x."""
        s = DELTA * unit(x) @ unit(self.w_a).T
        f, g = (DELTA * unit(x) @ unit(self.w_f).T).sigmoid()[:, 0], s.sigmoid()
        agnostic = (f / (f.sum() + 1e-5)) @ x
        wise = (g / (g.sum(0) + 1e-5)).T @ x
        p_ca = (DELTA * unit(self.w_a) @ unit(agnostic)).softmax(0)
        p_cw = (DELTA * (unit(self.w_a) * unit(wise)).sum(1)).softmax(0)
        return p_ca, p_cw, f, s

    def forward(
        self, video: Tensor, memory: Memory | None, owners: list[int]
    ) -> tuple[Heads, Heads, Heads | None]:
        x = self.embed(video)
        mu = self.mu
        for _ in range(EM_STEPS):
            mu = assigned(x, mu)[1] @ x
        refined, remembered = self.heads(walk(x, mu)), None
        if memory is not None:
            remembered = self.heads(walk(x, memory.read(owners)))
            memory.write(
                owners, mu.detach(), (DELTA * unit(mu) @ unit(self.w_a).T).softmax(1).detach()
            )
        return self.heads(x), refined, remembered


def entropy(p: Tensor, y: Tensor) -> Tensor:
    return -(y / (y.sum() + 1e-8) * p.log()).sum()


def video_loss(
    branches: tuple[Heads, Heads, Heads | None], labels: Tensor, weight: float
) -> Tensor:
    """The four losses of one video, `weight` that of the last."""
    original, refined, remembered = branches
    absent, present = functional.pad(labels, (0, 1)), functional.pad(labels, (0, 1), value=1.0)
    fore = entropy(original[0], absent) + entropy(refined[0], absent)
    back = entropy(original[1], present) + entropy(refined[1], present)
    target = refined[3]
    if remembered is not None:
        fore = fore + LAMBDA_MEMORY * entropy(remembered[0], absent)
        back = back + LAMBDA_MEMORY * entropy(remembered[1], present)
        target = MEMORY_SHARE * remembered[3] + (1 - MEMORY_SHARE) * refined[3]
    f, count = original[2], max(len(original[2]) // 8, 1)
    att = f.topk(count, largest=False).values.mean() - f.topk(count).values.mean()
    log = (original[3] / TEMPERATURE).log_softmax(1)
    spl = -((target.detach() / TEMPERATURE).softmax(1) * log).sum(1).mean()
    return fore + LAMBDA_BACK * back + LAMBDA_ATT * att + weight * spl


def step(
    network: RSKP,
    optimizer: torch.optim.Optimizer,
    videos: list[Tensor],
    labels: Tensor,
    memory: Memory | None,
    weight: float = 1.0,
) -> None:
    """One optimiser step on ten videos (each (T, D)), one backward pass a video."""
    optimizer.zero_grad()
    for video, y in zip(videos, labels, strict=True):
        owners = torch.nonzero(y)[:, 0].tolist()
        video_loss(network(video, memory, owners), y, weight).backward()
    optimizer.step()
