"""What happens to times and classes on the way from one format to another."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.content import Content
from wtal_core.timebase import Timebase

USUAL_FPS = 25.0  # of THUMOS14's clicks


def in_seconds(content: Content, fps: float | None) -> tuple[Content, list[str]]:
    """The content with times in seconds, and lines about what was assumed.

    fps: times are frame numbers; None: only where the format has frames, then 25 per second.
    """
    if fps is None and not content.frames:
        return content, []
    rate = USUAL_FPS if fps is None else fps
    if not 0 < rate < np.inf:
        raise WorkbookError(f"--fps {rate}: give a positive number of frames per second")
    base = Timebase(rate, stride=1.0)
    times = [name for name in ("t_start", "t_end", "t") if name in content.table]
    table = content.table.assign(
        **{name: base.seconds(content.table[name].to_numpy(float)) for name in times}
    )
    note = f"times are taken as frames at {rate:g} per second; another rate: --fps"
    return replace(content, table=table, frames=False), [] if fps else [note]


def from_fractions(content: Content, durations: Mapping[str, float]) -> Content:
    """Times as fractions of the video made seconds; raises WorkbookError where one has none."""
    seconds = content.table["video"].map(durations)
    if seconds.isna().any():
        raise WorkbookError(
            f"video {content.table['video'][seconds.isna()].iloc[0]!r} has no duration in the file "
            "of --fractions-of; add it"
        )
    times = [name for name in ("t_start", "t_end", "t") if name in content.table]
    scaled = {name: content.table[name].to_numpy(float) * seconds.to_numpy(float) for name in times}
    return replace(content, table=content.table.assign(**scaled))


def with_numbers(content: Content, names: Mapping[str, str]) -> Content:
    """Classes by their numbers; raises WorkbookError for one that the list does not name."""
    numbers = {name: number for number, name in names.items()}
    unknown = set(content.table["label"]) - {*numbers, *names}
    if unknown:
        raise WorkbookError(f"the class list does not name {min(unknown)!r}; add it")
    labels = content.table["label"].map(lambda label: numbers.get(label, label)).astype(str)
    return replace(content, table=content.table.assign(label=labels))
