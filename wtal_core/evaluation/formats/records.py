"""A JSON list of records, or one record per line, as language models and scripts write them.

[{"video": …, "label": …, "start": …, "end": …, "score": …}], keys as the columns of a table
(`text_tables.NAMES`); `segment: [start, end]` stands for both times.
"""

import json
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.columns import NEEDED, content_of, roles
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading.json_files import parse_json

ONE_RECORD = 10_000  # bytes up to which a file is looked at as a single record


def recognises(opened: Opened) -> bool:
    """A list of objects, or several lines of them, of which the first one names a video."""
    if not opened.begins_as_json:
        return False
    first = _first_line(opened) if opened.data.lstrip()[:1] == b"{" else _first_of(opened.json)
    if not isinstance(first, dict):
        return False
    known = set(roles(list(first)))
    return set(NEEDED) <= known or ("video" in known and "segment" in first)


def _first_of(content: object) -> object:
    return content[0] if isinstance(content, list) and content else None


def _first_line(opened: Opened) -> object:
    """The first of several lines, None where it is no object of its own; a small file may be one
    record altogether.
    """
    whole = opened.data.removeprefix(b"\xef\xbb\xbf").strip()
    line, _, rest = whole.partition(b"\n")
    if not rest.lstrip().startswith(b"{"):
        line = whole if len(whole) <= ONE_RECORD else b""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def read(opened: Opened, kind: Kind | None) -> Content:
    """Detections or annotations; raises WorkbookError for a record that is no object."""
    records: Any
    if opened.data.lstrip()[:1] == b"[":
        records = opened.json
    else:
        lines = [line for line in opened.text.splitlines() if line.strip()]
        is_split = len(lines) > 1 and not lines[1].lstrip().startswith("{")  # one record, indented
        joined = opened.text if is_split else ",".join(lines)
        records = parse_json(f"[{joined}]".encode(), opened.name)
    odd = [place for place, record in enumerate(records) if not isinstance(record, dict)]
    if odd:
        raise WorkbookError(
            f"{opened.name}: record {odd[0]} is no object; expected video and times"
        )
    table = pd.DataFrame.from_records(records)
    if "segment" in table:
        pairs = table["segment"].tolist()
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise WorkbookError(f"{opened.name}: a segment is no pair; expected [start, end]")
        times = pd.DataFrame(pairs, columns=["t_start", "t_end"], index=table.index)
        table = pd.concat([table.drop(columns="segment"), times], axis=1)
    return content_of(table, kind, opened.name)


FORMAT = Format("records", "JSON list of records", recognises, read)
