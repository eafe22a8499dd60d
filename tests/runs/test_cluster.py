"""Workers elsewhere: they need no disk of ours, and a scheduler that goes away loses nothing."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.own_samples import write_folder
from tests.places import ROOT
from tests.runs import killed
from tests.runs.killed import RUNS
from tests.tiny_dataset import CONFIG, SCHEDULE, start_worker, tiny_dataset
from wtal_core.data import opening
from wtal_core.data.own_data import add
from wtal_core.errors import WorkbookError
from wtal_core.runs import cluster, sweep, worker
from wtal_core.runs.cluster import Place
from wtal_core.runs.delivery import FILES, keep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.provenance import source_hash
from wtal_core.runs.run import Run
from wtal_core.runs.worker import Order, computed, provide
from wtal_core.timebase import Timebase

PATIENCE = 240  # seconds; a worker imports torch first, on a machine that others share
TIMES = {"seconds", "train_seconds", "peak_memory_mb", "by", "seal"}
SHORT = Run("facnet", CONFIG, "simulated", 0)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: tiny_dataset())
    monkeypatch.setattr(sweep, "_start_worker", start_worker)
    monkeypatch.setattr(sweep, "PROVIDED", {})
    monkeypatch.setattr(opening, "FOLDS", {})


def nothing() -> None:
    """The first thing in a worker that is this very process."""


def order_of(run, checkpoint, **changes):
    given = Order(
        run, "tiny 1", 1, "facnet-1", "cpu", source_hash(), checkpoint, address="", start=nothing
    )
    return replace(given, **changes)


def files_of(record):
    return {name: (record.working_folder / name).read_bytes() for name in FILES}


def told(record):
    return {name: value for name, value in record.line.items() if name not in TIMES}


def test_a_delivery_is_what_the_run_would_have_left_here(tiny, tmp_path):
    """The worker sees no folder of the client."""
    here = sweep.compute(SHORT, Ledger(tmp_path / "here"), "cpu", "facnet-1")
    order = order_of(SHORT, tmp_path / "not" / "there" / "checkpoint.pt")
    (kept,) = keep([computed(order, None)], Ledger(tmp_path / "client"))
    assert told(kept) == told(here) and kept.history == here.history
    assert files_of(kept) == files_of(here)
    assert not (tmp_path / "not").exists()


def test_a_run_begins_with_weights_that_were_sent(tiny, tmp_path):
    first = replace(CONFIG, schedule=replace(SCHEDULE, epochs=2))
    run = Run("facnet", CONFIG, "simulated", 0, first)
    here = sweep.ensure([run], Ledger(tmp_path / "here"))[0]
    nowhere = tmp_path / "nowhere" / "checkpoint.pt"
    before = computed(order_of(run.before(), nowhere), None)
    found = computed(order_of(run, nowhere), None, before)
    assert found.history == here.columns
    assert found.files == files_of(here)


def test_a_data_set_is_found_by_its_fingerprint_or_was_sent(tiny, tmp_path, monkeypatch):
    other = order_of(SHORT, tmp_path / "nowhere" / "checkpoint.pt", data="tiny 2")
    with pytest.raises(WorkbookError, match=r"a worker has no data set simulated of fingerprint"):
        provide(other, None)
    with pytest.raises(WorkbookError, match="a worker has no data set"):
        provide(other, tiny_dataset("tiny 3"))
    sent = tiny_dataset("tiny 2")
    provide(other, sent)
    assert sweep.dataset_of(SHORT) is sent
    assert computed(other, sent).line["data"] == "tiny 2"


def test_a_data_set_is_read_from_an_address(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "PROVIDED", {})
    monkeypatch.setattr(opening, "FOLDS", {})
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "store"))
    add("own", write_folder(tmp_path / "store" / "features"), Timebase(25.0, 16.0))
    fingerprint = opening.open_dataset("own").fingerprint
    run = Run("facnet", CONFIG, "own", 0)
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "empty"))
    sweep._opened.cache_clear()
    order = order_of(run, tmp_path / "nowhere" / "checkpoint.pt", data=fingerprint)
    with pytest.raises(WorkbookError, match="a worker has no data set own"):
        provide(order, None)
    provide(replace(order, address=f"file://{tmp_path / 'store'}"), None)
    assert sweep.dataset_of(run).fingerprint == fingerprint
    with pytest.raises(WorkbookError, match=r"cannot be read .*correct `data`"):
        worker.fetched_dataset(f"file://{tmp_path / 'nothing'}", "own", None)


def test_a_worker_with_other_code_refuses(tiny, tmp_path):
    with pytest.raises(WorkbookError, match="a worker runs other code"):
        computed(order_of(SHORT, tmp_path / "c" / "checkpoint.pt", sources="another"), None)


def test_a_client_refuses_files_that_no_run_leaves(tiny, tmp_path):
    found = computed(order_of(SHORT, tmp_path / "nowhere" / "checkpoint.pt"), None)
    for name in ("../outside", "other.pt"):
        with pytest.raises(WorkbookError, match="which no run leaves"):
            keep([replace(found, files={name: b""})], Ledger(tmp_path / "client"))
    assert Ledger(tmp_path / "client").records("simulated", "facnet") == []
    assert not (tmp_path / "client" / ".work" / "outside").exists()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"scheduler": "tcp://a:1", "cluster": "slurm"}, "exclude each other"),
        ({"scheduler": "localhost"}, "is no address; give one such as tcp://"),
        ({"scheduler": "tcp://[a:1"}, "is no address"),
        ({"settings": Path("slurm.yaml")}, "--settings slurm.yaml is for --cluster"),
        ({"jobs": 0}, "--jobs is 0"),
        ({"workers": 0}, "--workers is 0"),
    ],
)
def test_a_place_that_is_none_is_refused(given, reason):
    with pytest.raises(WorkbookError, match=reason):
        Place(**given)


@pytest.mark.parametrize("address", ["nonsense", "http://x", "tcp://a", "tcp://[a:1"])
def test_an_address_of_the_environment_that_is_none_is_refused_before_anything(
    tmp_path, monkeypatch, address, capsys
):
    monkeypatch.setenv("WTAL_SCHEDULER", address)
    for use in (Place, cluster.has_scheduler):
        with pytest.raises(WorkbookError, match=r"^WTAL_SCHEDULER .* is no address; give one such"):
            use()
    with pytest.raises(WorkbookError, match="is no address"):
        sweep.ensure([SHORT], Ledger(tmp_path / "results"))
    assert not (tmp_path / "results").exists() and not capsys.readouterr().err


def test_settings_that_cannot_be_read_are_refused_before_anything(tmp_path):
    path = tmp_path / "slurm.yaml"
    with pytest.raises(WorkbookError, match=r"slurm\.yaml is missing"):
        Place(cluster="slurm", settings=path)
    path.write_text("queue: [")
    with pytest.raises(WorkbookError, match=r"slurm\.yaml is not valid YAML"):
        Place(cluster="slurm", settings=path)


def test_a_package_that_is_not_there_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with (
        pytest.raises(WorkbookError, match=r"--cluster slurm needs dask-jobqueue: .* pip install"),
        cluster.engaged(Place(cluster="slurm")),
    ):
        pass


def test_settings_of_a_cluster_are_a_mapping(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text("queue: gpu\nmemory: 16GB\ndata: s3://bucket/data\n")
    assert cluster.read_settings(path) == {
        "queue": "gpu",
        "memory": "16GB",
        "data": "s3://bucket/data",
    }
    path.write_text("- queue\n")
    with pytest.raises(WorkbookError, match=r"cluster\.yaml"):
        cluster.read_settings(path)


@pytest.fixture
def start_dask(tmp_path):
    """Starts a scheduler with one worker, on a port that may be given: its address and process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = []

    def process(*words):
        arguments = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
        processes.append(subprocess.Popen(arguments, env=environment, cwd=tmp_path))
        return processes[-1]

    def start(port=0):
        file = tmp_path / f"scheduler-{len(processes)}.json"
        of_file = ("--scheduler-file", str(file))
        scheduler = process("scheduler", "--host", "127.0.0.1", "--port", str(port), *of_file)
        process("worker", "--nthreads", "1", "--no-nanny", *of_file)
        end = time.monotonic() + PATIENCE
        while not file.exists():
            assert time.monotonic() < end and scheduler.poll() is None
            time.sleep(0.1)
        return json.loads(file.read_text())["address"], scheduler

    yield start
    for started in processes:
        started.kill()
        started.wait()


