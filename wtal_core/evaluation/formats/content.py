"""What a file of others holds, in one form for all formats, and what a format is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from wtal_core.evaluation.formats.opening import Opened

Kind = Literal["detections", "annotations", "clicks"]
PROPOSAL = ""  # label of a detection of no class


@dataclass(frozen=True)
class Content:
    """What a file holds, as it is written there; nothing is checked but types.

    table: `video, label, t_start, t_end` and, of detections, `score`; clicks `video, label, t`.
        Times in seconds unless `frames`.
    videos: all videos that the file lists, in its order, also those without a row.
    subsets: video -> subset, where the format has subsets; None where a video names none.
    durations: video -> duration, as written.
    lists: what else the file states of the test list: classes, blocked, ambiguous, timebase.
    frames: times are frame numbers.
    unlabelled: detections of no class; their label is PROPOSAL.
    unscored: detections without a score; it is 1 for each.
    notes: lines about what was taken how.
    """

    kind: Kind
    table: pd.DataFrame
    videos: tuple[str, ...] = ()
    subsets: Mapping[str, str | None] = field(default_factory=dict)
    durations: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, Any] = field(default_factory=dict)
    frames: bool = False
    unlabelled: bool = False
    unscored: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format that is read, and perhaps written.

    id: its name in options. title: in messages.
    ending: of files that are written in it; "" for a format that is only read.
    recognises: whether a file is of this format, from its content. It raises nothing.
    read: the content; the second argument says what is asked for, None: whatever it holds.
    write: kind -> the function from a content to bytes.
    keeps: kind -> what of a content this format can hold, of LOSSES.
    """

    id: str
    title: str
    recognises: Callable[[Opened], bool]
    read: Callable[[Opened, Kind | None], Content]
    ending: str = ""
    write: Mapping[Kind, Callable[[Content], bytes]] = field(default_factory=dict)
    keeps: frozenset[str] = frozenset()
