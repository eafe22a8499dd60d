"""Ten thousand runs that compute nothing through the graph of runs: time a run, and memory.

Run: python -m benchmarks.many_runs [NUMBER] [WORKERS]. All but the training is as it is used:
claims, orders, Dask's scheduler and its worker processes, deliveries, lines of the ledger.
"""

import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from typing import Any

import psutil

from wtal_core.data import opening
from wtal_core.models import facnet
from wtal_core.runs import behaviour, engine, sweep
from wtal_core.runs.behaviour.micro_data import micro_dataset
from wtal_core.runs.cluster import workers
from wtal_core.runs.delivery import Delivery
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run
from wtal_core.runs.worker import Order

DATASETS = 10
CONFIG = replace(facnet.QUICK, embedding=8)


def trivial(order: Order, sent: Any, *needed: Delivery) -> Delivery:
    """What a run leaves that has learnt nothing."""
    run = order.run
    line = {
        "id": order.checkpoint.parent.name.split(".")[0],
        "fold": None,
        "metrics": {},
        "by": {"behaviour": order.stamp},
        **run.asked(order.data),
    }
    return Delivery(line, {"total": [1.0]}, {})


def runs(number: int) -> list[Run]:
    """So many runs, evenly of each data set; all that a client asks of these is known."""
    names = [f"rehearsal-{place:02d}" for place in range(DATASETS)]
    opening.FOLDS.update({name: 1 for name in names})
    dataset = micro_dataset()
    sweep.PROVIDED.update({(name, None): dataset for name in names})
    return [Run("facnet", CONFIG, names[i % DATASETS], i // DATASETS) for i in range(number)]


def megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 2**20


def main(number: int = 10_000, jobs: int = 2) -> None:
    """Send the runs to the workers, and print seconds and memory on the way."""
    behaviour.stamp = lambda name: f"{name}-1"  # not measured here
    engine.computed = trivial
    asked = runs(number)
    client_process = psutil.Process()
    done = 0

    def told(run: Run, failure: Exception | None) -> None:
        nonlocal done
        done += 1
        if done in (number // 10, number // 2, number):
            used = [megabytes(p) for p in (client_process, *client_process.children())]
            seconds = time.perf_counter() - begin
            memory = ", ".join(f"{value:.0f}" for value in used)
            print(f"{done:6d} runs  {seconds:7.1f} s  memory of client and workers: {memory} MiB")

    with tempfile.TemporaryDirectory() as folder, workers(jobs) as client:
        ledger = Ledger(folder)
        begin = time.perf_counter()
        engine.compute_on_workers(client, asked, ledger, "cpu", partial(int), told)
        seconds = time.perf_counter() - begin
        lines = sum(len(ledger.records(run.dataset, "facnet")) for run in asked[:DATASETS])
    print(f"{lines} lines in {seconds:.1f} s, {1000 * seconds / number:.1f} ms a run")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
