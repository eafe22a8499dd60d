"""The three facts about the baseline, kept between calls."""

from dataclasses import replace

import pytest

from tests.study.small_runs import TOPK, count_trainings, forget_working_files, small_session
from wtal_core.models import topk_mil
from wtal_core.study.baseline import baseline_facts


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setitem(topk_mil.PROFILES, "quick", TOPK)
    return small_session(tmp_path, monkeypatch, "simulated_data")


def test_facts_are_kept_until_the_runs_are_others(session):
    facts = baseline_facts(session)
    path = session.store.root / "simulated" / "baseline_facts.csv"
    assert facts["seed"].tolist() == [0, 1] and path.read_text().startswith(
        "# topk_mil. Tiny (simulated data)"
    )
    facts.assign(**{"top-k share": 77.7}).to_csv(path, index=False)
    assert baseline_facts(session)["top-k share"].tolist() == [77.7, 77.7]
    facts.assign(**{"mAP@0.5": -1.0}).to_csv(path, index=False)
    assert baseline_facts(session).equals(facts)
    assert baseline_facts(replace(session, seeds=(1,)))["mAP@0.5"].tolist() == [facts["mAP@0.5"][1]]


def test_facts_are_those_of_the_trained_runs(session, monkeypatch):
    runs = session.trained_runs("topk_mil", TOPK)
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    table = baseline_facts(session)
    assert [seed for _, seed, _ in trainings] == [0, 1]
    assert table["mAP@0.5"].tolist() == [round(run.map[0.5], 4) for run in runs]
    tops = [round(100 * run.facts.top, 2) for run in runs]  # both by the highest eighth
    assert TOPK.fraction == 8 and table["top-k share"].tolist() == tops
