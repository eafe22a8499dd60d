"""CSV tables that the workbook itself keeps in a results folder."""

import io
from pathlib import Path

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import AGAIN, reading
from wtal_core.reading.texts import read_text


def read_frame(path: Path, columns: tuple[str, ...], remedy: str = AGAIN) -> pd.DataFrame:
    """A table as pandas reads it; lines that begin with # are notes.

    columns: those that it has to have. Raises WorkbookError for a damaged file.
    """
    text = read_text(path, remedy)
    with reading(path, "is no whole table", remedy):
        table = pd.read_csv(io.StringIO(text), comment="#")
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise WorkbookError(f"{path} lacks the column {missing[0]!r}; {remedy}")
    return table
