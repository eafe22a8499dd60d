"""The lists of errors and of missed instances, and the two counts that tell how far an error type
can be believed.
"""

import numpy as np
import pandas as pd
import pytest

from tests.diagnosis_samples import COLUMNS, KINDS, case, truth
from wtal_core.evaluation import worst
from wtal_core.evaluation.error_types import outcomes
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.evaluation.worst import (
    background_inside,
    costs,
    gains_by_kind,
    missed_instances,
    own_class_ties,
    worst_errors,
)


def found(instances, detections):
    return outcomes(truth(instances), pd.DataFrame(detections, columns=[*COLUMNS, "score"]))


def test_the_sample_has_every_outcome():
    one = case()
    assert (
        outcomes(one.ground_truth, one.detections).sort_values("row")["outcome"].tolist() == KINDS
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_cost_is_what_map_gains_without_that_detection(seed):
    """Classes of very different size, so that the same place costs differently; against evaluating
    again without each one.
    """
    rng = np.random.default_rng(seed)
    rows = [("v1", "A", 10.0 * i, 10.0 * i + 8) for i in range(2)] + [
        ("v2", "B", 10.0 * i, 10.0 * i + 8) for i in range(30)
    ]
    truth_rows = truth(rows)
    chosen = rng.integers(0, len(rows), 60)
    detections = pd.DataFrame(
        [
            (*rows[i][:2], rows[i][2] + shift, rows[i][3] + shift, score)
            for i, shift, score in zip(
                chosen, rng.choice([0, 1, 6], 60), rng.permutation(60) / 60, strict=True
            )
        ],
        columns=[*COLUMNS, "score"],
    )
    errors = worst_errors(outcomes(truth_rows, detections), truth_rows)
    full = evaluate(truth_rows, detections, ACTIVITYNET, (0.5,)).map[0]
    gains = [
        evaluate(truth_rows, detections.drop(index=row), ACTIVITYNET, (0.5,)).map[0] - full
        for row in errors["row"]
    ]
    np.testing.assert_allclose(errors["cost"], gains, rtol=0, atol=1e-12)
    assert errors["cost"].is_monotonic_decreasing and errors["cost"].iloc[0] > 0
    assert "true positive" not in set(errors["outcome"])


def test_costs_do_not_depend_on_how_many_are_computed_at_once(monkeypatch):
    hit = np.random.default_rng(0).random(200) < 0.3
    expected = costs(hit)
    monkeypatch.setattr(worst, "ENTRIES_AT_ONCE", 100)
    np.testing.assert_array_equal(costs(hit), expected)
    assert costs(np.zeros(5, dtype=bool)).tolist() == [0.0] * 5 and not len(
        costs(np.zeros(0, dtype=bool))
    )


def test_missed_instances_come_longest_first_with_their_best_overlap():
    one = case()
    missed = missed_instances(outcomes(one.ground_truth, one.detections), one.ground_truth)
    assert missed["row"].tolist() == [3, 1, 2]
    assert missed["best"].tolist() == [3 / 60, 0.0, 0.0]  # of its own class only


def test_without_detections_everything_is_missed():
    one = case()
    nothing = outcomes(one.ground_truth, one.detections.iloc[:0])
    assert worst_errors(nothing, one.ground_truth).empty
    assert len(missed_instances(nothing, one.ground_truth)) == 4
    assert (
        own_class_ties(nothing, one.ground_truth)
        == background_inside(nothing, one.ground_truth)
        == 0
    )


def test_an_interval_annotated_as_two_classes_decides_by_the_list():
    """CliffDiving is listed before Diving: a badly placed dive is called a confusion, though it
    overlaps a dive just as much.
    """
    twice = [("v1", "A", 0.0, 10.0), ("v1", "B", 0.0, 10.0)]
    poor_b = [("v1", "B", 0.0, 3.0, 0.9)]
    assert found(twice, poor_b)["outcome"].tolist() == ["confusion"]
    assert own_class_ties(found(twice, poor_b), truth(twice)) == 1
    assert own_class_ties(found(twice[::-1], poor_b), truth(twice[::-1])) == 0
    assert own_class_ties(found(twice, [("v1", "B", 50.0, 53.0, 0.9)]), truth(twice)) == 0


def test_background_inside_a_long_instance_of_its_class_is_counted_once():
    twice = [("v1", "A", 0.0, 100.0), ("v1", "A", 0.0, 90.0), ("v1", "B", 0.0, 5.0)]
    inside, half, outside = (
        ("v1", "A", 50.0, 53.0, 0.9),
        ("v1", "A", 98.0, 102.0, 0.8),
        ("v1", "A", 99.0, 103.0, 0.7),
    )
    other = ("v1", "B", 50.0, 53.0, 0.6)
    table = found(twice, [inside, half, outside, other])
    assert set(table["outcome"]) == {"background"}
    assert background_inside(table, truth(twice)) == 2


@pytest.mark.parametrize("seed", range(4))
def test_a_gain_by_kind_is_what_map_gains_without_all_errors_of_it(seed):
    rng = np.random.default_rng(seed)
    rows = [(f"v{i % 2 + 1}", "AB"[i % 3 == 0], 10.0 * i, 10.0 * i + 8) for i in range(12)]
    instances = truth(rows)
    table = [
        (rows[i][0], "AB"[kind], rows[i][2] + shift, rows[i][3] + shift, score)
        for i, kind, shift, score in zip(
            rng.integers(0, 12, 60),
            rng.integers(0, 2, 60),
            rng.choice([0, 1, 4, 20], 60),
            rng.permutation(60) / 60,
            strict=True,
        )
    ]
    detections = pd.DataFrame(table, columns=[*COLUMNS, "score"])
    judged = outcomes(instances, detections)
    full = evaluate(instances, detections, ACTIVITYNET, (0.5,)).map[0]
    gains = gains_by_kind(judged, instances)
    assert (gains > 0).sum() >= 3
    for kind, gain in gains.items():
        rest = detections.drop(index=judged.loc[judged["outcome"] == kind, "row"])
        without = evaluate(instances, rest, ACTIVITYNET, (0.5,)).map[0]
        assert gain == pytest.approx(without - full, abs=1e-12)
