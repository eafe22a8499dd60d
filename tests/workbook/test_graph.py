"""All runs of all notebooks as one graph: what a notebook will ask for, and when it is due."""

import queue
from pathlib import Path

import pytest
from tqdm import tqdm

from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.runs import sweep
from wtal_core.runs.cluster import Place
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run
from wtal_core.study import session as sessions
from wtal_core.study.session import Session
from wtal_core.workbook import graph
from wtal_core.workbook.artifacts import Notebook
from wtal_core.workbook.cells import notebook_from
from wtal_core.workbook.plan import planned

NOTEBOOK = """%% markdown
# Rows

%% parameters
seeds = 5

%% code
from dataclasses import replace
from pathlib import Path
from wtal_core.study.session import open_session
from wtal_core.study.yardsticks import yardsticks
session = open_session("a/table1", seeds=seeds)
base = session.base("facnet")

%% code
rows = {"plain": base}
rows["steep"] = replace(base, delta=9.0)
starts = {"steep": base}
results = session.run("facnet", rows, starts).measured(0.5)
best = results.values().mean(1).idxmax()

%% code
Path(PLACE).write_text("written")
cases = {name: session.trained("topk_mil", config).case() for name, config in
         {"MIL": session.base("topk_mil"), "MIL, again": session.base("topk_mil")}.items()}
facts = [session.facts(method, session.base(method)) for method in ("stpn", "wtalc")]

%% code
print(session.run("facnet", {best: rows[best]}))
"""


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    path.write_text(notebook_from(NOTEBOOK.replace("PLACE", repr(str(tmp_path / "written")))))

    def open_tiny(artifact, seeds):
        ledger = Ledger(tmp_path / "results")
        numbers = tuple(range(seeds))
        return Session(artifact, tiny_dataset(), "quick", numbers, "cpu", ledger, 1)

    monkeypatch.setattr(sessions, "open_session", open_tiny)
    return path


def test_the_runs_of_a_notebook_are_known_before_it_is_executed(notebook, tmp_path):
    runs = planned(notebook, {"seeds": 2})
    counts = {}
    for run in runs:
        counts[run.method] = counts.get(run.method, 0) + 1
    # MIL with seed 0 alone, as `trained` asks for it, and once although it is asked for twice
    assert counts == {"facnet": 4, "topk_mil": 1, "stpn": 2, "wtalc": 2}
    steep = [run for run in runs if run.method == "facnet" and run.config.delta == 9.0]
    assert [run.seed for run in steep] == [0, 1]
    assert all(run.start == runs[0].config for run in steep) and runs[0].start is None
    assert not (tmp_path / "written").exists() and not (tmp_path / "results").exists()


RUNS = [Run("facnet", CONFIG, "simulated", seed) for seed in range(4)]


def due(wanted, answers, monkeypatch):
    monkeypatch.setattr(graph, "identity_of", lambda run: str(run.seed))
    back = queue.Queue()
    for answer in answers:
        back.put(answer)
    jobs = [(Notebook(f"a/{place}", Path("a.ipynb")), {}) for place in range(len(wanted))]
    ready = graph._due(jobs, wanted, back, tqdm(disable=True))
    return (notebook.artifact for notebook, _ in ready), back


def test_a_notebook_is_due_when_its_last_run_is_there(monkeypatch):
    wanted = [RUNS[:3], [], RUNS[1:2], RUNS[3:]]
    answers = [RUNS[1], RUNS[3], RUNS[0], RUNS[2], None]
    order, back = due(wanted, answers, monkeypatch)
    assert next(order) == "a/1" and back.qsize() == 5
    assert next(order) == "a/2" and back.qsize() == 4
    assert next(order) == "a/3" and back.qsize() == 3
    assert list(order) == ["a/0"]


def test_what_is_not_computed_is_left_to_the_notebook(monkeypatch):
    wanted = [RUNS[:2], RUNS[2:3]]
    answers = [RUNS[2], WorkbookError("1 runs could not be computed"), None]
    order, _ = due(wanted, answers, monkeypatch)
    assert list(order) == ["a/1", "a/0"]


def test_a_fault_of_ours_is_raised(monkeypatch):
    order, _ = due([RUNS[:1]], [AttributeError("a fault"), None], monkeypatch)
    with pytest.raises(AttributeError, match="a fault"):
        next(order)


def test_nothing_is_planned_for_one_process_and_no_worker_started_for_nothing(
    notebook, tmp_path, monkeypatch
):
    jobs = [(Notebook("a/table1", notebook), {"seeds": 1, "device": "cpu"})]
    monkeypatch.setattr(graph, "engaged", None)
    monkeypatch.setattr(graph, "workers", None)
    with monkeypatch.context() as patch:
        patch.setattr(graph, "planned", None)
        with graph.when_ready(jobs, Ledger(tmp_path), Place()) as ready:
            assert list(ready) == jobs
    monkeypatch.setattr(graph, "find", lambda run, ledger: "there")
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: tiny_dataset())
    with graph.when_ready(jobs, Ledger(tmp_path), Place(jobs=2)) as ready:
        assert list(ready) == jobs
