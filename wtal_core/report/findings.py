"""Does it hold? What the committed runs say of the papers' messages, as one Markdown page.

The verdicts are those of the artifacts' own tables, which are made from the ledger.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.papers.manifests import known_papers, reported
from wtal_core.papers.manifests import regimes as kept_regimes
from wtal_core.report.artifacts import read_tables
from wtal_core.report.messages import VERDICTS, is_papers
from wtal_core.report.shown_table import GLYPHS
from wtal_core.report.unknowns import MIDDLE

# data sets in this order, then the others: first those in whose regime the papers' data are
DATASETS = ("simulated-2", "simulated-thumos14", "shrec21", "thumos14")
MEANINGS = "\n".join(
    fill(f"* {GLYPHS[verdict]} *{verdict}*: {meaning}.", 100, subsequent_indent="  ")
    for verdict, meaning in VERDICTS.items()
)
INTRODUCTION = f"""# Does it hold?

Written by `make docs` from the tables in [`results/`](../results/README.md), which are made from
the ledger's runs. Do not edit it by hand.

A message of a paper, such as "hybrid attention helps", is one or several comparisons of two rows.
Every comparison is paired by seed, over the seeds that are trained in both rows. It has one of five
verdicts:

{MEANINGS}

In the pictures a dot is the mean paired difference here with its 95 % interval, and an orange
tick the paper's difference, on its own data. A hollow dot is of rows that are not trained.
"""
REGIME = """## Of which data

The problem is long videos of mostly background that show about one class. A data set that is far
from this says little about a method that was made for it. The table is of the training videos: the
share of time inside an instance (coverage), the labels per video, and the largest share of the
videos of one class that show a certain other one.
"""
DEPENDS = """## Does it depend on what nobody knows?

