"""FAC-Net as the field writes it: one stream, one video at a time, gradients summed over ten
backward passes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def unit(x: Tensor) -> Tensor:
    """Rows divided by their length."""
    return x / x.norm(dim=-1, keepdim=True)


class OneStream(nn.Module):
    """Embedding, W_a and w_f of one stream; forward takes one video (T, D)."""

    def __init__(self, size_in: int, size: int, classes: int, rate: float, taus: tuple[float, ...]):
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(size_in, size),
            nn.ReLU(),
            nn.Dropout(rate),
            nn.Linear(size, size),
            nn.ReLU(),
            nn.Dropout(rate),
        )
        self.w_a = nn.Parameter(torch.randn(classes + 1, size) * 0.04)
        self.w_f = nn.Parameter(-self.w_a[-1:].detach().clone())
        self.taus = taus

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of the three branches, (C + 1) each."""
        x = self.embed(video)
        s_a, s_f = 5 * unit(x) @ unit(self.w_a).T, 5 * unit(x) @ unit(self.w_f).T
        r_a, r_f, r_m = [], [], []
        for tau in self.taus:
            a_a, a_f = (tau * s_a).softmax(0), (tau * s_f).softmax(0)
            r_a.append(unit(a_a.T @ x) @ unit(self.w_f).T)
            r_f.append(unit(a_f.T @ x) @ unit(self.w_a).T)
            r_m.append((a_a * s_a).sum(0))
        mean = [torch.stack(r).mean(0).flatten() for r in (r_a, r_f, r_m)]
        return (10 * mean[0]).softmax(0), (10 * mean[1]).softmax(0), (2 * mean[2]).softmax(0)


def video_loss(network: OneStream, video: Tensor, labels: Tensor) -> Tensor:
    """The weighted sum of the three losses of one video."""
    absent, present = functional.pad(labels, (0, 1)), functional.pad(labels, (0, 1), value=1.0)
    terms = zip((1.0, 0.1, 0.1), network(video), (absent, absent, present), strict=True)
    return sum(weight * -(y / (y.sum() + 1e-8) * p.log()).sum() for weight, p, y in terms)


def step(
    networks: list[OneStream],
    optimizers: list[torch.optim.Optimizer],
    videos: list[Tensor],
    labels: Tensor,
) -> None:
    """One optimiser step of each stream on ten videos (each (S, T, D)), one backward pass a video
    and stream.
    """
    for stream, (network, optimizer) in enumerate(zip(networks, optimizers, strict=True)):
        optimizer.zero_grad()
        for video, y in zip(videos, labels, strict=True):
            video_loss(network, video[stream], y).backward()
        optimizer.step()
