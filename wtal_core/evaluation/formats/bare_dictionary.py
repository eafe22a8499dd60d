"""A dictionary of videos without anything around it.

Annotations: {video: {"duration_second", "duration_frame", "feature_frame", "annotations": [...]}},
of BSN, BMN and mmaction2 (sources: wzmsltw/BSN-boundary-sensitive-network,
data/activitynet_annotations/anet_anno_action.json; open-mmlab/mmaction2, its config of BMN).
Detections: {video: [{"label", "segment", "score"}]}, as scripts write them without `results`.
"""

import json
from typing import Any

from wtal_core.evaluation.formats.activitynet import (
    annotated_entries,
    stated_durations,
)
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.entries import detections_of, entries_of
from wtal_core.evaluation.formats.opening import Opened

DURATIONS = ("duration_second", "duration")


def recognises(opened: Opened) -> bool:
    """An object whose first entry has annotations, or is a list of segments."""
    content = opened.json if opened.begins_as_json else None
    if not isinstance(content, dict):
        return False
    first = next((entry for entry in content.values() if entry), None)
    if isinstance(first, list):
        return isinstance(first[0], dict) and "segment" in first[0]
    return isinstance(first, dict) and "annotations" in first


def read(opened: Opened, kind: Kind | None) -> Content:
    """Annotations of objects, detections of lists."""
    content: Any = opened.json
    if any(isinstance(entry, dict) for entry in content.values()):
        return Content(
            "annotations",
            annotated_entries(content, opened.name),
            tuple(content),
            durations=stated_durations(content, DURATIONS),
        )
    return detections_of(content, opened.name)


def write_annotations(content: Content) -> bytes:
    """Of each video its duration in seconds and its annotations."""
    instances = entries_of(content.table)
    database = {}
    for video in dict.fromkeys((*content.videos, *instances)):
        entry: dict[str, Any] = {}
        if video in content.durations:
            entry["duration_second"] = float(content.durations[video])
        database[video] = {**entry, "annotations": instances.get(video, [])}
    return json.dumps(database).encode()


FORMAT = Format(
    id="bsn",
    title="BSN's, BMN's and mmaction2's dictionary",
    recognises=recognises,
    read=read,
    ending=".json",
    write={"annotations": write_annotations},
    keeps=frozenset({"videos", "durations"}),
)
