"""Killed at any moment and begun again, runs end with the same bits; a killed worker is no end."""

import random
import time
from functools import partial
from multiprocessing import get_context

import pytest

from tests.runs import killed
from tests.runs.killed import RUNS, work
from tests.tiny_dataset import start_worker, tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.runs import ledger as ledgers
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger

SINGLE, TOGETHER = 24, 6  # kills with one job and with two, at least
EPOCHS = 8 * len(RUNS)
TIMES = {"seconds", "train_seconds", "peak_memory_mb", "by", "seal"}


@pytest.fixture(scope="module")
def processes():
    """Processes that need not import torch each anew."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.runs.killed"])
    return context


def outcome(folder) -> dict:
    """What the runs have left, without times; weights and detections byte by byte."""
    records = Ledger(folder).records("simulated", "facnet")
    lines = {
        record.seed: {name: v for name, v in record.line.items() if name not in TIMES}
        for record in records
    }
    histories = {record.seed: record.history for record in records}
    files = {
        (record.seed, path.name): path.read_bytes()
        for record in records
        for path in record.working_folder.iterdir()
        if path.name != "lock"
    }
    return {"lines": lines, "histories": histories, "files": files}


@pytest.fixture(scope="module")
def undisturbed(processes, tmp_path_factory):
    """The outcome of runs that nobody killed, and the seconds that they took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    begin = time.monotonic()
    process = processes.Process(target=work, args=(folder, 1))
    process.start()
    process.join()
    seconds = time.monotonic() - begin
    assert process.exitcode == 0
    whole = outcome(folder)
    assert len(whole["lines"]) == len(RUNS) and len(whole["files"]) == 4 * len(RUNS)
    return whole, seconds


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "kills"), [(1, SINGLE), (2, TOGETHER)])
def test_runs_killed_at_any_moment_and_resumed_are_the_same(
    processes, undisturbed, tmp_path, jobs, kills
):
    whole, seconds = undisturbed
    moments = random.Random(jobs)
    number = hits = 0
    while hits < kills:
        folder = tmp_path / str(number)
        number += 1
        hits += killed_until_the_end(processes, folder, jobs, moments, seconds / EPOCHS)
        found = outcome(folder)
        assert set(found["files"]) == set(whole["files"])
        assert found == whole
        assert number <= kills  # at least one kill per folder


def killed_until_the_end(processes, folder, jobs: int, moments: random.Random, epoch: float) -> int:
    """How often the command was killed before it came to its end.

    Each time it is killed after a few further epochs, whatever time they take, and somewhat later:
    within an epoch, or while something is written. epoch: seconds that one takes.
    """
    kills = 0
    while True:
        further = moments.randrange(EPOCHS // len(RUNS))
        before = epochs_begun(folder)
        process = processes.Process(target=work, args=(folder, jobs))
        process.start()
        while process.is_alive() and epochs_begun(folder) <= before + further:
            time.sleep(0.002)
        process.join(moments.uniform(0, epoch))
        process.kill()
        process.join()
        if process.exitcode == 0:
            return kills
        kills += 1


def epochs_begun(folder) -> int:
    """Epochs that any process has begun to train there."""
    path = folder / "epochs"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
def test_two_commands_on_one_results_folder_compute_each_run_once(processes, undisturbed, tmp_path):
    whole, _ = undisturbed
    commands = [processes.Process(target=work, args=(tmp_path, 1)) for _ in range(2)]
    for command in commands:
        command.start()
    for command in commands:
        command.join()
    assert [command.exitcode for command in commands] == [0, 0]
    assert outcome(tmp_path) == whole
    trained = (tmp_path / "trained").read_text().split()
    assert sorted(trained) == ["0", "1", "2"]


KEPT = (("weights", "safetensors"), ("detections", "parquet"))  # of a run that has ended


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: tiny_dataset())
    monkeypatch.setattr(sweep, "_start_worker", start_worker)


def test_what_a_killed_process_left_half_written_is_gone_before_the_line_is_there(
    tiny, tmp_path, monkeypatch
):
    ledger = Ledger(tmp_path)
    (record,) = sweep.ensure(RUNS[:1], Ledger(tmp_path / "first"), jobs=1)
    working = tmp_path / record.working_folder.relative_to(tmp_path / "first")
    working.mkdir(parents=True)
    (working / "checkpoint.123.partial").write_bytes(b"half")
    seen, append = [], Ledger.append

    def looking(self, *arguments):
        seen.extend(path.name for path in working.iterdir())
        return append(self, *arguments)

    monkeypatch.setattr(Ledger, "append", looking)
    sweep.ensure(RUNS[:1], ledger, jobs=1)
    kept = {f"{what}_{rule}.{end}" for rule in ("last", "best") for what, end in KEPT}
    assert set(seen) == {"lock", *kept}


@pytest.fixture
def deaths(tmp_path):
    (tmp_path / "deaths").mkdir()
    return tmp_path / "deaths"


def test_a_killed_worker_is_tried_again(tiny, tmp_path, deaths, monkeypatch):
    monkeypatch.setattr(sweep, "_start_worker", partial(killed.begin_to_die, 1, deaths))
    records = sweep.ensure(RUNS, Ledger(tmp_path), jobs=2)
    assert [record.seed for record in records] == [0, 1, 2]
    assert len(list(deaths.iterdir())) == 1


def test_a_worker_that_always_dies_fails_its_run_alone(tiny, tmp_path, deaths, monkeypatch):
    monkeypatch.setattr(sweep, "_start_worker", partial(killed.begin_to_die, 100, deaths))
    with pytest.raises(
        WorkbookError, match=r"1 runs .* seed 1: its process died 3 times .*--jobs 1"
    ):
        sweep.ensure(RUNS, Ledger(tmp_path), jobs=2)
    records = Ledger(tmp_path).records("simulated", "facnet")
    assert sorted(record.seed for record in records) == [0, 2]
    assert len(list(deaths.iterdir())) == 3


def test_another_worker_goes_on_from_the_checkpoint_of_a_killed_one(tiny, tmp_path, monkeypatch):
    whole = sweep.ensure(RUNS[:2], Ledger(tmp_path / "undisturbed"))
    epochs = tmp_path / "epochs"
    monkeypatch.setattr(sweep, "_start_worker", partial(killed.begin_to_stop, epochs))
    found = sweep.ensure(RUNS[:2], Ledger(tmp_path / "disturbed"), jobs=2)
    done = epochs.read_text().splitlines()
    assert done.count("killed") == 1
    # both have eight epochs, and none of them was trained twice but the one that was cut short
    assert len(done) - 1 <= 2 * 8 + 1
    for a, b in zip(whole, found, strict=True):
        assert a.line["metrics"] == b.line["metrics"] and a.history == b.history


def test_a_full_disk_is_told_before_anything_is_trained(tiny, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledgers.os, "fsync", full)
    monkeypatch.setattr(sweep, "compute", None)
    with pytest.raises(WorkbookError, match=r"cannot be written \(No space left on device\)"):
        sweep.ensure(RUNS, Ledger(tmp_path))
    assert not list((tmp_path / ".work").iterdir())
