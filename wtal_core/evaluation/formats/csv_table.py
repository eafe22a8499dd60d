"""Text tables with a header, as `reading.text_tables` describes them.

ActivityNet's toolkit calls the columns `video-id, t-start, t-end, label, score`. pandas reads the
cells, so that a million rows take seconds.
"""

import io
import warnings

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.columns import NEEDED, content_of, roles
from wtal_core.evaluation.formats.content import Content, Format, Kind
from wtal_core.evaluation.formats.opening import Opened
from wtal_core.reading.text_tables import header


def recognises(opened: Opened) -> bool:
    """A header that names a video, a start and an end."""
    return not opened.begins_as_json and set(NEEDED) <= set(roles(header(opened.head)[1]))


def read(opened: Opened, kind: Kind | None) -> Content:
    """Detections where there is a score, annotations otherwise; or what is asked for."""
    return content_of(read_table(opened), kind, opened.name)


def read_table(opened: Opened) -> pd.DataFrame:
    """All columns: names as text, others as pandas reads them. Raises WorkbookError."""
    separator, cells = header(opened.head)
    chosen = roles(cells)
    names = {chosen[role]: str for role in ("video", "label", "subset") if role in chosen}
    try:
        with warnings.catch_warnings():
            # pandas only warns where a line has more cells than the header, and drops them
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(opened.text),
                sep=separator,
                keep_default_na=False,
                dtype=names,
                index_col=False,
                skipinitialspace=True,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise WorkbookError(
            f"{opened.name}: is no whole table ({reason}); write a cell that holds a "
            f"{separator!r} in quotes"
        ) from None
    return table.rename(columns=str.strip)


def write(content: Content) -> bytes:
    """The table with a header, its numbers as exact as they are."""
    table = content.table
    if content.kind == "annotations":
        subsets = table["video"].map(content.subsets)
        durations = table["video"].map(content.durations)
        if subsets.notna().any():
            table = table.assign(subset=subsets)
        if durations.notna().any():
            table = table.assign(duration=durations)
    if content.unlabelled:
        table = table.drop(columns="label")
    return table.to_csv(index=False).encode()


FORMAT = Format(
    id="csv",
    title="table with named columns (CSV)",
    recognises=recognises,
    read=read,
    ending=".csv",
    write={"detections": write, "annotations": write},
    keeps=frozenset({"subsets", "durations"}),
)
