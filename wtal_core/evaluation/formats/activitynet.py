"""ActivityNet's JSON, which OpenTAD and DETAD share.

Detections: {"results": {video: [{"label", "segment": [start, end], "score"}]}}.
Annotations: {"database": {video: {"subset", "duration", "annotations": [{"label", "segment"}]}}}.

Sources: activitynet/ActivityNet, Evaluation/eval_detection.py; sming256/OpenTAD writes the same
results without a version, and adds `frame` to a video of the database; HumamAlwassel/DETAD adds
`coverage`, `length` and `num-instances` to each annotation. Keys that are not named here are not
looked at. This workbook adds the lists of a test list: classes, blocked, ambiguous, timebase.
"""

import json
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.entries import detections_of, entries_of, read_entries
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading.refusal import shown

EXPECTED = "expected the ActivityNet JSON format"
LISTS = ("classes", "blocked", "ambiguous", "timebase", "videos")


def recognises(opened: Opened) -> bool:
    """An object with `results` or `database`."""
    content = opened.json if opened.begins_as_json else None
    return isinstance(content, dict) and ("results" in content or "database" in content)


def read(opened: Opened, kind: Kind | None) -> Content:
    """Detections or annotations; raises WorkbookError for what is neither."""
    content: Any = opened.json
    if kind is None:
        kind = "detections" if "results" in content else "annotations"
    if kind == "annotations":
        return _annotations(content, opened.name)
    results = mapping(content, "results", opened.name)
    return detections_of(results, opened.name)


def _annotations(content: dict, name: str) -> Content:
    database = mapping(content, "database", name)
    return Content(
        "annotations",
        annotated_entries(database, name),
        tuple(database),
        subsets={video: _subset(entry, video, name) for video, entry in database.items()},
        durations=stated_durations(database, ("duration",)),
        lists={key: content[key] for key in LISTS if key in content},
    )


def annotated_entries(database: dict, name: str) -> pd.DataFrame:
    """{video: {"annotations": [entry]}} as `video, label, t_start, t_end`."""
    annotations: dict[str, list] = {}
    for video, entry in database.items():
        listed = entry.get("annotations") if isinstance(entry, dict) else None
        if not isinstance(listed, list):
            raise absent("annotations", "a list", f"{name}: video {video}")
        annotations[video] = listed
    return read_entries(annotations, False, name).table


def stated_durations(database: dict, keys: tuple[str, ...]) -> dict[str, Any]:
    """Durations as written, under the first of `keys` that a video has; others are absent."""
    durations = {}
    for video, entry in database.items():
        stated = [entry[key] for key in keys if isinstance(entry, dict) and key in entry]
        if stated and stated[0] is not None:
            durations[video] = stated[0]
    return durations


def _subset(entry: dict, video: str, name: str) -> str | None:
    subset = entry.get("subset")
    if subset is not None and not isinstance(subset, str):
        raise WorkbookError(
            f"{name}: video {video} has the subset {shown(subset)}; write a name, or leave it out"
        )
    return subset


def mapping(content: object, key: str, where: object) -> dict:
    """content[key], which must be there and be an object."""
    member = content.get(key) if isinstance(content, dict) else None
    if not isinstance(member, dict):
        raise absent(key, "an object", where)
    return member


def absent(key: str, kind: str, where: object) -> WorkbookError:
    """The error about a key that is not there."""
    return WorkbookError(f"{where}: the key {key!r} with {kind} is missing; {EXPECTED}")


def write_detections(content: Content) -> bytes:
    """With the keys that the ActivityNet toolkit asks for; the order within a video is kept."""
    results: dict[str, list] = {video: [] for video in content.videos}
    results.update(entries_of(content.table, content.unlabelled))
    whole = {"version": "VERSION 1.3", "results": results, "external_data": {}}
    return json.dumps(whole).encode()


def write_annotations(content: Content) -> bytes:
    """The whole content; segments are ordered by video, which changes no value of any protocol."""
    return json.dumps({"database": _database(content), **content.lists}).encode()


def _database(content: Content) -> dict[str, dict[str, Any]]:
    instances = entries_of(content.table)
    database: dict[str, dict[str, Any]] = {}
    for video in dict.fromkeys((*content.videos, *instances)):
        entry: dict[str, Any] = {}
        if content.subsets.get(video) is not None:
            entry["subset"] = content.subsets[video]
        if video in content.durations:
            entry["duration"] = content.durations[video]
        database[video] = {**entry, "annotations": instances.get(video, [])}
    return database


def write_detad(content: Content) -> bytes:
    """As DETAD's scripts ask for it: each annotation with its length, coverage and companions.

    Source: HumamAlwassel/DETAD, data/thumos14_test_extra_characteristics.json. What it does not
    know of THUMOS14 either is null there and here.
    """
    database = _database(content)
    for entry in database.values():
        for instance in entry["annotations"]:
            start, end = instance["segment"]
            duration = float(entry["duration"]) if "duration" in entry else None
            instance.update(
                {
                    "length": end - start,
                    "coverage": (end - start) / duration if duration else None,
                    "num-instances": len(entry["annotations"]),
                    "agreement": None,
                    "context-size": None,
                    "context-distance": None,
                    "all-segments": None,
                }
            )
    return json.dumps({"taxonomy": [], "version": [], "database": database}).encode()


FORMAT = Format(
    id="activitynet",
    title="ActivityNet JSON",
    recognises=recognises,
    read=read,
    ending=".json",
    write={"detections": write_detections, "annotations": write_annotations},
    keeps=frozenset({"videos", "subsets", "durations", "classes", "lists"}),
)
DETAD = Format(
    id="detad",
    title="DETAD's JSON of ground truth",
    recognises=lambda opened: False,  # it is ActivityNet's, with more keys
    read=read,
    ending=".json",
    write={"annotations": write_detad},
    keeps=frozenset({"videos", "subsets", "durations"}),
)
