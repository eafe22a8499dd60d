"""All formats, in the order in which they are tried, and reading and writing by them."""

import gzip
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.evaluation.formats import (
    action_lists,
    actionformer,
    activitynet,
    activitynet_stream,
    bare_dictionary,
    clicks,
    csv_table,
    parquet_table,
    records,
    thumos_folder,
    thumos_submission,
)
from wtal_core.evaluation.formats.class_list import is_numbers, named
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import STANDARD_INPUT, Opened
from wtal_core.reading import values
from wtal_core.reading.refusal import reading, shown

FORMATS = (
    thumos_folder.FORMAT,
    parquet_table.FORMAT,
    actionformer.FORMAT,
    records.FORMAT,
    activitynet.FORMAT,
    bare_dictionary.FORMAT,
    action_lists.FORMAT,
    clicks.POINT_TABLE,
    clicks.TABLE,
    csv_table.FORMAT,
    clicks.LINES,
    thumos_submission.FORMAT,
    activitynet.DETAD,
)
WRITTEN = {form.id: form for form in FORMATS if form.write}
DEFAULTS: dict[tuple[str, Kind], str] = {
    (".json", "detections"): "activitynet",
    (".json", "annotations"): "activitynet",
    (".csv", "detections"): "csv",
    (".csv", "annotations"): "csv",
    (".parquet", "detections"): "parquet",
    (".parquet", "annotations"): "parquet",
    (".txt", "detections"): "thumos14",
    (".txt", "clicks"): "sfnet",
    (".csv", "clicks"): "clicks",
}
WORDS: dict[Kind, str] = {
    "detections": "detections",
    "annotations": "annotations",
    "clicks": "clicks",
}
# what a format may lose -> how much of it a content has
LOSSES: dict[str, Callable[[Content], int]] = {
    "videos": lambda content: len(set(content.videos) - set(content.table["video"])),
    "subsets": lambda content: sum(name is not None for name in content.subsets.values()),
    "durations": lambda content: len(content.durations),
    "classes": lambda content: len(
        set(content.lists.get("classes", [])) - set(content.table["label"])
    ),
    "lists": lambda content: sum(
        bool(content.lists.get(name)) for name in ("blocked", "ambiguous", "timebase")
    ),
}
LOSS_WORDS = {
    "videos": "videos without an entry",
    "subsets": "subsets of videos",
    "durations": "durations of videos",
    "classes": "classes without an entry",
    "lists": "lists (blocked videos, ambiguous intervals, time base)",
}


def format_of(opened: Opened) -> Format | None:
    """The first format that recognises a file."""
    return next((form for form in FORMATS if form.recognises(opened)), None)


def read_content(
    opened: Opened, kind: Kind | None = None, class_names: dict[str, str] | None = None
) -> Content:
    """What a file holds.

    kind: what is asked for; None: whatever there is. class_names: number -> name, for classes that
    are written as numbers. Raises WorkbookError for a file of no known format, or of another kind.
    """
    form = format_of(opened)
    if form is None:
        raise unknown(opened, kind)
    content = _read(form, opened, kind)
    if kind is not None and content.kind != kind:
        raise WorkbookError(
            f"{opened.name}: holds {WORDS[content.kind]} ({form.title}), expected {WORDS[kind]}; "
            "give the other file"
        )
    return _by_name(content, class_names)


def read_detections_of(path: Path, class_names: dict[str, str]) -> Content | None:
    """Detections of a large file, read piece by piece; None where `read_content` has to."""
    content = activitynet_stream.read(path)
    if content is None:
        return None
    with reading(path, f"is damaged, or no {activitynet.FORMAT.title}"):
        _refuse_no_names(content, path)
    return _by_name(content, class_names)


def _by_name(content: Content, class_names: dict[str, str] | None) -> Content:
    """The content, with names for classes that are written as numbers."""
    if class_names and is_numbers(content.table["label"]):
        return replace(content, table=named(content.table, class_names))
    return content


def _read(form: Format, opened: Opened, kind: Kind | None) -> Content:
    """What a file of a known format holds. All that a format may trip over is one WorkbookError."""
    where = Path(opened.name)
    with reading(where, f"is damaged, or no {form.title}"):
        content = form.read(opened, kind)
        _refuse_no_names(content, where)
        return content


