"""The main rows of the four papers in their published settings, on a GPU, in a given time.

    python -m tools.paper_profile FOLDER --seeds 5 --processes 14 --minutes 9

Several runs share the GPU, one per process; each leaves its lines in FOLDER, a results folder like
the workbook's own, and prints one line. What runs, and in which order, stands here and depends on
no result: every row of `MAIN` with seed 0, then with seed 1 and so on; after them `OTHERS` in the
same way, and at last `LONG`. When the time is over, what still runs is stopped. The same command
goes on from there, at the latest checkpoint of each run.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import TimeoutError as NothingFinished
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from tyro.conf import Positional, arg

from wtal_core.errors import WorkbookError
from wtal_core.models import backtal, facnet, gaufuse, method, ten
from wtal_core.runs import behaviour
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.provenance import code
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import compute, dataset_of, find, resolve_device

# name of a row -> its method, and what becomes of the profile's config; names as in the notebooks
Row = tuple[str, Callable[[Any], Any]]


def as_it_is(config: Any) -> Any:
    """The profile's own settings."""
    return config


MAIN: dict[str, Row] = {
    "FAC-Net": ("facnet", as_it_is),
    "FAC-Net w/o BG": ("facnet", partial(replace, background=False)),
    "BaS-Net": ("basnet", as_it_is),
    "BackTAL": ("backtal", as_it_is),
    "BackTAL's baseline": ("backtal", backtal.baseline),
    "TEN + BGES": ("ten", as_it_is),
    "TEN's baseline": ("ten", ten.baseline),
    "RSKP": ("rskp", as_it_is),
    "GauFuse": ("gaufuse", as_it_is),
    "CO2-Net": ("co2net", as_it_is),
    "STPN": ("stpn", as_it_is),
    "UM": ("um", as_it_is),
    "top-k MIL": ("topk_mil", as_it_is),
}
OTHERS: dict[str, Row] = {
    "SF-Net": ("sfnet", as_it_is),
    "FAC-Net, printed": ("facnet", facnet.as_printed),
    "BackTAL, printed": ("backtal", backtal.as_printed),
    "TEN + BGES, B": ("ten", partial(replace, reading="B")),
    "TEN's baseline, B": ("ten", lambda config: replace(ten.baseline(config), reading="B")),
    "GauFuse, printed": ("gaufuse", gaufuse.as_printed),
    "CoLA": ("cola", as_it_is),
    "HAM-Net": ("hamnet", as_it_is),
    "DELU": ("delu", as_it_is),
    "BM": ("bm", as_it_is),
    "EM-MIL": ("emmil", as_it_is),
}
# 45,000 steps and more in the published settings; ASM-Loc detects actions anew in most of 10,400
LONG: dict[str, Row] = {
    "W-TALC": ("wtalc", as_it_is),
    "3C-Net": ("c3net", as_it_is),
    "A2CL-PT": ("a2clpt", as_it_is),
    "ASM-Loc": ("asmloc", as_it_is),
}
Precision = Literal["highest", "high"]


@dataclass(frozen=True)
class Task:
    """One run of a row. stamp: the behaviour that computes it."""

    row: str
    run: Run
    stamp: str


@dataclass(frozen=True)
class Where:
    """Where runs are computed and kept."""

    folder: Path
    device: str
    matmul: Precision


def planned(
    dataset: str, profile: str, seeds: int, only: Sequence[str] = ()
) -> list[tuple[str, Run]]:
    """Rows with their runs, in the order in which they begin. only: rows; empty: all.

    Raises WorkbookError for an unknown row.
    """
    known = MAIN | OTHERS | LONG
    for row in only:
        if row not in known:
            raise WorkbookError(f"unknown row {row!r}; choose some of {', '.join(known)}")
    runs = []
    for group in (MAIN, OTHERS, LONG):
        configs = {
            row: (name, change(method(name).config_for(profile, dataset)[0]))
            for row, (name, change) in group.items()
            if not only or row in only
        }
        for seed in range(seeds):
            runs += [(row, Run(name, c, dataset, seed)) for row, (name, c) in configs.items()]
    return runs


