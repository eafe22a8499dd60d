"""Text and JSON files of others, each refused in one line that names it, and files written whole.

Files are written whole or not at all: beside the target first, then renamed. Formats of detections
and annotations are in `formats`.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wtal_core.errors import CannotWrite
from wtal_core.reading import json_files, texts
from wtal_core.reading.places import written_place


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


def write_json(content: dict, path: Path) -> None:
    """Write an object as JSON."""
    write_whole(path, lambda partial: partial.write_text(json.dumps(content), encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then rename, so that no reader ever sees half a file.

    A link stays one: the file that it leads to is written. Raises WorkbookError where a device or
    a pipe is there, the disk is full or the folder is read-only; what was there stays.
    """
    target = written_place(path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    with unchanged_or_written(path):
        try:
            write(partial)
            os.replace(partial, target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


@contextmanager
def unchanged_or_written(path: Path) -> Iterator[None]:
    """A block that leaves a file as it was where the system refuses to write it: it is told so."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWrite(
            f"{path}: cannot be written ({reason}); make room, or choose another results folder or "
            "file; what was there before is unchanged",
            reason,
        ) from error
