"""Texts: whole, in lines, as a table of cells (CSV), or as an array of numbers."""

import csv
import io
import os
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import AGAIN, reading, shown

LARGEST = 2**30  # bytes of a text that is read
PIECE = 2**20
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
CONTROL = bytes({*range(32), 127} - {9, 10, 13})  # all but tab, line feed and carriage return


def read_bytes(path: Path, remedy: str = AGAIN, largest: int = LARGEST) -> bytes:
    """All bytes of a file that is not larger than it may be."""
    with reading(path, "cannot be read", remedy):
        content = bytes_of(path, largest)
    if len(content) > largest:
        raise WorkbookError(f"{path} holds more than {largest:,} bytes; {remedy}")
    return content


def bytes_of(path: Path, largest: int) -> bytes:
    """The bytes of a file or pipe, of one that holds more than `largest` so many and one more.

    Raises WorkbookError for a device, which may have no end, and OSError.
    """
    with path.open("rb") as stream:
        state = os.fstat(stream.fileno())
        if stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode):
            raise WorkbookError(f"{path}: is a device; name a file, or - for standard input")
        return bounded(stream, largest, state.st_size)


def bounded(stream: Any, largest: int, expected: int = PIECE) -> bytes:
    """The rest of a stream, of a longer one the first `largest` bytes and one more.

    expected: about how many there are; a pipe does not say.
    """
    left = largest + 1
    pieces = [stream.read(min(expected + 1, left))]
    while pieces[-1] and left > len(pieces[-1]):
        left -= len(pieces[-1])
        pieces.append(stream.read(min(PIECE, left)))
    return b"".join(piece for piece in pieces if piece)


def read_text(path: Path, remedy: str = AGAIN, largest: int = LARGEST) -> str:
    """A text in UTF-8, with or without a byte order mark, and without control characters."""
    return decoded(read_bytes(path, remedy, largest), path, remedy)


def decoded(content: bytes, path: Path, remedy: str = AGAIN) -> str:
    """The text of a file's bytes."""
    if len(content.translate(None, CONTROL)) != len(content):
        place = next(i for i, value in enumerate(content) if value in CONTROL)
        raise WorkbookError(
            f"{path}: is no text in UTF-8 (control character {content[place]} at byte {place}); "
            f"{remedy}"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkbookError(f"{path}: is no text in UTF-8 (byte {error.start}); {remedy}") from None


def in_utf8(content: bytes) -> bytes:
    """UTF-16 with its mark, a spreadsheet's "Unicode text", as UTF-8; all else as it is."""
    if content[:2] not in UTF_16_MARKS:
        return content
    try:
        return content.decode("utf-16").encode()
    except UnicodeError:
        return content


def read_csv(path: Path, remedy: str = AGAIN) -> list[list[str]]:
    """The cells of every line of a table; lines without any text are left out."""
    text = read_text(path, remedy)
    rows: list[list[str]] = []
    with reading(path, "is no whole table of commas", remedy):
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            if any(cell.strip() for cell in row):
                rows.append(row)
    return rows


def read_columns(path: Path, columns: Sequence[str], remedy: str = AGAIN) -> dict[str, list[str]]:
    """These columns of a table whose first line names them; every line has as many cells."""
    rows = read_csv(path, remedy)
    header = rows[0] if rows else []
    for name in columns:
        if header.count(name) != 1:
            raise WorkbookError(
                f"{path}: columns {', '.join(columns)} cannot be read (the first line names "
                f"{header.count(name)} of {name!r}); {remedy}"
            )
    for row in rows[1:]:
        if len(row) != len(header):
            raise WorkbookError(
                f"{path}: columns {', '.join(columns)} cannot be read (the line "
                f"{shown(','.join(row))} has {len(row)} cells, not {len(header)}); {remedy}"
            )
    return {name: [row[header.index(name)] for row in rows[1:]] for name in columns}


def read_numbers(
    path: Path, dtype: type[np.generic], remedy: str = AGAIN, mark: str | None = None
) -> np.ndarray:
    """Rows of numbers [N, K], N >= 1. mark: what is between two of them; None: spaces."""
    text = read_text(path, remedy)
    if not text.strip():
        raise WorkbookError(f"{path} is damaged (it is empty); {remedy}")
    with reading(path, "is damaged", remedy), warnings.catch_warnings():
        warnings.simplefilter("error")
        return np.loadtxt(io.StringIO(text), dtype=dtype, delimiter=mark, ndmin=2)
