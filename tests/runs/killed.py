"""Work that tests kill: a few tiny runs, and workers that die."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from tests.tiny_dataset import CONFIG, SCHEDULE, tiny_dataset
from wtal_core.runs import sweep, train
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run

RUNS = [
    Run("facnet", replace(CONFIG, schedule=replace(SCHEDULE, epochs=8)), "simulated", seed)
    for seed in range(3)
]
LONG = [
    Run("facnet", replace(CONFIG, schedule=replace(SCHEDULE, epochs=10**6)), "simulated", seed)
    for seed in range(3)
]
COMPUTE = sweep.compute
TRAIN = sweep.train


def begin(jobs: int) -> None:
    """The tiny data set, a checkpoint after each epoch, and a known behaviour."""
    sweep.torch.set_num_threads(1)
    sweep._opened = lambda name, fold: tiny_dataset()
    sweep._start_worker = begin
    sweep.behaviour.stamp = sweep.behaviour.name_of = lambda name: f"{name}-1"
    train.CHECKPOINT_SECONDS = -1.0


def work(folder: Path | str, jobs: int, runs: list[Run] = RUNS) -> None:
    """Compute the runs, or go on with them."""
    begin(jobs)
    sweep.train = noted
    sweep.ensure(runs, Ledger(folder), jobs=jobs)


def noted(run: Run, ledger: Ledger, device: str, checkpoint: Path) -> train.Trained:
    """Train a run; a file says which seeds were trained."""
    with (Path(ledger.root) / "trained").open("a") as target:
        target.write(f"{run.seed} ")
    return TRAIN(run, ledger, device, checkpoint)


def dies_once(run: Run, ledger: Ledger, device: str, stamp: str) -> object:
    """The worker of seed 1 is killed, the first time."""
    mark = Path(ledger.root) / "died"
    if run.seed == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return COMPUTE(run, ledger, device, stamp)


def always_dies(run: Run, ledger: Ledger, device: str, stamp: str) -> object:
    """The worker of seed 1 is killed."""
    if run.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return COMPUTE(run, ledger, device, stamp)
