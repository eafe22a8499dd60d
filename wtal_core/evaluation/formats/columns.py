"""Tables with named columns: which column is what, and its values with the right types."""

from collections.abc import Sequence
from textwrap import shorten

import numpy as np
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.content import PROPOSAL, Content, Kind
from wtal_core.evaluation.formats.entries import UNREADABLE, number
from wtal_core.reading import text_tables
from wtal_core.reading.refusal import shown

ROLES = ("video", "label", "t_start", "t_end", "score", "subset", "duration")
FRAMES = {"t_start": ("start_frame", "f_start"), "t_end": ("end_frame", "stop_frame", "f_end")}
TIMES = ("t_start", "t_end", "point")
NEEDED = ("video", "t_start", "t_end")
NO_SCORES = (
    "read as annotations, because it has no scores; `--kind detections` reads it as detections"
)
LONGEST = 200  # letters of a table's names of columns that an error quotes


def roles(columns: Sequence[object]) -> dict[str, object]:
    """Which column holds what: our name -> the name in the file."""
    by_name = {text_tables.plain(name): name for name in reversed(columns)}
    chosen = {}
    for role in ROLES:
        aliases = (*text_tables.NAMES[role], *FRAMES.get(role, ()))
        known = [by_name[alias] for alias in aliases if alias in by_name]
        if known:
            chosen[role] = known[0]
    return chosen


def content_of(table: pd.DataFrame, kind: Kind | None, name: str) -> Content:
    """A table as content: detections where it has scores or they are asked for.

    Names must be text, numbers numbers; raises WorkbookError for others and for missing columns.
    """
    chosen = roles(list(table.columns))
    notes = []
    if kind is None:
        kind = "detections" if "score" in chosen else "annotations"
        notes = [NO_SCORES] if kind == "annotations" else []
    needed = NEEDED if kind == "detections" else (*NEEDED, "label")
    missing = [role for role in needed if role not in chosen]
    if missing:
        wanted = "video, label, t_start, t_end" + (", score" if kind == "detections" else "")
        there = ", ".join(map(str, table.columns))
        raise WorkbookError(
            f"{name}: has the columns {shorten(there, LONGEST, placeholder=' …')}; "
            f"expected {wanted}"
        )
    columns: dict[str, object] = {"video": _texts(table[chosen["video"]], name)}
    has_label = "label" in chosen
    columns["label"] = _texts(table[chosen["label"]], name) if has_label else PROPOSAL
    for role in ("t_start", "t_end"):
        columns[role] = numbers(table[chosen[role]], role, name)
    if kind == "detections":
        has_score = "score" in chosen
        columns["score"] = numbers(table[chosen["score"]], "score", name) if has_score else 1.0
    result = pd.DataFrame(columns, index=table.index)
    if not has_label:
        result["label"] = result["label"].astype("str")
    unread = [str(column) for column in table.columns if column not in chosen.values()]
    frames = any(text_tables.plain(chosen[role]) in aliases for role, aliases in FRAMES.items())
    notes += [f"columns that are not read: {', '.join(unread)}"] if unread else []
    clock = _first_clock(table, [chosen["t_start"], chosen["t_end"]])
    if clock:
        notes.append(f"times such as {clock!r} are read as minutes and seconds")
    return Content(
        kind,
        result,
        tuple(result["video"].dropna().unique()),
        subsets=_by_video(table, chosen, "subset"),
        durations=_by_video(table, chosen, "duration"),
        frames=frames,
        unlabelled=kind == "detections" and not has_label,
        unscored=kind == "detections" and "score" not in chosen,
        notes=tuple(notes),
    )


def _first_clock(table: pd.DataFrame, columns: Sequence[object]) -> str:
    """The first time that is written as m:ss; "" where none is."""
    for column in columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            texts = table[column].astype(str)
            clocks = texts[texts.str.contains(":", regex=False)]
            if len(clocks):
                return str(clocks.iloc[0])
    return ""


def _by_video(table: pd.DataFrame, chosen: dict[str, object], role: str) -> dict:
    if role not in chosen:
        return {}
    rows = table.drop_duplicates(chosen["video"])
    values = rows[chosen[role]].astype(object).where(rows[chosen[role]].notna(), None)
    return dict(zip(rows[chosen["video"]], values, strict=True))


def _texts(column: pd.Series, name: str) -> pd.Series:
    """Missing names stay missing, for the check that tells their row."""
    for value in column.dropna().unique():
        if not isinstance(value, str):
            value = value.item() if isinstance(value, np.generic) else value
            raise WorkbookError(
                f"{name}: column {column.name!r} holds {shown(value)}; write names as text"
            )
    if column.isna().any():
        return column.astype(object).where(column.notna(), None)
    return column.astype(str)


def numbers(column: pd.Series, role: str, name: str) -> np.ndarray:
    """A column as float64; raises WorkbookError that names the first value which is no number.

    Text may have a decimal comma, and a time may be m:ss, see `text_tables.seconds`.
    """
    if column.dtype == bool:
        raise WorkbookError(f"{name}: column {role!r} holds true and false; write numbers")
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    read = text_tables.seconds if role in TIMES else text_tables.number
    values = np.full(len(column), np.nan)
    if isinstance(column.dtype, pd.StringDtype):  # plain numbers at once, the rest one by one
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        values = values.copy()
    for row in np.flatnonzero(np.isnan(values)):
        value = column.iloc[row]
        try:
            values[row] = read(value) if isinstance(value, str) else number(value)
        except UNREADABLE:
            raise WorkbookError(
                f"{name}: column {role!r} holds something that is not a number (row {row}: "
                f"{shown(str(value))}); write numbers, times in seconds or as m:ss"
            ) from None
    return values


def is_number(cell: str | bytes) -> bool:
    """Whether the cell of a text can be read as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
