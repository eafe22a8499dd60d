"""Statistics over seeds."""

import numpy as np
import pytest
from scipy import stats

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.statistics import paired_difference, summary


def test_mean_deviation_and_count():
    found = summary([1.0, 2.0, 4.0])
    assert (found.n, found.mean) == (3, pytest.approx(7 / 3))
    assert found.std == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert found.interval[0] < found.mean < found.interval[1]


@pytest.mark.parametrize("method", ["bca", "percentile", "t"])
@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_interval_holds_the_mean_is_repeatable_and_moves_with_the_values(method, n):
    values = np.random.default_rng(n).normal(size=n)
    found = summary(values, method)
    assert found == summary(values, method)
    low, high = found.interval
    assert low <= found.mean <= high and np.isfinite([low, high]).all()
    np.testing.assert_allclose(summary(values + 5, method).interval, (low + 5, high + 5), atol=0.02)   # BCa: ties round


def test_the_generator_decides_the_resamples():
    values = np.random.default_rng(0).normal(size=20)
    one, other = (summary(values, generator=np.random.default_rng(seed)).interval for seed in (1, 2))
    assert one != other
    np.testing.assert_allclose(one, other, atol=0.05)


def test_one_value_has_no_interval_and_equal_values_one_of_zero_width():
    assert (summary([3.0]).std, summary([3.0]).interval) == (None, None)
    assert summary([0.3, 0.3, 0.3]).interval == (pytest.approx(0.3), pytest.approx(0.3))


def test_paired_difference_is_the_paired_t_interval():
    a, b = np.random.default_rng(0).normal(size=(2, 6))
    found, d = paired_difference(a, b), a - b
    half = stats.t.ppf(0.975, 5) * d.std(ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(found.interval, (d.mean() - half, d.mean() + half))
    assert (found.n, found.mean) == (6, pytest.approx(d.mean()))


def test_equal_differences_are_equal_but_for_rounding():
    found = paired_difference([0.3, 0.4, 0.7], [0.1, 0.2, 0.5])
    assert found.std == 0 and found.interval == (found.mean, found.mean)
    assert paired_difference([1.0], [0.5]).interval is None


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], np.ones((2, 1))])
def test_bad_values_are_refused(values):
    with pytest.raises(WorkbookError, match="finite number"):
        summary(values)


def test_pairs_must_be_pairs():
    with pytest.raises(WorkbookError, match="2 and 1 values"):
        paired_difference([1.0, 2.0], [1.0])
