"""Files of others: text, JSON and Parquet, each refused in one line that names it.

Nothing is unpickled.

Files are written whole or not at all: beside the target first, then renamed. What a file holds is
either returned or refused: json keeps the last of equal keys without a word, so equal keys are
refused.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd

from wtal_core.errors import CannotWrite, WorkbookError
from wtal_core.evaluation.ground_truth import numbers
from wtal_core.reading import json_files, parquet, texts


def file_format(path: Path) -> str:
    """The format that a file's name ends in: .json or .parquet.

    Raises WorkbookError for other endings and for folders.
    """
    if path.is_dir():
        raise WorkbookError(f"{path}: is a folder; name the file in it")
    if path.suffix not in (".json", ".parquet"):
        raise WorkbookError(
            f"{path}: unknown kind of file {path.suffix!r}; use .json (ActivityNet format) or "
            ".parquet"
        )
    return path.suffix


def read_text(path: Path) -> str:
    """All of a file in UTF-8, with or without a byte order mark.

    Raises WorkbookError where that is impossible.
    """
    return texts.read_text(path)


def read_json(path: Path) -> object:
    """What a JSON file holds; NaN and Infinity are let through.

    Raises WorkbookError for all that is no whole JSON.
    """
    return json_files.read_json(path)


def read_parquet(path: Path, columns: list[str]) -> pd.DataFrame:
    """Exactly these columns, in this order; `video` and `label` as text, the rest as float64.

    Attributes as stored.
    Raises WorkbookError for other columns, for names that are not text and for values that are not
    numbers.
    """
    table = parquet.read_table(path)
    if len(table.columns) != len(columns) or set(table.columns) != set(columns):
        raise WorkbookError(
            f"{path}: has the columns {', '.join(map(str, table.columns))}; expected "
            f"{', '.join(columns)}"
        )
    return _typed_parquet(table[columns], path)


def _typed_parquet(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Missing names stay missing, for the check that tells their row."""
    columns: dict[str, pd.Series] = {}
    for name in table.columns:
        if name in ("video", "label"):
            columns[name] = _names(table[name], path)
        elif table[name].dtype == bool:
            raise WorkbookError(f"{path}: column {name!r} holds true and false; write numbers")
        else:
            columns[name] = pd.Series(numbers(table, name, str(path)), index=table.index)
    typed = pd.DataFrame(columns)
    typed.attrs = table.attrs
    return typed


def _names(column: pd.Series, path: Path) -> pd.Series:
    for value in column.dropna().unique():
        if not isinstance(value, str):
            raise WorkbookError(
                f"{path}: column {column.name!r} holds {str(value)[:40]}; write names as text"
            )
    if column.isna().any():
        return column.astype(object).where(column.notna(), None)
    return column.astype(str)


def write_json(content: dict, path: Path) -> None:
    """Write an object as JSON."""
    write_whole(path, lambda partial: partial.write_text(json.dumps(content), encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then rename, so that no reader ever sees half a file.

    Raises WorkbookError where the disk is full or the folder is read-only; what was there stays.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWrite(
            f"{path}: cannot be written ({reason}); make room, or choose another results folder or "
            "file; what was there before is unchanged",
            reason,
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
