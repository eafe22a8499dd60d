"""Seconds <-> snippets. The only place that converts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Timebase:
    """Snippet k of a video covers the seconds [seconds(k), seconds(k + 1)).

    fps: frames (or sensor samples) a second. stride: frames from one snippet to the next. offset:
    frame at which snippet 0 begins to count, for windows that overlap. THUMOS14 with I3D: 25 fps,
    stride 16, so 0.64 s a snippet.
    """

    fps: float = 25.0
    stride: float = 16.0
    offset: float = 0.0

    def seconds(
        self, snippets: Float[np.ndarray, "*n"] | Int[np.ndarray, "*n"] | float
    ) -> np.ndarray | float:
        """Time in seconds at which snippet number `snippets` (may be fractional) begins."""
        return (snippets * self.stride + self.offset) / self.fps

    def snippets(self, seconds: Float[np.ndarray, "*n"] | float) -> np.ndarray | float:
        """Position on the snippet grid, not rounded."""
        return (seconds * self.fps - self.offset) / self.stride

    def rounded(self, seconds: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Nearest snippet border, halves to the even one, as the W-TALC lineage rounds ground
        truth.

        Source: FAC-Net, `evaluation/detectionMAP.py` (Python's `round` of seconds * 25 / 16).
        """
        return np.rint(self.snippets(np.asarray(seconds, dtype=np.float64))).astype(np.int64)

    def truncated(self, seconds: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Snippet border towards zero, as the W-TALC lineage truncates detections.

        Rounding to 9 decimals first undoes the loss of a grid position that went through seconds
        and back.
        """
        return np.trunc(np.round(self.snippets(np.asarray(seconds, dtype=np.float64)), 9)).astype(
            np.int64
        )

    @property
    def snippet_seconds(self) -> float:
        """Seconds from one snippet to the next."""
        return self.stride / self.fps
