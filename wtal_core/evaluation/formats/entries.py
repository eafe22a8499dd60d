"""Lists of entries `{"label", "segment": [start, end], "score"}` by video, as tables.

The common case goes column by column; only a file that holds something odd is gone through entry by
entry, to read numbers that are written as text, and to name the first entry that cannot be read.
"""

from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.content import PROPOSAL, Content
from wtal_core.reading.refusal import shown

OF_A_DETECTION = '{"label": name, "segment": [start, end], "score": number}'
OF_AN_INSTANCE = '{"label": name, "segment": [start, end]}'
UNREADABLE = (KeyError, TypeError, ValueError, OverflowError)


@dataclass(frozen=True)
class Entries:
    """The table, and whether no entry has a label, or no entry has a score."""

    table: pd.DataFrame
    unlabelled: bool
    unscored: bool


def detections_of(results: dict[str, Any], name: str) -> Content:
    """{video: [entry]} as detections, see `read_entries`."""
    entries = read_entries(results, True, name)
    return Content(
        "detections",
        entries.table,
        tuple(results),
        unlabelled=entries.unlabelled,
        unscored=entries.unscored,
    )


def read_entries(entries: dict[str, Any], with_score: bool, name: str) -> Entries:
    """{video: [entry]} as `video, label, t_start, t_end[, score]`, in file order.

    with_score: of detections. If then no entry has a label, they are proposals; if none has a
    score, each has 1. Raises WorkbookError about the first entry that cannot be read.
    """
    flat: list[Any] = []
    for video, listed in entries.items():
        if not isinstance(listed, list):
            raise WorkbookError(
                f"{name}: video {video} holds {shown(listed)}, expected a list of "
                f"{_expected(with_score)}"
            )
        flat.extend(listed)
    keys = {"label", "score"} if with_score else {"label"}
    if with_score and flat:
        keys = {key for key in keys if any(map(_has(key), flat))}
    try:
        columns = plain_columns(flat, keys)
    except UNREADABLE:
        columns = _one_by_one(entries, keys, with_score, name)
    count = np.fromiter(map(len, entries.values()), np.int64, len(entries))
    videos = pd.array(list(entries), dtype="str").take(np.repeat(np.arange(len(entries)), count))
    labels = pd.array(columns.get("label", [PROPOSAL] * len(flat)), dtype="str")
    table = pd.DataFrame(
        {"video": videos, "label": labels, "t_start": columns["start"], "t_end": columns["end"]}
    )
    if with_score:
        table["score"] = columns.get("score", np.ones(len(flat)))
    return Entries(
        table,
        unlabelled=with_score and "label" not in keys,
        unscored=with_score and "score" not in keys,
    )


def entries_of(table: pd.DataFrame, unlabelled: bool = False) -> dict[str, list[dict]]:
    """{video: [entry]} in order of first appearance."""
    results: dict[str, list[dict]] = {}
    names = [name for name in [*SEGMENT_COLUMNS, "score"] if name in table]
    values = [table[name].tolist() for name in names]
    for video, label, start, end, *score in zip(*values, strict=True):
        entry = {} if unlabelled else {"label": label}
        entry["segment"] = [start, end]
        if score:
            entry["score"] = score[0]
        results.setdefault(video, []).append(entry)
    return results


def number(value: Any) -> float:
    """As float64; text is fine, but not all that `float` takes: true, and "1_0" for 10."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise TypeError("no number")
    return float(value)


def _has(key: str) -> Any:
    return lambda entry: isinstance(entry, dict) and key in entry


def _expected(with_score: bool) -> str:
    return OF_A_DETECTION if with_score else OF_AN_INSTANCE


def plain_columns(flat: list[Any], keys: set[str]) -> dict[str, Any]:
    """All values at once; one of UNREADABLE where an entry is not of the plain form."""
    _only({dict}, flat)
    segments = list(map(itemgetter("segment"), flat))
    _only({list}, segments)
    if set(map(len, segments)) - {2}:
        raise ValueError("a segment is a pair")
    times = _numbers(list(chain.from_iterable(segments)))
    columns: dict[str, Any] = {"start": times[::2], "end": times[1::2]}
    if "label" in keys:
        columns["label"] = list(map(itemgetter("label"), flat))
        _only({str}, columns["label"])
    if "score" in keys:
        columns["score"] = _numbers(list(map(itemgetter("score"), flat)))
    return columns


def _numbers(values: list[Any]) -> np.ndarray:
    _only({int, float}, values)
    return np.fromiter(values, np.float64, len(values))


def _only(types: set[type], values: list[Any]) -> None:
    if set(map(type, values)) - types:
        raise TypeError("another type")


def _one_by_one(
    entries: dict[str, list], keys: set[str], with_score: bool, name: str
) -> dict[str, Any]:
    rows = []
    for video, listed in entries.items():
        for place, entry in enumerate(listed):
            try:
                rows.append(_values(entry, keys))
            except UNREADABLE:
                raise WorkbookError(
                    f"{name}: entry {place} of video {video} is {shown(entry)}, expected "
                    f"{_expected(with_score)}"
                ) from None
    table = pd.DataFrame(rows, columns=["start", "end", "label", "score"])
    columns: dict[str, Any] = {"start": table["start"].astype(float), "end": table["end"]}
    columns["end"] = columns["end"].astype(float)
    if "label" in keys:
        columns["label"] = table["label"].tolist()
    if "score" in keys:
        columns["score"] = table["score"].astype(float)
    return columns


def _values(entry: Any, keys: set[str]) -> tuple:
    """(start, end, label, score) of one entry, None for what is not asked for."""
    segment = entry["segment"]
    if not isinstance(segment, list):
        raise TypeError("a segment is a list")
    start, end = segment
    label = entry["label"] if "label" in keys else None
    if "label" in keys and not isinstance(label, str):
        raise TypeError("a label is a name")
    score = number(entry["score"]) if "score" in keys else None
    return number(start), number(end), label, score