Version 2 of the simulated data has three constants without a source. At three values of each, the
main difference of each paper, in points, with its verdict. *grows*, *falls*: the 95 % interval of
the difference at high minus that at low, paired by seed, lies above or below 0. *turns*: so, and
the message holds at one end and is reversed at the other. See
[`unknowns.ipynb`](../notebooks/unknowns.ipynb).
"""
UNKNOWNS = Path(MIDDLE) / "unknowns" / "unknowns.csv"  # in the results folder
PAPERS_OWN = "thumos14"
# data sets whose results are statistics and published detections, in no table of an artifact
PUBLISHED = {"thumos14", "activitynet1.2"}
PICTURES = "holds"  # folder of the forest plots, beside the page
NUMBER = r"[-+]?\d+(?:\.\d+)?"
INTERVAL = re.compile(f"({NUMBER}) to ({NUMBER})")


@dataclass(frozen=True)
class Judged:
    """One comparison of a message on one data set, as its table has it.

    printed, here: differences in points; None where there is none. interval: of `here`.
    """

    paper: str
    artifact: str
    table: str
    dataset: str
    claim: str
    comparison: str
    printed: float | None
    here: float | None
    interval: tuple[float, float] | None
    trained: str
    verdict: str

    @property
    def is_papers(self) -> bool:
        """Whether the paper says so, and not only we ask."""
        return is_papers(self.claim)


def findings(results: Path) -> str:
    """The page of all messages of all papers. Raises WorkbookError where no table judges any."""
    judged = list(all_judged(results))
    if not judged:
        raise WorkbookError(f"{results} holds no judged messages; `wtal reproduce` makes some")
    parts = [INTRODUCTION]
    if older := not_yet(results):
        parts.append(
            f"\nTables of {', '.join(older)} do not say yet whether their networks are trained. "
            "They are left out here until they are computed again.\n"
        )
    names = {paper: paper_name(paper) for paper in known_papers()}
    how_many = counts(judged).replace({"paper": names})
    shares = f"{_shares(how_many)} {_repeated(judged)}"
    how_many = how_many.rename(
        columns={verdict: f"{GLYPHS[verdict]} {verdict}" for verdict in VERDICTS}
    )
    parts.append(f"\n## How many\n\n{shares}\n\n{_markdown(how_many)}\n")
    parts.append(f"\n{REGIME}\n{_markdown(regimes(judged))}\n")
    if (results / UNKNOWNS).is_file():
        depends = read_tables(results / UNKNOWNS)["unknowns"].as_frame().reset_index()
        parts.append(f"\n{DEPENDS}\n{_markdown(depends)}\n")
    for paper in dict.fromkeys(one.paper for one in judged):
        of_paper = [one for one in judged if one.paper == paper]
        picture = f"![Paired differences of {paper}'s comparisons]({PICTURES}/{paper}.png)"
        parts.append(f"\n## {paper_name(paper)}\n\n{picture}\n\n{_table(of_paper)}\n")
    return "".join(parts)


def paper_name(paper: str) -> str:
    """ "FAC-Net" of "facnet"."""
    return str(reported(paper)["method"]) if paper in known_papers() else paper


def _places(names: pd.Series) -> pd.Series:
    return names.map(lambda name: place_in(name, DATASETS))


def place_in(name: str, order: tuple[str, ...]) -> int:
    """Where a name stands in an order; behind all where it does not."""
    return order.index(name) if name in order else len(order)


def counts(judged: list[Judged]) -> pd.DataFrame:
    """How many comparisons of each paper have each verdict, by data set; ours are left out."""
    frame = pd.DataFrame(
        [(one.dataset, one.paper, one.verdict) for one in judged if one.is_papers],
        columns=["data set", "paper", "verdict"],
    )
    table = pd.crosstab([frame["data set"], frame["paper"]], frame["verdict"])
    table = table.reindex(columns=list(VERDICTS), fill_value=0).reset_index()
    table = table.sort_values("data set", key=_places, kind="stable")
    table.columns.name = None
    return table


def _shares(table: pd.DataFrame) -> str:
    """One sentence: of all comparisons the percentage of each verdict."""
    totals = table[list(VERDICTS)].sum()
    told = ", ".join(
        f"{verdict} {number / totals.sum():.0%}".replace("%", " %")
        for verdict, number in totals.items()
    )
    return f"Of {totals.sum()} comparisons: {told}."


def _repeated(judged: list[Judged]) -> str:
    """One sentence: how many comparisons say what another one says, such as Table 3's in Table 4.

    The same two rows have other names in other tables; their numbers are the same.
    """
    told = [one for one in judged if one.is_papers and one.here is not None]
    distinct = {(one.dataset, one.paper, one.here, one.interval, one.verdict) for one in told}
    return (
        f"{len(told) - len(distinct)} of them have the difference, interval and verdict of another "
        "one of their paper and data set: mostly two rows that several tables or messages compare."
    )


def regimes(judged: list[Judged]) -> pd.DataFrame:
    """The regime of each data set that is judged, below that of THUMOS14, see `data/regime.py`."""
    kept = kept_regimes()
    names = [PAPERS_OWN, *sorted({one.dataset for one in judged} & set(kept))]
    lines = [
        (
            name,
            f"{kept[name]['coverage']:.2f}",
            f"{kept[name]['labels']:.2f}",
            f"{kept[name]['together']:.2f}",
        )
        for name in names
    ]
    columns = ["data set", "coverage", "labels per video", "largest P(other class, given one)"]
    return pd.DataFrame(lines, columns=columns)


def all_judged(results: Path) -> Iterator[Judged]:
    """The comparisons of all artifacts, by paper, artifact, data set and place in the table.

    Tables that do not say whether their networks are trained are left out, see `not_yet`.
    """
    for path, name, frame in _tables(results):
        if "trained" in frame:
            for line in frame.to_dict("records"):
                yield _judged(path, name, line)


def judged_of(table: pd.DataFrame) -> list[Judged]:
    """The comparisons of one table of `messages.judge`, as they stand in it."""
    frame = table.reset_index() if "claim" not in table else table
    nowhere = Path("no data set", "no paper", "no artifact")
    return [_judged(nowhere, "", line) for line in pd.DataFrame(frame).to_dict("records")]


def not_yet(results: Path) -> list[str]:
    """Data sets of which a table judges messages without saying whether networks are trained."""
    return sorted({path.parts[-3] for path, _, frame in _tables(results) if "trained" not in frame})


def _tables(results: Path) -> Iterator[tuple[Path, str, pd.DataFrame]]:
    """(file, name, lines) of each table that judges messages."""
    files = [path for path in results.glob("*/*/*.csv") if path.parent.parent.name not in PUBLISHED]
    for path in sorted(files, key=lambda path: (path.parts[-2], path.stem, path.parts[-3])):
        for name, table in read_tables(path).items():
            frame = table.as_frame().reset_index()
            if {"claim", "verdict", "comparison"} <= set(frame):
                yield path, name, frame


def _judged(path: Path, table: str, line: dict[str, str]) -> Judged:
    bounds = INTERVAL.fullmatch(line.get("95 % interval", ""))
    return Judged(
        paper=path.parts[-2],
        artifact=path.stem,
        table=table,
        dataset=path.parts[-3],
        claim=str(line["claim"]),
        comparison=line["comparison"],
        printed=_number(line.get("paper", "")),
        here=_number(line.get("here", "")),
        interval=(float(bounds[1]), float(bounds[2])) if bounds else None,
        trained=line.get("trained", "–"),
        verdict=line["verdict"],
    )


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(NUMBER, text) else None


def _table(judged: list[Judged]) -> str:
    """One row per comparison and data set."""
    lines = [
        {
            "message": one.claim,
            "comparison": one.comparison,
            "data": f"[{one.dataset}](../results/{one.dataset}/{one.paper}/{one.artifact}.md)",
            "paper": "–" if one.printed is None else f"{one.printed:+.1f}",
            "here": "–" if one.here is None else f"{one.here:+.1f}",
            "95 % interval": interval_of(one),
            "trained": one.trained,
            "verdict": f"{GLYPHS[one.verdict]} {one.verdict}",
        }
        for one in judged
    ]
    return _markdown(pd.DataFrame(lines))


def interval_of(one: Judged) -> str:
    """ "1.9 to 6.6", or a dash."""
    return "–" if one.interval is None else f"{one.interval[0]:.1f} to {one.interval[1]:.1f}"


def _markdown(table: pd.DataFrame) -> str:
    text = table.to_markdown(index=False, disable_numparse=True, tablefmt="pipe")
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
