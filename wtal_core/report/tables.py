"""Tables: what the paper printed beside what was reproduced here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from wtal_core.evaluation.statistics import paired_difference, summary
from wtal_core.papers import reported_rows
from wtal_core.report.artifacts import save_table as save_table
from wtal_core.report.shown_table import BEST, NEAR, ShownTable
from wtal_core.report.shown_table import shown as shown
from wtal_core.runs.results import Results


def beside_reported(
    results: Results, reported: Mapping[str, float | None], same_data: bool = False
) -> ShownTable:
    """The paper's number of each config beside the reproduced one.

    One row per config: paper | here, at the last epoch (mean, deviation, interval, median)
    | how many seeds are trained, and how many have collapsed by their training loss | best on test
    | n seeds. same_data: the paper's number is of this data set, so that a difference means
    something, and stands there, too.

    All in percent, by the metric of the results. The interval is Student's, of the mean over seeds;
    it is left out where a seed has collapsed: the mean of two humps is neither. The best row is
    bold where it is shown, rows within noise of it are underlined, see `best_and_near`.
    """
    last, best = results.values(), results.values(rule="best")
    trained, collapse = results.trained(), results.collapse()
    lines = []
    for row in last.index:
        here, paper = summary(last.loc[row].to_numpy(), "t"), reported.get(row)
        line = {
            "row": row,
            "paper": _number(paper),
            "here": _number(here.mean),
            "±": _number(here.std),
            "95 % interval": "–" if collapse[row] else interval(here.interval),
            "median": _number(float(last.loc[row].median())),
            "trained": f"{trained.loc[row].sum()} of {here.n}",
            "collapsed": f"{collapse[row]} of {here.n}",
            "best on test": _number(best.loc[row].mean()),
            "n": here.n,
        }
        if same_data:
            line["difference"] = _number(None if paper is None else here.mean - paper, sign=True)
        lines.append(line)
    printed = best_printed(reported, list(last.index))
    marks = {"here": best_and_near(last), "paper": printed}
    return shown(pd.DataFrame(lines).set_index("row"), marks=marks)


def best_and_near(values: pd.DataFrame) -> dict[str, str]:
    """Row -> `BEST` for the highest mean, `NEAR` where the paired difference from it has a 95 %
    interval that contains 0; nothing for one row, or for one seed, which has no interval.

    values: one row per row, one column per seed.
    """
    if len(values) < 2:
        return {}
    best = values.mean(axis=1).idxmax()
    marks = {str(best): BEST}
    for row in values.index.drop(best):
        difference = paired_difference(values.loc[best].to_numpy(), values.loc[row].to_numpy())
        if difference.interval is not None and difference.interval[0] <= 0:
            marks[str(row)] = NEAR
    return marks


def best_printed(reported: Mapping[str, float | None], rows: Sequence[str]) -> dict[str, str]:
    """The highest printed number of these rows, wherever it stands; nothing for one number."""
    numbers = {row: value for row in rows if (value := reported.get(row)) is not None}
    if len(set(numbers.values())) < 2:
        return {}
    highest = max(numbers.values())
    return {row: BEST for row, value in numbers.items() if value == highest}


def with_factors(table: pd.DataFrame, factors: Mapping[str, Mapping[str, bool]]) -> ShownTable:
    """The table with check marks, as a paper's ablation has them.

    factors: row -> factor -> whether the row has it, see `papers.printed_factors`. The names of the
    rows are left out where the marks alone tell all rows apart.
    """
    return shown(table, factors=factors)


def per_tiou(
    results: Results,
    rows: Mapping[str, str] | None = None,
    protocol: str | None = None,
    rule: str = "last",
) -> ShownTable:
    """mAP per tIoU and their mean, percent, mean ± deviation over seeds.

    rows: row -> the name it is shown under.
    """
    names = rows or {row: row for row in results.records}
    by_row = {}
    for row, name in names.items():
        table = results.per_tiou(row, protocol, rule)
        table.columns = [f"{tiou:.2f}".rstrip("0") for tiou in table.columns]
        table["AVG"] = results.measured().values(protocol, rule).loc[row]
        by_row[name] = table
    lines = {
        name: {column: spread(table[column]) for column in table} for name, table in by_row.items()
    }
    columns = next(iter(by_row.values())).columns
    marks = {
        column: best_and_near(pd.DataFrame({name: t[column] for name, t in by_row.items()}).T)
        for column in columns
    }
    return shown(pd.DataFrame(lines).T, marks=marks)


def spreads(values: Mapping[str, pd.DataFrame]) -> ShownTable:
    """mAP per tIoU and their mean, as `per_tiou` shows them: mean ± deviation over seeds.

    values: row -> percent, one line per seed, one column per tIoU.
    """
    lines = {}
    for row, by_tiou in values.items():
        table = by_tiou.assign(AVG=by_tiou.mean(axis=1))
        table.columns = [*(f"{tiou:.2f}".rstrip("0") for tiou in by_tiou), "AVG"]
        lines[row] = {column: spread(table[column]) for column in table}
    return shown(pd.DataFrame(lines).T)


def strict_spreads(values: Mapping[str, pd.DataFrame], trained: pd.DataFrame) -> ShownTable:
    """mAP per tIoU of ActivityNet's tables, mean ± deviation over seeds, and how many seeds are
    trained.

    values: row -> percent, see `facts.strict_table`. trained: see `Results.trained`; all of them.
    """
    table = pd.DataFrame({row: by_tiou.apply(spread) for row, by_tiou in values.items()}).T
    counts = trained.loc[list(values)].sum(axis=1)
    table["trained"] = [f"{count} of {trained.shape[1]}" for count in counts]
    return shown(table)


def settings(rows: Mapping[str, Any]) -> ShownTable:
    """What tells configurations apart: the fields in which any two differ.

    One row per config (a dataclass), one column per field.

    Fields of a config in a config have a dotted name, such as "inputs.clicks". It is shown folded.
    """
    table = pd.json_normalize([asdict(config) for config in rows.values()]).astype(object)
    table.index = pd.Index(list(rows), name="row")
    differing = table.loc[:, [column for column in table if table[column].map(repr).nunique() > 1]]
    return shown(differing, folded=f"In what the {len(rows)} configurations differ")


def printed_table(artifact: str, columns: Sequence[str]) -> ShownTable:
    """A table of a paper as printed: one row per method, a dash where the paper has one."""
    rows = reported_rows(artifact)
    table = pd.DataFrame(
        [row["v"] for row in rows],
        columns=list(columns),
        index=[row["method"] for row in rows],
        dtype=object,
    )
    if any("sup" in row for row in rows):
        table.insert(0, "sup", [row.get("sup") for row in rows])
    table.index.name = "method"
    return shown(table.where(table.notna(), "–"))


def joined(rows: Mapping[str, pd.Series]) -> ShownTable:
    """Rows of equal columns under their names."""
    return shown(pd.DataFrame(rows).T)


def spread(values: pd.Series) -> str:
    """Mean ± standard deviation of values over seeds, one decimal."""
    here = summary(values.to_numpy(), "t")
    return f"{here.mean:.1f}" if here.std is None else f"{here.mean:.1f} ± {here.std:.1f}"


def mean_and_interval(values: pd.Series) -> str:
    """Mean over seeds and, in brackets, its 95 % interval (Student's t), one decimal.

    Seeds without a value are left out.
    """
    values = values.dropna()
    if not len(values):
        return "–"
    here = summary(values.to_numpy(), "t")
    return (
        f"{here.mean:.1f}"
        if here.interval is None
        else f"{here.mean:.1f} ({interval(here.interval)})"
    )


def interval(bounds: tuple[float, float] | None) -> str:
    """A confidence interval, one decimal; a dash where one seed gives none."""
    return "–" if bounds is None else f"{bounds[0]:.1f} to {bounds[1]:.1f}"


def _number(value: float | None, sign: bool = False) -> str:
    return "–" if value is None else f"{value:+.1f}" if sign else f"{value:.1f}"
