"""The files of an artifact: `table7.csv` holds all its tables in long form, `table7.md` shows them.

The CSV file is the source: one line per cell under the header `table,row,column,value`, above it
each table's caption and, where they have names, the levels of its index:

    # table7_messages: BackTAL Table 7. Differences of mAP (points).
    # table7_messages, rows: claim
    table,row,column,value

Columns have the names that are read, see `shown_table.heading`; a file of before, with older names,
is read as if it had them. What is no value is a dash.

The page is written anew from it, with the artifact's pictures, whenever a table or picture is.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from filelock import FileLock, Timeout

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import read_text, write_whole
from wtal_core.reading.refusal import reading
from wtal_core.report.shown_table import NO_VALUE, NONE, ShownTable, heading, shown

HEADER = ["table", "row", "column", "value"]
LEVELS = " | "  # between the levels of a row's label
COMMENT = re.compile(r"# (?P<name>[^:,\s]+)(?P<rows>, rows)?: (?P<text>.*)")
LONGEST_WAIT = 60  # seconds for another process that writes the same artifact


class Cell(NamedTuple):
    """One line of the CSV file."""

    table: str
    row: str
    column: str
    value: str


@dataclass(frozen=True)
class SavedTable:
    """A table of texts with its caption. A row's label is one text, its levels joined by LEVELS.

    rows: the labels, which may repeat. cells: one tuple per row, one text per column.
    """

    caption: str
    index_names: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    def as_frame(self) -> pd.DataFrame:
        """All texts. The index has one level per name; without names it has one level."""
        columns = pd.Index(self.columns, dtype=object)
        if len(self.index_names) > 1:
            levels = [tuple(row.split(LEVELS)) for row in self.rows]
            index = pd.MultiIndex.from_tuples(levels, names=list(self.index_names))
        else:
            name = self.index_names[0] if self.index_names else None
            index = pd.Index(self.rows, name=name, dtype="str")
        return pd.DataFrame(list(self.cells), index=index, columns=columns, dtype="str")


def save_table(table: pd.DataFrame, path: Path, caption: str) -> ShownTable:
    """Put the table under its caption into the files of its artifact. Returns it, for display.

    path: names the table, as `table7_messages.csv` in the artifact's folder; the files are
    `table7.csv` and `table7.md`. A table of this name is replaced where it stands, a new one comes
    last. Two processes that save at once both succeed.

    Raises WorkbookError if the files cannot be read, locked or written, and if the table cannot be
    told back from its texts (columns of one name, or " | " in a row's label).
    """
    saved = _as_saved(table, caption, path.stem)
    file = path.with_name(f"{artifact_of(path)}.csv")
    with _locked(file):
        tables = read_tables(file) if file.exists() else {}
        tables[path.stem] = saved
        # both texts before the first file, so that a mistake leaves the two in step
        source = as_csv(tables)
        page = as_page(file, tables)
        _write(file, source)
        _write(file.with_suffix(".md"), page)
    return shown(table, name=path.stem)


def refresh_page(picture: Path) -> None:
    """Write the page of the artifact anew that a picture belongs to, if there is one."""
    file = picture.with_name(f"{artifact_of(picture)}.csv")
    if file.exists() and file.with_suffix(".md").exists():
        with _locked(file):
            _write(file.with_suffix(".md"), as_page(file, read_tables(file)))


def artifact_of(path: Path) -> str:
    """ "table7" of `table7_messages.csv`: the name up to the first underscore."""
    return path.stem.partition("_")[0]


def read_table(file: Path, name: str) -> pd.DataFrame:
    """One table of an artifact's CSV file, all texts.

    Raises WorkbookError if the file is missing or damaged, or holds no table of this name.
    """
    tables = read_tables(file)
    if name not in tables:
        raise WorkbookError(f"{file} holds no table {name}; it has {', '.join(tables)}")
    return tables[name].as_frame()


def read_tables(file: Path) -> dict[str, SavedTable]:
    """All tables of an artifact's CSV file by name, in the order of the file.

    Raises WorkbookError if the file is missing or damaged.
    """
    lines = read_text(file).splitlines(keepends=True)
    count = next((n for n, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    captions, index_names = _read_comments(file, lines[:count])
    cells: dict[str, list[Cell]] = {name: [] for name in captions}
    for cell in _read_cells(file, "".join(lines[count:])):
        if cell.table not in cells:
            raise _damaged(file, f"table {cell.table!r} has no caption")
        cells[cell.table].append(cell)
    return {
        name: _as_table(file, captions[name], index_names.get(name, ()), cells[name])
        for name in captions
    }


def as_csv(tables: Mapping[str, SavedTable]) -> str:
    """The text of an artifact's CSV file."""
    text = io.StringIO()
    for name, table in tables.items():
        text.write(f"# {name}: {table.caption}\n")
        if table.index_names:
            text.write(f"# {name}, rows: {LEVELS.join(table.index_names)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for name, table in tables.items():
        for row, values in zip(table.rows, table.cells, strict=True):
            for column, value in zip(table.columns, values, strict=True):
                writer.writerow(Cell(name, row, column, value))
    return text.getvalue()


def as_page(file: Path, tables: Mapping[str, SavedTable]) -> str:
    """The Markdown page beside an artifact's CSV file: its tables, then the pictures there are."""
    sections = [f"# {file.stem}"]
    for name, table in tables.items():
        sections.append(f"## {name}\n\n{table.caption}\n\n{_as_markdown(table.as_frame())}")
    candidates = sorted(file.parent.glob(f"{file.stem}*.png"))
    pictures = [picture for picture in candidates if artifact_of(picture) == file.stem]
    if pictures:
        links = "\n".join(_shown_picture(picture, tables) for picture in pictures)
        sections.append(f"## Pictures\n\n{links}")
    return "\n\n".join(sections) + "\n"


def _shown_picture(picture: Path, tables: Mapping[str, SavedTable]) -> str:
    """The link, with words: the caption of the table of its name, or of the first one."""
    of_its_name = tables.get(picture.stem) or next(iter(tables.values()), None)
    caption = of_its_name.caption if of_its_name else ""
    words = f"Picture {picture.stem}. {caption}".strip()
    escaped = re.sub(r"([\[\]\\])", r"\\\1", " ".join(words.split()))
    drawn = f"![{escaped}]({picture.name})"
    beside = picture.with_suffix(".svg")
    return f"{drawn} [SVG]({beside.name})" if beside.exists() else drawn


def _as_markdown(frame: pd.DataFrame) -> str:
    # tabulate would write the names of several levels as one tuple
    several = frame.index.nlevels > 1
    table = frame.reset_index() if several else frame
    return table.to_markdown(disable_numparse=True, index=not several)


def _as_saved(table: pd.DataFrame, caption: str, name: str) -> SavedTable:
    columns = tuple(heading(str(column)) for column in table.columns)
    if len(set(columns)) < len(columns):
        raise WorkbookError(f"table {name} has two columns of one name: {', '.join(columns)}")
    levels = table.index.to_frame(index=False).map(_text).itertuples(index=False, name=None)
    index_names = () if table.index.names == [None] else tuple(map(str, table.index.names))
    rows = list(levels)
    for text in [*index_names, *(level for row in rows for level in row)]:
        if LEVELS in text:
            raise WorkbookError(f"table {name}: the row's label {text!r} holds {LEVELS!r}")
    cells = table.map(_text).itertuples(index=False, name=None)
    return SavedTable(
        caption=" ".join(caption.split()),
        index_names=index_names,
        rows=tuple(LEVELS.join(row) for row in rows),
        columns=columns,
        cells=tuple(cells),
    )


def _text(value: object) -> str:
    """A text stays as it is: a class may be called "None"."""
    text = str(value)
    return NONE if text in NO_VALUE and not isinstance(value, str) else text


def _read_comments(
    file: Path, lines: list[str]
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Captions, and names of the index, by table."""
    captions: dict[str, str] = {}
    index_names: dict[str, tuple[str, ...]] = {}
    for line in lines:
        comment = COMMENT.fullmatch(line.rstrip())
        if comment is None:
            raise _damaged(file, f"{line.rstrip()[:40]!r} is no caption of a table")
        name = comment["name"]
        if name in (index_names if comment["rows"] else captions):
            raise _damaged(file, f"the caption of {name!r} is there twice")
        if comment["rows"]:
            index_names[name] = tuple(comment["text"].split(LEVELS))
        else:
            captions[name] = comment["text"]
    return captions, index_names


def _read_cells(file: Path, text: str) -> list[Cell]:
    with reading(file, "is no whole file of tables", "delete it and run its notebook again"):
        lines = list(csv.reader(io.StringIO(text), strict=True))
    if not lines or lines[0] != HEADER:
        raise _damaged(file, f"it has no header {','.join(HEADER)}")
    for line in lines[1:]:
        if len(line) != len(HEADER):
            raise _damaged(file, f"the line {','.join(line)[:60]!r} has {len(line)} parts, not 4")
    return [Cell(*line) for line in lines[1:]]


def _as_table(
    file: Path, caption: str, index_names: tuple[str, ...], cells: list[Cell]
) -> SavedTable:
    """The cells of one table in rows. Labels may repeat, so a row ends where its columns do."""
    columns = tuple(dict.fromkeys(cell.column for cell in cells))
    width = max(len(columns), 1)
    rows = [cells[first : first + width] for first in range(0, len(cells), width)]
    for row in rows:
        one_label = len({cell.row for cell in row}) == 1
        if not one_label or tuple(cell.column for cell in row) != columns:
            raise _damaged(
                file, f"row {row[0].row!r} of table {row[0].table} lacks a cell or has one twice"
            )
        if len(index_names) > 1 and row[0].row.count(LEVELS) != len(index_names) - 1:
            raise _damaged(file, f"row {row[0].row!r} has not the levels {', '.join(index_names)}")
    return SavedTable(
        caption,
        index_names,
        tuple(row[0].row for row in rows),
        _as_read(columns),
        tuple(tuple(cell.value for cell in row) for row in rows),
    )


def _as_read(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The names of today; those of the file where two columns would have one name."""
    names = tuple(map(heading, columns))
    return names if len(set(names)) == len(names) else columns


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Alone with the artifact's files: two processes that save at once lose nothing."""
    lock = FileLock(file.with_name(f".{file.stem}.lock"), timeout=LONGEST_WAIT)
    try:
        with lock:
            yield
    except Timeout:
        raise WorkbookError(
            f"{file}: another process has held it for {LONGEST_WAIT} s; wait for it, or delete "
            f"{lock.lock_file} if there is none"
        ) from None
    except OSError as error:
        raise WorkbookError(
            f"{file}: cannot be written ({error.strerror}); choose another results folder"
        ) from None


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def _damaged(file: Path, problem: str) -> WorkbookError:
    return WorkbookError(
        f"{file}: is no whole file of tables ({problem}); delete it and run its notebook again"
    )
