"""Packed class activations of a whole set of videos -> the sequences of the classes that each video
is taken to show.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core.errors import WorkbookError


def pick_classes(
    video_score: Num[np.ndarray, "B C"],
    threshold: float,
    at_least_one: bool = False,
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """(video, class) indices of the pairs to localize, score >= threshold, by video, then by class.

    Leave the background column out. at_least_one: a video without any class gets its best one
    (ASM-Loc and others).
    """
    picked: Bool[np.ndarray, "B C"] = video_score >= threshold
    if at_least_one and video_score.shape[1]:
        bare = np.flatnonzero(~picked.any(1))
        picked[bare, video_score[bare].argmax(1)] = True
    return np.nonzero(picked)


def class_sequences(
    cas: Num[np.ndarray, "M K"],
    lengths: Int[np.ndarray, " B"],
    video: Int[np.ndarray, " P"],
    label: Int[np.ndarray, " P"],
) -> tuple[Float[np.ndarray, " S"], Int[np.ndarray, " P"]]:
    """Activations of P (video, class) pairs one after another, float64, and their lengths: what
    `propose` takes.

    cas: the B videos' snippets one after another, `lengths` each; K may hold columns, such as
    background, not asked for.
    """
    if lengths.sum() != len(cas):
        raise WorkbookError(
            f"class activations have {len(cas)} snippets, but the videos' lengths add up to "
            f"{lengths.sum()}"
        )
    taken = lengths[video]
    shift = (np.cumsum(lengths) - lengths)[video] - (np.cumsum(taken) - taken)
    row = np.arange(taken.sum()) + np.repeat(shift, taken)
    return cas[row, np.repeat(label, taken)].astype(np.float64), taken
