"""Class activation sequences on a finer grid."""

import numpy as np
from jaxtyping import Float, Int


def upsample(activation: Float[np.ndarray, " M"], lengths: Int[np.ndarray, " P"], factor: int,
             ) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " P"]]:
    """P sequences, one after another, by linear interpolation between snippet centres; constant beyond the outer centres.

    The papers say that they upsample to the frame rate (factor 16 on THUMOS14); the official codes do not (factor 1).
    """
    if factor == 1 or not len(activation):
        return activation, lengths
    longer = lengths * factor
    first = np.repeat(np.cumsum(lengths) - lengths, longer)
    last = np.repeat(np.cumsum(lengths) - 1, longer)
    fine = np.arange(longer.sum()) - np.repeat(np.cumsum(longer) - longer, longer)
    position = np.clip(first + (fine + 0.5) / factor - 0.5, first, last)
    left = np.floor(position).astype(np.int64)
    right = np.minimum(left + 1, last)
    weight = position - left
    return (1 - weight) * activation[left] + weight * activation[right], longer
