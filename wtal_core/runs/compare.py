"""Fresh results against the committed ones: do the means of the same rows agree as far as their
seeds allow?
"""

from pathlib import Path

import pandas as pd

from wtal_core.errors import WorkbookError


def compare(fresh: Path, committed: Path) -> pd.DataFrame:
    """A line a data set and table: rows in both, rows whose 95 % intervals of the mean overlap,
    largest difference of means.

    Runs on another machine or device are equal in distribution, not bit by bit, so agreement is
    judged by intervals.
    """
    lines = [
        line
        for path in sorted(fresh.glob("*/*/*.csv"))
        if (line := _line(path, committed / path.relative_to(fresh)))
    ]
    if not lines:
        raise WorkbookError(
            f"{fresh} holds no table that is also in {committed}; run `wtal reproduce --results "
            f"{fresh}` first"
        )
    return pd.DataFrame(lines)


def _line(path: Path, other: Path) -> dict[str, object] | None:
    tables = [pd.read_csv(p, comment="#", index_col=0) for p in (path, other) if p.exists()]
    if len(tables) < 2 or any("95 % interval" not in t or "reproduced" not in t for t in tables):
        return None
    both = tables[0].join(tables[1], rsuffix="_committed", how="inner")
    overlap = [
        _overlap(a, b)
        for a, b in zip(both["95 % interval"], both["95 % interval_committed"], strict=True)
    ]
    difference = (both["reproduced"] - both["reproduced_committed"]).abs().max()
    return {
        "dataset": path.parts[-3],
        "artifact": f"{path.parts[-2]}/{path.stem}",
        "rows": len(both),
        "agree": sum(overlap),
        "largest difference": f"{difference:.1f}",
    }


def _overlap(a: str, b: str) -> bool:
    if "to" not in a or "to" not in b:  # one seed: no interval, nothing to contradict
        return True
    (low_a, high_a), (low_b, high_b) = ([float(x) for x in text.split(" to ")] for text in (a, b))
    return low_a <= high_b and low_b <= high_a
