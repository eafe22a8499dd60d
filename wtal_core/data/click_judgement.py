"""Background clicks against the truth: which are right, and which stretches of background have
one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset


@dataclass(frozen=True)
class JudgedClicks:
    """Of one video. right: whether each click lies outside all segments, a border counts as
    outside. stretches: starts and ends of the background, seconds. found: which of them have a
    click.
    """

    right: Bool[np.ndarray, " N"]
    stretches: Float[np.ndarray, "G 2"]
    found: Bool[np.ndarray, " G"]

    def sentence(self) -> str:
        """What an annotator is told."""
        if not len(self.right):
            return "No click yet."
        return (
            f"{self.right.sum()} of {len(self.right)} clicks are in background; "
            f"{self.found.sum()} of {len(self.found)} stretches of background have one."
        )


def judged(dataset: Dataset, video: str, clicks: pd.DataFrame) -> JudgedClicks:
    """clicks: `video, t`; those of other videos are passed over."""
    times = clicks["t"][clicks["video"] == video].to_numpy(dtype=float)
    segments = dataset.segments[dataset.segments["video"] == video].sort_values("t_start")
    start = segments["t_start"].to_numpy(dtype=float)
    end = segments["t_end"].to_numpy(dtype=float)
    inside = (times[:, None] > start) & (times[:, None] < end)
    right = ~inside.any(axis=1)
    stretches = _between(
        start, end, float(dataset.timebase.seconds(float(dataset.video(video).length)))
    )
    in_stretch = (times[:, None] >= stretches[:, 0]) & (times[:, None] <= stretches[:, 1])
    return JudgedClicks(right, stretches, in_stretch.any(axis=0))


def _between(
    start: Float[np.ndarray, " N"], end: Float[np.ndarray, " N"], whole: float
) -> Float[np.ndarray, "G 2"]:
    """What the segments, sorted by their start, leave of the time from 0 to `whole`."""
    begins = np.append(0.0, np.maximum.accumulate(end)) if len(end) else np.zeros(1)
    ends = np.append(start, whole)
    gaps = np.column_stack([begins, ends])
    return gaps[gaps[:, 1] > gaps[:, 0]]
