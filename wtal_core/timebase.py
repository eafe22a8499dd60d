"""Seconds <-> snippets. The only place that converts."""

from dataclasses import dataclass
from typing import overload

import numpy as np
from jaxtyping import Float, Int

from wtal_core.errors import WorkbookError

SLOWEST, FASTEST = 1e-3, 1e6  # frames per second
SHORTEST, LONGEST = 1e-3, 1e6  # frames from one snippet to the next
LATEST_OFFSET = 1e9  # frames


@dataclass(frozen=True)
class Timebase:
    """Snippet k of a video covers the seconds [seconds(k), seconds(k + 1)).

    fps: frames (or sensor samples) per second.
    stride: frames from one snippet to the next.
    offset: frame at which snippet 0 begins to count, for windows that overlap.

    THUMOS14 with I3D has 25 fps and stride 16, so 0.64 s per snippet.
    """

    fps: float = 25.0
    stride: float = 16.0
    offset: float = 0.0

    @overload
    def seconds(self, snippets: float) -> float: ...

    @overload
    def seconds(
        self, snippets: Float[np.ndarray, "*n"] | Int[np.ndarray, "*n"]
    ) -> Float[np.ndarray, "*n"]: ...

    def seconds(
        self, snippets: Float[np.ndarray, "*n"] | Int[np.ndarray, "*n"] | float
    ) -> Float[np.ndarray, "*n"] | float:
        """Time in seconds at which snippet number `snippets` (may be fractional) begins."""
        return (snippets * self.stride + self.offset) / self.fps

    @overload
    def snippets(self, seconds: float) -> float: ...

    @overload
    def snippets(self, seconds: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]: ...

    def snippets(self, seconds: Float[np.ndarray, "*n"] | float) -> np.ndarray | float:
        """Position on the snippet grid, not rounded."""
        return (seconds * self.fps - self.offset) / self.stride

    def rounded(self, seconds: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Nearest snippet border, halves to the even one.

        The W-TALC lineage rounds ground truth so.
        Source: FAC-Net, `evaluation/detectionMAP.py` (Python's `round` of seconds * 25 / 16).
        """
        return np.rint(self.snippets(np.asarray(seconds, dtype=np.float64))).astype(np.int64)

    def truncated(self, seconds: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Snippet border towards zero, as the W-TALC lineage truncates detections."""
        position = self.snippets(np.asarray(seconds, dtype=np.float64))
        # a position that went through seconds and back may lie just below its border
        return np.trunc(np.round(position, 9)).astype(np.int64)

    @property
    def snippet_seconds(self) -> float:
        """Seconds from one snippet to the next."""
        return self.stride / self.fps


def checked_timebase(timebase: Timebase, where: object) -> Timebase:
    """A time base that a file states, unless no camera and no sensor has it: with it, seconds and
    snippets would lose their digits. where: names the file in the error.
    """
    is_one = (
        SLOWEST <= timebase.fps <= FASTEST
        and SHORTEST <= timebase.stride <= LONGEST
        and abs(timebase.offset) <= LATEST_OFFSET
    )
    if not is_one:
        raise WorkbookError(
            f"{where}: the timebase needs fps and stride above 0 (from {SLOWEST:g} to {FASTEST:g}) "
            f"and a finite offset, it has {timebase.fps:g}, {timebase.stride:g}, "
            f"{timebase.offset:g}; correct or remove it"
        )
    return timebase
