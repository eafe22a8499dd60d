"""Whether a difference between two rows depends on a constant of the simulator that nobody knows.

Version 2 of the simulated data has three such constants, each at three values. A variant of the
data set changes one of them and shares all random numbers, so that runs stay paired by seed.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from wtal_core.evaluation.statistics import Summary, paired_difference
from wtal_core.report.messages import FEWEST_TRAINED, verdict
from wtal_core.report.tables import interval

MIDDLE = "simulated-2"
# of the manifest's constants -> what they stand for; low and high are variants, see `variant`
UNKNOWNS = {
    "autocorrelation": "how long noise lasts",
    "scene": "how much of a class's scene is in its background",
    "motion": "how much all actions share",
}
LEVELS = ("low", "mid", "high")


def variant(unknown: str, level: str) -> str:
    """The data set in which an unknown has this level, and the others are at mid."""
    return MIDDLE if level == "mid" else f"{MIDDLE}-{unknown}-{level}"


def datasets() -> list[str]:
    """All seven: the middle and two variants of each unknown."""
    return list(dict.fromkeys(variant(u, level) for u in UNKNOWNS for level in LEVELS))


def usable_difference(
    values: pd.DataFrame, trained: pd.DataFrame, pair: tuple[str, str]
) -> pd.Series:
    """The first row minus the second, per seed; NaN where a seed is not trained in both.

    values, trained: one row per configuration, one column per seed, see `Results`.
    """
    better, worse = pair
    return (values.loc[better] - values.loc[worse]).where(trained.loc[better] & trained.loc[worse])


def dependence(differences: Mapping[str, pd.Series], printed: float | None = None) -> pd.DataFrame:
    """One line per unknown: the difference at each level with its verdict, how much larger it is at
    high than at low, and whether it depends on the unknown.

    differences: data set, see `datasets` -> better minus worse per seed, in points; NaN where a
    seed is not trained in both rows. printed: the paper's difference in points. "grows", "falls":
    the 95 % interval of high minus low, paired by seed, lies above or below 0; "turns": so, and
    the verdicts are *holds* and *reversed*; "cannot tell": the interval contains 0;
    "not trained": fewer than four seeds are trained at both ends.
    """
    lines = {}
    for unknown in UNKNOWNS:
        by_level = {level: differences[variant(unknown, level)] for level in LEVELS}
        line = {level: _told(values, printed) for level, values in by_level.items()}
        change = _change(by_level["low"], by_level["high"])
        line["high − low"] = "–"
        if change is not None:
            line["high − low"] = f"{change.mean:+.1f} ({interval(change.interval)})"
        line["depends"] = _depends(by_level, change, printed)
        lines[unknown] = line
    return pd.DataFrame(lines).T.rename_axis("unknown")


def _told(values: pd.Series, printed: float | None) -> str:
    difference = _difference(values)
    said = verdict(difference, len(values), printed)
    return said if difference is None else f"{difference.mean:+.1f}, {said}"


def _depends(
    by_level: Mapping[str, pd.Series], change: Summary | None, printed: float | None
) -> str:
    if change is None or change.interval is None:
        return "not trained"
    low, high = change.interval
    if low <= 0 <= high:
        return "cannot tell"
    ends = {
        verdict(_difference(by_level[level]), len(by_level[level]), printed)
        for level in ("low", "high")
    }
    if ends == {"holds", "reversed"}:
        return "turns"
    return "grows" if low > 0 else "falls"


def _difference(values: pd.Series) -> Summary | None:
    """Of the seeds that are trained in both rows; None without any."""
    usable = values.dropna().to_numpy()
    return paired_difference(usable, np.zeros(len(usable))) if len(usable) else None


def _change(low: pd.Series, high: pd.Series) -> Summary | None:
    """High minus low, paired by seed; None where fewer than four seeds are trained at both ends."""
    both = (high - low).dropna().to_numpy()
    return paired_difference(both, np.zeros(len(both))) if len(both) >= FEWEST_TRAINED else None
