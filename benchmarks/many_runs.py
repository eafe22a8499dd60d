"""Ten thousand runs that compute nothing through the graph of runs: python -m benchmarks.many_runs

All but the training is as it is used: claims, orders, Dask's scheduler, its worker processes,
deliveries, lines of the ledger. CPU seconds are of the client, in whose process the scheduler is,
and of all workers; they begin when the workers are there. Memory is told when a tenth of the runs
is back, and at the end: what grows with their number shows there.
"""

import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psutil

from benchmarks.measured import Measured, as_table, write
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
SIZES = ((1_000, 1), (1_000, 2), (1_000, 4), (10_000, 2))  # runs, workers
GOAL = "two minutes"
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


@dataclass(frozen=True)
class Used:
    """What a process has used so far."""

    seconds: float
    megabytes: float

    @classmethod
    def by(cls, process: psutil.Process) -> "Used":
        """What this process has used."""
        times = process.cpu_times()
        return cls(times.user + times.system, process.memory_info().rss / 1e6)


def measure(number: int, jobs: int) -> dict[str, str]:
    """Send the runs to the workers: a row of the table."""
    asked = runs(number)
    client_process = psutil.Process()
    done = 0
    notes = {}

    def note(name: str) -> None:
        notes[name] = [Used.by(p) for p in (client_process, *client_process.children())]

    def told(run: Run, failure: Exception | None) -> None:
        nonlocal done
        done += 1
        if done == number // 10:
            note("tenth")

    with tempfile.TemporaryDirectory() as folder, workers(jobs) as client:
        client.wait_for_workers(jobs)
        ledger = Ledger(folder)
        note("begin")
        begin = time.perf_counter()
        engine.compute_on_workers(client, asked, ledger, "cpu", partial(int), told)
        seconds = time.perf_counter() - begin
        note("end")
        lines = sum(len(ledger.records(run.dataset, "facnet")) for run in asked[:DATASETS])
    if lines != number:
        raise SystemExit(f"{lines} of {number} runs have left a line")
    spent = [a.seconds - b.seconds for a, b in zip(notes["end"], notes["begin"], strict=True)]
    memory = {name: [used.megabytes for used in notes[name]] for name in ("tenth", "end")}
    return {
        "runs": f"{number:,}",
        "workers": str(jobs),
        "s": f"{seconds:.0f}",
        "ms per run": f"{1000 * seconds / number:.1f}",
        "client, CPU ms per run": f"{1000 * spent[0] / number:.1f}",
        "workers, CPU ms per run": f"{1000 * sum(spent[1:]) / number:.1f}",
        "client, MB": f"{memory['tenth'][0]:.0f} to {memory['end'][0]:.0f}",
        "largest worker, MB": f"{max(memory['tenth'][1:]):.0f} to {max(memory['end'][1:]):.0f}",
    }


def main() -> None:
    behaviour.stamp = lambda name: f"{name}-1"  # not measured here
    engine.computed = trivial
    sizes = [(500, 2)] if "--quick" in sys.argv else SIZES
    rows = []
    for number, jobs in sizes:
        rows.append(measure(number, jobs))
        print(rows[-1], flush=True)
        if sizes is SIZES:
            about = str(__doc__).partition("\n\n")[2] + f"\nThe goal is {GOAL} for 10,000 runs."
            write(Measured("scale", "Scale", about, as_table(rows)))


if __name__ == "__main__":
    main()
