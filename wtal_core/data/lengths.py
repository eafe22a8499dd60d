"""Do the features fit the durations? T against seconds x fps / stride, video by video.

Features of another frame rate or stride, or truncated ones, train and score without any error, and
every number is wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wtal_core.timebase import Timebase

SHARE = 0.05  # of the expected T; a video may be off by this, or by `SNIPPETS` if that is more
SNIPPETS = 3  # windows at the end that an extraction drops or adds, and durations that are rounded
# A data set as a whole may be off by this; 24 against 25 frames per second is 0.04
MEDIAN_SHARE = 0.025
LONG = 100  # snippets, from which on a few windows more or less leave the ratio alone
MANY = 10  # of such videos
RATES = (10, 12, 15, 20, 24, 25, 30, 50, 60)  # frames per second at which videos are extracted
MULTIPLES = (2, 4, 8, 16)
LARGEST_DIVISOR = 64
TOLERANCE_WORDS = f"within {SHARE:.0%} or {SNIPPETS} snippets"


@dataclass(frozen=True)
class Misfit:
    """A video whose T is not that of its duration."""

    video: str
    length: int
    expected: float
    seconds: float


@dataclass(frozen=True)
class LengthCheck:
    """compared: number of videos. ratio: median of T / expected of the longest quarter of the
    videos; where there are not `MANY` long ones, of the misfits if these are most, else 1.
    """

    timebase: Timebase
    compared: int
    misfits: tuple[Misfit, ...]
    ratio: float

    @property
    def is_another_timebase(self) -> bool:
        """Whether most videos, or all of them by a little, do not fit."""
        most = 2 * len(self.misfits) > self.compared
        return most or abs(self.ratio - 1) > MEDIAN_SHARE

    def words(self) -> str:
        """How many videos do not fit, the first one, the factor and its likely cause."""
        timebase = self.timebase
        text = "the videos do not fit their durations as a whole"
        if self.misfits:
            text = f"{len(self.misfits)} of {self.compared} videos do not fit their durations"
            first = self.misfits[0]
            text += (
                f": {first.video} has T = {first.length}, expected {first.expected:.0f} "
                f"({first.seconds:g} s x {timebase.fps:g} / {timebase.stride:g})"
            )
        if self.is_another_timebase:
            cause = likely_cause(self.ratio, timebase.fps, timebase.stride)
            text += f"; the median T is {factor_words(self.ratio)} of the expected: {cause}"
        return text


def check_lengths(
    lengths: Mapping[str, int], seconds: Mapping[str, float], timebase: Timebase
) -> LengthCheck:
    """Compare each video's T with its duration on the snippet grid.

    lengths: video -> T. seconds: video -> duration; videos without a stated one are not compared.
    """
    videos = [video for video in lengths if math.isfinite(seconds[video])]
    length = np.array([lengths[video] for video in videos], dtype=np.float64)
    duration = np.array([seconds[video] for video in videos], dtype=np.float64)
    expected = timebase.snippets(duration)
    is_off = np.abs(length - expected) > np.maximum(SNIPPETS, SHARE * expected)
    misfits = tuple(
        Misfit(videos[i], lengths[videos[i]], float(expected[i]), float(duration[i]))
        for i in np.flatnonzero(is_off)
    )
    ratio = 1.0
    judged = np.zeros(len(videos), dtype=bool)
    if (expected >= LONG).sum() >= MANY:
        # rounding to whole snippets tells least in the longest videos
        judged = expected >= max(LONG, np.quantile(expected, 0.75))
    elif 2 * len(misfits) > len(videos):
        judged = is_off & (expected > 0)
    if judged.any():
        ratio = float(np.median(length[judged] / expected[judged]))
    return LengthCheck(timebase, len(videos), misfits, ratio)


def factor_words(ratio: float) -> str:
    """A factor as one reads it: "1/20", "2", "0.83"."""
    if 0 < ratio < 0.6:
        divisor = round(1 / ratio)
        if divisor <= LARGEST_DIVISOR and abs(ratio * divisor - 1) <= SHARE:
            return f"1/{divisor}"
    return f"{ratio:.3g}"


def likely_cause(ratio: float, fps: float, stride: float) -> str:
    """What makes features `ratio` times as long as they should be, in words.

    fps, stride: of the time base that is expected.
    """
    causes = {
        rate / fps: f"frames were extracted at {rate} per second, not at {fps:g}"
        for rate in RATES
        if rate != fps
    }
    for multiple in MULTIPLES:
        causes[float(multiple)] = f"the stride is {stride / multiple:g} frames, not {stride:g}"
    for divisor in range(2, LARGEST_DIVISOR + 1):
        causes.setdefault(
            1 / divisor,
            f"only one snippet in {divisor} is there (a stride of {divisor * stride:g} frames, not "
            f"{stride:g}), or every video is cut off",
        )
    if ratio <= 0:
        return "the arrays are empty"
    nearest = min(causes, key=lambda factor: abs(math.log(ratio / factor)))
    if abs(ratio / nearest - 1) > SHARE:
        return "no usual frame rate or stride explains it; the arrays may be truncated or padded"
    return f"likely {causes[nearest]}"
