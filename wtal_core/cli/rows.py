"""Printed rows: how many have a number of ours, in `wtal list`, docs/rows.md and the README.

`make docs` writes both pages; a test compares.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tabulate import tabulate

from wtal_core.errors import WorkbookError
from wtal_core.report import coverage
from wtal_core.report.coverage import STATUSES, PrintedRow
from wtal_core.workbook.artifacts import find_notebooks


def all_rows(results: Path) -> list[PrintedRow]:
    """Every printed row, judged by the tables in a results folder and by what notebooks show."""
    texts = {notebook.artifact: notebook.output_text for notebook in find_notebooks()}
    return coverage.printed_rows(results, texts)


def overview(results: Path) -> str:
    """One line per notebook, and per table that has none; then how many need no network. Without
    tables in the folder, as beside an installed workbook, rows are not counted.
    """
    titles = {notebook.artifact: notebook.title for notebook in find_notebooks()}
    try:
        counted = coverage.counts(all_rows(results))
    except WorkbookError as error:
        print(f"printed rows are not counted: {error}", file=sys.stderr)
        return tabulate(titles.items(), ("artifact", "what"))
    lines = []
    for artifact in [*titles, *(counted.keys() - titles.keys())]:
        numbers = [counted[artifact][s] for s in STATUSES] if artifact in counted else [""] * 3
        lines.append([artifact, titles.get(artifact, "no notebook"), *numbers])
    total = sum(counted.values(), Counter())
    lines.append(["all", f"{total.total()} printed rows", *(total[s] for s in STATUSES)])
    return f"{tabulate(lines, ('artifact', 'what', *STATUSES))}\n\n{_artifacts(titles, results)}"


def _artifacts(titles: Mapping[str, str], results: Path) -> str:
    """How many notebooks of tables and figures show networks of ours; the others are told apart."""
    told = coverage.of_networks(results)
    with_tables = [artifact for artifact in titles if artifact in told]
    without = [artifact for artifact in with_tables if not told[artifact]]
    return (
        f"{len(with_tables) - len(without)} artifacts have tables of networks; {len(without)} need "
        f"none, because they count or show what is printed: {', '.join(without) or 'no one'}"
    )


def one_by_one(wanted: str, results: Path) -> str:
    """The printed rows of a paper or table. Raises WorkbookError for one that prints none."""
    rows = all_rows(results)
    chosen = [row for row in rows if wanted in (row.artifact, row.artifact.split("/")[0])]
    if not chosen:
        known = ", ".join(coverage.counts(rows))
        raise WorkbookError(f"{wanted!r} is no table with printed rows; known: {known}")
    lines = [(row.artifact, row.name, row.status, row.reason) for row in chosen]
    return tabulate(lines, ("table", "printed row", "status", "how or why"))


def write(results: Path, page: Path, readme: Path) -> None:
    """Write docs/rows.md, and the table of the README anew."""
    rows = all_rows(results)
    page.write_text(coverage.page(rows), encoding="utf-8")
    text = readme.read_text(encoding="utf-8")
    readme.write_text(coverage.in_readme(text, rows), encoding="utf-8")
