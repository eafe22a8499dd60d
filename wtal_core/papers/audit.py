"""Audit of single rows of printed tables: do the averages follow from the columns, and does mAP
fall with tIoU?

Values are rounded to 0.1. The mean of rounded values is off by at most 0.05, the printed average by
0.05 more: a distance above `BOUND` is impossible. Where columns are missing, mAP must still fall
with tIoU, so that the average has bounds. Input is the table of `wtal_core.papers.printed_values`;
all numbers are reported ones, in percent.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.papers.printed_values import PLACE, averaged, wide

BOUND = 0.1  # rounded columns, rounded average: no honest average is farther off
ROUNDED = 0.05  # no farther off if the average is the rounded mean of the printed columns
SLACK = 1e-6
VERDICTS = (
    "impossible",
    "not the rounded mean",
    "column missing",
    "columns not in the table",
    "agrees",
    "no column",
)
# impossible: no unrounded numbers explain it. not the rounded mean: truncated, or the mean of
# unrounded numbers.
# column missing: a dash in a column that the average needs. no column: nothing to compare with.


def averages(values: pd.DataFrame) -> pd.DataFrame:
    """One row per printed average: what the columns give, and a verdict of `VERDICTS`.

    Columns: `PLACE`, metric, printed, recomputed (NaN where a column is missing), low and high
    (bounds of the mean), error (distance of the printed average from the recomputed one, or from
    the bounds, with its sign), verdict.
    """
    table, shown = wide(values), _shown(values)
    parts = [
        _of_metric(table, shown, metric) for metric in table.columns if metric.startswith("avg")
    ]
    found = pd.concat(parts, ignore_index=True)
    return found.sort_values(["error"], key=lambda e: -e.abs(), kind="stable", ignore_index=True)


def rising(values: pd.DataFrame) -> pd.DataFrame:
    """Printed values above one at a lower tIoU of the same row, which no evaluation can give:
    `PLACE`, metric, value, before.
    """
    table = wide(values)
    table = table[sorted(metric for metric in table.columns if not metric.startswith("avg"))]
    before = table.cummin(axis=1).ffill(axis=1).shift(1, axis=1)
    both = table.melt(ignore_index=False).assign(
        before=before.melt(ignore_index=False)["value"].to_numpy()
    )
    return both[both["value"] > both["before"] + SLACK].reset_index()


def explanations(values: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """What would explain the impossible averages of `found`, a row an explanation: `PLACE`, kind,
    what, fits, agrees with.

    kind: "one digit of a column", "one digit of the average", "averages of another row", "same
    number in another row". fits: "exactly" if all averages of the row become rounded means, "within
    rounding" if none is impossible any more. agrees with: other sources that print the corrected
    number for the same method and data set.
    """
    table = wide(values)
    parts = []
    for key, group in found[found["verdict"] == "impossible"].groupby(PLACE, sort=False):
        row = table.loc[key]
        parts += [
            _digits(values, row, key),
            _digits_of_average(key, group),
            _copies(table, row, key),
        ]
    columns = [*PLACE, "kind", "what", "fits", "agrees with"]
    rows = [(*key, *line) for part in parts for key, line in part]
    return pd.DataFrame(rows, columns=columns)


def substituted(values: pd.DataFrame, key: tuple, metric: str, other: float) -> tuple[float, float]:
    """Largest error of a row's complete averages as printed, and with one column replaced by
    `other`. key: of `PLACE`.
    """
    row = wide(values).loc[key]
    return tuple(
        float(np.abs(e).max(initial=0.0))
        for e in (_errors(row), _errors(_changed(row, metric, other)))
    )


def unnoticed(values: pd.DataFrame, key: tuple) -> list[tuple[str, float, float]]:
    """Changes of one digit in one column of a row that leave the row possible: (metric, printed,
    changed). key: of `PLACE`.
    """
    row = wide(values).loc[key]
    columns = [name for name in row.dropna().index if not name.startswith("avg")]
    return [
        (name, float(row[name]), number)
        for name in columns
        for number in _one_digit(row[name])
        if _fits(_changed(row, name, number))
    ]


def _of_metric(table: pd.DataFrame, shown: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that print this average."""
    rows = table.loc[table[metric].notna()]
    columns = rows.reindex(columns=averaged(metric))
    printed, recomputed = rows[metric], columns.mean(axis=1, skipna=False)
    low, high = (
        columns.bfill(axis=1).fillna(0).mean(axis=1),
        columns.ffill(axis=1).fillna(100).mean(axis=1),
    )
    error = printed - printed.clip(low, high)
    frame = pd.DataFrame(
        {
            "metric": metric,
            "printed": printed,
            "recomputed": recomputed,
            "low": low,
            "high": high,
            "error": error.round(6),
        }
    )
    dash = (
        columns.isna() & shown.reindex(index=rows.index, columns=columns.columns, fill_value=False)
    ).any(axis=1)
    tests = [
        columns.isna().all(axis=1),
        error.abs() > BOUND + SLACK,
        dash,
        recomputed.isna(),
        error.abs() > ROUNDED + SLACK,
    ]
    names = [
        "no column",
        "impossible",
        "column missing",
        "columns not in the table",
        "not the rounded mean",
    ]
    frame["verdict"] = np.select(tests, names, "agrees")
    return frame.reset_index()


