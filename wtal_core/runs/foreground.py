"""How well the attention of a network tells action from background, seen with the test videos'
segments. It explains a result; nothing is chosen or judged by it.
"""

import numpy as np
from jaxtyping import Float

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import SnippetTruth
from wtal_core.evaluation.statistics import auc
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.inputs import on_grid


def foreground_auc(activation: Activation, dataset: Dataset) -> list[float] | None:
    """Of each stream, the chance that a test snippet of an action has more attention than one of
    the background; equal ones count one half. Near 0 where the two have changed sides.

    None where there are no snippets of one kind, or an attention is not finite.
    """
    truth = SnippetTruth(dataset)
    action = [truth.classes(video).any(axis=1) for video in dataset.test]
    background = [truth.background(video) for video in dataset.test]
    inside, outside = np.concatenate(action), np.concatenate(background)
    if not inside.any() or not outside.any() or not np.isfinite(activation.attention).all():
        return None
    counted = inside | outside
    return [
        auc(on_own_snippets(attention, activation.lengths, dataset)[counted], inside[counted])
        for attention in activation.attention
    ]


def on_own_snippets(
    values: Float[np.ndarray, "L *K"], lengths: tuple[int, ...], dataset: Dataset
) -> Float[np.ndarray, "M *K"]:
    """Values of all test videos, one after another, brought from a method's snippets (`lengths`) to
    those of the data set.
    """
    parts = np.split(values, np.cumsum(lengths)[:-1])
    native = [on_grid(part, video.length) for part, video in zip(parts, dataset.test, strict=True)]
    return np.concatenate(native)
