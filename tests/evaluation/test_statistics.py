"""Statistics over seeds."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.statistics import (
    Correlation,
    best_of,
    collapsed,
    maximum_weights,
    paired_difference,
    rank_correlation,
    summary,
)


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
    np.testing.assert_allclose(
        summary(values + 5, method).interval, (low + 5, high + 5), atol=0.02
    )  # BCa: ties round


def test_the_generator_decides_the_resamples():
    values = np.random.default_rng(0).normal(size=20)
    one, other = (
        summary(values, generator=np.random.default_rng(seed)).interval for seed in (1, 2)
    )
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


def test_pairs_are_resampled_as_pairs():
    a, b = np.random.default_rng(1).normal(size=(2, 8))
    found = paired_difference(a, b, method="bca")
    assert found == summary(a - b, "bca") and found.method == "bca"
    assert paired_difference(a + 100, b, method="percentile").mean == pytest.approx(
        100 + found.mean
    )
    assert paired_difference([0.3, 0.4, 0.7], [0.1, 0.2, 0.5], method="bca").std == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_best_of_n_is_the_mean_maximum_of_all_draws(n):
    values = [30.0, 31.0, 33.0, 32.5, 29.0]
    without, again = best_of(values, n), best_of(values, n, replacement=True)
    assert without.expected == pytest.approx(
        np.mean([max(drawn) for drawn in combinations(values, n)])
    )
    assert again.expected == pytest.approx(
        np.mean([max(drawn) for drawn in product(values, repeat=n)])
    )
    assert (
        without.inflation == pytest.approx(without.expected - 31.1)
        and again.expected <= without.expected + 1e-12
    )


@pytest.mark.parametrize("replacement", [False, True])
def test_equal_values_share_their_places(replacement):
    values = [1.0, 2.0, 2.0]
    drawn = product(values, repeat=2) if replacement else combinations(values, 2)
    assert best_of(values, 2, replacement).expected == pytest.approx(
        np.mean([max(pair) for pair in drawn])
    )
    assert maximum_weights(7, 3, replacement).sum() == pytest.approx(1)


def test_best_of_as_many_as_there_are_is_the_observed_maximum_and_more_need_replacement():
    assert best_of([3.0, 1.0, 2.0], 3).expected == 3
    for n in (0, 4):
        with pytest.raises(WorkbookError, match=f"best of {n}: only 3 runs"):
            best_of([3.0, 1.0, 2.0], n)
    assert 2.9 < best_of([3.0, 1.0, 2.0], 10, replacement=True).expected < 3


def test_normal_theory_is_the_mean_of_the_largest_of_n_normals():
    values = np.random.default_rng(0).normal(size=200)
    found = best_of(values, 5)
    assert found.normal == pytest.approx(1.1629644736 * values.std(ddof=1))
    assert found.inflation == pytest.approx(found.normal, abs=0.1)
    low, high = found.normal_interval
    assert low < found.normal < high and best_of(values, 1).normal_interval == (0, 0)


def test_the_expected_maximum_is_unbiased_without_replacement():
    draws = np.random.default_rng(0).normal(size=(4000, 6))
    for replacement, expected in ((False, 1.163), (True, None)):
        mean = (np.sort(draws, axis=1) @ maximum_weights(6, 5, replacement)).mean()
        assert mean == pytest.approx(expected, abs=0.03) if expected else mean < 1.05


def test_the_interval_of_best_of_n_is_repeatable_and_follows_the_values():
    values = np.random.default_rng(2).normal(30, 2, size=12)
    found = best_of(values, 5)
    low, high = found.interval
    assert found == best_of(values, 5) and low < found.inflation < high
    np.testing.assert_allclose(best_of(3 * values, 5).interval, (3 * low, 3 * high))
    assert best_of([2.0, 2.0, 2.0], 2).interval == (0, 0)
    one = best_of([2.0], 1)
    assert (one.expected, one.interval, one.normal, one.normal_interval) == (2, None, None, None)


def test_a_rank_correlation_has_an_interval_that_narrows_with_the_pairs():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=8), rng.normal(size=80)
    found = rank_correlation(few, few + rng.normal(0, 0.5, 8))
    more = rank_correlation(many, many + rng.normal(0, 0.5, 80))
    low, high = found.interval
    assert -1 <= low < found.value < high <= 1
    assert more.interval[1] - more.interval[0] < high - low


def test_the_interval_of_a_rank_correlation_covers_the_truth_about_as_often_as_it_says():
    """Of normal pairs of correlation r, Spearman's is 6 / π asin(r / 2)."""
    rng, truth = np.random.default_rng(1), 6 / np.pi * np.arcsin(0.7 / 2)
    hits = 0
    for _ in range(400):
        a, noise = rng.normal(size=(2, 15))
        low, high = rank_correlation(a, 0.7 * a + (1 - 0.49) ** 0.5 * noise).interval
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.99


def test_rank_correlations_at_their_ends():
    assert rank_correlation([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 8.0, 9.0]).interval == (1, 1)
    assert rank_correlation([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == Correlation(-1.0, None, 3)
    assert np.isnan(rank_correlation([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]).value)
    with pytest.raises(WorkbookError, match="2 and 3 values"):
        rank_correlation([1.0, 2.0], [1.0, 2.0, 3.0])


def test_a_seed_collapses_where_its_loss_is_far_above_the_median():
    assert collapsed(np.array([0.60, 0.78, 0.59, 0.61, 0.60])).tolist() == [0, 1, 0, 0, 0]
    assert not collapsed(np.array([0.010, 0.030, 0.012, 0.011, 0.010])).any()  # by 0.05 at least
    assert collapsed(np.array([-0.9, -0.5, -0.9, -0.88, -0.91])).tolist() == [0, 1, 0, 0, 0]
    assert not collapsed(np.array([np.nan, np.nan])).any()
