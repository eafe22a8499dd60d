"""SF-Net as the field writes it: lists of videos, loops over snippets and classes, one output at a
time. Background last.
"""

import math

import numpy as np
import torch
from torch import Tensor


def labelled_snippets(clicks: Tensor) -> list[int]:
    """Snippets of a video (T, C + 1) that carry a click."""
    return [t for t in range(len(clicks)) if clicks[t].sum() > 0]


def mined_numbers(clicks: list[Tensor], ratio: float) -> list[int]:
    """How many background snippets each video adds to what the batch mines."""
    labelled = [len(labelled_snippets(video)) for video in clicks]
    return [min(int(n * ratio), len(video) - n) for n, video in zip(labelled, clicks, strict=True)]


def pool(clicks: list[Tensor], ratio: float) -> list[tuple[int, int]]:
    """(video, snippet) of every unlabelled snippet of the videos that take part, in the order of
    the batch.
    """
    found = []
    for v, number in enumerate(mined_numbers(clicks, ratio)):
        if number > 0:
            taken = set(labelled_snippets(clicks[v]))
            found += [(v, t) for t in range(len(clicks[v])) if t not in taken]
    return found


def mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean() if values else torch.zeros((), dtype=torch.float64)


def video_loss(logits: list[Tensor], clicks: list[Tensor], fraction: int, shortest: int) -> Tensor:
    """One output's logits (T, C + 1) of each video."""
    values = []
    for scores, targets in zip(logits, clicks, strict=True):
        shown = [
            c
            for c in range(targets.shape[1])
            if any(targets[t, c] > 0 for t in range(len(targets)))
        ]
        if len(scores) < shortest or not shown:
            continue
        k = math.ceil(len(scores) / fraction)
        top = torch.stack(
            [
                torch.stack(sorted(scores[:, c], reverse=True)[:k]).mean()
                for c in range(scores.shape[1])
            ]
        )
        values.append(-sum(top.log_softmax(0)[c] for c in shown) / len(shown))
    return mean(values)


def frame_loss(logits: list[Tensor], clicks: list[Tensor]) -> Tensor:
    """Labelled snippets against their targets."""
    return mean(
        [
            -(targets[t] * scores[t].log_softmax(0)).sum()
            for scores, targets in zip(logits, clicks, strict=True)
            for t in labelled_snippets(targets)
        ]
    )


def mined_loss(logits: list[Tensor], clicks: list[Tensor], ratio: float) -> Tensor:
    """The snippets with the largest background logits of the batch against the background."""
    ranked = sorted(pool(clicks, ratio), key=lambda place: -logits[place[0]][place[1], -1].item())
    return mean(
        [-logits[v][t].log_softmax(0)[-1] for v, t in ranked[: sum(mined_numbers(clicks, ratio))]]
    )


def actionness_loss(
    actionness: list[Tensor], clicks: list[Tensor], ratio: float, hardest: bool
) -> Tensor:
    """One output's actionness (T,) of each video; the still snippets are the hardest ones, or the
    last of the batch.
    """
    inside = [
        -torch.sigmoid(scores[t]).log()
        for scores, targets in zip(actionness, clicks, strict=True)
        for t in labelled_snippets(targets)
    ]
    places = pool(clicks, ratio)
    if hardest:
        places = sorted(places, key=lambda place: actionness[place[0]][place[1]].item())
    still = places[len(places) - sum(mined_numbers(clicks, ratio)) :]
    return mean(inside) + mean(
        [-torch.log(1 + 1e-3 - torch.sigmoid(actionness[v][t])) for v, t in still]
    )


def batch_loss(
    logits: list[list[Tensor]],
    actionness: list[list[Tensor]],
    clicks: list[Tensor],
    ratio: float,
    hardest: bool,
    gate: float,
    fraction: int,
    shortest: int,
) -> dict[str, Tensor]:
    """The losses of a batch, summed over the outputs (the outer lists), and the total."""
    terms = {
        "video": sum(video_loss(scores, clicks, fraction, shortest) for scores in logits),
        "frame": sum(frame_loss(scores, clicks) for scores in logits),
        "mined": sum(mined_loss(scores, clicks, ratio) for scores in logits),
        "act": sum(actionness_loss(a, clicks, ratio, hardest) for a in actionness),
    }
    total = terms["video"] + terms["frame"] + terms["mined"] / clicks[0].shape[1]
    return terms | {"total": total + terms["act"] if terms["act"] > gate else total}


def expand_video(clicks: np.ndarray, logits: np.ndarray, radius: int, share: float) -> np.ndarray:
    """Click targets (T, C + 1) of one video after expansion, click after click, first to the left,
    then to the right.
    """
    found, classes = clicks.copy(), logits.shape[1]
    for click in [t for t in range(len(clicks)) if clicks[t].sum() > 0]:
        names = [c for c in range(classes) if clicks[click, c] > 0]
        own = np.mean([logits[click, c] for c in names])
        for side in (-1, 1):
            for step in range(1, radius + 1):
                here, beyond = click + side * step, click + side * (step + 1)
                if not 0 <= beyond < len(clicks) or found[here].sum() > 0:
                    break
                best = [int(np.argmax(logits[t])) for t in (click + side, here, beyond)]
                if (
                    best[0] == best[1] == best[2]
                    and np.mean([logits[here, c] for c in names]) >= share * own
                ):
                    found[here] = clicks[click]
    return found


def localize_video(
    logits: np.ndarray, actionness: np.ndarray, weight: float
) -> list[tuple[int, int, int, float]]:
    """(class, start, end, score) of one video from its fused logits (T, C) and actionness (T,)."""
    length, classes = logits.shape
    k, found = max(length // 12, 1), []
    scores = [
        float(np.mean(sorted(logits[:, c])[::-1][:k])) if length else 0.0 for c in range(classes)
    ]
    for c in range(classes):
        if scores[c] <= 0 or scores[c] <= max(scores) / 1.5:
            continue
        row = [float(logits[t, c] + weight * actionness[t]) for t in range(length)]
        threshold, start = sum(row) / length, None
        for t in range(length + 1):
            above = t < length and row[t] > threshold
            if above and start is None:
                start = t
            elif not above and start is not None:
                if t - start >= 2:
                    found.append((c, start, t, (max(row[start:t]) + scores[c]) / 100))
                start = None
    return found
