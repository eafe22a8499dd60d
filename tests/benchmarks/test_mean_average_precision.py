"""The plain forms that the evaluation is timed against compute the same."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import mean_average_precision as benchmark
from benchmarks.plain import evaluator as plain
from benchmarks.plain import table_evaluator
from benchmarks.timing import peak_memory, seconds
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET, THUMOS_TIOUS


@pytest.mark.parametrize("seed", range(3))
def test_the_table_form_computes_the_same(seed):
    truth, found = benchmark.simulate(400, seed)
    expected = plain.mean_average_precision(truth, found, ACTIVITYNET, THUMOS_TIOUS)
    assert expected[0] > 0.01
    np.testing.assert_allclose(
        table_evaluator.mean_average_precision(truth, found, THUMOS_TIOUS),
        expected,
        rtol=0,
        atol=1e-12,
    )


def test_the_table_form_with_ties_strangers_and_empty_intervals():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 20, 330) * 0.5  # so that many tIoU and many scores are equal
    table = pd.DataFrame(
        {
            "video": rng.choice(["v1", "v2", "v3", "v4"], 330),
            "label": rng.choice(["A", "B", "Z"], 330),
            "t_start": start,
            "t_end": start + rng.integers(0, 8, 330) * 0.5,
        }
    )
    instances = table[:30][table["label"][:30].ne("Z") & table["video"][:30].ne("v4")]
    truth = GroundTruth(instances, ("v1", "v2", "v3"), ("A", "B", "C"), blocked=("v3",))
    found = table[30:].assign(score=rng.integers(0, 9, 300) / 10)
    expected = plain.mean_average_precision(truth, found, ACTIVITYNET, THUMOS_TIOUS)
    np.testing.assert_allclose(
        table_evaluator.mean_average_precision(truth, found, THUMOS_TIOUS),
        expected,
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("tied", [False, True])
def test_a_crowd_of_one_video_by_its_plain_check(tied):
    truth, found = benchmark.simulate_crowd(3000, 20, tied)
    expected = benchmark.crowd_plain(truth, found, THUMOS_TIOUS)
    for values in (
        evaluate(truth, found, ACTIVITYNET).map,
        plain.mean_average_precision(truth, found, ACTIVITYNET, THUMOS_TIOUS),
    ):
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_a_line_tells_ratios_and_growth():
    row = benchmark.measure(300, "activitynet", True, True)
    line = benchmark.as_line(json.loads(json.dumps(row)), row)
    assert line["CPU / (n log n), relative"] == "1.00" and {"plain ratio", "table ratio"} <= set(
        line
    )
    assert float(line["table CPU s"]) >= 0 and row["peak"] >= row["data"] > 0
    with pytest.raises(AssertionError):
        benchmark.as_line({**row, "table difference": 1e-9}, row)


def test_the_shortest_time_is_taken():
    calls = []
    best, result = seconds(lambda: calls.append(1) or len(calls), 3)
    assert (len(calls), result) == (3, 3) and 0 <= best < 1
    assert 0.01 < peak_memory() < 1000
