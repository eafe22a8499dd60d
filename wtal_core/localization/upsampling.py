"""Class activation sequences on a finer grid."""

import numpy as np
from jaxtyping import Float, Int

from wtal_core import ragged


def upsample(
    activation: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    factor: int,
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " P"]]:
    """P sequences on a grid that is `factor` times as fine, and their lengths.

    Linear between snippet centres, constant beyond the outer ones.
    The papers say that they upsample to the frame rate (factor 16 on THUMOS14); the official codes
    do not (factor 1).
    """
    if factor == 1 or not len(activation):
        return activation, lengths
    longer = lengths * factor
    first = np.repeat(ragged.starts(lengths), longer)
    last = np.repeat(np.cumsum(lengths) - 1, longer)
    fine = ragged.positions(longer)
    position = np.clip(first + (fine + 0.5) / factor - 0.5, first, last)
    left = np.floor(position).astype(np.int64)
    right = np.minimum(left + 1, last)
    weight = position - left
    return (1 - weight) * activation[left] + weight * activation[right], longer


def resize(
    activation: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    longer: Int[np.ndarray, " P"],
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " P"]]:
    """P sequences on `longer` (or fewer) points each, and their lengths.

    A sequence without snippets stays without.

    Point j of N lies at (j + 1/2) T / N - 1/2 between snippet centres: linear there, constant
    beyond the outer ones, as OpenCV's INTER_LINEAR. A sequence gives the same bits alone and in a
    batch.
    """
    longer = np.where(lengths > 0, longer, 0)
    position = _half_points(longer)
    position *= np.repeat(lengths / np.maximum(longer, 1), longer)
    position -= 0.5
    np.maximum(position, 0, out=position)
    left = position.astype(np.int64)  # never past the last snippet, from which the slope is 0
    return _interpolated(activation, lengths, longer, position, left), longer


def stretch(
    activation: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    factor: int,
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " P"]]:
    """P sequences at the positions j / factor, and their lengths.

    Linear, and extrapolated beyond the last snippet.
    Positions count from the first snippet, so the grid is aligned at the left. Source: BaS-Net,
    `utils.py:9-14`.
    """
    if factor == 1:
        return activation.astype(np.float64), lengths
    longer = lengths * factor
    position = _half_points(longer)
    position -= 0.5
    position /= factor
    left = np.minimum(position.astype(np.int64), np.repeat(np.maximum(lengths - 2, 0), longer))
    return _interpolated(activation, lengths, longer, position, left), longer


def _half_points(longer: Int[np.ndarray, " P"]) -> Float[np.ndarray, " N"]:
    """1/2, 3/2, ... in each sequence.

    Every point is numbered in its own sequence, so that its bits depend on no other.
    """
    half = np.arange(longer.sum(), dtype=np.float64)
    half -= np.repeat(ragged.starts(longer) - 0.5, longer)
    return half


def _interpolated(
    activation: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    longer: Int[np.ndarray, " P"],
    position: Float[np.ndarray, " N"],
    left: Int[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """a[left] + (position - left) * (a[left + 1] - a[left]); each sequence's last slope is 0.

    Writes into `position` and `left`, which are large.
    """
    activation = activation.astype(np.float64)
    slope = np.append(activation[1:] - activation[:-1], [0.0] * min(1, len(activation)))
    slope[np.cumsum(lengths)[lengths > 0] - 1] = 0
    position -= left
    left += np.repeat(ragged.starts(lengths), longer)
    position *= slope.take(left)
    position += activation.take(left)
    return position
