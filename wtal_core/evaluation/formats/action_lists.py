"""Lists of actions by video: {video: {"subset", "duration", "actions": [[class, start, end]]}}.

The form of MultiTHUMOS's and Charades's annotations in the repositories of dense detection
(source: piergiaj/super-events-cvpr18, data/multithumos.json and charades.json). Classes are
numbers; a class list names them. Times are seconds.
"""

import json
from typing import Any

import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.activitynet import stated_durations
from wtal_core.evaluation.formats.class_list import class_number
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.entries import UNREADABLE, number
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading.refusal import shown


def recognises(opened: Opened) -> bool:
    """An object whose first entry has actions."""
    content = opened.json if opened.begins_as_json else None
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    return isinstance(first, dict) and "actions" in first


def read(opened: Opened, kind: Kind | None) -> Content:
    """Annotations; a label is the class's number as text until a class list names it."""
    content: Any = opened.json
    rows = []
    for video, entry in content.items():
        listed = entry.get("actions") if isinstance(entry, dict) else None
        if not isinstance(listed, list):
            raise WorkbookError(
                f"{opened.name}: video {video} has no list 'actions'; expected "
                "[[class, start, end], …]"
            )
        for place, action in enumerate(listed):
            try:
                label, start, end = action
                rows.append((video, class_number(label), number(start), number(end)))
            except UNREADABLE:
                raise WorkbookError(
                    f"{opened.name}: action {place} of video {video} is {shown(action)}, "
                    "expected [class, start, end]"
                ) from None
    table = pd.DataFrame(rows, columns=SEGMENT_COLUMNS)
    return Content(
        "annotations",
        table.astype({"video": str, "label": str, "t_start": float, "t_end": float}),
        tuple(content),
        subsets={video: entry.get("subset") for video, entry in content.items()},
        durations=stated_durations(content, ("duration",)),
    )


def write_annotations(content: Content) -> bytes:
    """Classes are written as numbers where all are numbers, else by their names."""
    actions: dict[str, list] = {video: [] for video in content.videos}
    values = [content.table[name].tolist() for name in SEGMENT_COLUMNS]
    numbered = all(label.isdecimal() for label in set(values[1]))
    for video, label, start, end in zip(*values, strict=True):
        named = int(label) if numbered else label
        actions.setdefault(video, []).append([named, start, end])
    database = {}
    for video, listed in actions.items():
        entry: dict[str, Any] = {}
        if content.subsets.get(video) is not None:
            entry["subset"] = content.subsets[video]
        if video in content.durations:
            entry["duration"] = float(content.durations[video])
        database[video] = {**entry, "actions": listed}
    return json.dumps(database).encode()


FORMAT = Format(
    id="multithumos",
    title="MultiTHUMOS's and Charades's lists of actions",
    recognises=recognises,
    read=read,
    ending=".json",
    write={"annotations": write_annotations},
    keeps=frozenset({"videos", "subsets", "durations"}),
)
