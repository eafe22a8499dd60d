"""Resampled test sets, against `evaluate` on tables in which the drawn videos are written out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from wtal_core.data.opening import open_dataset
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocol_case import simulate_case
from wtal_core.evaluation.protocols import ACTIVITYNET, WTALC, WTALC_2019
from wtal_core.evaluation.video_bootstrap import (
    draws,
    matched,
    paired_difference,
    paired_differences,
    resampled_map,
)


@pytest.fixture(scope="module")
def case():
    return simulate_case(open_dataset("simulated"))


def written_out(table, counts):
    """Every video as often as it is drawn, each copy under a name of its own."""
    copies = []
    for video, count in counts.items():
        rows = table[table["video"] == video]
        copies += [rows.assign(video=f"{video}#{copy}") for copy in range(count)]
    return pd.concat(copies).sort_index(kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("protocol", [ACTIVITYNET, WTALC, WTALC_2019])
def test_each_resample_has_the_map_of_its_videos_written_out(case, protocol):
    truth = case.ground_truth
    generator = np.random.default_rng(3)
    distinct = case.detections.assign(score=generator.permutation(len(case.detections)) / 1e4)
    weights = draws(len(truth.videos), 3, seed=1)
    got = resampled_map(matched(truth, distinct, protocol), weights)
    for row, weight in zip(got, weights, strict=True):
        counts = dict(zip(truth.videos, weight.tolist(), strict=True))
        drawn = replace(
            truth,
            segments=written_out(truth.segments, counts),
            videos=tuple(f"{v}#{copy}" for v, count in counts.items() for copy in range(count)),
            ambiguous=written_out(truth.ambiguous, counts),
        )
        expected = evaluate(drawn, written_out(distinct, counts), protocol)
        np.testing.assert_allclose(row, expected.map, rtol=0, atol=1e-12)


@pytest.mark.parametrize("protocol", [ACTIVITYNET, WTALC_2019])
def test_every_video_once_is_the_test_set_itself(case, protocol):
    once = np.ones((1, len(case.ground_truth.videos)), dtype=np.int64)
    got = resampled_map(matched(case.ground_truth, case.detections, protocol), once)
    expected = evaluate(case.ground_truth, case.detections, protocol).map
    np.testing.assert_allclose(got[0], expected, rtol=0, atol=1e-12)


def test_draws_hold_as_many_videos_as_there_are_and_repeat_with_the_seed():
    weights = draws(7, 50)
    assert (weights.sum(axis=1) == 7).all() and len(np.unique(weights, axis=0)) > 40
    np.testing.assert_array_equal(weights, draws(7, 50))


def test_differences_of_several_methods_are_those_of_each_two(case):
    truth = case.ground_truth
    tables = [case.detections, case.detections.iloc[::2], case.detections.iloc[:50]]
    methods = [matched(truth, table, ACTIVITYNET, (0.5,)) for table in tables]
    pairs = paired_differences(methods, 30)
    assert set(pairs) == {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)}
    alone = paired_difference(truth, tables[2], tables[1], ACTIVITYNET, (0.5,), 30)
    for name in ("difference", "low", "high", "share"):
        np.testing.assert_array_equal(getattr(pairs[2, 1], name), getattr(alone, name))
    np.testing.assert_array_equal(pairs[1, 2].low, -pairs[2, 1].high)
