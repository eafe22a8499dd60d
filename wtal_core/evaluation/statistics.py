"""Statistics over seeds: a mean is never shown without its number of seeds and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from wtal_core.errors import WorkbookError

RESAMPLES = 9999


@dataclass(frozen=True)
class Summary:
    """Of n values: mean, standard deviation (n - 1; None for n = 1) and interval of the mean (None for n = 1)."""

    mean: float
    std: float | None
    n: int
    interval: tuple[float, float] | None
    confidence: float
    method: str


def summary(values: Sequence[float] | np.ndarray, method: Literal["bca", "percentile", "t"] = "bca",
            confidence: float = 0.95, generator: np.random.Generator | None = None) -> Summary:
    """Mean and its confidence interval by bootstrap (BCa or percentile) or from Student's t. Equal values: zero width.

    Bootstrap intervals of few values are too narrow: of nominal 95 %, they cover the mean of a normal distribution in
    about 75 % of the cases for n = 3, 85 % for 5, 90 % for 10, 93 % for 20; "t" covers 95 % (measured, 400 trials).
    generator: of the resamples; None is one of seed 0, so the same values have the same interval.
    """
    values = _finite(values, "values")
    mean, n = float(values.mean()), len(values)
    if n == 1:
        return Summary(mean, None, n, None, confidence, method)
    if _all_equal(values):
        return Summary(mean, 0.0, n, (mean, mean), confidence, method)
    std = float(values.std(ddof=1))
    if method == "t":
        low, high = stats.t.interval(confidence, n - 1, loc=mean, scale=std / np.sqrt(n))
    else:
        rng = np.random.default_rng(0) if generator is None else generator
        low, high = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence,
                                    method={"bca": "BCa", "percentile": "percentile"}[method], rng=rng,
                                    ).confidence_interval
    return Summary(mean, std, n, (float(low), float(high)), confidence, method)


def paired_difference(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, confidence: float = 0.95,
                      ) -> Summary:
    """Mean of a - b, pair by pair (equal seeds at equal places), with the interval of the paired t-test.

    Student's t assumes roughly normal differences. Equal differences: zero width. One pair: no interval.
    """
    a, b = _finite(a, "first values"), _finite(b, "second values")
    if len(a) != len(b):
        raise WorkbookError(f"paired difference: {len(a)} and {len(b)} values; give both for the same seeds")
    difference = a - b
    mean, n = float(difference.mean()), len(a)
    if n == 1:
        return Summary(mean, None, n, None, confidence, "t")
    if _all_equal(difference, scale=float(np.abs([a, b]).max())):
        return Summary(mean, 0.0, n, (mean, mean), confidence, "t")
    low, high = stats.ttest_rel(a, b).confidence_interval(confidence)
    return Summary(mean, float(difference.std(ddof=1)), n, (float(low), float(high)), confidence, "t")


def _finite(values: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    """As float64 [n], n >= 1."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise WorkbookError(f"statistics: {name} {str(array.tolist())[:80]} must be one row of at least one finite number")
    return array


def _all_equal(values: np.ndarray, scale: float = 0.0) -> bool:
    """Equal but for rounding of numbers of size `scale`."""
    return bool(np.ptp(values) <= 1e-13 * max(scale, float(np.abs(values).max())))
