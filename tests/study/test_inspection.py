"""A run as a case to diagnose: the same detections as its record's, and kept beside it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.study.small_runs import forget_working_files, small_session
from tests.tiny_dataset import CONFIG
from wtal_core.data.paths import COMMITTED
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.models.backtal import baseline
from wtal_core.study import kept
from wtal_core.study.session import open_session


@pytest.mark.parametrize("row", [baseline, replace])
def test_its_detections_have_the_maps_of_the_record(row, monkeypatch):
    """The two committed cases of BackTAL's Figure 2, so that nothing is trained."""
    monkeypatch.setattr(kept, "weights_of", None)
    session = open_session("tools/diagnose", "simulated-2", store=str(COMMITTED))
    run = session.trained("backtal", row(session.base("backtal")))
    case = run.case(session.profile)
    score = evaluate(case.ground_truth, case.detections, protocol("activitynet"))
    assert 100 * score.average == pytest.approx(run.record.average_map("activitynet"), abs=1e-4)
    assert case.name == "backtal, seed 0"
    assert case.title == "Simulated, version 2, profile quick, last epoch"
    lengths = {v.id: v.length for v in session.dataset.test}
    assert {video: len(cas) for video, cas in case.activation.items()} == lengths
    assert set(case.attention) == set(case.durations) == set(case.activation)


def test_it_is_computed_once(tmp_path, monkeypatch):
    session = small_session(tmp_path, monkeypatch, "tools/diagnose")
    run = session.trained("facnet", CONFIG, seed=3)
    first = run.case()
    order = ["video", "label", "score"]
    expected = run.record.detections("last").sort_values(order)
    np.testing.assert_array_equal(first.detections.sort_values(order)["score"], expected["score"])
    forget_working_files(tmp_path)
    monkeypatch.setattr(kept, "weights_of", None)
    second = session.trained("facnet", CONFIG, seed=3).case()
    assert second.detections.equals(first.detections) and len(second.detections)
    np.testing.assert_array_equal(first.activation["test_0"], second.activation["test_0"])


def test_it_shows_what_localization_saw(tmp_path, monkeypatch):
    run = small_session(tmp_path, monkeypatch).trained("facnet", CONFIG)
    case = run.case()
    begin = run.dataset.test[0].length
    own = slice(begin, begin + run.dataset.test[1].length)
    for seen, kept_values in (
        (run.activation.cas[-1, own], case.activation["test_1"]),
        (run.activation.attention[-1, own], case.attention["test_1"]),
    ):
        np.testing.assert_allclose(kept_values, seen, rtol=1e-3, atol=1e-4)
        assert kept_values.dtype == np.float32