def assert_same(records, others):
    assert [told(record) for record in records] == [told(record) for record in others]
    assert [files_of(record) for record in records] == [files_of(record) for record in others]


@pytest.mark.slow
def test_a_scheduler_that_was_started_again_is_sent_what_it_had(
    tiny, tmp_path, start_dask, monkeypatch, capsys
):
    """It is killed in the middle of a run; another one on its port knows nothing of that."""
    address, process = start_dask()

    def start_again():
        process.wait()
        start_dask(urlsplit(address).port)

    start = partial(killed.begin_to_end, process.pid, tmp_path / "epochs")
    monkeypatch.setattr(sweep, "_start_worker", start)
    monkeypatch.setattr(cluster, "RETURN_SECONDS", PATIENCE)
    monkeypatch.setenv("WTAL_SCHEDULER", address)
    keeper = threading.Thread(target=start_again)
    keeper.start()
    records = sweep.ensure(RUNS, Ledger(tmp_path / "results"))
    keeper.join()
    monkeypatch.delenv("WTAL_SCHEDULER")
    said = capsys.readouterr().err
    assert f"the scheduler {address} is gone" in said and f"{address} is back" in said
    assert "killed" in (tmp_path / "epochs").read_text().split()
    assert_same(records, sweep.ensure(RUNS, Ledger(tmp_path / "undisturbed")))


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told_and_nothing_is_lost(
    tiny, tmp_path, start_dask, monkeypatch
):
    address, process = start_dask()
    monkeypatch.setattr(cluster, "RETURN_SECONDS", 0.1)
    epochs = tmp_path / "epochs"
    start = partial(killed.begin_to_end, process.pid, epochs)
    monkeypatch.setattr(sweep, "_start_worker", start)
    monkeypatch.setenv("WTAL_SCHEDULER", address)
    with pytest.raises(WorkbookError, match=r"the scheduler tcp://.* is gone; .* goes on where"):
        sweep.ensure(RUNS, Ledger(tmp_path / "results"))
    monkeypatch.delenv("WTAL_SCHEDULER")
    with (
        pytest.raises(WorkbookError, match="no scheduler answers"),
        cluster.engaged(Place(scheduler=address)),
    ):
        sweep.ensure(RUNS, Ledger(tmp_path / "results"))
    records = sweep.ensure(RUNS, Ledger(tmp_path / "results"))
    assert_same(records, sweep.ensure(RUNS, Ledger(tmp_path / "undisturbed")))
