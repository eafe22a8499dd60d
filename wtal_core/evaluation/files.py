"""Text and JSON files of others, each refused in one line that names it, and files written whole.

Files are written whole or not at all: beside the target first, then renamed. Formats of detections
and annotations are in `formats`.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.formats.opening import Opened, open_file


def read_text(path: Path) -> str:
    """All of a file in UTF-8, with or without a byte order mark.

    Raises WorkbookError where that is impossible.
    """
    return _file(path).text


def read_json(path: Path) -> object:
    """What a JSON file holds; NaN and Infinity are let through.

    Raises WorkbookError for all that is no whole JSON.
    """
    return _file(path).json


def _file(path: Path) -> Opened:
    opened = open_file(path)
    if opened.is_folder:
        raise WorkbookError(f"{path}: is a folder; name the file in it")
    return opened


def write_json(content: dict, path: Path) -> None:
    """Write an object as JSON."""
    write_whole(path, lambda partial: partial.write_text(json.dumps(content), encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then rename, so that no reader ever sees half a file."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
