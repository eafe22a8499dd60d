"""How long a notebook takes to read, by the rule that docs/learning_path.md states.

The page has one number per notebook. Where a notebook says its own, and where the page's ways
through the workbook name a notebook, it is this one: `make navigation` writes all of them.
"""

import math
import re
from pathlib import Path

import nbformat

from wtal_core.workbook.artifacts import FOLDER, Notebook

WORDS_PER_MINUTE = 130
LINES_PER_MINUTE = 12
MINUTES_PER_OUTPUT = 2 / 3  # of a picture or a table
STEP = 5  # minutes, to which the estimate is rounded up
SHOWN = {"text/html", "image/png", "image/svg+xml"}
NOT_READ = "navigation"  # tag of the cell that links the notebooks
# | [title](../notebooks/place.ipynb) | aim | minutes to read | to run |
ROW = re.compile(r"^(\| \[[^|]+\]\(\.\./notebooks/([^)]+)\) \| [^|]{20,} \| )(\d+)( \| )", re.M)
WAY = re.compile(r"(\]\(\.\./notebooks/([^)]+)\)[^()\n]*\()(\d+)( minutes\))")
STATED = re.compile(r"(\*\*Time to read:\*\* )(\d+)( minutes\.)")


def minutes_to_read(book: nbformat.NotebookNode) -> int:
    """An estimate, not measured with readers."""
    words = lines = outputs = 0
    for cell in book.cells:
        if NOT_READ in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            words += len(cell.source.split())
            continue
        lines += sum(bool(line.strip()) for line in cell.source.splitlines())
        outputs += sum(bool(SHOWN & set(output.get("data", {}))) for output in cell.outputs)
    exact = words / WORDS_PER_MINUTE + lines / LINES_PER_MINUTE + outputs * MINUTES_PER_OUTPUT
    return STEP * math.ceil(exact / STEP)


def estimates(every: list[Notebook]) -> dict[str, int]:
    """Place below notebooks/, such as "facnet/idea.ipynb" -> minutes to read."""
    return {
        notebook.path.relative_to(FOLDER).as_posix(): minutes_to_read(
            nbformat.read(notebook.path, 4)
        )
        for notebook in every
    }


def write(page: Path, every: list[Notebook]) -> None:
    """Put the estimates into the rows and the ways of the learning path, and into the notebooks
    that say how long they take.
    """
    minutes = estimates(every)
    text = page.read_text(encoding="utf-8")
    for form in (ROW, WAY):
        text = form.sub(lambda at: f"{at[1]}{minutes.get(at[2], at[3])}{at[4]}", text)
    page.write_text(text, encoding="utf-8")
    for notebook in every:
        own = minutes[notebook.path.relative_to(FOLDER).as_posix()]
        before = notebook.path.read_text(encoding="utf-8")
        after = STATED.sub(rf"\g<1>{own}\g<3>", before)
        if after != before:
            notebook.path.write_text(after, encoding="utf-8")
