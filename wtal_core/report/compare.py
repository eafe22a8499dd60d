"""Do the means of fresh results agree with the committed ones as far as seeds allow?"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import reading, shown
from wtal_core.reading.values import number
from wtal_core.report.artifacts import read_tables

AGAIN = "delete it and run its notebook again"
NEEDED = {"here", "±", "95 % interval"}  # of means; differences have no deviation


def compare(fresh: Path, committed: Path) -> pd.DataFrame:
    """One line per table: rows in both, rows that agree, largest difference of means.

    Two rows agree where the 95 % intervals of their means overlap.

    Runs on another machine or device are equal in distribution, not bit by bit, so agreement is
    judged by intervals. Raises WorkbookError if the two folders have no table in common.
    """
    lines: list[dict[str, object]] = []
    for page in sorted(fresh.glob("*/*/*.md")):
        file = page.with_suffix(".csv")
        other = committed / file.relative_to(fresh)
        if file.exists() and other.exists():
            lines.extend(_lines(file, other))
    if not lines:
        raise WorkbookError(
            f"{fresh} holds no table that is also in {committed}; run `wtal reproduce --results "
            f"{fresh}` first"
        )
    return pd.DataFrame(lines)


def _lines(file: Path, other: Path) -> Iterator[dict[str, object]]:
    """One line per table with intervals that both files hold."""
    committed = read_tables(other)
    for name, table in read_tables(file).items():
        if name not in committed:
            continue
        fresh_rows = table.as_frame()
        committed_rows = committed[name].as_frame()
        shared = set(fresh_rows) & set(committed_rows)
        if not shared.issuperset(NEEDED):
            continue
        with reading(file, f"has rows of {name} that cannot be compared", AGAIN):
            agreement = _agreement(fresh_rows, committed_rows)
        yield {
            "dataset": file.parts[-3],
            "artifact": f"{file.parts[-2]}/{name}",
            **agreement,
        }


def _agreement(fresh: pd.DataFrame, committed: pd.DataFrame) -> dict[str, object]:
    both = fresh.join(committed.add_suffix("_committed"), how="inner")
    overlap = [
        _overlap(interval, other)
        for interval, other in zip(
            both["95 % interval"], both["95 % interval_committed"], strict=True
        )
    ]
    means = [
        [number(mean, f"the mean of row {shown(row)}") for row, mean in both[column].items()]
        for column in ("here", "here_committed")
    ]
    difference = pd.Series(means[0], dtype=float) - pd.Series(means[1], dtype=float)
    return {
        "rows": len(both),
        "agree": sum(overlap),
        "largest difference": f"{difference.abs().max():.1f}",
    }


def _overlap(interval: str, other: str) -> bool:
    if "to" not in interval or "to" not in other:  # one seed: no interval, nothing to contradict
        return True
    low, high = _bounds(interval)
    other_low, other_high = _bounds(other)
    return low <= other_high and other_low <= high


def _bounds(interval: str) -> tuple[float, float]:
    where = f"the interval {shown(interval)}"
    low, _, high = interval.partition(" to ")
    return number(low, where), number(high, where)
