"""Which printed rows the committed tables hold a row of ours for, counted and with the reason.

A row counts as trained where a table of its artifact, in the results folder, has a number of a
network of ours for it, and as recounted where the number of ours needs no network: nothing else is
asked. So the count follows from the files alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.papers import known_methods, known_papers, reported
from wtal_core.papers.printed_values import canonical
from wtal_core.report.artifacts import read_tables

# one file per method; only their names are asked for
MODELS = Path(__file__).parents[1] / "models"
Status = Literal["trained", "recounted", "quoted", "not yet"]
STATUSES: tuple[Status, ...] = ("trained", "recounted", "quoted", "not yet")
# columns of committed tables that hold numbers of ours -> how these came about
OURS = {
    "here": "trained",
    "AVG": "trained",
    "true, M": "counted from layers",
    "recomputed (%)": "recomputed from printed numbers",
}
# the index of a table in which printed columns stand beside ours
LEVELS = ["printed row", "row", "column"]
# the end of a label that tells forms of one row apart
FORM = re.compile(r", (A|B|code|paper|official|printed)$")
# what stands behind a method's name and says nothing about the row: reference, features, venue
NOTE = re.compile(r"\s*(\[\d+\]|\((I3D|UNT|reproduced|[A-Z]+\d\d)\))")
INTRODUCTION = """# Printed rows

Written by `make docs` from the papers' manifests and the tables in
[`results/`](../results/README.md). Do not edit it by hand. `wtal list` prints the same.

* *trained*: a committed table holds the number of a network of ours, on the data sets that are
  named. None of these data sets is one of the papers' own.
* *recounted*: a table holds a number of ours that needs no network, counted from the layers or from
  the printed numbers.
