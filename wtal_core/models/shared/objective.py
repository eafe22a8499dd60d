"""Whether a network has met its own objective, told from training losses and supervision alone.

A method states bounds: what the weighted sum of some of its loss terms reaches at best where the
network does without what the method adds, such as an attention that tells nothing. A training that
ends above such a bound has not found it, or has lost it again in the noise of dropout. The bounds
need what the training videos are labelled with and nothing else, no segment and no test video.

The weights are those of the training's own total, so that a bound is the least that a training
without the mechanism could come to. Extras of 1e-4 and less in the normalisation of labels are left
out.

Shapes: B training videos, C classes, K = C or, with the background last, C + 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

LEARNT = 0.75  # share of what labels tell that a classification loss has to have learnt
RECALLED = 0.8  # share of the training labels that the video scores have to rank first
END = 0.1  # share of the epochs, the last ones, whose mean loss counts

LABELS = "learning the labels of the videos"

# the least loss of one prediction, per row of targets, such as `entropy`
Least = Callable[[Float[np.ndarray, "*B K"]], Float[np.ndarray, "*B"]]


@dataclass(frozen=True)
class Supervision:
    """What a training is told of its videos.

    labels: the classes of each video. lengths: snippets of each video, as the network is given it.
    clicks: snippets of each video that are shown as clicked background and as nothing else, 0 where
    the method takes no such clicks.
    """

    labels: Float[np.ndarray, "B C"]
    lengths: Int[np.ndarray, " B"]
    clicks: Int[np.ndarray, " B"]


@dataclass(frozen=True)
class Bound:
    """The weighted sum of loss terms, one value per video as they are logged, has to end below
    `limit`.

    without: what a network that stays above it does without, in words that end a sentence.
    weights: of the terms; (): all are 1.
    """

    terms: tuple[str, ...]
    limit: float
    without: str
    weights: tuple[float, ...] = ()

    def reached(self, history: list[dict[str, float]]) -> float:
        """The sum at the end of a training."""
        return at_end(history, self.terms, self.weights)

    def is_met(self, history: list[dict[str, float]]) -> bool:
        """Whether the sum has ended below the limit."""
        return bool(self.reached(history) < self.limit)


def distributions(labels: Float[np.ndarray, "B K"]) -> Float[np.ndarray, "B K"]:
    """Label sets as distributions: each row has the sum 1, or 0 where it has no label."""
    return labels / np.maximum(labels.sum(1, keepdims=True), 1e-12)


def entropy(rows: Float[np.ndarray, "*B K"]) -> Float[np.ndarray, "*B"]:
    """The least −Σ t log p of one prediction p per row t, in nats: that of p = t / Σ t. The entropy
    of a row with the sum 1; a row of targets that are added up may have another one.
    """
    size = rows.sum(-1, keepdims=True)
    share = rows / np.where(size > 0, size, 1)
    return np.asarray(-(rows * np.log(np.where(share > 0, share, 1))).sum(-1))


def binary_entropy(rows: Float[np.ndarray, "*B K"]) -> Float[np.ndarray, "*B"]:
    """The least mean over the classes of the binary cross entropies of one softmax prediction p
    with targets of the sum 1 that are added up to a row.

    n targets with the mean m have the sum n Σ BCE(p, m). Each class for itself asks for p = m, and
    as m has the sum 1 a softmax can say it.
    """
    count = rows.sum(-1, keepdims=True)
    mean = rows / np.where(count > 0, count, 1)
    return np.asarray((count * entropy(np.stack([mean, 1 - mean], -1))).mean(-1))


def with_background(labels: Float[np.ndarray, "B C"], value: float) -> Float[np.ndarray, "B K"]:
    """Labels with a last column, the background's."""
    return np.pad(labels, ((0, 0), (0, 1)), constant_values=value)


def only_background(labels: Float[np.ndarray, "B C"]) -> Float[np.ndarray, "B K"]:
    """The background and no action in every video."""
    return with_background(np.zeros_like(labels), 1.0)