def prepare(matmul: Precision) -> None:
    """What a process does first."""
    signal.signal(signal.SIGTERM, leave)
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision(matmul)


def leave(*_: Any) -> None:
    """End this process once the GPU has done what it was given: others may share a server with it.
    Files need no care, each is written whole or not at all.
    """
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    os._exit(1)


def finish(task: Task, where: Where) -> tuple[bool, str]:
    """Compute a run; whether that went well, and the line that is printed of it."""
    try:
        record = compute(task.run, Ledger(where.folder), where.device, task.stamp)
    except Exception as error:  # one run that fails leaves the others as they are
        return False, f"{task.row}, seed {task.run.seed}: {type(error).__name__}: {error}"
    average = record.average_map(dataset_of(task.run).default_protocol)
    met = "objective met" if record.objective["met"] else "objective NOT met"
    seconds = f"{record.line['train_seconds']:.0f} + {outside(record.line):.0f} s"
    return True, f"{task.row}, seed {task.run.seed}: {seconds}, mAP {average:.1f}, {met}"


def outside(line: dict[str, Any]) -> float:
    """Seconds of a run outside its training: inputs, the last detections, scores."""
    return line["seconds"] - line["train_seconds"]


def main(
    folder: Positional[Path],
    dataset: str = "simulated-thumos14",
    profile: str = "official",
    seeds: int = 5,
    processes: int = 14,
    minutes: float = 9.0,
    device: str = "cuda",
    only: Annotated[tuple[str, ...], arg(metavar="ROW ...")] = (),
    matmul: Precision = "highest",
) -> None:
    """Compute the rows, as many as the time allows. The status is 1 if a run fails.

    Args:
        folder: results folder to write into.
        dataset: data set, see `wtal data list`.
        profile: official, printed or quick.
        seeds: number of seeds, 0 to n - 1.
        processes: how many runs are computed at a time.
        minutes: after which everything is stopped.
        device: cuda, cpu or auto.
        only: rows; all where none is named.
        matmul: precision of float32 matrix products on a GPU as torch names it; "high" is TF32,
            several times faster. Each line keeps it.
    """
    end = time.monotonic() + 60 * minutes
    where = Where(folder, resolve_device(device), matmul)
    ledger = Ledger(folder)
    ledger.check_writable()
    runs = planned(dataset, profile, seeds, only)
    missing = [(row, run) for row, run in runs if find(run, ledger) is None]
    print(f"{len(missing)} of {len(runs)} runs are missing in {folder}; code {code()}", flush=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with get_context("spawn").Pool(processes, prepare, (matmul,)) as pool:
        names = sorted({run.method for _, run in missing})
        stamps = dict(zip(names, pool.map(behaviour.stamp, names, 1), strict=True))
        print("behaviours:", ", ".join(stamps.values()), flush=True)
        tasks = [Task(row, run, stamps[run.method]) for row, run in missing]
        failed, done = follow(pool.imap_unordered(partial(finish, where=where), tasks), end)
        if failed + done == len(tasks):
            pool.close()
            pool.join()
    print(f"{done} of {len(tasks)} runs finished, {failed} failed", flush=True)
    if failed:
        sys.exit(1)


def follow(outcomes: Any, end: float) -> tuple[int, int]:
    """Print what comes, until all is there or the time is over; how many failed and finished."""
    begin = time.monotonic()
    failed = done = 0
    while True:
        try:
            went_well, text = outcomes.next(max(0.0, end - time.monotonic()))
        except StopIteration:
            return failed, done
        except NothingFinished:
            print("the time is over; what still runs is stopped", flush=True)
            return failed, done
        print(f"{time.monotonic() - begin:5.0f} s  {text}", flush=True)
        failed += not went_well
        done += went_well


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except WorkbookError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
