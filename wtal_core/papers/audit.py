"""Audit of single rows of printed tables.

Do the averages follow from the columns, and does mAP fall with tIoU?

Values are rounded to 0.1. The mean of rounded values is off by at most 0.05, the printed average by
0.05 more: a distance above `BOUND` is impossible. Where columns are missing, mAP must still fall
with tIoU, so that the average has bounds. Input is the table of `wtal_core.papers.printed_values`;
all numbers are reported ones, in percent.
"""

from typing import NamedTuple

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


class Explanation(NamedTuple):
    """What would explain an impossible average, see `explanations`."""

    kind: str
    what: str
    fits: str
    agrees_with: str = ""


def averages(values: pd.DataFrame) -> pd.DataFrame:
    """One row per printed average: what the columns give, and a verdict of `VERDICTS`.

    Columns: `PLACE`, metric, printed, recomputed (NaN where a column is missing), low and high
    (bounds of the mean), error (distance of the printed average from the recomputed one, or from
    the bounds, with its sign), verdict.
    """
    table = wide(values)
    has_column = _has_column(values)
    averaged_metrics = [metric for metric in table.columns if metric.startswith("avg")]
    parts = [_of_metric(table, has_column, metric) for metric in averaged_metrics]
    judged = pd.concat(parts, ignore_index=True)
    return judged.sort_values(["error"], key=lambda e: -e.abs(), kind="stable", ignore_index=True)


def rising(values: pd.DataFrame) -> pd.DataFrame:
    """Printed values above one at a lower tIoU of the same row, which no evaluation can give.

    Columns: `PLACE`, metric, value, before.
    """
    table = wide(values)
    table = table[sorted(metric for metric in table.columns if not metric.startswith("avg"))]
    before = table.cummin(axis=1).ffill(axis=1).shift(1, axis=1)
    both = table.melt(ignore_index=False).assign(
        before=before.melt(ignore_index=False)["value"].to_numpy()
    )
    return both[both["value"] > both["before"] + SLACK].reset_index()


def explanations(values: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """What would explain the impossible averages of `found`, one row per explanation.

    Columns: `PLACE`, kind, what, fits, agrees with.

    kind: "one digit of a column", "one digit of the average", "averages of another row", "same
    number in another row". fits: "exactly" if all averages of the row become rounded means, "within
    rounding" if none is impossible any more. agrees with: other sources that print the corrected
    number for the same method and data set.
    """
    table = wide(values)
    lines = []
    for key, group in found[found["verdict"] == "impossible"].groupby(PLACE, sort=False):
        row = table.loc[key]
        explained = [
            *_digits(values, row, key),
            *_digits_of_average(group),
            *_copies(table, row, key),
        ]
        lines += [(*key, *explanation) for explanation in explained]
    return pd.DataFrame(lines, columns=[*PLACE, "kind", "what", "fits", "agrees with"])


def substituted(values: pd.DataFrame, key: tuple, metric: str, other: float) -> tuple[float, float]:
    """Largest error of a row's complete averages: as printed, and with one column replaced.

    other: the number put into the column `metric`. key: of `PLACE`.
    """
    row = wide(values).loc[key]
    as_printed = _errors(row)
    with_other = _errors(_changed(row, metric, other))
    return _largest_size(as_printed), _largest_size(with_other)


def unnoticed(values: pd.DataFrame, key: tuple) -> list[tuple[str, float, float]]:
    """Changes of one digit in one column of a row that leave the row possible.

    (metric, printed, changed) each. key: of `PLACE`.
    """
    row = wide(values).loc[key]
    columns = [name for name in row.dropna().index if not name.startswith("avg")]
    return [
        (name, float(row[name]), number)
        for name in columns
        for number in _one_digit(row[name])
        if _fits(_changed(row, name, number))
    ]


def _of_metric(table: pd.DataFrame, has_column: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that print this average."""
    rows = table.loc[table[metric].notna()]
    columns = rows.reindex(columns=averaged(metric))
    printed = rows[metric]
    recomputed = columns.mean(axis=1, skipna=False)
    # mAP falls with tIoU, so a missing column lies between its neighbours
    low = columns.bfill(axis=1).fillna(0).mean(axis=1)
    high = columns.ffill(axis=1).fillna(100).mean(axis=1)
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
    expected = has_column.reindex(index=rows.index, columns=columns.columns, fill_value=False)
    dash = (columns.isna() & expected).any(axis=1)
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


def _has_column(values: pd.DataFrame) -> pd.DataFrame:
    """Whether a table has the column at all; a row as in `wide`."""
    return values.assign(value=1).pivot(index=PLACE, columns="metric", values="value").notna()


def _errors(row: pd.Series) -> Float[np.ndarray, " A"]:
    """Printed minus recomputed, of the averages whose columns are all there."""
    names = [name for name in row.index if name.startswith("avg") and pd.notna(row[name])]
    means = np.array([row.reindex(averaged(name)).mean(skipna=False) for name in names])
    errors = row[names].to_numpy(dtype=float) - means
    return errors[~np.isnan(errors)]


def _largest_size(errors: Float[np.ndarray, " A"]) -> float:
    return float(np.abs(errors).max(initial=0.0))


def _fits(row: pd.Series) -> str:
    """Whether a row could be printed as it is: "exactly", "within rounding" or "" for no."""
    by_tiou = [name for name in sorted(row.index) if not name.startswith("avg")]
    falling = row[by_tiou].dropna().is_monotonic_decreasing
    worst = _largest_size(_errors(row))
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


def _digits(values: pd.DataFrame, row: pd.Series, key: tuple) -> list[Explanation]:
    """Single digits of single columns whose change makes the whole row possible.

    Confirmed and exact ones come first.
    """
    explained = []
    for metric in row.dropna().index:
        if metric.startswith("avg"):
            continue
        for number in _one_digit(row[metric]):
            fits = _fits(_changed(row, metric, number))
            if fits:
                what = f"{metric}: {row[metric]:.1f} → {number:.1f}"
                confirmed_by = _who_prints(values, key, metric, number)
                explained.append(Explanation("one digit of a column", what, fits, confirmed_by))
    explained.sort(key=lambda line: (line.agrees_with == "", line.fits != "exactly"))
    return explained


def _digits_of_average(impossible: pd.DataFrame) -> list[Explanation]:
    """The average itself with one digit wrong, if it is the only impossible one of its row."""
    line = impossible.iloc[0]
    if (
        len(impossible) > 1
        or pd.isna(line["recomputed"])
        or round(line["recomputed"], 1) not in _one_digit(line["printed"])
    ):
        return []
    what = f"{line['metric']}: {line['printed']:.1f} → {line['recomputed']:.1f}"
    return [Explanation("one digit of the average", what, "exactly")]


def _copies(table: pd.DataFrame, row: pd.Series, key: tuple) -> list[Explanation]:
    """Rows of the same data set that print the same averages.

    All averages if there are several, else the impossible one.
    """
    names = [name for name in row.dropna().index if name.startswith("avg")]
    others = table[
        (table.index.get_level_values("dataset") == key[PLACE.index("dataset")])
        & (table.index.get_level_values("method") != key[PLACE.index("method")])
    ]
    same = others[(others[names] == row[names]).all(axis=1)]
    kind = "averages of another row" if len(names) > 1 else "same number in another row"
    what = ", ".join(f"{row[name]:.1f}" for name in names)
    places = [dict(zip(PLACE, index, strict=True)) for index in same.index]
    return [
        Explanation(kind, f"{what}: {of['method']}, {of['source']} {of['table']}", "–")
        for of in places
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
