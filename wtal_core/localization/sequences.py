"""Packed class activations of many videos -> sequences of the classes that each video shows."""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from wtal_core import ragged
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
    video, label = np.nonzero(picked)
    return video, label


def without_lone_first_class(
    video: Int[np.ndarray, " P"], label: Int[np.ndarray, " P"], classes: int
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """The pairs of `pick_classes` but for videos whose only class is the first one.

    classes: C of the data set. DIFFERS: where it has one class, all pairs stay; the codes would
    find nothing at all.
    Some official codes lose those: they ask whether any of the classes' *numbers* is true, and 0 is
    not. Source: STPN, `code/test.py:89,101`; BaS-Net, `test.py:52`.
    """
    if classes == 1:
        return video, label
    classes_of_video = np.bincount(video)
    localized = (label > 0) | (classes_of_video[video] > 1)
    return video[localized], label[localized]


def class_sequences(
    cas: Num[np.ndarray, "M K"],
    lengths: Int[np.ndarray, " B"],
    video: Int[np.ndarray, " P"],
    label: Int[np.ndarray, " P"],
) -> tuple[Float[np.ndarray, " S"], Int[np.ndarray, " P"]]:
    """Activations of P (video, class) pairs one after another, and their lengths.

    This is what `propose` takes; float64.
    cas: the B videos' snippets one after another, `lengths` each. Some of the K columns, such as
        the background's, may not be asked for.
    """
    if lengths.sum() != len(cas):
        raise WorkbookError(
            f"class activations have {len(cas)} snippets, but the videos' lengths add up to "
            f"{lengths.sum()}; give one length per video"
        )
    pair_lengths = lengths[video]
    row = ragged.ranges(ragged.starts(lengths)[video], pair_lengths)
    column = np.repeat(label, pair_lengths)
    return cas[row, column].astype(np.float64), pair_lengths


def in_parts(points: Int[np.ndarray, " P"], most: int) -> list[slice]:
    """P sequences in turn, as many as have `most` points together, but at least one.

    One empty slice if there are no sequences.
    """
    number = np.cumsum(points) // most
    cuts = (np.flatnonzero(np.diff(number)) + 1).tolist()
    return [slice(begin, end) for begin, end in pairwise([0, *cuts, len(points)])]
