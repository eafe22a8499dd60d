"""Quality of pseudo labels: a case worked out by hand, and AP against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from tests.data_samples import REAL
from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.video_bootstrap import draws
from wtal_core.study import label_quality
from wtal_core.study.label_quality import Snippets, painted, quality, resampled_ap, snippets_of
from wtal_core.timebase import Timebase

SECOND = Timebase(fps=1.0, stride=1.0)
COLUMNS = ["video", "label", "t_start", "t_end", "score"]


def by_hand() -> Snippets:
    """a has 6 snippets, [1, 3) of them and the middle of 4 in an instance; b is longer than said,
    because of its candidate.
    """
    rows = [
        ("a", "Diving", 1, 4, 0.8),
        ("a", "Diving", 1, 2, 0.5),
        ("b", "Shotput", 0, 3, 0.4),
        ("a", "Diving", 5, 6, -0.1),
    ]
    segments = [
        ("a", "Diving", 0.6, 3.4),
        ("a", "Diving", 4.4, 4.6),
        ("a", "Shotput", 5.0, 6.0),
        ("c", "Diving", 0.0, 9.0),
    ]
    return snippets_of(
        pd.DataFrame(rows, columns=COLUMNS),
        pd.DataFrame(segments, columns=COLUMNS[:4]),
        {"a": 6.9, "b": 2.0},
        ("Diving", "Shotput"),
        SECOND,
    )


def random_snippets(seed: int) -> tuple[Snippets, np.ndarray]:
    """40 videos, some without snippets, of 3 classes; labels of one decimal, so that many tie."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 30, 40)
    size = int(lengths.sum())
    nothing = np.zeros(0)
    snippets = Snippets(
        tuple(map(str, range(40))),
        ("A", "B", "C"),
        lengths,
        generator.integers(0, 3, 40),
        generator.random(size) < 0.3,
        np.zeros(0, dtype=np.int64),
        nothing,
        nothing,
        nothing,
    )
    return snippets, generator.integers(-2, 11, size) / 10


def test_snippets_belong_to_an_instance_by_their_middle():
    snippets = by_hand()
    assert snippets.videos == ("a", "b") and snippets.lengths.tolist() == [6, 3]
    assert snippets.truth.tolist() == [False, True, True, False, True, False, False, False, False]


def test_the_best_candidate_is_painted_and_none_below_zero():
    snippets = by_hand()
    everything = label_quality.fused(snippets, label_quality.CANDIDATES)
    assert painted(snippets, everything).tolist() == [0, 0.8, 0.8, 0.8, 0, 0, 0.4, 0.4, 0.4]


def test_measures_by_hand():
    snippets = by_hand()
    labels = np.array([0, 1, 1, 0.5, 0, 0, 0, 0, 0.5])
    got = quality(snippets, labels)
    # Diving: two hits of two, then one hit more among all six; Shotput has no instance
    assert got["AP"] == pytest.approx((2 / 3) * 1 + (1 / 3) * (3 / 6))
    assert got["best F1"] == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))
    assert got["mean absolute error"] == pytest.approx((0.5 + 1 + 0.5) / 9)
    assert got["mass inside"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(3))
def test_ap_is_scikit_learns_for_any_weights(seed):
    snippets, labels = random_snippets(seed)
    weights = draws(40, 4, seed)
    video = ragged.owners(snippets.lengths)
    for got, weight in zip(resampled_ap(snippets, labels, weights), weights, strict=True):
        expected = []
        for number in range(3):
            mine = (snippets.label[video] == number) & (weight[video] > 0)
            expected.append(
                average_precision_score(
                    snippets.truth[mine], labels[mine], sample_weight=weight[video][mine]
                )
            )
        assert got == pytest.approx(np.mean(expected), abs=1e-12)


def test_two_classes_in_a_video_are_refused():
    rows = pd.DataFrame([("a", "A", 0, 1, 1.0), ("a", "B", 0, 1, 1.0)], columns=COLUMNS)
    with pytest.raises(WorkbookError, match="a has candidates of two classes"):
        snippets_of(rows, rows[COLUMNS[:4]].iloc[:0], {"a": 3.0}, ("A", "B"), SECOND)


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL / "co2net").exists(), reason="CO2-Net's detections are not beside the project"
)
def test_real_candidates_all_lie_inside_of_their_videos():
    snippets = label_quality.real_snippets(REAL)
    assert len(snippets.videos) == 200 and len(snippets.score) == 33895
    assert (snippets.end <= snippets.lengths[snippets.video] + 1e-6).all()
    assert 0.2 < snippets.truth.mean() < 0.4
