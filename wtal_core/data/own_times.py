"""Do the segments and clicks of a user's tables fit the videos: their times, and their classes?

Frames or fractions in place of seconds train and score without any error, and every number is
wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from wtal_core.errors import WorkbookError
from wtal_core.reading.near import nearest

FRAMES = 3.0  # times that end so many times after their videos are hardly seconds
FEW = 3  # rows; of fewer, all may well lie in the first second
LONG = 10.0  # seconds; in shorter videos the first second is no small part
BACKGROUND = "background"  # the label of a click where no action is


@dataclass(frozen=True)
class Times:
    """A table of times as messages speak of it. end: the column of the latest time of a row."""

    file: str
    rows: str
    end: str
    after: str


SEGMENTS = Times("segments.csv", "segments", "t_end", "end after their video")
CLICKS = Times("clicks.csv", "clicks", "t", "lie after the end of their video")


def late_rows(
    table: pd.DataFrame,
    times: Times,
    seconds: Mapping[str, float],
    snippet: float,
    is_lenient: bool,
) -> tuple[Bool[np.ndarray, " N"], list[str]]:
    """Which rows lie after their video by more than a snippet, and what is said of the times.

    seconds: video -> how long it lasts. snippet: seconds of one. Raises WorkbookError where most
    times look like frames, or, unless `is_lenient`, all of them like fractions of the video.
    """
    lasts = table["video"].map(dict(seconds)).to_numpy(np.float64)
    end = table[times.end].to_numpy(np.float64)
    late = end > lasts + snippet
    if late.any():
        return late, [_about_late(table, times, lasts, late)]
    is_action = (table["label"] != BACKGROUND).to_numpy(bool)  # nothing happens at many a start
    return late, _about_fractions(times, lasts[is_action], end[is_action], is_lenient)


def _about_late(
    table: pd.DataFrame, times: Times, lasts: np.ndarray, late: Bool[np.ndarray, " N"]
) -> str:
    end = table[times.end].to_numpy(np.float64)
    first = int(np.flatnonzero(late)[0])
    text = (
        f"{int(late.sum())} of {len(table)} {times.rows} {times.after}, such as {end[first]:g} s "
        f"in {table['video'].iloc[first]}, which lasts {lasts[first]:g} s"
    )
    with np.errstate(divide="ignore"):
        ratio = float(np.median((end / lasts)[late]))
    if 2 * late.sum() > len(table) and ratio > FRAMES:
        raise WorkbookError(
            f"{times.file}: {text}; times look like frames, not seconds: divide them by the frame "
            "rate"
        )
    return text


def _about_fractions(
    times: Times, lasts: np.ndarray, end: np.ndarray, is_lenient: bool
) -> list[str]:
    """Times that all lie in the first second of long videos are hardly seconds."""
    if not len(end) or not 0 < end.max() <= 1 or np.median(lasts) < LONG:
        return []
    text = (
        f"all {len(end)} {times.rows} lie in the first second of their videos, which last up to "
        f"{lasts.max():g} s"
    )
    cause = "times look like fractions of the video, not seconds: multiply them by its length"
    if len(end) < FEW or is_lenient:
        return [f"{text}; if their {cause}"]
    raise WorkbookError(f"{times.file}: {text}; {cause}, or give --incomplete where they are right")


def about_classes(
    table: pd.DataFrame, times: Times, labels: Mapping[str, Sequence[str]]
) -> list[str]:
    """Rows of a class that the labels of their video do not name, with what was likely meant."""
    pairs = zip(table["video"], table["label"], strict=True)
    beside = [(video, label) for video, label in pairs if label not in labels.get(video, ())]
    if not beside:
        return []
    text = (
        f"{len(beside)} of {len(table)} {times.rows} are of a class that the labels of their "
        "video do not name"
    )
    for video, label in beside:
        near = nearest(label, labels.get(video, ()))
        if near:
            return [f"{text}, such as {label!r} in {video}, whose labels name {near!r}"]
    return [text]
