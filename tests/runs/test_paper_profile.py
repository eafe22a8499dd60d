"""`tools.paper_profile`: what is planned, in which order, and how it ends."""

import time
from multiprocessing import TimeoutError as NothingFinished

import pytest

from tools import paper_profile
from tools.paper_profile import LONG, MAIN, OTHERS, Task, Where, finish, follow, planned
from wtal_core.errors import WorkbookError
from wtal_core.models import method, method_names
from wtal_core.runs.ledger import Ledger
from wtal_core.workbook.ladder import NETWORKS

DATASET = "simulated-thumos14"


def test_every_rung_of_the_ladder_has_its_row():
    plain = {(run.method, run.config) for _, run in planned(DATASET, "official", 1)}
    for rung in NETWORKS:
        assert (rung.method, method(rung.method).profiles["official"]) in plain
    assert {name for name, _ in (MAIN | OTHERS | LONG).values()} == {
        name for name in method_names() if name != "cw_plugin"
    }


def test_main_rows_with_all_seeds_come_first_and_long_ones_last():
    runs = planned(DATASET, "official", 2)
    rows = [(row, run.seed) for row, run in runs]
    expected = []
    for group in (MAIN, OTHERS, LONG):
        for seed in (0, 1):
            expected += [(row, seed) for row in group]
    assert rows == expected
    assert len({(run.method, run.config, run.seed) for _, run in runs}) == len(runs)


def test_no_run_waits_for_another_and_no_training_is_done_twice():
    """GauFuse reads what it has trained with other settings; no other row is of that training."""
    runs = [run for _, run in planned(DATASET, "official", 1)]
    trainings = [run.source() or run for run in runs]
    assert len({(run.method, run.config) for run in trainings}) == len(runs)
    assert all(run.before() is None for run in runs)


def test_some_rows_only_and_an_unknown_one():
    assert [row for row, _ in planned(DATASET, "quick", 1, ("UM", "FAC-Net"))] == ["FAC-Net", "UM"]
    with pytest.raises(WorkbookError, match="unknown row 'Um'; choose some of FAC-Net"):
        planned(DATASET, "quick", 1, ("Um",))


class Outcomes:
    """What a pool gives back, one thing per call; an exception is raised."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)

    def next(self, timeout):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, type):
            raise outcome
        return outcome


def test_outcomes_are_counted_to_the_end(capsys):
    outcomes = Outcomes((True, "one"), (False, "two"), (True, "three"), StopIteration)
    assert follow(outcomes, time.monotonic() + 9) == (1, 2)
    assert [line.split("s  ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "one",
        "two",
        "three",
    ]


def test_it_stops_when_the_time_is_over(capsys):
    assert follow(Outcomes((True, "one"), NothingFinished), time.monotonic()) == (0, 1)
    assert "the time is over" in capsys.readouterr().out


def test_a_run_that_fails_is_told_with_its_row(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(paper_profile, "compute", fail)
    ((row, run),) = planned("simulated", "quick", 1, ("top-k MIL",))
    went_well, text = finish(Task(row, run, "topk_mil-1"), Where(tmp_path, "cpu", "highest"))
    assert not went_well and text == "top-k MIL, seed 0: RuntimeError: CUDA error"
    assert Ledger(tmp_path).find("simulated", "topk_mil", "0") is None