def _shown(values: pd.DataFrame) -> pd.DataFrame:
    """Whether a table has the column at all; a row as in `wide`."""
    return values.assign(value=1).pivot(index=PLACE, columns="metric", values="value").notna()


def _errors(row: pd.Series) -> Float[np.ndarray, " A"]:
    """Printed less recomputed, of the averages whose columns are all there."""
    names = [name for name in row.index if name.startswith("avg") and pd.notna(row[name])]
    means = np.array([row.reindex(averaged(name)).mean(skipna=False) for name in names])
    errors = row[names].to_numpy(dtype=float) - means
    return errors[~np.isnan(errors)]


def _fits(row: pd.Series) -> str:
    """Whether a row could be printed as it is: "exactly", "within rounding" or "" for no."""
    falling = (
        row[[name for name in sorted(row.index) if not name.startswith("avg")]]
        .dropna()
        .is_monotonic_decreasing
    )
    worst = np.abs(_errors(row)).max(initial=0.0)
    if not falling or worst > BOUND + SLACK:
        return ""
    return "exactly" if worst <= ROUNDED + SLACK else "within rounding"


def _one_digit(value: float) -> list[float]:
    """All numbers that differ from a number with one decimal in one digit."""
    tenths = round(value * 10)
    powers = [10**place for place in range(len(f"{tenths:d}"))]
    return [
        (tenths + (digit - tenths // power % 10) * power) / 10
        for power in powers
        for digit in range(10)
        if digit != tenths // power % 10
    ]


def _changed(row: pd.Series, metric: str, number: float) -> pd.Series:
    """The row with one number replaced."""
    return row.where(row.index != metric, number)


def _digits(values: pd.DataFrame, row: pd.Series, key: tuple) -> list[tuple]:
    """Single digits of single columns whose change makes the whole row possible; confirmed and
    exact ones first.
    """
    found = []
    for metric in (name for name in row.dropna().index if not name.startswith("avg")):
        for number in _one_digit(row[metric]):
            if fits := _fits(_changed(row, metric, number)):
                found.append(
                    (
                        key,
                        (
                            "one digit of a column",
                            f"{metric}: {row[metric]:.1f} → {number:.1f}",
                            fits,
                            _who_prints(values, key, metric, number),
                        ),
                    )
                )
    return sorted(found, key=lambda line: (line[1][3] == "", line[1][2] != "exactly"))


def _digits_of_average(key: tuple, impossible: pd.DataFrame) -> list[tuple]:
    """The average itself with one digit wrong, if it is the only impossible one of its row."""
    line = impossible.iloc[0]
    if (
        len(impossible) > 1
        or pd.isna(line["recomputed"])
        or round(line["recomputed"], 1) not in _one_digit(line["printed"])
    ):
        return []
    what = f"{line['metric']}: {line['printed']:.1f} → {line['recomputed']:.1f}"
    return [(key, ("one digit of the average", what, "exactly", ""))]


def _copies(table: pd.DataFrame, row: pd.Series, key: tuple) -> list[tuple]:
    """Rows of the same data set that print the same averages: all of them if there are several,
    else the impossible one.
    """
    names = [name for name in row.dropna().index if name.startswith("avg")]
    others = table[
        (table.index.get_level_values("dataset") == key[PLACE.index("dataset")])
        & (table.index.get_level_values("method") != key[PLACE.index("method")])
    ]
    same = others[(others[names] == row[names]).all(axis=1)]
    kind = "averages of another row" if len(names) > 1 else "same number in another row"
    what = ", ".join(f"{row[name]:.1f}" for name in names)
    return [
        (key, (kind, f"{what}: {k[PLACE.index('method')]}, {k[0]} {k[1]}", "–", ""))
        for k in same.index
    ]


def _who_prints(values: pd.DataFrame, key: tuple, metric: str, number: float) -> str:
    """Sources that print this number in the same place."""
    of = dict(zip(PLACE, key, strict=True))
    same = values[
        (values["method"] == of["method"])
        & (values["dataset"] == of["dataset"])
        & (values["metric"] == metric)
        & (values["configuration"] == "")
        & np.isclose(values["value"], number)
    ]
    return ", ".join(dict.fromkeys(same["source"]))
