"""What the committed runs say of the papers' messages, as one Markdown page.

The verdicts are those of the artifacts' own tables, which are made from the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.report.artifacts import read_tables
from wtal_core.report.messages import EXPLAINED, VERDICTS

INTRODUCTION = """# Findings

Written by `make docs` from the tables in [`results/`](../results/README.md), which are made from
the ledger's runs. Do not edit it by hand.

A message of a paper, such as "hybrid attention helps", is one or several comparisons of two rows.
"""
INTRODUCTION += "\n".join(wrap(EXPLAINED, 100)) + "\n"
# data sets whose results are statistics and published detections, in no table of an artifact
PUBLISHED = {"thumos14", "activitynet1.2"}


@dataclass(frozen=True)
class Judged:
    """How often each verdict was given to the comparisons of one message."""

    paper: str
    artifact: str
    table: str
    dataset: str
    claim: str
    verdicts: dict[str, int]

    def as_text(self) -> str:
        """Such as "2 hold, 1 open" of three comparisons; a single one's verdict alone."""
        given = {name: number for name, number in self.verdicts.items() if number}
        if sum(given.values()) == 1:
            return next(iter(given))
        return ", ".join(f"{number} {name}" for name, number in given.items())


def findings(results: Path) -> str:
    """The page of all messages of all papers. Raises WorkbookError where no table judges any."""
    judged = list(all_judged(results))
    if not judged:
        raise WorkbookError(f"{results} holds no judged messages; `wtal reproduce` makes some")
    parts = [INTRODUCTION]
    for paper in dict.fromkeys(one.paper for one in judged):
        of_paper = [one for one in judged if one.paper == paper]
        parts.append(f"\n## {paper}\n\n{_table(of_paper)}\n")
    return "".join(parts)


def all_judged(results: Path) -> Iterator[Judged]:
    """The messages of all artifacts, by paper, artifact, table, data set."""
    files = [path for path in results.glob("*/*/*.csv") if path.parent.parent.name not in PUBLISHED]
    for path in sorted(files, key=lambda path: (path.parts[-2], path.stem, path.parts[-3])):
        for name, table in read_tables(path).items():
            frame = table.as_frame()
            if "verdict" in frame and "claim" in (frame.index.name, *frame.columns):
                yield from _judged(path, name, frame.reset_index())


def _judged(path: Path, name: str, frame: pd.DataFrame) -> Iterator[Judged]:
    for claim, lines in frame.groupby("claim", sort=False):
        counts = lines["verdict"].value_counts()
        verdicts = {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}
        yield Judged(path.parts[-2], path.stem, name, path.parts[-3], str(claim), verdicts)


def _table(judged: list[Judged]) -> str:
    """One row per message, one column per data set."""
    datasets = sorted({one.dataset for one in judged})
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for one in judged:
        link = f"[{one.as_text()}](../results/{one.dataset}/{one.paper}/{one.artifact}.md)"
        rows.setdefault((one.artifact, one.table, one.claim), {})[one.dataset] = link
    lines = [
        {"table": table, "message": claim} | {name: links.get(name, "–") for name in datasets}
        for (_, table, claim), links in rows.items()
    ]
    return pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True, tablefmt="pipe")