def _refuse_no_names(content: Content, where: Path) -> None:
    """Raise WorkbookError where something is no name that has to be one."""
    for name in ("video", "label"):
        known = pd.Series(content.table[name].unique()).dropna()
        values.names(known.tolist(), f"{where}: {name}")
    values.names(list(content.videos), f"{where}: its videos")
    subsets = values.mapping(content.subsets, f"{where}: 'subsets'").values()
    values.names([name for name in subsets if name is not None], f"{where}: 'subsets'")
    values.mapping(content.durations, f"{where}: 'durations'")
    values.listed(content.lists.get("ambiguous", []), f"{where}: 'ambiguous'")
    for name in ("videos", "classes", "blocked"):
        values.names(content.lists.get(name, []), f"{where}: {name!r}")


def unknown(opened: Opened, kind: Kind | None) -> WorkbookError:
    """The error about a file of no known format, as its ending suggests."""
    if opened.is_folder:
        return WorkbookError(f"{opened.name}: is a folder; name the file in it")
    if opened.ending == ".parquet":
        return WorkbookError(
            f"{opened.name}: not a whole Parquet file; write or fetch the file again"
        )
    if not opened.data.removeprefix(BOM_UTF8).strip():
        return WorkbookError(
            f"{opened.name}: is empty, so not complete JSON; write or fetch the file again"
        )
    if opened.begins_as_json or opened.ending == ".json":
        _ = opened.json  # raises what is wrong with it
        key = "database" if kind == "annotations" else "results"
        return activitynet.absent(key, "an object", opened.name)
    first = opened.text.lstrip().splitlines()[0][:60]
    return WorkbookError(
        f"{opened.name}: is of no known format; it begins with {first!r}, expected JSON, Parquet, "
        "or a table whose first line names video, label, t_start, t_end and score"
    )


def durations_of(opened: Opened) -> dict[str, Any] | None:
    """Durations as written; None for a file of no known format."""
    form = format_of(opened)
    if form in (activitynet.FORMAT, bare_dictionary.FORMAT):
        content: Any = opened.json
        database = content
        if form is activitynet.FORMAT:
            database = activitynet.mapping(content, "database", opened.name)
        return activitynet.stated_durations(database, bare_dictionary.DURATIONS)
    return dict(_read(form, opened, None).durations) if form else None


def written_format(path: Path, kind: Kind, to: str | None = None) -> Format:
    """The format to write: the one of that id, or the one of the file's ending."""
    if to is None:
        ending = Opened(path).ending
        to = DEFAULTS.get((ending, kind))
        if to is None:
            endings = sorted(known for known, of in DEFAULTS if of == kind)
            raise WorkbookError(
                f"{path}: {WORDS[kind]} are not written as {ending or 'a file without ending'!r}; "
                f"use {', '.join(endings)}, or name a format with --to"
            )
    if to not in WRITTEN:
        raise WorkbookError(f"no format {to!r} is written; choose {', '.join(WRITTEN)}")
    if kind not in WRITTEN[to].write:
        able = [form.id for form in WRITTEN.values() if kind in form.write]
        raise WorkbookError(f"{WORDS[kind]} cannot be written as {to}; choose {', '.join(able)}")
    return WRITTEN[to]


def losses(content: Content, form: Format) -> list[str]:
    """What of a content a format cannot hold, in words."""
    lost = {name: count(content) for name, count in LOSSES.items() if name not in form.keeps}
    return [f"{number} {LOSS_WORDS[name]}" for name, number in lost.items() if number]


def write_content(content: Content, path: Path, form: Format) -> None:
    """Write a file whole, compressed where its name ends in .gz.

    Raises WorkbookError for impossible durations, and where the file would be empty.
    """
    stated = {video: value for video, value in content.durations.items() if value not in ("", None)}
    for video, value in stated.items():
        values.length(value, f"the duration of video {shown(video)}")
    data = form.write[content.kind](replace(content, durations=stated))
    if not data:
        raise WorkbookError(
            f"{path} is not written: there are no {content.kind}, and {form.title} of none would "
            "be an empty file; choose a source that holds some"
        )
    if path.name.lower().endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    write_whole(path, lambda partial: partial.write_bytes(data))


def is_standard_input(path: str | Path) -> bool:
    """Whether a name stands for standard input."""
    return Path(path) == STANDARD_INPUT
