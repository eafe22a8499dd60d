"""How many frames per second times that are no seconds were likely counted at: a guess.

Nothing here changes a score.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.evaluation.matching import Intervals, edges
from wtal_core.timebase import Timebase

MILLISECONDS = 1000.0
# frames per second; where nothing tells them apart, the first ones are believed
RATES = (
    *(25.0, 30.0, 24.0, 50.0, 60.0, 29.97, 23.976, 59.94),
    *(20.0, 15.0, 12.0, 10.0, 120.0, 240.0, MILLISECONDS),
)
INSIDE = 0.95  # share of the rows that a rate has to keep inside their videos; others may overrun
SLACK = 1.01  # durations are rounded, and a last frame is counted or not
MARGIN = 0.005  # of tIoU; rates that agree as well as the best but for this agree as well
NEXT = 2  # candidates that are named beside the guess
MOST_ROWS = 20_000  # of the best scores, which tell enough
SMALLEST = float(np.finfo(np.float64).tiny)  # tIoU of all pairs that overlap at all


@dataclass(frozen=True)
class Guess:
    """rate: frames per second. others: what it may be else, the likeliest first.

    agrees: whether times in seconds were there to agree with.
    """

    rate: float
    others: tuple[float, ...]
    agrees: bool


def guessed_rate(
    table: pd.DataFrame,
    seconds: pd.DataFrame | None,
    ratio: Float[np.ndarray, " N"],
    bounded: bool = True,
) -> Guess:
    """The usual rate that makes the times of `table` agree best with times in seconds.

    Without any to compare with, it is the most usual one that keeps the times inside the videos.
    seconds: the other side, instances or detections; None: it is no seconds either. ratio: ends
    over the durations of their videos. bounded: whether these are durations, which hold all times.
    """
    latest = float(np.quantile(ratio, INSIDE, method="higher"))
    inside = [rate for rate in RATES if rate * SLACK >= latest] or [MILLISECONDS]
    rates = inside if bounded else list(RATES)
    agreed = np.zeros(len(rates)) if seconds is None else _agreements(table, seconds, rates)
    if not agreed.any():
        return Guess(inside[0], tuple(inside[1 : 1 + NEXT]), False)
    first = int(np.argmax(agreed >= agreed.max() - MARGIN))
    order = np.argsort(-agreed, kind="stable")
    others = [rates[place] for place in order if place != first]
    return Guess(rates[first], tuple(others[:NEXT]), True)


def _agreements(
    table: pd.DataFrame, seconds: pd.DataFrame, rates: list[float]
) -> Float[np.ndarray, " R"]:
    """At each rate, how well the times of `table` agree with those in seconds.

    Mean over annotated instances of the best tIoU with a detection of the same video and class; of
    the same video where no class is known to both. One of the tables holds detections, with scores.
    """
    of_instances = 1 if "score" in table else 0
    tables = [_of_best_scores(table), _of_best_scores(seconds)]
    columns = ["video", "label"]
    if not tables[0]["label"].isin(tables[1]["label"]).any():
        columns = ["video"]
    names = pd.concat([each[columns] for each in tables])
    key = names.groupby(columns, sort=False).ngroup().to_numpy()
    keys = (key[: len(tables[0])], key[len(tables[0]) :])
    n_shared = int(np.isin(keys[of_instances], keys[1 - of_instances]).sum())
    if not n_shared:
        return np.zeros(len(rates))
    start, end, first, last = (
        each[name].to_numpy(dtype=np.float64) for each in tables for name in ("t_start", "t_end")
    )
    agreed = []
    for rate in rates:
        base = Timebase(rate, stride=1.0)
        counted = Intervals(keys[0], base.seconds(start), base.seconds(end))
        pairs = edges(counted, Intervals(keys[1], first, last), SMALLEST)
        best = np.zeros(len(tables[of_instances]))
        np.maximum.at(best, (pairs.detection, pairs.instance)[of_instances], pairs.tiou)
        agreed.append(best.sum() / n_shared)
    return np.array(agreed)


def _of_best_scores(table: pd.DataFrame) -> pd.DataFrame:
    """The first rows by score, if there are scores and very many rows."""
    if len(table) <= MOST_ROWS:
        return table
    if "score" not in table:
        return table.iloc[:MOST_ROWS]
    score = table["score"].to_numpy(dtype=np.float64)
    return table.iloc[np.argsort(-score, kind="stable")[:MOST_ROWS]]
