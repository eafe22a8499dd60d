"""Committed records as values over seeds, read without their data set: the best of n seeds of each
configuration.
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
    """Average mAP in percent of all records of a method: a row a configuration (as sorted JSON), a
    column a seed.

    Raises WorkbookError if there are none, or two of one configuration and seed (of old code, or of
    other data).
    """
    records = Ledger(results).records(dataset, method)
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
            f"two records of one configuration and seed of {method} on {dataset} in "
            f"{results.name}; "
            "`wtal results check` says which are of old code: delete those"
        )
    return rows.pivot(index="config", columns="seed", values="value")


def configuration(config: dict[str, Any]) -> str:
    """A configuration as text that is equal for equal values."""
    return json.dumps(config, sort_keys=True)


def best_of_five(values: Mapping[str, pd.Series]) -> pd.DataFrame:
    """A row a name: mean ± deviation of its runs, and what the best of five adds, in percent and
    points of mAP.
    """
    lines = {}
    for name, runs in values.items():
        best, again = (best_of(runs.to_numpy(), 5, replacement) for replacement in (False, True))
        lines[name] = {
            "runs": best.runs,
            "mean": spread(runs),
            "best of 5": f"{best.expected:.1f}",
            "inflation": f"{best.inflation:+.1f}",
            "95 % bootstrap": interval(best.interval),
            "with replacement": f"{again.inflation:+.1f}",
            "if normal": f"{best.normal:+.1f}",
            "95 % if normal": interval(best.normal_interval),
        }
    return pd.DataFrame(lines).T


def choices_on_test(
    last: Mapping[str, pd.DataFrame], best: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """A row a name: points above the mean over seeds of the last epoch, by each choice on the test
    set, mean over rows.

    last, best: a row a configuration, a column a seed, at the last epoch and at the best one on the
    test set.
    """
    lines = {}
    for name, table in last.items():
        mean = table.mean(axis=1)
        found = {
            "best seed": table.max(axis=1) - mean,
            "best epoch": best[name].mean(axis=1) - mean,
            "best seed and epoch": best[name].max(axis=1) - mean,
        }
        lines[name] = {
            "configurations": len(table),
            "seeds": table.shape[1],
            **{
                choice: f"{points.mean():+.1f} ({points.min():+.1f} to {points.max():+.1f})"
                for choice, points in found.items()
            },
        }
    return pd.DataFrame(lines).T


def paired(rows: Mapping[str, tuple[pd.Series, pd.Series]]) -> pd.DataFrame:
    """A line a pair of rows of equal seeds: their mean difference, and its interval by Student's t
    and by bootstrap.
    """
    lines = {}
    for name, (first, second) in rows.items():
        found = {
            method: paired_difference(first.to_numpy(), second.to_numpy(), method=method)
            for method in ("t", "bca")
        }
        lines[name] = {
            "difference": f"{found['t'].mean:+.1f}",
            "n": found["t"].n,
            **{f"95 % interval, {method}": interval(one.interval) for method, one in found.items()},
        }
    return pd.DataFrame(lines).T
