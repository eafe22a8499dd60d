"""Whether a network has met its own objective, told from training losses and video labels alone.

A method states bounds: what the sum of some of its loss terms reaches at best where the network
does without what the method adds, such as an attention that tells nothing. A training that ends
above such a bound has not found it. The bounds need the labels of the training videos and nothing
else, no segment and no test video.

Shapes: B training videos, C classes, K = C or, with the background last, C + 1.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEARNT = 0.75  # share of what labels tell that a classification loss has to have learnt
RECALLED = 0.8  # share of the training labels that the video scores have to rank first
END = 0.1  # share of the epochs, the last ones, whose mean loss counts


@dataclass(frozen=True)
class Bound:
    """The sum of loss terms, one value per video as they are logged, has to end below `limit`.

    without: what a network that stays above it does without, in words that end a sentence.
    """

    terms: tuple[str, ...]
    limit: float
    without: str


def normalised(labels: Float[np.ndarray, "B K"]) -> Float[np.ndarray, "B K"]:
    """Label sets as distributions: each row has the sum 1, or 0 where it has no label."""
    return labels / np.maximum(labels.sum(1, keepdims=True), 1e-12)


def entropy(rows: Float[np.ndarray, "*B K"]) -> Float[np.ndarray, "*B"]:
    """−Σ p log p of each distribution, in nats."""
    return -(rows * np.log(np.where(rows > 0, rows, 1))).sum(-1)


def with_background(labels: Float[np.ndarray, "B C"], value: float) -> Float[np.ndarray, "B K"]:
    """Labels with a last column, the background's."""
    return np.pad(labels, ((0, 0), (0, 1)), constant_values=value)


def only_background(labels: Float[np.ndarray, "B C"]) -> Float[np.ndarray, "B K"]:
    """The background and no action in every video."""
    return with_background(np.zeros_like(labels), 1.0)


def learnt_labels(labels: Float[np.ndarray, "B C"]) -> float:
    """Mean cross entropy with normalised labels, `LEARNT` of the way from a prediction that is the
    same for all videos to one that knows each video's labels.
    """
    targets = normalised(labels)
    constant = float(entropy(targets.mean(0)))
    perfect = float(entropy(targets).mean())
    return constant + LEARNT * (perfect - constant)


def learnt_labels_binary(labels: Float[np.ndarray, "B C"]) -> float:
    """The same for the binary cross entropy, the mean over classes; a perfect one is 0."""
    rates = (labels > 0).mean(0)
    constant = entropy(np.stack([rates, 1 - rates], -1)).mean()
    return float((1 - LEARNT) * constant)


def one_prediction(*targets: Float[np.ndarray, "B K"]) -> float:
    """The least sum of cross entropies of one prediction per video with several targets.

    Two targets that differ, such as the labels with and without the background, ask for two
    predictions. A network whose attention tells nothing can make only one. That one is best which
    is the mean of the targets.
    """
    distributions = [normalised(target) for target in targets]
    compromise = sum(distributions[1:], distributions[0]) / len(targets)
    return float(len(targets) * entropy(compromise).mean())


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


def at_end(history: list[dict[str, float]], terms: tuple[str, ...]) -> float:
    """Mean over the last tenth of the epochs of the sum of these loss terms; an epoch's term that
    was not taken counts 0.
    """
    last = history[-max(1, round(END * len(history))) :]
    return float(np.mean([sum(entry.get(name, 0.0) for name in terms) for entry in last]))
