"""The bootstrap of an order: against plain loops, and kept until something has changed."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.tiny_dataset import tiny_dataset
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.study import order_interval
from wtal_core.study.order_interval import correlations, kept, resampled_averages

RANKS = [1.0, 2.0, 3.0]
OF = {"data": "abc", "runs": {"a": ["1"]}, "untrained": {"b": [10.0]}}


def test_correlations_are_those_of_a_plain_loop():
    rng = np.random.default_rng(3)
    averages = [rng.random((seeds, 20)) for seeds in (5, 1, 5, 3)]
    ranks = [1.0, 2.5, 2.5, 4.0]
    generator = np.random.default_rng(7)
    means = []
    for of_row in averages:
        drawn = generator.integers(len(of_row), size=of_row.shape)
        means.append([of_row[drawn[:, r], r].mean() for r in range(20)])
    expected = [spearmanr([m[r] for m in means], ranks).statistic for r in range(20)]
    assert correlations(averages, ranks, seed=7) == pytest.approx(expected)


def test_rows_without_chance_have_one_correlation():
    averages = [np.full((1, 50), value) for value in (1.0, 5.0, 3.0)]
    values = correlations(averages, RANKS)
    assert values == pytest.approx(np.full(50, 0.5))
    assert order_interval.bounds(values) == pytest.approx((0.5, 0.5))


def test_a_seed_that_collapses_widens_the_interval():
    steady = [np.full((5, 400), value) for value in (1.0, 2.0, 3.0)]
    bimodal = [*steady[:2], np.concatenate([np.full((4, 400), 3.0), np.full((1, 400), -9.0)])]
    assert order_interval.bounds(correlations(steady, RANKS)) == pytest.approx((1, 1))
    low, high = order_interval.bounds(correlations(bimodal, RANKS))
    assert high == pytest.approx(1) and low < 0.6


def test_equal_rows_have_no_order():
    assert np.isnan(correlations([np.ones((2, 3))] * 3, RANKS)).all()


def test_the_whole_test_set_has_the_average_of_the_evaluation():
    dataset = tiny_dataset()
    truth = ground_truth_of(dataset, "wtalc")
    detections = dataset.segments_of("test").assign(score=np.linspace(1, 0.5, 6))
    detections.loc[detections.index[:3], "t_end"] -= 2
    weights = np.ones((2, len(truth.videos)), dtype=int)
    averages = resampled_averages(truth, [detections, detections], "wtalc", weights)
    expected = 100 * evaluate(truth, detections, PROTOCOLS["wtalc"]).average
    assert 0 < expected < 100 and averages == pytest.approx(np.full((2, 2), expected))


def test_the_interval_is_kept_until_something_has_changed(tmp_path):
    computed = []

    def compute():
        computed.append(len(computed))
        return 0.25, 0.75, len(computed)

    roots = (tmp_path / "own", tmp_path / "committed")
    first = kept(roots[1:], "tiny", OF, compute)
    assert (first.low, first.high, first.other_networks, first.of) == (0.25, 0.75, 1, OF)
    assert kept(roots, "tiny", OF, compute) == first and computed == [0]
    assert not roots[0].exists()
    near = {**OF, "untrained": {"b": [10.04]}}  # another processor rounds in another way
    assert kept(roots, "tiny", near, compute) == first and computed == [0]
    for number, changed in enumerate(
        (
            {**OF, "runs": {"a": ["2"]}},
            {**OF, "untrained": {"b": [10.1]}},
            {**OF, "untrained": {"b": [10.0, 10.0]}},
            {**OF, "untrained": {"c": [10.0]}},
            {**OF, "data": "abd"},
        ),
        2,
    ):
        assert kept(roots, "tiny", changed, compute).other_networks == number
    assert kept(roots[1:], "tiny", OF, compute) == first


def test_a_damaged_file_is_computed_anew(tmp_path):
    path = tmp_path / "tiny" / order_interval.FILE
    path.parent.mkdir()
    path.write_text('{"low": 0.1')
    assert kept((tmp_path,), "tiny", OF, lambda: (0.2, 0.4, 0)).low == 0.2
    assert kept((tmp_path,), "tiny", OF, lambda: (9.0, 9.0, 0)).low == 0.2
