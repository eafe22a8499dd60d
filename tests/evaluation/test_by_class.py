"""Counts, curves and confusion class by class, against the evaluator and cases counted by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.diagnosis_samples import COLUMNS, case, truth
from wtal_core.evaluation.by_class import (
    NOTHING,
    class_table,
    confusion,
    curve_of_all,
    curves,
)
from wtal_core.evaluation.error_types import OUTCOMES, outcomes
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.operating_point import operating_points
from wtal_core.evaluation.protocols import ACTIVITYNET, THUMOS_TIOUS


def random_case(seed):
    """Two classes of unequal size, an instance without length, and scores that occur twice."""
    rng = np.random.default_rng(seed)
    rows = [(f"v{i % 3 + 1}", "AB"[i % 4 == 0], 10.0 * i, 10.0 * i + 8) for i in range(20)]
    instances = truth([*rows, ("v1", "A", 300.0, 300.0)])
    chosen = rng.integers(0, len(rows), 80)
    table = [
        (rows[i][0], "AB"[kind], rows[i][2] + shift, rows[i][3] + shift, score)
        for i, kind, shift, score in zip(
            chosen,
            rng.integers(0, 2, 80),
            rng.choice([0, 1, 6, 12], 80),
            rng.integers(1, 40, 80) / 40,
            strict=True,
        )
    ]
    return instances, pd.DataFrame(table, columns=[*COLUMNS, "score"])


@pytest.mark.parametrize("seed", range(5))
def test_the_area_under_a_curve_is_the_average_precision(seed):
    instances, detections = random_case(seed)
    judged = outcomes(instances, detections)
    score = evaluate(instances, detections, ACTIVITYNET, (0.5,))
    by_class = curves(judged, instances)
    areas = [np.diff(c.recall, prepend=0.0) @ c.envelope for c in by_class.values()]
    assert tuple(by_class) == score.classes
    np.testing.assert_allclose(areas, score.ap[0], rtol=0, atol=1e-12)


def test_the_curve_of_all_classes_is_that_of_the_operating_points():
    instances, detections = random_case(0)
    points = operating_points(instances, detections, ACTIVITYNET, 0.5)
    curve = curve_of_all(outcomes(instances, detections), instances)
    np.testing.assert_allclose(curve.recall, points["recall"])
    np.testing.assert_allclose(curve.precision, points["precision"])
    assert (np.diff(curve.envelope) <= 0).all() and (curve.envelope >= curve.precision).all()
    thin = curve.thinned(5)
    assert len(thin.recall) == 5 and thin.recall[-1] == curve.recall[-1]


def test_the_table_of_classes_counts_every_detection_within_the_budget_once():
    instances, detections = random_case(1)
    judged = outcomes(instances, detections)
    table = class_table(judged, instances, detections, 0.5, THUMOS_TIOUS)
    score = evaluate(instances, detections, ACTIVITYNET, (0.5, *THUMOS_TIOUS))
    np.testing.assert_allclose(table["ap"], score.ap[0])
    np.testing.assert_allclose(table["average_ap"], score.ap[1:].mean(axis=0))
    assert table["instances"].to_dict() == {"A": 16, "B": 5}
    assert table["detections"].sum() == len(detections)
    within = table[list(OUTCOMES)].sum(axis=1)
    assert (within == np.minimum(table["detections"], 10 * table["instances"])).all()


def test_a_class_beyond_the_budget_is_cut():
    instances = truth([("v1", "A", 0.0, 10.0)])
    rows = [("v1", "A", 20.0 + i, 21.0 + i, 1 - i / 100) for i in range(13)]
    detections = pd.DataFrame(rows, columns=[*COLUMNS, "score"])
    judged = outcomes(instances, detections)
    table = class_table(judged, instances, detections, 0.5, (0.5,))
    assert table.loc["A", "background"] == 10 and table.loc["A", "detections"] == 13
    assert confusion(judged, instances)["count"].tolist() == [10, 1]


def test_confusion_of_the_sample_by_hand():
    """A at 0-9 right; A at 0-8 and 0-3 near A; B at 0-9.5 and 0-2 near A; the rest near nothing.
    Three instances are not found.
    """
    one = case()
    counts = confusion(outcomes(one.ground_truth, one.detections), one.ground_truth)
    cells = zip(counts["truth"], counts["detected"], strict=True)
    assert dict(zip(cells, counts["count"], strict=True)) == {
        (0, 0): 3,
        (0, 1): 2,
        (NOTHING, 0): 1,
        (NOTHING, 1): 1,
        (0, NOTHING): 1,
        (1, NOTHING): 2,
    }


def test_a_true_positive_counts_for_its_own_class_where_two_are_annotated_alike():
    instances = truth([("v1", "A", 0.0, 10.0), ("v1", "B", 0.0, 10.0)])
    detections = pd.DataFrame([("v1", "B", 0.0, 10.0, 0.9)], columns=[*COLUMNS, "score"])
    counts = confusion(outcomes(instances, detections), instances)
    assert sorted(counts.to_numpy().tolist()) == [[0, NOTHING, 1], [1, 1, 1]]
