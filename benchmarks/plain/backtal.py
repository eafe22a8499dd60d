"""BackTAL as the field writes it: unfolded convolutions, one pass after the other, losses by loops
over videos and labels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Modulated(nn.Module):
    """A convolution whose unfolded input is scaled by the similarity of each snippet's embedding to
    its neighbours'.
    """

    def __init__(self, size_in: int, size_out: int, taps: int, layout: str):
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(size_out, size_in * taps) * 0.01
        )  # columns: channel by channel, tap by tap
        self.taps, self.layout = taps, layout

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """x (B, D, T), e (B, E, T) of unit length."""
        similar = functional.cosine_similarity(
            unfold(e, self.taps), e[:, :, None], dim=1
        )  # (B, h, T)
        return self.weight @ (unfold(x, self.taps).flatten(1, 2) * self.spread(similar, x.shape[1]))

    def spread(self, similar: Tensor, size: int) -> Tensor:
        """The similarities once for each row of the unfolded input, (B, D h, T)."""
        if self.layout == "paper_eq15":
            return similar.repeat(1, size, 1)  # row c h + i: neighbour i
        return similar.repeat_interleave(size, 1)  # row r: neighbour r // D, as the code


def unfold(x: Tensor, taps: int) -> Tensor:
    """(B, D, T) -> (B, D, h, T): each snippet beside its neighbours, zero beyond the ends."""
    return functional.pad(x, (taps // 2, taps // 2)).unfold(2, x.shape[2], 1)


class BackTAL(nn.Module):
    """The whole network on videos of one length, (B, D, T)."""

    def __init__(
        self,
        size: int,
        classes: int,
        width: int,
        hidden: int,
        emb_dim: int,
        taps: int,
        layout: str,
        rate: float,
    ):
        super().__init__()
        act = nn.LeakyReLU()
        self.filter = nn.Sequential(
            nn.Conv1d(size, hidden, 1), act, nn.Conv1d(hidden, 1, 1), nn.Sigmoid()
        )
        self.embed = nn.Sequential(
            nn.Conv1d(size, hidden, 3, padding=1), act, nn.Conv1d(hidden, emb_dim, 3, padding=1)
        )
        self.conv_1, self.conv_2 = (
            Modulated(size, width, taps, layout),
            Modulated(width, width, taps, layout),
        )
        self.classify = nn.Conv1d(width, classes + 1, 1, bias=False)
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Tensor, top: int) -> dict[str, Tensor]:
        """Both passes, as the official code also does when testing."""
        w, e = self.filter(x), functional.normalize(self.embed(x), dim=1)
        out = {"w": w, "e": e}
        for name, shown in (("base", x), ("supp", w * x)):
            first = functional.leaky_relu(self.conv_1(shown, e))
            cas = self.classify(self.dropout(functional.leaky_relu(self.conv_2(first, e))))
            out |= {
                f"cas_{name}": cas,
                f"s_{name}": cas.topk(top, 2).values.mean(2),
                f"f_{name}": first,
            }
        return out


def total_loss(out: dict[str, Tensor], y: Tensor, click: Tensor, top: int) -> Tensor:
    """All six terms with the THUMOS14 weights. click (B, T): class index, C for background, −100
    where nobody clicked.
    """
    present, absent = functional.pad(y, (0, 1), value=1.0), functional.pad(y, (0, 1))
    return (
        label_loss(out["s_base"], present)
        + label_loss(out["s_supp"], absent)
        + 1e-4 * out["w"].sum(2).mean()
        + functional.cross_entropy(out["cas_base"], click, ignore_index=-100)
        + separation(out, y, click)
        + 0.8 * affinity(out, y, click, top)
    )


def label_loss(s: Tensor, y: Tensor) -> Tensor:
    """Cross entropy with the normalised labels."""
    return -(y / (y.sum(1, keepdim=True) + 1e-10) * functional.log_softmax(s, 1)).sum(1).mean()


def separation(out: dict[str, Tensor], y: Tensor, click: Tensor) -> Tensor:
    """Over videos with background clicks, over their labels."""
    values = []
    for v in range(len(y)):
        clicked = (click[v] == y.shape[1]).nonzero()[:, 0]
        if len(clicked):
            each = []
            for c in y[v].nonzero()[:, 0].tolist():
                pair = torch.stack([out["s_base"][v, c], out["cas_base"][v, c, clicked].mean()])
                each.append(-functional.log_softmax(pair, 0)[0])
            values.append(torch.stack(each).mean())
    return torch.stack(values).mean()


def affinity(
    out: dict[str, Tensor],
    y: Tensor,
    click: Tensor,
    top: int,
    same: float = 0.5,
    different: float = 0.1,
) -> Tensor:
    """Over videos with background clicks: hardest partners within and between foreground and
    background.
    """
    values = []
    for v in range(len(y)):
        clicked = (click[v] == y.shape[1]).nonzero()[:, 0]
        if len(clicked):
            chosen = [
                out["cas_supp"][v, c].topk(top).indices for c in y[v].nonzero()[:, 0].tolist()
            ]
            fg, bg = out["e"][v][:, torch.cat(chosen)].T, out["e"][v][:, clicked].T
            cross = functional.cosine_similarity(fg[:, None], bg[None], dim=2)
            values.append(
                alike(fg, same)
                + alike(bg, same)
                + (cross.amax(1) - different).relu().mean()
                + (cross.amax(0) - different).relu().mean()
            )
    return torch.stack(values).mean()


def alike(rows: Tensor, same: float) -> Tensor:
    """How far the least similar partner of each row falls short."""
    return (
        (same - functional.cosine_similarity(rows[:, None], rows[None], dim=2).amin(1))
        .relu()
        .mean()
    )