def added(
    targets: tuple[Float[np.ndarray, "B K"], ...], weights: tuple[float, ...]
) -> Float[np.ndarray, "B K"]:
    """Sum of label sets as distributions, times their weights; (): all are 1."""
    factors = weights or (1.0,) * len(targets)
    rows = [factor * distributions(t) for factor, t in zip(factors, targets, strict=True)]
    return np.sum(rows, axis=0)


def drawn(videos: int, shares: Float[np.ndarray, " B"] | None) -> Float[np.ndarray, " B"]:
    """How much each video counts in a mean; all alike where no shares are given."""
    return np.full(videos, 1 / videos) if shares is None else shares


def learnt_labels(
    *targets: Float[np.ndarray, "B K"],
    weights: tuple[float, ...] = (),
    least: Least = entropy,
    shares: Float[np.ndarray, " B"] | None = None,
) -> float:
    """Mean weighted sum of cross entropies with label sets as distributions, `LEARNT` of the way
    from the best prediction that is the same for all videos to the best one of each video.

    weights, least, shares: see `one_prediction`.
    """
    total = added(targets, weights)
    share = drawn(len(total), shares)
    constant = float(least((share @ total)[None])[0])
    perfect = float(share @ least(total))
    return constant + LEARNT * (perfect - constant)


def learnt_labels_binary(labels: Float[np.ndarray, "B C"]) -> float:
    """The same for the binary cross entropy of sigmoids, the mean over classes; a perfect one
    is 0.
    """
    rates = (labels > 0).mean(0)
    constant = entropy(np.stack([rates, 1 - rates], -1)).mean()
    return float((1 - LEARNT) * constant)


def one_prediction(
    *targets: Float[np.ndarray, "B K"],
    weights: tuple[float, ...] = (),
    least: Least = entropy,
    shares: Float[np.ndarray, " B"] | None = None,
) -> float:
    """The least weighted sum of cross entropies of one prediction per video with several targets,
    mean over the videos.

    Two targets that differ, such as the labels with and without the background, ask for two
    predictions. A network whose attention tells nothing can make only one. That one is best which
    is the weighted mean of the targets.
    weights: of the targets; (): all are 1. least: of which loss. shares: how often each video is
    drawn, None: all alike.
    """
    total = added(targets, weights)
    return float(drawn(len(total), shares) @ least(total))


def best_is_shown(scores: Float[np.ndarray, "B C"], labels: Float[np.ndarray, "B C"]) -> float:
    """The share of videos whose highest score is of one of their labels; 1 without any video."""
    if not len(scores):
        return 1.0
    return float((labels[np.arange(len(scores)), scores.argmax(1)] > 0).mean())


def recalled(scores: Float[np.ndarray, "B C"], labels: Float[np.ndarray, "B C"]) -> float:
    """Of the labels of all videos, the share that is among the n highest scores of its video, n the
    number of that video's labels. Of equal scores the first class counts as higher.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(labels.shape[1])[None], axis=1)
    present = labels > 0
    found = present & (rank < present.sum(1, keepdims=True))
    return float(found.sum() / max(1, present.sum()))


def last_epochs(epochs: int) -> range:
    """The epochs, from 0, whose mean loss counts."""
    return range(epochs - max(1, round(END * epochs)), epochs)


def at_end(
    history: list[dict[str, float]], terms: tuple[str, ...], weights: tuple[float, ...] = ()
) -> float:
    """Mean over the last tenth of the epochs of the weighted sum of these loss terms; an epoch's
    term that was not taken counts 0.

    weights: of the terms; (): all are 1.
    """
    factors = weights or (1.0,) * len(terms)
    pairs = tuple(zip(factors, terms, strict=True))
    entries = [history[epoch] for epoch in last_epochs(len(history))]
    sums = [sum(factor * entry.get(name, 0.0) for factor, name in pairs) for entry in entries]
    return float(np.mean(sums))
