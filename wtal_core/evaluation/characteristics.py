"""Properties of instances that a detector may find hard, and the buckets that sort them.

Source: DETAD, Alwassel et al. 2018.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats import registry
from wtal_core.evaluation.formats.opening import Opened, open_file
from wtal_core.evaluation.ground_truth import GroundTruth, numbers
from wtal_core.reading.refusal import shown
from wtal_core.reading.values import length

CHARACTERISTICS = ("coverage", "length", "instances")
FIVE = ("XS", "S", "M", "L", "XL")
FOUR = ("XS", "S", "M", "L")


@dataclass(frozen=True)
class Buckets:
    """A characteristic, cut at `edges` into right-closed buckets (a, b].

    The lowest edge belongs to the first bucket.
    """

    name: str
    unit: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse edges that do not rise, and a number of labels that does not fit."""
        rising = all(low < high for low, high in pairwise(self.edges))
        if len(self.labels) != len(self.edges) - 1 or not rising:
            raise WorkbookError(
                f"buckets of {self.name}: edges {self.edges} must rise and be one more than the "
                f"labels {self.labels}; correct one of them"
            )

    def ranges(self) -> list[str]:
        """What each bucket holds, in words: "≤ 3 s", "3 to 6 s", "> 18 s"; shares in percent."""
        if self.unit.startswith("share"):
            scale, unit = 100, " %"
        else:
            scale, unit = 1, " s" if self.unit == "s" else ""
        edges = [f"{scale * edge:g}" for edge in self.edges]
        words = [f"{low} to {high}{unit}" for low, high in pairwise(edges)]
        words[0] = f"≤ {edges[1]}{unit}"
        if not np.isfinite(self.edges[-1]):
            words[-1] = f"> {edges[-2]}{unit}"
        return words

    def number(self, values: Float[np.ndarray, " G"]) -> Int[np.ndarray, " G"]:
        """Bucket of each value, 0 for the first label; -1 for NaN and values outside the edges."""
        edges = np.array(self.edges)
        place = np.searchsorted(edges, values, side="left") - 1
        place[values == edges[0]] = 0
        return np.where((values >= edges[0]) & (values <= edges[-1]), place, -1)


def _three(
    coverage: tuple[float, ...],
    length: tuple[float, ...],
    instances: tuple[float, ...],
) -> tuple[Buckets, Buckets, Buckets]:
    return (
        Buckets("coverage", "share of the video", coverage, FIVE),
        Buckets("length", "s", length, FIVE),
        Buckets("instances", "instances in the video", instances, FOUR),
    )


# Of the published tool. No instance is longer than its video: those of coverage > 1 are removed
# before.
THUMOS14_BUCKETS = _three(
    (0.0, 0.02, 0.04, 0.06, 0.08, 1.0),
    (0.0, 3.0, 6.0, 12.0, 18.0, np.inf),
    (-1.0, 1.0, 40.0, 80.0, np.inf),
)
ACTIVITYNET_BUCKETS = _three(
    tuple(np.linspace(0, 1, 6).tolist()),
    (0.0, 30.0, 60.0, 120.0, 180.0, np.inf),
    (-1.0, 1.0, 4.0, 8.0, np.inf),
)


def characteristics(
    ground_truth: GroundTruth, durations: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Coverage, length and instances, one row per row of `ground_truth.segments`.

    coverage: share of the video's duration. length: in seconds. instances: in the video.
    coverage is NaN where the duration (seconds, by video) is not known. instances counts all listed
    ones of the video, of any class, as in the file that DETAD published for THUMOS14.
    Raises WorkbookError for durations that are not positive and finite, and if none is of a video
    of the ground truth.
    """
    segments = ground_truth.segments
    start = segments["t_start"].to_numpy(dtype=np.float64)
    end = segments["t_end"].to_numpy(dtype=np.float64)
    length = end - start
    known = _checked(durations or {}, ground_truth)
    duration = segments["video"].map(known).to_numpy(dtype=np.float64)
    instances = segments.groupby("video")["video"].transform("size").to_numpy(dtype=np.float64)
    return pd.DataFrame({"coverage": length / duration, "length": length, "instances": instances})


def read_durations(path: str | Path | Opened, required: bool = True) -> dict[str, float]:
    """Seconds by video, from a file of annotations of any known format that states durations.

    Videos without one are absent. Numbers may be written as strings. required: False takes a file
    without any duration for one that tells nothing.
    Raises WorkbookError for a file that cannot be read, one without any duration, and a duration
    that is none.
    """
    opened = path if isinstance(path, Opened) else open_file(path)
    given = registry.durations_of(opened)
    if given is None:
        if not required:
            return {}
        raise registry.unknown(opened, "annotations")
    if not given and required:
        raise WorkbookError(
            f"{opened.name}: no video has the key 'duration'; add it, in seconds, or go without "
            "durations (then coverage is left out)"
        )
    return {
        video: _seconds(value, f"{opened.name}: video {video}") for video, value in given.items()
    }


def read_traits(
    table: pd.DataFrame, ground_truth: GroundTruth, buckets: Sequence[Buckets]
) -> pd.DataFrame:
    """The columns of `table` that `buckets` name, as float64.

    Raises WorkbookError for a table of another length or without a column.
    """
    if len(table) != len(ground_truth.segments):
        raise WorkbookError(
            f"characteristics: {len(table)} rows for {len(ground_truth.segments)} instances; give "
            "a row per row of the ground truth's segments, in that order"
        )
    missing = [trait.name for trait in buckets if trait.name not in table.columns]
    if missing:
        raise WorkbookError(
            f"characteristics: column {missing[0]!r} is missing; expected "
            f"{', '.join(trait.name for trait in buckets)}"
        )
    return pd.DataFrame(
        {trait.name: numbers(table, trait.name, "characteristics") for trait in buckets}
    )


def _checked(durations: Mapping[str, float], ground_truth: GroundTruth) -> Mapping[str, float]:
    if durations and not set(durations) & set(ground_truth.videos):
        raise WorkbookError(
            f"durations: not one video is in the ground truth; it names "
            f"{ground_truth.videos[0]!r}, the durations {next(iter(durations))!r}; spell them alike"
        )
    return {
        video: _seconds(value, f"durations: video {video}") for video, value in durations.items()
    }


def _seconds(value: Any, where: str) -> float:
    remedy = "write a positive number of seconds, or leave it out"
    try:
        seconds = length(value, where)
    except WorkbookError as error:
        raise WorkbookError(f"{where} has the duration {shown(str(value))}; {remedy}") from error
    if seconds == 0:
        raise WorkbookError(f"{where} has the duration {shown(str(value))}; {remedy}")
    return seconds
