"""What benchmarks have measured, one file each in `benchmarks/tables`, of which
`python -m benchmarks.page` makes docs/performance.md.

A benchmark that is to be on that page writes Markdown into `TABLES / "NAME.md"`; `page.ORDER` says
where it goes.
"""

import os
import platform
from dataclasses import dataclass
from datetime import date
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from tabulate import tabulate

TABLES = Path(__file__).with_name("tables")
DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Measured:
    """A part of the page. id: the file's name; about: how it was measured; body: tables and
    pictures, in Markdown.
    """

    id: str
    title: str
    about: str
    body: str


def write(part: Measured, folder: Path = TABLES) -> None:
    """Keep it, with date and machine."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"## {part.title}\n\n{part.about.strip()}\n\n{part.body.strip()}\n\n*{machine()}*\n"
    (folder / f"{part.id}.md").write_text(text)


def as_table(rows: list[dict[str, Any]]) -> str:
    """A table in Markdown."""
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def rows_of(part: str) -> list[dict[str, str]]:
    """The rows of the first table of a part in Markdown."""
    lines = dropwhile(lambda line: not line.startswith("|"), part.splitlines())
    table = takewhile(lambda line: line.startswith("|"), lines)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    head, _, *body = cells
    return [dict(zip(head, row, strict=True)) for row in body if len(row) == len(head)]


def machine() -> str:
    """Date, processor, cores and load: without them no time says anything."""
    cores = f"{os.cpu_count()} cores"
    day, model, load = where()
    return f"{day}, {model}, {cores}, load {load}, Python {platform.python_version()}"


def where() -> tuple[str, str, str]:
    """Date, processor and load."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return date.today().isoformat(), model, f"{os.getloadavg()[0]:.1f}"
