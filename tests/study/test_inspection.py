"""A run as a case to diagnose: the same detections as its record's, and kept beside it."""

import numpy as np
import pytest

from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import protocol
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run
from wtal_core.study.inspection import cases_of, inspect
from wtal_core.study.session import Session, open_session


def test_its_detections_have_the_maps_of_the_record():
    """The committed records, so that nothing is trained."""
    session = open_session("tools/diagnose")
    for case, method in zip(cases_of(session), ("facnet", "topk_mil"), strict=True):
        run = Run(method, session.base(method), "simulated", 0)
        record = session.store.find(run, run.key(session.dataset.fingerprint))
        score = evaluate(case.ground_truth, case.detections, protocol("activitynet"))
        assert 100 * score.average == pytest.approx(record.average_map("activitynet"), abs=1e-4)
        assert (
            case.name == f"{method}, seed 0"
            and case.title == "Simulated (simulated data), profile quick, last epoch"
        )
        assert {v: len(a) for v, a in case.activation.items()} == {
            v.id: v.length for v in session.dataset.test
        }
        assert set(case.attention) == set(case.durations) == set(case.activation)


def test_it_is_computed_once(tmp_path, monkeypatch):
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    session = Session("tools/diagnose", dataset, "quick", (0,), "cpu", Ledger(tmp_path), 1)
    first = inspect(session, "facnet", CONFIG, seed=3)
    (record,) = sweep.ensure([Run("facnet", CONFIG, "simulated", 3)], session.store)
    kept = record.detections("last").sort_values(["video", "label", "score"])
    np.testing.assert_array_equal(
        first.detections.sort_values(["video", "label", "score"])["score"], kept["score"]
    )
    for path in record.folder.glob("weights_*"):
        path.unlink()
    second = inspect(session, "facnet", CONFIG, seed=3)
    assert second.detections.equals(first.detections) and len(second.detections)
    np.testing.assert_array_equal(first.activation["test_0"], second.activation["test_0"])
