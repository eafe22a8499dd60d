"""Class activation sequences -> runs above one threshold of each sequence's own: its mean (SF-Net),
or the middle of its range (W-TALC).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.segments import runs_of_mask


@dataclass(frozen=True)
class Runs:
    """N runs, by sequence, then by start.

    sequence: index of the class activation sequence.
    start, end: snippets, [start, end).
    peak: largest activation in the run.
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
    sequence has no run. Source: SF-Net, `eval.py:27-67`.
    Raises WorkbookError if an activation is not finite or the lengths do not add up.
    """
    _check(activation, lengths)
    return _runs(activation, lengths, _above_mean(activation, lengths), shortest)


def runs_above_middle(
    activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], shortest: int
) -> Runs:
    """Runs of at least `shortest` snippets strictly above max - (max - min) / 2 of their sequence.

    As `runs_above_mean` otherwise. Source: W-TALC, `detectionMAP.py:92-126`.
    """
    _check(activation, lengths)
    top = ragged.maxima(activation, lengths)
    middle = top - (top - ragged.minima(activation, lengths)) * 0.5
    return _runs(activation, lengths, activation > np.repeat(middle, lengths), shortest)


def _check(activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]) -> None:
    if lengths.sum() != len(activation) or not np.isfinite(activation).all():
        raise WorkbookError(
            f"activation has {len(activation)} snippets, its sequence lengths add up to "
            f"{lengths.sum()}, and all must be finite; has training diverged?"
        )


def _runs(
    activation: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    above: Bool[np.ndarray, " M"],
    shortest: int,
) -> Runs:
    """Runs of at least `shortest` places that are `above`."""
    # each sequence has a wall after it, so that no run crosses into the next
    sequence = ragged.owners(lengths + 1)  # (M + P,)
    inside = np.ones(len(sequence), dtype=bool)
    inside[np.cumsum(lengths + 1) - 1] = False
    walled = np.full(len(sequence), -np.inf)
    walled[inside] = activation
    mask = np.zeros(len(sequence), dtype=bool)
    mask[inside] = above
    start, end = runs_of_mask(mask)
    long_enough = end - start >= shortest
    start = start[long_enough]
    end = end[long_enough]
    peak = np.zeros(0)
    if len(start):
        borders = np.stack([start, end], 1).ravel()
        peak = np.maximum.reduceat(walled, borders)[::2]  # every other range lies between two runs
    owner = sequence[start]
    first = ragged.starts(lengths + 1)[owner]
    return Runs(owner, start - first, end - first, peak)


def _above_mean(
    activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"]
) -> Bool[np.ndarray, " M"]:
    """Whether each value lies above the mean of its sequence.

    Values are taken from the first of their sequence, so that rounding never lifts a flat one above
    its mean.
    """
    if not len(activation):
        return np.zeros(0, dtype=bool)
    first = np.repeat(ragged.starts(lengths), lengths)
    moved = activation - activation[first]
    return moved > np.repeat(ragged.means(moved, lengths), lengths)
