"""Class activation sequences -> runs above each sequence's own mean, the localization of SF-Net."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from wtal_core.errors import WorkbookError
from wtal_core.segments import runs_of_mask


@dataclass(frozen=True)
class Runs:
    """N runs, by sequence, then by start.

    sequence: index of the class activation sequence. start, end: snippets, [start, end). peak:
    largest activation in the run.
    """

    sequence: Int[np.ndarray, " N"]
    start: Int[np.ndarray, " N"]
    end: Int[np.ndarray, " N"]
    peak: Float[np.ndarray, " N"]


def runs_above_mean(
    activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], shortest: int
) -> Runs:
    """Runs of at least `shortest` snippets strictly above the mean of their sequence.

    P sequences of `lengths` snippets (0 allowed) lie one after another in `activation`. A flat
    sequence has none.
    Source: SF-Net, `eval.py:27-67`. Raises WorkbookError if an activation is not finite or the
    lengths do not add up.
    """
    if lengths.sum() != len(activation) or not np.isfinite(activation).all():
        raise WorkbookError(
            f"activation has {len(activation)} snippets, its sequence lengths add up to "
            f"{lengths.sum()}, and "
            "all must be finite; has training diverged?"
        )
    sequence = np.repeat(np.arange(len(lengths)), lengths + 1)  # (M + P,) each with a wall after it
    inside = np.ones(len(sequence), dtype=bool)
    inside[np.cumsum(lengths + 1) - 1] = False
    walled = np.full(len(sequence), -np.inf)
    walled[inside] = activation
    mask = np.zeros(len(sequence), dtype=bool)
    mask[inside] = _above_mean(activation, sequence[inside], lengths)
    start, end = runs_of_mask(mask)
    start, end = start[end - start >= shortest], end[end - start >= shortest]
    peak = (
        np.maximum.reduceat(walled, np.stack([start, end], 1).ravel())[::2]
        if len(start)
        else np.zeros(0)
    )
    owner = sequence[start]
    first = (np.cumsum(lengths + 1) - lengths - 1)[owner]
    return Runs(owner, start - first, end - first, peak)


def _above_mean(
    activation: Float[np.ndarray, " M"],
    sequence: Int[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
) -> np.ndarray:
    """Whether each value lies above the mean of its sequence.

    Values are taken from the first of their sequence, so that rounding never lifts a flat one above
    its mean.
    """
    if not len(activation):
        return np.zeros(0, dtype=bool)
    first = np.minimum(np.cumsum(lengths) - lengths, len(activation) - 1)
    moved = activation - activation[first][sequence]
    mean = np.bincount(sequence, weights=moved, minlength=len(lengths)) / np.maximum(lengths, 1)
    return moved > mean[sequence]