* *quoted*: a notebook shows the printed number, and there is none of ours.
* *not yet*: nothing shows the row."""
# what the caption of a table of networks names
OF_NETWORKS = re.compile(r"\bprofile \w")


@dataclass(frozen=True)
class PrintedRow:
    """One row of a table of a paper.

    artifact: such as "facnet/table1". name: as printed. status: "trained" (a network of ours),
    "recounted" (a number of ours without a network), "quoted" (the printed number is shown, ours
    is not there) or "not yet" (nothing shows it). reason: how the number came about and on which
    data sets, or why there is none.
    """

    artifact: str
    name: str
    status: Status
    reason: str


def printed_rows(results: Path, texts: Mapping[str, str]) -> list[PrintedRow]:
    """Every printed row of every paper, in the order of the manifests.

    results: a folder of tables. texts: artifact -> what its notebook shows, as text. Raises
    WorkbookError where the folder holds no table of ours.
    """
    if not any(results.glob("*/*/table*.csv")):
        raise WorkbookError(f"{results} holds no tables; `wtal reproduce` makes some")
    # the ledger itself needs the part [train], which who only lists may not have installed
    trained = {path.stem for path in results.glob("*/runs/*.jsonl")}
    rows = []
    for paper in known_papers():
        for table, content in reported(paper)["tables"].items():
            artifact = f"{paper}/{table}"
            computed = _computed(results, artifact)
            for row in content["rows"]:
                rows.append(_judged(artifact, row, computed, texts.get(artifact, ""), trained))
    return rows


def counts(rows: Iterable[PrintedRow]) -> dict[str, Counter[str]]:
    """Artifact -> how many of its rows have each status."""
    by_artifact: dict[str, Counter[str]] = {}
    for row in rows:
        by_artifact.setdefault(row.artifact, Counter())[row.status] += 1
    return by_artifact


def by_paper(rows: Iterable[PrintedRow]) -> pd.DataFrame:
    """One line per paper and one for all: printed rows, and how many have each status."""
    papers: dict[str, Counter[str]] = {}
    for row in rows:
        papers.setdefault(row.artifact.split("/")[0], Counter())[row.status] += 1
    papers["all"] = sum(papers.values(), Counter())
    lines = {
        _title(paper): [count.total(), *(count[status] for status in STATUSES)]
        for paper, count in papers.items()
    }
    return pd.DataFrame.from_dict(lines, "index", columns=["printed rows", *STATUSES]).rename_axis(
        "paper"
    )


def of_networks(results: Path) -> dict[str, bool]:
    """Artifact -> whether any of its tables in the folder holds numbers of networks.

    The others show printed numbers, or compute from them and from annotations. Artifacts without a
    table are left out.
    """
    told: dict[str, bool] = {}
    for file in sorted(results.glob("*/*/*.csv")):
        if file.with_suffix(".md").is_file():
            captions = [table.caption for table in read_tables(file).values()]
            artifact = f"{file.parts[-2]}/{file.stem}"
            told[artifact] = told.get(artifact, False) or any(map(OF_NETWORKS.search, captions))
    return told


def _title(paper: str) -> str:
    return "all" if paper == "all" else reported(paper)["method"]


def page(rows: Sequence[PrintedRow]) -> str:
    """The whole count as a Markdown page: by paper, by reason, by table, then row by row."""
    parts = [INTRODUCTION, _markdown(by_paper(rows).reset_index())]
    missing = Counter(row.reason for row in rows if row.status in ("quoted", "not yet"))
    reasons = pd.DataFrame(
        missing.most_common(), columns=["why there is no number of ours", "rows"]
    )
    parts += ["## Reasons", _markdown(reasons), "## Tables"]
    by_artifact = counts(rows)
    lines = [[artifact, *(count[s] for s in STATUSES)] for artifact, count in by_artifact.items()]
    parts.append(_markdown(pd.DataFrame(lines, columns=["table", *STATUSES])))
    for artifact in by_artifact:
        parts.append(f"## {artifact}")
        lines = [[row.name, row.status, row.reason] for row in rows if row.artifact == artifact]
        parts.append(
            _markdown(pd.DataFrame(lines, columns=["printed row", "status", "how or why"]))
        )
    return "\n\n".join(parts) + "\n"


def in_readme(readme: str, rows: Iterable[PrintedRow]) -> str:
    """The README with its table of counts made anew. Raises WorkbookError where it has none."""
    table = _markdown(by_paper(rows).reset_index())
    header = table.splitlines()[0]
    old = re.search(rf"^{re.escape(header)}\n(?:\|.*\n)*", readme, re.MULTILINE)
    if old is None:
        raise WorkbookError(f"the README has no table that begins with the line {header}")
    return readme.replace(old[0], table + "\n")


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _judged(
    artifact: str,
    row: dict[str, Any],
    computed: Mapping[tuple[str, str], dict[str, set[str]]],
    text: str,
    trained: set[str],
) -> PrintedRow:
    name = row["method"]
    ways = computed.get(_key(artifact, name))
    if ways:
        where = [f"{way} ({', '.join(sorted(data))})" for way, data in sorted(ways.items())]
        status: Status = "trained" if "trained" in ways else "recounted"
        return PrintedRow(artifact, name, status, "; ".join(where))
    is_shown = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    status = "quoted" if is_shown else "not yet"
    return PrintedRow(artifact, name, status, _reason(artifact, row, trained))


def _reason(artifact: str, row: dict[str, Any], trained: set[str]) -> str:
    """Why there is no row of ours, from what is known of its method."""
    paper, table = artifact.split("/")
    content = reported(paper)
    if content["tables"][table].get("origin") == "own":
        return "in the workbook, no row of it in this table"
    about = known_methods()[canonical(row["method"], paper, content["method"])]
    if "full" in (row.get("sup"), about.get("supervision")):
        return "fully supervised, outside the scope"
    if about.get("workbook") in trained:
        return "in the workbook, no row of it in this table"
    code = f"{about['code']} public code" if "code" in about else "no public code known"
    if "workbook" in about:
        is_there = (MODELS / f"{about['workbook']}.py").exists()
        return (
            "in the workbook, not trained yet" if is_there else f"not in the workbook yet, {code}"
        )
    if "code" not in about:
        return code
    return f"{code}, not in the workbook: {about.get('reason', 'not specified here')}"


def _computed(results: Path, artifact: str) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Rows of which the artifact's tables hold a number of ours -> how it came about -> the data
    sets.
    """
    ways: dict[tuple[str, str], dict[str, set[str]]] = {}
    for file in sorted(results.glob(f"*/{artifact}.csv")):
        for table in read_tables(file).values():
            for label, way in _numbers_of_ours(table.as_frame()):
                datasets = ways.setdefault(_key(artifact, label), {}).setdefault(way, set())
                datasets.add(file.parts[-3])
    return ways


def _numbers_of_ours(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(row, how it came about) of every number of ours in a table."""
    labels = frame.index
    if list(frame.index.names) == LEVELS:
        labels = frame.index.get_level_values(0)
    for column, way in OURS.items():
        if column in frame:
            for label, text in zip(labels, frame[column], strict=True):
                if re.search(r"\d", text):
                    yield str(label), way


def _key(artifact: str, label: str) -> tuple[str, str]:
    """What a printed row and ours have in common: the method's one name, and what is added to it or
    left out. In tables of a paper's own variants it is the whole label.
    """
    paper, table = artifact.split("/")
    content = reported(paper)
    label = NOTE.sub("", FORM.sub("", label)).strip()
    if content["tables"][table].get("origin") == "own":
        return label, ""
    name, *rest = re.split(r"\s(?=\+ |w/o )", label, maxsplit=1)
    with suppress(WorkbookError):  # a row of ours that no paper prints, such as "top-k MIL"
        name = canonical(name, paper, content["method"])
    return name, "".join(rest).casefold()
