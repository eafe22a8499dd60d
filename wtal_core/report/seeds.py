"""Committed records as values over seeds, read without their data set.

From them: what the best of n seeds of a configuration adds.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.statistics import best_of, paired_difference
from wtal_core.report.tables import interval, spread
from wtal_core.runs.ledger import Ledger


def values_over_seeds(
    results: Path, dataset: str, method: str, protocol: str, rule: str = "last"
) -> pd.DataFrame:
    """Average mAP in percent of all records of a method.

    One row per configuration (as sorted JSON), one column per seed.

    A run that several behaviours have computed counts once, by the newest.
    Raises WorkbookError if there are none, or two of one configuration and seed (of other data).
    """
    records = Ledger(results).newest(dataset, method)
    if not records:
        raise WorkbookError(
            f"no records of {method} on {dataset} in {results.name}; `wtal reproduce` makes some"
        )
    rows = pd.DataFrame(
        [
            (
                configuration(record.differences),
                record.seed,
                record.average_map(protocol, rule),
            )
            for record in records
        ],
        columns=["config", "seed", "value"],
    )
    if rows.duplicated(["config", "seed"]).any():
        raise WorkbookError(
            f"two runs of one configuration and seed of {method} on {dataset} in {results.name}, "
            "of different data; give a results folder that holds runs on one state of the data"
        )
    return rows.pivot(index="config", columns="seed", values="value")


def configuration(config: dict[str, Any]) -> str:
    """A configuration as text that is equal for equal values."""
    return json.dumps(config, sort_keys=True)


def best_of_five(values: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Mean ± deviation of the runs of each name, and what the best of five adds.

    One row per name, in percent and points of mAP.
    """
    lines = {}
    for name, runs in values.items():
        best = best_of(runs.to_numpy(), 5, replacement=False)
        drawn_again = best_of(runs.to_numpy(), 5, replacement=True)
        lines[name] = {
            "runs": best.runs,
            "mean": spread(runs),
            "best of 5": f"{best.expected:.1f}",
            "inflation": f"{best.inflation:+.1f}",
            "95 % bootstrap": interval(best.interval),
            "with replacement": f"{drawn_again.inflation:+.1f}",
            "if normal": f"{best.normal:+.1f}",
            "95 % if normal": interval(best.normal_interval),
        }
    return pd.DataFrame(lines).T


def choices_on_test(
    last: Mapping[str, pd.DataFrame], best: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Points above the mean over seeds of the last epoch, by each choice on the test set.

    One row per name, the mean over the configurations that all names have: so the rows compare, and
    a run of one of them alone moves none.

    last, best: one row per configuration, one column per seed, at the last epoch and at the best
    one on the test set.
    """
    common = sorted(set.intersection(*(set(table.index) for table in last.values())))
    lines = {}
    for name in last:
        table, at_best = last[name].loc[common], best[name].loc[common]
        mean = table.mean(axis=1)
        gains = {
            "best seed": table.max(axis=1) - mean,
            "best epoch": at_best.mean(axis=1) - mean,
            "best seed and epoch": at_best.max(axis=1) - mean,
        }
        line: dict[str, object] = {"configurations": len(table), "seeds": table.shape[1]}
        for choice, points in gains.items():
            line[choice] = f"{points.mean():+.1f} ({points.min():+.1f} to {points.max():+.1f})"
        lines[name] = line
    return pd.DataFrame(lines).T


def paired(rows: Mapping[str, tuple[pd.Series, pd.Series]]) -> pd.DataFrame:
    """The mean difference of each pair of rows of equal seeds, with two intervals.

    One line per pair. The intervals are Student's t and bootstrap.
    """
    lines = {}
    for name, (first, second) in rows.items():
        by_t = paired_difference(first.to_numpy(), second.to_numpy(), method="t")
        by_bootstrap = paired_difference(first.to_numpy(), second.to_numpy(), method="bca")
        lines[name] = {
            "difference": f"{by_t.mean:+.1f}",
            "n": by_t.n,
            "95 % interval, t": interval(by_t.interval),
            "95 % interval, bca": interval(by_bootstrap.interval),
        }
    return pd.DataFrame(lines).T
