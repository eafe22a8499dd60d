"""What an evaluation begins with: ground truth and detections, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Int

from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import shown
from wtal_core.timebase import Timebase

NO_SUBSET = ""  # of a video whose subset the file does not name
DETECTION_COLUMNS = [*SEGMENT_COLUMNS, "score"]


@dataclass(frozen=True)
class GroundTruth:
    """The instances of a test list.

    segments: `video, label, t_start, t_end` in seconds, in file order, which decides between equal
        tIoU. Published files hold zero-length and reversed ones, so these are kept: they are never
        matched, and each protocol counts or drops them.
    videos: the test list, also those without instance.
    classes: in the order of the tables.
    ambiguous: `video, label, t_start, t_end` in seconds, for protocols with the ambiguity filter;
        empty: the filter is off.
    timebase: the grid of the W-TALC protocols.
    blocked: videos whose ground truth and detections are removed (option of the ActivityNet
        toolkit).
    durations: seconds of the videos where they are known.
    elsewhere: videos of the file that are of another subset -> that subset, or NO_SUBSET.
    notes: what the reader took how, one line each.
    """

    segments: pd.DataFrame
    videos: tuple[str, ...]
    classes: tuple[str, ...]
    ambiguous: pd.DataFrame = field(default_factory=empty_segments)
    timebase: Timebase = field(default_factory=Timebase)
    blocked: tuple[str, ...] = ()
    durations: Mapping[str, float] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse repeated entries, and segments of no finite time or unknown video or class."""
        for name, entries in (("videos", self.videos), ("classes", self.classes)):
            if len(set(entries)) < len(entries):
                repeated = [entry for entry in entries if entries.count(entry) > 1]
                raise WorkbookError(
                    f"ground truth: {repeated[0]!r} is twice in the list of {name}; list it once"
                )
        check_intervals(self.segments, "ground truth")
        check_intervals(self.ambiguous, "ambiguous intervals")
        _check_known(self.segments, "video", self.videos)
        _check_known(self.segments, "label", self.classes)


def ground_truth_of(dataset: Dataset, protocol_id: str) -> GroundTruth:
    """The test ground truth of a data set; videos that this protocol leaves out are blocked."""
    return GroundTruth(
        segments=dataset.segments_of("test"),
        videos=tuple(video.id for video in dataset.test),
        classes=dataset.classes,
        ambiguous=dataset.ambiguous,
        timebase=dataset.timebase,
        blocked=dataset.left_out.get(protocol_id, ()),
    )


def check_intervals(table: pd.DataFrame, source: str) -> None:
    """Refuse a table that lacks a column or a name, or whose times are not finite numbers."""
    missing = [name for name in SEGMENT_COLUMNS if name not in table.columns]
    if missing:
        raise WorkbookError(
            f"{source}: column {missing[0]!r} is missing, expected {', '.join(SEGMENT_COLUMNS)}"
        )
    nameless = table[["video", "label"]].isna().any(axis=1).to_numpy()
    refuse(table, nameless, source, "has no video or no label")
    for name in ("t_start", "t_end"):
        infinite = ~np.isfinite(numbers(table, name, source))
        refuse(table, infinite, source, f"has a {name} that is not a finite number")


@dataclass(frozen=True)
class Detections:
    """Detections that have been checked. `checked` makes them, and nothing else should.

    table: `video, label, t_start, t_end, score` (seconds), with nothing that `check_detections`
        refuses. Whoever changes it in place loses that.
    reversed: how many ended before they started in the file; they have no length here.
    unlabelled: proposals of no class.
    notes: what the reader took how, one line each.
    """

    table: pd.DataFrame
    reversed: int = 0
    unlabelled: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, order: Int[np.ndarray, " R"]) -> "Detections":
        """These rows, in this order; they need no new check."""
        return replace(self, table=self.table.iloc[order])


def checked(detections: pd.DataFrame | Detections, source: str = "detections") -> Detections:
    """Check a table of detections; those that have been checked are returned as they are.

    source: what the error names. Raises WorkbookError as `check_detections` does.
    """
    if isinstance(detections, Detections):
        return detections
    check_detections(detections, source)
    return Detections(detections)


def check_detections(table: pd.DataFrame, source: str = "detections") -> None:
    """Refuse what `check_intervals` refuses, reversed intervals and scores that are NaN.

    Scores of plus and minus infinity order well and are allowed, and so are intervals of zero
    length (never a match).
    DIFFERS: published codes rank a NaN score by accident of their sort; it has no place in an
    order, so it is refused.
    """
    check_intervals(table, source)
    if "score" not in table.columns:
        raise WorkbookError(
            f"{source}: column 'score' is missing, expected {', '.join(DETECTION_COLUMNS)}"
        )
    start = numbers(table, "t_start", source)
    end = numbers(table, "t_end", source)
    refuse(
        table,
        end < start,
        source,
        "ends before it starts",
        "correct or remove it, or score it as a false positive with --reversed count",
    )
    refuse(table, np.isnan(numbers(table, "score", source)), source, "has the score NaN")


def refuse(
    table: pd.DataFrame,
    bad: np.ndarray,
    source: str,
    what: str,
    remedy: str = "correct or remove it",
) -> None:
    """Raise an error that names the first bad row [N] and how many there are, if there is any."""
    if bad.any():
        first = int(np.argmax(bad))
        row = table.iloc[first]
        raise WorkbookError(
            f"{source}: row {first}, [{row['t_start']}, {row['t_end']}] of {shown(row['label'])} "
            f"in video {shown(row['video'])}, {what} ({int(bad.sum())} such rows); {remedy}"
        )


def numbers(table: pd.DataFrame, name: str, source: str) -> np.ndarray:
    """Column `name` as float64 [N]."""
    try:
        return table[name].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise WorkbookError(
            f"{source}: column {name!r} holds something that is not a number; "
            "write numbers, times in seconds"
        ) from None


def _check_known(segments: pd.DataFrame, column: str, known: tuple[str, ...]) -> None:
    unknown = ~segments[column].isin(known).to_numpy()
    refuse(
        segments,
        unknown,
        "ground truth",
        f"is of a {column} that the list of {column}s does not name",
    )
