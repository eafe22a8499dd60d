"""Every printed column of a row of ours beside what was reproduced, one line per cell.

It is saved as `table3_columns`; `coverage` counts a printed row as computed by it.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.statistics import summary
from wtal_core.papers import reported
from wtal_core.papers.printed_values import RESULT, averaged, metric_name
from wtal_core.report.coverage import LEVELS
from wtal_core.report.shown_table import ShownTable, shown
from wtal_core.report.tables import interval, spread
from wtal_core.runs.results import Results

DASH = "–"


def values_of(results: Results) -> dict[str, pd.DataFrame]:
    """mAP in percent by the protocol of the results: row -> one line per seed, one column per
    tIoU.
    """
    return {row: results.per_tiou(row) for row in results.records}


def of_results(
    artifact: str,
    rows: Mapping[str, str],
    results: Results,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """`printed_columns` of these results. A row of which a seed has collapsed has no interval: the
    mean of two humps is neither.
    """
    table = printed_columns(artifact, rows, values_of(results), columns)
    collapse = results.collapse()
    is_of_two_humps = [collapse[row] > 0 for row in table.index.get_level_values("row")]
    table.loc[is_of_two_humps, "95 % interval"] = DASH
    return table


def printed_columns(
    artifact: str,
    rows: Mapping[str, str],
    values: Mapping[str, pd.DataFrame],
    columns: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """One line per printed cell: printed | here (mean, deviation) | 95 % interval | n.

    artifact: such as "ten/table3". rows: row of ours -> the printed row that it stands beside.
    values: see `values_of`; tIoUs may be texts such as "0.55", and "AVG" is passed over.
    columns: row of ours -> the printed columns that are of it; all, where it is not named.

    In percent and points. An average such as `avg_10_50` is the mean of its tIoUs, seed by seed. A
    dash stands where the paper prints none, or where no record holds the tIoU. No difference is
    taken: the data are not the paper's. Raises WorkbookError for a row or column that the paper
    does not print.
    """
    printed, metrics = _printed(artifact)
    lines = {}
    for row, name in rows.items():
        if name not in printed:
            raise WorkbookError(
                f"{artifact} prints no row {name!r}; its rows: {', '.join(printed)}"
            )
        tious = values[row].drop(columns="AVG", errors="ignore")
        by_tiou = {f"m{100 * float(tiou):02.0f}": column for tiou, column in tious.items()}
        for column in (columns or {}).get(row, metrics):
            if column not in metrics:
                raise WorkbookError(
                    f"{artifact} prints no result {column!r}; its results: {', '.join(metrics)}"
                )
            line = _line(printed[name][column], _measured(by_tiou, metrics[column]))
            lines[name, row, _shown(column, metrics[column])] = line
    index = pd.MultiIndex.from_tuples(list(lines), names=LEVELS)
    return pd.DataFrame(list(lines.values()), index=index)


def compact(table: pd.DataFrame) -> ShownTable:
    """`printed_columns` for reading: one row per row of ours, a cell is "printed / here"."""
    cells = table["printed"] + " / " + table["here"]
    wide = cells.droplevel(LEVELS[0]).unstack(LEVELS[2])
    rows = table.index.get_level_values(LEVELS[1]).unique()
    columns = table.index.get_level_values(LEVELS[2]).unique()
    wide = wide.reindex(index=rows, columns=columns).fillna("")
    wide.columns.name = None
    return shown(wide, name=getattr(table, "name_of_file", None))


def _printed(artifact: str) -> tuple[dict[str, dict[str, float | None]], dict[str, str]]:
    """Row -> column -> number, and column -> metric of the columns that are results."""
    paper, name = artifact.split("/")
    tables = reported(paper)["tables"]
    if name not in tables:
        raise WorkbookError(f"{paper} has no table {name!r}; its tables: {', '.join(tables)}")
    content = tables[name]
    facts = content.get("column_facts", {})
    metrics = {column: facts.get(column, {}).get("metric", column) for column in content["columns"]}
    results = {column: metric for column, metric in metrics.items() if RESULT.fullmatch(metric)}
    cells = {
        row["method"]: dict(zip(content["columns"], row["v"], strict=True))
        for row in content["rows"]
    }
    return cells, results


def _measured(by_tiou: Mapping[str, pd.Series], metric: str) -> pd.Series | None:
    """One value per seed; None where a tIoU is missing."""
    tious = [metric] if metric.startswith("m") else averaged(metric)
    if not set(tious) <= set(by_tiou):
        return None
    return pd.DataFrame({tiou: by_tiou[tiou] for tiou in tious}).mean(axis=1)


def _line(printed: float | None, here: pd.Series | None) -> dict[str, str]:
    line = dict.fromkeys(["printed", "here", "95 % interval"], DASH) | {"n": "0"}
    if printed is not None:
        line["printed"] = f"{printed:.1f}"
    if here is None:
        return line
    ours = summary(here.to_numpy(), "t")
    return line | {
        "here": spread(here),
        "95 % interval": interval(ours.interval),
        "n": str(ours.n),
    }


def _shown(column: str, metric: str) -> str:
    """ "mAP@0.5"; with the column's own name where that says more than the metric."""
    return metric_name(metric) if column == metric else f"{column}: {metric_name(metric)}"
