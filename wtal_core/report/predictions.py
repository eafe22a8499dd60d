"""Predictions that were registered before the runs: what each states, and what came out of it.

`data_manifests/predictions.yaml` holds them and is never changed. The statistics here take plain
numbers; `workbook.predictions` says which numbers.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wtal_core.evaluation.statistics import rank_correlation
from wtal_core.reading.refusal import reading
from wtal_core.reading.yaml_files import read_mapping

Values = Sequence[float] | np.ndarray
ROUNDING = 1e-9
KINDS = ("held-out", "calibrated")
PASS, FAIL, NOT_MEASURED = VERDICTS = ("pass", "FAIL", "not measured")


@dataclass(frozen=True)
class Bound:
    """What a value has to lie in, both ends included."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, value: float) -> bool:
        """Whether a value lies in it; differences of rounding do not count."""
        return self.low - ROUNDING <= value <= self.high + ROUNDING

    def __str__(self) -> str:
        if math.isinf(self.low):
            return f"≤ {self.high:g}"
        if math.isinf(self.high):
            return f"≥ {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Prediction:
    """One registered prediction. statistic: the words of what is compared with the bound.

    rows: names of `Registered.rows`. expected_ranks, printed: one per row, where the statistic
    needs them. over: the rows that the first one is compared with.
    """

    id: str
    statement: str
    kind: str
    dataset: str
    rows: tuple[str, ...]
    statistic: str
    bound: Bound
    expected_ranks: tuple[float, ...] = ()
    printed: tuple[float, ...] = ()
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registered:
    """The whole file. datasets: name -> hash of what decides its content. rows: name -> what it is:
    a method, a yardstick or a supervised row.
    """

    date: str
    datasets: dict[str, str]
    rows: dict[str, dict[str, Any]]
    predictions: tuple[Prediction, ...]


def read_registered(path: Path) -> Registered:
    """Read the file of predictions. Raises WorkbookError where it is missing or damaged."""
    remedy = "`git checkout` restores it"
    content = read_mapping(path, "is no whole file of predictions", remedy)
    with reading(path, "is no whole file of predictions", remedy):
        predictions = tuple(_prediction(entry) for entry in content["predictions"])
        datasets, rows = dict(content["datasets"]), dict(content["rows"])
        return Registered(str(content["date"]), datasets, rows, predictions)


def _prediction(entry: Mapping[str, Any]) -> Prediction:
    low, high = entry["bound"].get("min", -math.inf), entry["bound"].get("max", math.inf)
    if entry["kind"] not in KINDS:
        raise ValueError(f"kind {entry['kind']!r} of {entry['id']}")
    return Prediction(
        id=entry["id"],
        statement=entry["statement"],
        kind=entry["kind"],
        dataset=entry["dataset"],
        rows=tuple(entry["rows"]),
        statistic=entry["statistic"],
        bound=Bound(float(low), float(high)),
        expected_ranks=tuple(map(float, entry.get("expected_ranks", ()))),
        printed=tuple(map(float, entry.get("printed", ()))),
        over=tuple(entry.get("over", ())),
    )


def largest_deviation(values: Mapping[str, Values]) -> float:
    """The largest standard deviation (n - 1) among rows of values, one per seed."""
    return max(float(np.std(of_row, ddof=1)) for of_row in values.values())


def order_correlation(values: Values, ranks: Values) -> float:
    """Spearman's correlation of values with expected ranks; equal ranks are ties."""
    return rank_correlation(values, ranks).value


def step_error(values: Values, printed: Values) -> float:
    """The largest |step - printed step| / printed step between neighbours."""
    return float(np.abs(np.diff(values) / np.diff(printed) - 1).max())


def advantage(value: float, others: Collection[float]) -> float:
    """A value minus the best of others."""
    return value - max(others)


def smallest_step(values: Values) -> float:
    """The smallest difference between a value and the one before it."""
    return float(np.diff(values).min())


def after_a_tenth(history: pd.DataFrame) -> tuple[int, float]:
    """The first epoch at whose end a tenth of all is over, and the mean over seeds of a value then;
    NaN where it was not taken.

    history: one row per epoch (from 1), one column per seed.
    """
    epoch = math.ceil(len(history) / 10)
    return epoch, float(history.loc[epoch].mean(skipna=False))


@dataclass(frozen=True)
class Outcome:
    """What came out of a prediction.

    values: name -> value in `unit`; of several, such as one per row, every one has to be within the
    bound. NaN: not measured. how: from which numbers.
    """

    prediction: Prediction
    values: dict[str, float]
    unit: str
    how: str

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if not self.values or any(math.isnan(value) for value in self.values.values()):
            return NOT_MEASURED
        return PASS if all(map(self.prediction.bound.holds, self.values.values())) else FAIL

    @property
    def text(self) -> str:
        """The value, or the smallest and the largest of several."""
        if self.verdict == NOT_MEASURED:
            return "–"
        ends = sorted({min(self.values.values()), max(self.values.values())})
        return " to ".join(f"{round(end, 2):g}" for end in ends)


def table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One line per prediction: value, bound, verdict, kind, what is measured, and how."""
    lines = [
        {
            "prediction": outcome.prediction.id,
            "value": outcome.text,
            "bound": str(outcome.prediction.bound),
            "unit": outcome.unit,
            "verdict": outcome.verdict,
            "kind": outcome.prediction.kind,
            "statement": outcome.prediction.statement,
            "how": outcome.how,
        }
        for outcome in outcomes
    ]
    return pd.DataFrame(lines).set_index("prediction")


def counts(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """How many predictions of each kind have each verdict."""
    kinds = pd.Series([outcome.prediction.kind for outcome in outcomes], name="kind")
    verdicts = pd.Series([outcome.verdict for outcome in outcomes])
    return pd.crosstab(kinds, verdicts).reindex(
        index=pd.Index(KINDS, name="kind"), columns=list(VERDICTS), fill_value=0
    )
