"""CSV tables that a user has written by hand or saved from a spreadsheet.

Read whatever a spreadsheet makes of a table: a byte-order mark, semicolons or tabs between the
cells, any ends of lines, decimal commas, quotation marks. What cannot be read is named by file and
line.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wtal_core.data.problems import MissingData
from wtal_core.errors import WorkbookError

DELIMITERS = (",", ";", "\t")
# byte-order mark -> encoding of a spreadsheet's "Unicode text"
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# column -> other names of it
ALSO_CALLED = {
    "video": ("video_id", "video_name", "filename", "file", "id"),
    "label": ("class", "category", "action"),
    "t_start": ("start", "begin", "onset"),
    "t_end": ("end", "stop", "offset"),
    "t": ("time", "second", "seconds"),
    "duration": ("duration_s", "length", "seconds"),
    "side": ("split", "subset", "set"),
}


@dataclass(frozen=True)
class Row:
    """One line of a table. number: of the line in the file, from 1."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """A cell that may not be empty."""
        value = self.cells[column]
        if not value:
            self.refuse(f"has no {column}")
        return value

    def seconds(self, column: str) -> float:
        """A time: a finite number of at least 0, with a decimal point or comma."""
        value = self.text(column)
        try:
            number = float(value.replace(",", "."))
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            self.refuse(f"has {column} {value!r}, expected a number of seconds such as 12.5")
        return number

    def refuse(self, what: str) -> None:
        """Raise an error that names file and line."""
        raise WorkbookError(f"{self.path}, line {self.number}: {what}")


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """The lines of a table that has these columns, in whatever order; further ones are left alone.

    Columns are told by the first line, whatever the case of its names.
    """
    lines = [line for line in _lines(path) if any(cell.strip() for cell in line[1])]
    if not lines:
        raise WorkbookError(
            f"{path} holds nothing; its first line has to be {','.join(columns)}, each further "
            "line a row"
        )
    header = [_plain(cell) for cell in lines[0][1]]
    places = {column: _place(path, column, header) for column in columns}
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise WorkbookError(
                f"{path}, line {number}: {len(cells)} cells under {len(header)} names of columns; "
                "put a label that holds the delimiter, and a number with a decimal comma, in "
                'quotation marks ("...")'
            )
        values = {column: cells[place].strip() for column, place in places.items()}
        rows.append(Row(path, number, values))
    return rows


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _place(path: Path, column: str, header: list[str]) -> int:
    for name in (column, *ALSO_CALLED.get(column, ())):
        if name in header:
            return header.index(name)
    raise WorkbookError(
        f"{path}: no column {column!r} in its first line, which is {','.join(header)!r}; name the "
        "columns there"
    )


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number of each line and its cells; the delimiter is the one that parts the first line
    most.
    """
    text = _text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise WorkbookError(
            f"{path}, line {reader.line_num}: {error}; correct the quotation marks"
        ) from error


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingData(f"{path} is missing; put it there or name another folder") from error
    except OSError as error:
        raise WorkbookError(f"{path} cannot be read: {error.strerror}") from error
    encoding = MARKS.get(content[:2], "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise WorkbookError(
            f"{path} is no text in UTF-8; save it as CSV in the encoding UTF-8"
        ) from error
    if "\0" in text:
        raise WorkbookError(f"{path} is no table of text; save it as CSV in the encoding UTF-8")
    return text
