"""The facts about the baseline, on activations whose answer is known, and kept between calls."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny_dataset import SCHEDULE, tiny_dataset
from wtal_core.models import topk_mil
from wtal_core.models.shared.activation import Activation
from wtal_core.pictures import signals
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.study import baseline
from wtal_core.study.activation import activation_of
from wtal_core.study.session import Session

BASELINE = replace(topk_mil.QUICK, hidden=8, schedule=replace(SCHEDULE, reduction="mean"))


@pytest.fixture
def session(tmp_path, monkeypatch):
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    monkeypatch.setitem(topk_mil.PROFILES, "quick", BASELINE)
    return Session("simulated_data", dataset, "quick", (0, 1), "cpu", Ledger(tmp_path), 1)


def truth_as_activation(dataset) -> Activation:
    columns = [
        np.column_stack([signals.inside(dataset, v.id, c) for c in dataset.classes])
        for v in dataset.test
    ]
    cas = np.concatenate(columns).astype(float)[None]
    lengths = tuple(v.length for v in dataset.test)
    return Activation(cas, np.ones((1, len(lengths), 3)), cas[..., 0], lengths)


def test_top_share_of_the_truth_is_the_oracle(session):
    for fraction in (8, 2):
        share = baseline.top_share(session.dataset, truth_as_activation(session.dataset), fraction)
        assert share == pytest.approx(baseline.top_share_bounds(session.dataset, fraction)[1])


def test_top_share_at_random_is_the_share_of_action(session):
    chance, _ = baseline.top_share_bounds(session.dataset, 1)
    assert chance == pytest.approx(
        5 * len(session.dataset.test) / sum(v.length for v in session.dataset.test)
    )


def test_facts_are_kept_until_the_runs_are_others(session):
    facts = baseline.baseline_facts(session)
    path = session.store.root / "simulated" / "baseline_facts.csv"
    assert facts["seed"].tolist() == [0, 1] and path.read_text().startswith(
        "# topk_mil. Tiny (simulated data)"
    )
    facts.assign(**{"top-k share": 77.7}).to_csv(path, index=False)
    assert baseline.baseline_facts(session)["top-k share"].tolist() == [77.7, 77.7]
    facts.assign(**{"mAP@0.5": -1.0}).to_csv(path, index=False)
    assert baseline.baseline_facts(session).equals(facts)
    assert baseline.baseline_facts(replace(session, seeds=(1,)))["mAP@0.5"].tolist() == [
        facts["mAP@0.5"][1]
    ]


def test_activation_of_one_video_gives_the_run_s_detections(session):
    activation, scene = activation_of(session, "topk_mil", BASELINE, "test_1")
    found = topk_mil.localize(activation, scene, BASELINE)
    again, _ = activation_of(session, "topk_mil", BASELINE, "test_1")
    assert all(
        np.array_equal(getattr(activation, name), getattr(again, name))
        for name in ("cas", "scores", "attention")
    )
    stored = session.signals("topk_mil", BASELINE, "test_1")["detections"]
    assert sorted(found["score"]) == pytest.approx(sorted(stored[:, 3]))
