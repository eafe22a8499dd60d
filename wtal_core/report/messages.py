"""The messages of a paper ("A beats B"), judged by numbers of networks that are trained.

Differences are paired by seed and have a confidence interval. A verdict is one of `VERDICTS`.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from wtal_core.evaluation.statistics import Summary, paired_difference
from wtal_core.report.shown_table import ShownTable, shown
from wtal_core.report.tables import interval
from wtal_core.runs.results import Results

FEWEST_SEEDS = 5
FEWEST_TRAINED = 4
OURS = "not in the paper"
NOT_PRINTED = "not printed"  # there: the paper has both rows' numbers elsewhere, and says nothing
# differences in a claim, such as "each module helps (+1.4, +1.6)"
OF_PAPER = re.compile(r"\s\(([+-]\d+(?:\.\d+)?(?:, [+-]\d+(?:\.\d+)?)*)\)")
MARGIN_SHARE = 0.5  # of the paper's difference, within which ours is none
LEAST_MARGIN = 0.5  # points
MARGIN_OF_OURS = 1.0  # points, where the paper has no number
VERDICTS = {
    "holds": "the 95 % interval of the paired difference lies above 0",
    "reversed": "it lies below 0",
    "no difference": (
        "it contains 0 and lies within half of the paper's difference, at least 0.5 points "
        "(1 point where the paper has no number)"
    ),
    "cannot tell": "it contains 0 and is wider than that, or there are fewer than five seeds",
    "not trained": "fewer than four seeds have met their own objective in both rows",
}
EXPLAINED = (
    "Every comparison is paired by seed, over the seeds that are trained in both rows. "
    + " ".join(f"*{verdict}*: {meaning}." for verdict, meaning in VERDICTS.items())
)


def is_papers(claim: str) -> bool:
    """Whether the paper says so; of the other claims the workbook asks itself."""
    return not claim.startswith((OURS, NOT_PRINTED))


def told(claim: str, printed: bool) -> str:
    """A claim as a text has it. A difference in brackets is the paper's: it is left out where the
    text tells the printed difference anyway, else it is said to be the paper's.
    """
    as_papers = "" if printed else r" (the paper: \1 points)"
    return OF_PAPER.sub(as_papers, claim)


def judge(
    results: Results,
    claims: Mapping[str, Sequence[tuple[str, str]]],
    reported: Mapping[str, float | None],
) -> ShownTable:
    """`judge_values` in percent, by the metric of the results."""
    pairs = [pair for of_claim in claims.values() for pair in of_claim]
    apart = [pair for pair in pairs if results.read_two_networks(*pair)]
    return judge_values(results.values(), claims, reported, results.trained(), apart)


def judge_values(
    values: pd.DataFrame,
    claims: Mapping[str, Sequence[tuple[str, str]]],
    reported: Mapping[str, float | None],
    trained: pd.DataFrame | None = None,
    apart: Collection[tuple[str, str]] = (),
) -> ShownTable:
    """One line per comparison (better, worse) of each claim.

    It holds the paper's difference, ours and its paired 95 % interval over the seeds that are
    trained in both rows, how many seeds of each row are, and a verdict.

    values, trained: one row per configuration, one column per seed; trained: see
    `Results.trained`; None where values are not of networks. A claim that is not the paper's, see
    `is_papers`, has no number of the paper. apart: comparisons whose rows should read one network
    and have read two, see `Results.read_two_networks`; no difference is told, and no verdict.
    """
    lines = []
    for claim, pairs in claims.items():
        for better, worse in pairs:
            printed = _difference(reported, better, worse) if is_papers(claim) else None
            are_apart = (better, worse) in apart
            usable = np.ones(values.shape[1], dtype=bool)
            if trained is not None:
                usable = (trained.loc[better] & trained.loc[worse]).to_numpy(dtype=bool)
            line = {
                "claim": claim,
                "comparison": f"{better} > {worse}",
                "paper": "–" if printed is None else f"{printed:+.1f}",
                "here": "–",
                "95 % interval": "–",
                "trained": _trained(trained, better, worse),
            }
            difference = None
            if usable.any() and not are_apart:
                difference = paired_difference(
                    values.loc[better].to_numpy()[usable], values.loc[worse].to_numpy()[usable]
                )
                line["here"] = f"{difference.mean:+.1f}"
                line["95 % interval"] = interval(difference.interval)
            of_one_training = verdict(difference, values.shape[1], printed)
            line["verdict"] = "cannot tell" if are_apart else of_one_training
            lines.append(line)
    return shown(pd.DataFrame(lines))


def is_apart(line: Mapping[str, str]) -> bool:
    """Whether a judged comparison has no number because its rows have read two networks that
    should be one, see `judge_values`. With five seeds nothing else leaves it without one.
    """
    is_without = line.get("here") == "–" and line["verdict"] == "cannot tell"
    return is_without and int(line["trained"].rsplit(" ", 1)[-1]) >= FEWEST_SEEDS


def verdict(difference: Summary | None, seeds: int, printed: float | None) -> str:
    """One of `VERDICTS`.

    difference: over the seeds that are trained in both rows, None without any. seeds: all of them.
    printed: the paper's difference in points, None where it has none.
    """
    if seeds < FEWEST_SEEDS:
        return "cannot tell"
    if difference is None or difference.interval is None or difference.n < FEWEST_TRAINED:
        return "not trained"
    low, high = difference.interval
    if low > 0:
        return "holds"
    if high < 0:
        return "reversed"
    margin = MARGIN_OF_OURS if printed is None else max(LEAST_MARGIN, MARGIN_SHARE * abs(printed))
    return "no difference" if max(-low, high) <= margin else "cannot tell"


def _trained(trained: pd.DataFrame | None, better: str, worse: str) -> str:
    """How many seeds of both rows are trained, such as "5 and 4 of 5"."""
    if trained is None:
        return "–"
    counts = [int(trained.loc[row].sum()) for row in (better, worse)]
    return f"{counts[0]} and {counts[1]} of {trained.shape[1]}"


def _difference(reported: Mapping[str, float | None], better: str, worse: str) -> float | None:
    """What the paper's numbers say; None where it lacks one of them."""
    of_better = reported.get(better)
    of_worse = reported.get(worse)
    if of_better is None or of_worse is None:
        return None
    return of_better - of_worse


def pairs_of(judged: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """Claim -> its comparisons (better, worse), as `judge` takes them: to judge them otherwise."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for line in judged.reset_index().to_dict("records"):
        better, worse = line["comparison"].split(" > ")
        pairs.setdefault(line["claim"], []).append((better, worse))
    return pairs


def count(judged: pd.DataFrame) -> ShownTable:
    """One line per claim: how many of its comparisons have each verdict."""
    judged = judged.reset_index()  # the claim may be the index
    table = pd.crosstab(judged["claim"], judged["verdict"]).reindex(
        columns=list(VERDICTS), fill_value=0
    )
    table.insert(0, "comparisons", table.sum(axis=1))
    table.columns.name = None
    return shown(table.loc[judged["claim"].drop_duplicates()])
