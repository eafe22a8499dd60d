"""Work that tests kill: a few tiny runs, and workers that die."""

import os
import signal
import time
from dataclasses import replace
from functools import partial, partialmethod
from pathlib import Path

from tests.tiny_dataset import CONFIG, SCHEDULE, start_worker, tiny_dataset
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
EPOCH = train.Trainer.epoch


def begin(jobs: int) -> None:
    """The tiny data set, a checkpoint after each epoch, and a known behaviour."""
    sweep.torch.set_num_threads(1)
    sweep._opened = lambda name, fold: tiny_dataset()
    sweep._start_worker = begin
    sweep.behaviour.stamp = sweep.behaviour.name_of = lambda name: f"{name}-1"
    train.CHECKPOINT_SECONDS = -1.0


def work(folder: Path | str, jobs: int, runs: list[Run] = RUNS) -> None:
    """Compute the runs, or go on with them; the file `epochs` gets a line before each epoch."""
    begin_to_note(Path(folder) / "epochs", jobs)
    sweep._start_worker = partial(begin_to_note, Path(folder) / "epochs")
    sweep.train = noted
    sweep.ensure(runs, Ledger(folder), jobs=jobs)


def noted(run: Run, ledger: Ledger, device: str, checkpoint: Path) -> train.Trained:
    """Train a run; a file says which seeds were trained."""
    with (Path(ledger.root) / "trained").open("a") as target:
        target.write(f"{run.seed} ")
    return TRAIN(run, ledger, device, checkpoint)


def begin_to_die(times: int, deaths: Path, jobs: int) -> None:
    """The first thing in a worker: the process that computes seed 1 is killed, so many times.

    deaths: a folder with a file for each death.
    """
    start_worker(jobs)
    sweep.compute = partial(_dying, times, deaths)


def _dying(times: int, deaths: Path, run: Run, *given: object) -> object:
    if run.seed == 1 and len(list(deaths.iterdir())) < times:
        (deaths / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return COMPUTE(run, *given)


def begin_to_note(epochs: Path, jobs: int) -> None:
    """The same as `begin`, and each epoch is noted before it is trained."""
    begin(jobs)
    train.Trainer.epoch = partialmethod(_noting, epochs)


def _noting(trainer: train.Trainer, epochs: Path) -> dict[str, float]:
    with epochs.open("a") as target:
        target.write(f"{trainer.progress.epoch}\n")
    time.sleep(0.03)  # longer than a look at the file takes
    return EPOCH(trainer)


def begin_to_stop(epochs: Path, jobs: int) -> None:
    """The first thing in a worker: it is killed once, in the middle of the first training, after a
    checkpoint. epochs: a file with a line for each epoch that any worker has trained.
    """
    begin(jobs)
    train.Trainer.epoch = partialmethod(_killing, None, epochs)


def begin_to_end(scheduler: int, epochs: Path, jobs: int) -> None:
    """The same, but it is the scheduler that is killed. scheduler: its process id."""
    begin(jobs)
    train.Trainer.epoch = partialmethod(_killing, scheduler, epochs)


def _killing(trainer: train.Trainer, process: int | None, epochs: Path) -> dict[str, float]:
    done = epochs.read_text().splitlines() if epochs.exists() else []
    if len(done) == 5:
        with epochs.open("a") as target:
            target.write("killed\n")
        os.kill(process or os.getpid(), signal.SIGKILL)
    with epochs.open("a") as target:
        target.write(f"{trainer.progress.epoch}\n")
    return EPOCH(trainer)
