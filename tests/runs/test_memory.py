"""Many runs in one process do not fill its memory."""

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from tests.runs.killed import begin
from tests.tiny_dataset import CONFIG, SCHEDULE
from wtal_core.runs import ledger as ledgers
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run

RUNS, WARM = 300, 20
MOST_MB = 50


def grown(folder: Path, answer) -> None:
    """MiB by which this process has grown from run 20 to run 300."""
    begin(1)
    config = replace(CONFIG, schedule=replace(SCHEDULE, epochs=1, evaluations=1))
    process = psutil.Process()
    ledger = Ledger(folder)
    before = 0
    for seed in range(RUNS):
        sweep.compute(Run("facnet", config, "simulated", seed), ledger, "cpu", "facnet-1")
        if seed == WARM:
            before = process.memory_info().rss
    answer.put((process.memory_info().rss - before) / 2**20)


@pytest.mark.slow
def test_three_hundred_runs_grow_by_less_than_50_mib(tmp_path):
    """In a process without the type checks of the tests, as it is used."""
    context = get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=grown, args=(tmp_path, answer))
    process.start()
    process.join(600)
    process.kill()
    process.join()
    assert process.exitcode == 0
    megabytes = answer.get()
    print(f"{megabytes:.1f} MiB")
    assert megabytes < MOST_MB


def test_of_a_growing_file_only_the_newest_version_is_kept(tmp_path):
    path = tmp_path / "simulated" / "runs" / "facnet.facts.jsonl"
    for number in range(5):
        ledgers.append(path, [ledgers.sealed({"run": f"run{number}.facnet-1", "facts": {}})])
        assert len(ledgers.read(path)) == number + 1
    assert [len(newest.lines) for known, newest in ledgers.NEWEST.items() if known == path] == [5]
    assert not hasattr(ledgers._read, "cache_info")
