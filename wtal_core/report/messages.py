"""The messages of a paper ("A beats B"), judged by numbers.

Differences are paired by seed and have a confidence interval.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from wtal_core.evaluation.statistics import paired_difference
from wtal_core.report.tables import interval
from wtal_core.runs.results import Results

FEWEST_SEEDS = 5
OURS = "not in the paper"


def judge(
    results: Results,
    claims: Mapping[str, Sequence[tuple[str, str]]],
    reported: Mapping[str, float | None],
) -> pd.DataFrame:
    """`judge_values` in percent, by the metric of the results."""
    return judge_values(results.values(), claims, reported)


def judge_values(
    values: pd.DataFrame,
    claims: Mapping[str, Sequence[tuple[str, str]]],
    reported: Mapping[str, float | None],
) -> pd.DataFrame:
    """One line per comparison (better, worse) of each claim.

    It holds the paper's difference, ours, its paired 95 % interval and a verdict.

    values: one row per configuration, one column per seed. "holds": the whole interval is above 0.
    "reversed": below 0. "open": it contains 0. Under five seeds always "open". A claim that begins
    with `OURS` has no number of the paper.
    """
    lines = []
    for claim, pairs in claims.items():
        for better, worse in pairs:
            difference = paired_difference(
                values.loc[better].to_numpy(), values.loc[worse].to_numpy()
            )
            printed = None if claim.startswith(OURS) else _difference(reported, better, worse)
            lines.append(
                {
                    "claim": claim,
                    "comparison": f"{better} > {worse}",
                    "paper": "–" if printed is None else f"{printed:+.1f}",
                    "here": f"{difference.mean:+.1f}",
                    "95 % interval": interval(difference.interval),
                    "verdict": _verdict(difference.interval, difference.n),
                }
            )
    return pd.DataFrame(lines)


def _difference(reported: Mapping[str, float | None], better: str, worse: str) -> float | None:
    """What the paper's numbers say; None where it lacks one of them."""
    of_better = reported.get(better)
    of_worse = reported.get(worse)
    if of_better is None or of_worse is None:
        return None
    return of_better - of_worse


def count(judged: pd.DataFrame) -> pd.DataFrame:
    """One line per claim: how many of its comparisons hold, are open, are reversed."""
    judged = judged.reset_index()  # the claim may be the index
    table = pd.crosstab(judged["claim"], judged["verdict"]).reindex(
        columns=["holds", "open", "reversed"], fill_value=0
    )
    table.insert(0, "comparisons", table.sum(axis=1))
    table.columns.name = None
    return table.loc[judged["claim"].drop_duplicates()]


def _verdict(bounds: tuple[float, float] | None, n: int) -> str:
    if bounds is None or n < FEWEST_SEEDS or bounds[0] <= 0 <= bounds[1]:
        return "open"
    return "holds" if bounds[0] > 0 else "reversed"
