"""Tables of text whose first line names the columns, as people write them by hand or save them
from a spreadsheet.

Cells lie between commas, semicolons, tabs or bars; columns may have the names that others give
them; numbers may have a decimal comma, times may be minutes and seconds (1:05.5).
"""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import decoded, in_utf8, read_bytes

SEPARATORS = (",", ";", "\t", "|")
REMEDY = "save it as CSV in the encoding UTF-8"
# our name of a column -> what others call it; of several that are there, the first one counts
NAMES = {
    "video": (
        "video",
        "video_id",
        "video_name",
        "videoid",
        "vid",
        "filename",
        "file_name",
        "file",
        "id",
    ),
    "label": ("label", "class", "class_name", "category", "action", "activity"),
    "t_start": ("t_start", "start", "start_time", "start_seconds", "begin", "onset"),
    "t_end": ("t_end", "end", "end_time", "end_seconds", "stop", "offset"),
    "t": ("t", "time", "second", "seconds"),
    "score": ("score", "confidence", "conf", "prob", "probability"),
    "subset": ("subset", "split", "set", "side"),
    "duration": ("duration", "duration_second", "duration_seconds", "duration_s", "video_duration"),
}
# further names where a table has this column and the video alone
ALONE = {"duration": ("length", "seconds")}
QUOTED = re.compile(r'"[^"]*"')
CLOCK = re.compile(r"(?:(?P<hours>\d+):(?=[0-5]\d:))?(?P<minutes>\d+):(?P<seconds>[0-5]\d(\.\d+)?)")


def plain(name: object) -> str:
    """A column's name without case, and with underscores in place of spaces and hyphens."""
    return re.sub(r"[\s-]+", "_", str(name).strip().lower())


def header(text: str) -> tuple[str, list[str]]:
    """What separates the cells of the first line that is not blank, and these cells.

    It is the separator that parts this line most, what stands in quotation marks left out.
    """
    line = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=QUOTED.sub("", line).count)
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a cell of more letters than the module takes: no name of a column
        cells = []
    return separator, [cell.strip() for cell in cells]


def number(cell: str) -> float:
    """A number with a decimal point or a decimal comma; raises ValueError for anything else."""
    if "_" in cell:  # which Python lets stand between digits
        raise ValueError("no number")
    return float(cell.replace(",", "."))


def seconds(cell: str) -> float:
    """A time as a number of seconds, or as m:ss or h:mm:ss; raises ValueError for others."""
    clock = CLOCK.fullmatch(cell.strip().replace(",", "."))
    if clock is None:
        return number(cell)
    minutes = 60 * int(clock["hours"] or 0) + int(clock["minutes"])
    return 60 * minutes + float(clock["seconds"])


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

    def name(self, column: str) -> str:
        """A cell that names a video or a class."""
        return values.name(self.text(column), f"{self.path}, line {self.number}: {column}")

    def seconds(self, column: str) -> float:
        """A time: a finite number of at least 0."""
        value = self.text(column)
        try:
            time = seconds(value)
        except ValueError:
            time = math.nan
        if not (math.isfinite(time) and time >= 0):
            self.refuse(f"has {column} {value!r}, expected seconds such as 12.5, or 0:12.5")
        return time

    def refuse(self, what: str) -> None:
        """Raise an error that names file and line."""
        raise WorkbookError(f"{self.path}, line {self.number}: {what}")


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """The lines of a table that has these columns, in whatever order; further ones are left alone.

    Raises WorkbookError for a table that lacks one, and for a line of more or fewer cells.
    """
    text = decoded(in_utf8(read_bytes(path, REMEDY)), path, REMEDY)
    lines = _lines(text, path)
    if not lines:
        raise WorkbookError(
            f"{path} holds nothing; its first line has to be {','.join(columns)}, each further "
            "line a row"
        )
    names = [plain(cell) for cell in lines[0][1]]
    places = {column: _place(path, column, names) for column in columns}
    rows = []
    for place, cells in lines[1:]:
        if len(cells) != len(names):
            raise WorkbookError(
                f"{path}, line {place}: {len(cells)} cells under {len(names)} names of columns; "
                "put a label that holds the delimiter, and a number with a decimal comma, in "
                'quotation marks ("...")'
            )
        values = {column: cells[index].strip() for column, index in places.items()}
        rows.append(Row(path, place, values))
    return rows


def _place(path: Path, column: str, names: list[str]) -> int:
    aliases = (*NAMES[column], *ALONE.get(column, ()))
    for name in aliases:
        if name in names:
            return names.index(name)
    raise WorkbookError(
        f"{path}: no column {column!r} in its first line, which is {shown(','.join(names))}; name "
        f"the columns there ({column} may also be called {', '.join(aliases[1:4])})"
    )


def _lines(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Number of each line that is not blank, and its cells."""
    separator, _ = header(text)
    reader = csv.reader(
        io.StringIO(text, newline=None), delimiter=separator, strict=True, skipinitialspace=True
    )
    try:
        numbered = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        is_long = str(error).startswith("field larger")
        remedy = "shorten the cell, or close" if is_long else "correct"
        raise WorkbookError(
            f"{path}, line {reader.line_num}: {error}; {remedy} the quotation marks"
        ) from error
    return [(place, cells) for place, cells in numbered if any(cell.strip() for cell in cells)]
