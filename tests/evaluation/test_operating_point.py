"""The score at which F1 is best, by hand and by trying every score."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, GroundTruth
from wtal_core.evaluation.operating_point import best_f1_scores

TRUTH = GroundTruth(
    pd.DataFrame(
        [("v", "A", 0.0, 10.0), ("v", "A", 20.0, 30.0), ("v", "B", 5.0, 9.0)],
        columns=DETECTION_COLUMNS[:4],
    ),
    ("v", "w"),
    ("A", "B", "C"),
)


def found(*rows) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=DETECTION_COLUMNS).astype(
        {"t_start": float, "t_end": float, "score": float}
    )


def test_it_stops_before_the_false_ones():
    table = found(
        ("v", "A", 0, 10, 0.9),
        ("v", "A", 50, 60, 0.8),
        ("v", "A", 20, 30, 0.7),
        ("w", "A", 0, 9, 0.6),
        ("v", "B", 30, 40, 0.9),
    )
    # A: F1 = 2/3, 2/4, 4/5, 4/6
    assert best_f1_scores(TRUTH, table).tolist() == [0.7, np.inf, np.inf]


def test_the_higher_of_two_equal_ones():
    rows = [
        ("v", "A", 0, 10, 0.9),
        *(("v", "A", 50 + i, 60 + i, 0.8 - i / 10) for i in range(2)),
        ("v", "A", 20, 30, 0.2),
    ]
    # F1 = 2/3, 2/4, 2/5, 4/6
    assert best_f1_scores(TRUTH, found(*rows))[0] == 0.9


def test_a_looser_tiou_lets_in_more():
    table = found(("v", "B", 5, 7, 0.5))
    assert (
        best_f1_scores(TRUTH, table, 0.6)[1] == np.inf
        and best_f1_scores(TRUTH, table, 0.5)[1] == 0.5
    )


def test_no_detection_keeps_nothing():
    assert np.isinf(best_f1_scores(TRUTH, found())).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_score_is_better(seed):
    rng = np.random.default_rng(seed)
    start = rng.choice([0.0, 2.0, 20.0, 22.0, 50.0], 30)
    table = pd.DataFrame(
        {
            "video": "v",
            "label": "A",
            "t_start": start,
            "t_end": start + 10,
            "score": rng.permutation(30) / 30,
        }
    )
    best = best_f1_scores(TRUTH, table)[0]

    def f1(limit: float) -> float:
        kept = table[table["score"] >= limit].sort_values("score", ascending=False)
        right = sum(kept["t_start"].isin(near).any() for near in ([0.0, 2.0], [20.0, 22.0]))
        return 2 * right / (len(kept) + 2)

    assert f1(best) == max(f1(limit) for limit in table["score"])
