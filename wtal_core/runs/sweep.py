"""Many runs: find those that are finished, say what the others cost, compute them.

Runs are computed one after another, or several processes at a time.
"""

import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock
from safetensors.torch import save_file
from tqdm import tqdm

from wtal_core.data.dataset import Dataset
from wtal_core.data.opening import folds, open_dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.mean_average_precision import Score
from wtal_core.reading.tensors import read_safetensors
from wtal_core.runs import behaviour
from wtal_core.runs.ledger import RULES, UNKNOWN, Ledger, Record, working_folder
from wtal_core.runs.parent import end_with
from wtal_core.runs.provenance import peak_memory_mb, provenance
from wtal_core.runs.run import Run
from wtal_core.runs.train import Trained, Trainer, is_scored, scale_of, suited_threads

Stale = Literal["use", "refuse", "recompute"]
TRIES = 3  # how often a run is begun whose process dies


def dataset_of(run: Run) -> Dataset:
    """The data set of a run, in its fold; opened once per process."""
    return _opened(run.dataset, run.fold)


def opened(name: str) -> Dataset:
    """A data set, in its first fold where it has several; the same object as `dataset_of` gives."""
    return _opened(name, 0 if folds(name) > 1 else None)


@lru_cache(maxsize=8)
def _opened(name: str, fold: int | None) -> Dataset:
    return open_dataset(name, fold=fold)


def find(run: Run, ledger: Ledger) -> Record | None:
    """The record of a run with its data set as it is here; None where there is none."""
    return ledger.find(run.dataset, run.method, identity_of(run))


def identity_of(run: Run) -> str:
    """The run's identity with its data set as it is here."""
    dataset = dataset_of(run)
    return run.identity(dataset.fingerprint, scale_of(dataset))


def is_stale(record: Record) -> bool:
    """Whether another behaviour of its method computed it than today's; one unknown is not."""
    if record.behaviour == UNKNOWN:
        return False
    return record.behaviour != behaviour.name_of(record.method)


def ensure(
    runs: Sequence[Run], ledger: Ledger, device: str = "cpu", jobs: int = 1, stale: Stale = "use"
) -> list[Record]:
    """The records of these runs, in their order; what the ledger lacks is computed.

    Before anything is computed, stderr says how many runs are missing and what they cost.
    jobs: processes at a time, on the CPU. stale: what becomes of records whose method computes
    other numbers today: shown as stale ("use"), an error ("refuse"), or computed anew.
    Interrupted work is taken up again by the next call.
    """
    records = [find(run, ledger) for run in runs]
    wanted = [
        run
        for run, record in zip(runs, records, strict=True)
        if record is None or (stale == "recompute" and is_stale(record))
    ]
    _tell_stale([record for record in records if record], stale)
    if not wanted:
        return [record for record in records if record]
    ledger.check_writable()
    device = resolve_device(device)
    # A run that begins with another's weights, or only reads its network, needs that one first.
    starts = [run.before() for run in wanted]
    sources = [run.source() for run in wanted]
    for part in (_missing(starts, ledger), _missing(sources, ledger), _different(wanted)):
        if part:
            announce(part, len(runs), ledger, jobs)
            _compute(part, ledger, device, jobs)
    return [_there(run, ledger) for run in runs]


def _missing(runs: Sequence[Run | None], ledger: Ledger) -> list[Run]:
    """Those that are not finished, each once."""
    return _different([run for run in runs if run and find(run, ledger) is None])


def _different(runs: Sequence[Run]) -> list[Run]:
    """Each run once, in order."""
    return list({identity_of(run): run for run in runs}.values())


def _there(run: Run, ledger: Ledger) -> Record:
    record = find(run, ledger)
    if record is None:
        raise WorkbookError(f"run {identity_of(run)} has left no line in {ledger.root}")
    return record


def _tell_stale(records: Sequence[Record], stale: Stale) -> None:
    """Say on stderr how many runs an earlier behaviour computed, or refuse them."""
    old = [record for record in records if is_stale(record)]
    if not old or stale == "recompute":
        return
    text = (
        f"{len(old)} of {len(records)} runs are of an earlier behaviour, such as {old[0].behaviour}"
    )
    if stale == "refuse":
        raise WorkbookError(f'{text}; give stale="use" or stale="recompute"')
    print(
        f"{text}, and are shown as stale; `wtal results recompute --stale` computes them anew",
        file=sys.stderr,
        flush=True,
    )


def announce(runs: Sequence[Run], of: int, ledger: Ledger, jobs: int) -> None:
    """Say on stderr how many runs are computed now, and how long that takes."""
    names = sorted({run.method for run in runs})
    print(
        f"{len(runs)} of {of} runs are missing in {ledger.root} ({', '.join(names)} on "
        f"{runs[0].dataset}): {cost(runs, ledger, jobs)}. They are trained now; an interrupted "
        "command goes on where it stopped.",
        file=sys.stderr,
        flush=True,
    )


def cost(runs: Sequence[Run], ledger: Ledger, jobs: int) -> str:
    """What runs will take, told from earlier runs of their methods on their data sets."""
    seconds = 0.0
    for run in runs:
        earlier = [r.line["seconds"] for r in ledger.records(run.dataset, run.method)]
        if not earlier:
            return f"no earlier run of {run.method} on {run.dataset} tells how long that takes"
        seconds += sum(earlier) / len(earlier)
    processes = min(jobs, len(runs))
    return f"about {max(1, round(seconds / processes / 60))} min on {processes} process(es)"


def compute(run: Run, ledger: Ledger, device: str, stamp: str) -> Record:
    """Train one run, or go on with it, and append it to the ledger.

    stamp: the behaviour that computes it, see `behaviour.stamp`. A second process that is asked
    for the same run waits, and then takes what the first has left.
    """
    begin = time.monotonic()
    dataset = dataset_of(run)
    identity = identity_of(run)
    working = working_folder(ledger.root, f"{identity}.{stamp}")
    working.mkdir(parents=True, exist_ok=True)
    with FileLock(working / "lock"):
        record = ledger.find(run.dataset, run.method, identity)
        if record is not None and record.behaviour == stamp:
            return record
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        trained = train(run, ledger, device, working / "checkpoint.pt")
        write_files(working, trained)
        line = describe(run, dataset, trained, time.monotonic() - begin)
        with suited_threads(trained.network):  # so that it says how many threads were used
            line["by"] = provenance(device, stamp)
        line["peak_memory_mb"] = peak_memory_mb(device)
        # Before the line: nobody comes back to this folder once that is there. What is partial was
        # left by a process that was killed while it wrote.
        for left in (working / "checkpoint.pt", *working.glob("*.partial")):
            left.unlink(missing_ok=True)
        record = ledger.append(line, columns(trained.history))
    return record


def train(run: Run, ledger: Ledger, device: str, checkpoint: Path) -> Trained:
    """The outcome of a run's training.

    A run that only reads its network in another way takes the weights of its source, both the last
    and those best by the source's own reading. Its history holds no scores, and its training took
    no time.
    """
    source = run.source()
    if source is None:
        return started(run, ledger, device, checkpoint).run(checkpoint)
    trainer = Trainer(run.method, run.config, dataset_of(run), run.seed, device)
    record = find(source, ledger)
    last = record.weights("last") if record else None
    best = record.weights("best") if record else None
    if record and last and best:
        weights = {"last": weights_in(last, device), "best": weights_in(best, device)}
        best_epoch, history = record.best_epoch, record.history
    else:
        outcome = started(source, ledger, device, checkpoint).run(checkpoint)
        weights, best_epoch, history = outcome.weights, outcome.best_epoch, outcome.history
    unscored = [
        {name: value for name, value in entry.items() if name != "average_map"} for entry in history
    ]
    return trainer.read(weights, best_epoch, unscored, 0.0)


def started(run: Run, ledger: Ledger, device: str, checkpoint: Path) -> Trainer:
    """The trainer of a run, with the weights that it begins with. Where nobody has kept those, the
    run before is trained once more; `checkpoint` names where its own checkpoint lies.
    """
    trainer = Trainer(run.method, run.config, dataset_of(run), run.seed, device)
    before = run.before()
    if before is None:
        return trainer
    record = find(before, ledger)
    path = record.weights("last") if record else None
    if path is not None:
        trainer.begin_with(weights_in(path, device))
        return trainer
    earlier = checkpoint.with_name("before.pt")
    outcome = started(before, ledger, device, earlier).run(earlier)
    earlier.unlink(missing_ok=True)
    trainer.begin_with(outcome.weights["last"])
    return trainer


def weights_in(path: Path, device: str = "cpu") -> dict[str, torch.Tensor]:
    """The weights that a run has kept. Raises WorkbookError for a damaged file."""
    return read_safetensors(path, "delete it: the run is then trained again", device)


def resolve_device(device: str) -> str:
    """ "auto" is the GPU where there is one. Asking for one that is not there is an error."""
    if device not in ("auto", "cpu", "cuda"):
        raise WorkbookError(f"unknown device {device!r}; expected cpu, cuda or auto")
    if device == "cuda" and not torch.cuda.is_available():
        raise WorkbookError(
            "device cuda: no GPU is seen by torch; use --device cpu, or install torch with CUDA "
            "and a driver"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def describe(run: Run, dataset: Dataset, trained: Trained, seconds: float) -> dict[str, Any]:
    """What a line says of a run besides who computed it. JSON values only."""
    return {
        "id": run.identity(dataset.fingerprint, scale_of(dataset)),
        **run.asked(dataset.fingerprint, scale_of(dataset)),
        "fold": run.fold,
        **outcome_of(trained),
        **({} if is_scored(dataset) else {"unscored": "no test video has segments"}),
        "objective": trained.objective,
        "classified": {rule: round(share, 6) for rule, share in trained.classified.items()},
        "foreground_auc": trained.foreground,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "detections": {rule: len(trained.detections[rule]) for rule in RULES},
        "train_seconds": round(trained.seconds, 2),
        "seconds": round(seconds, 2),
    }


def columns(history: Sequence[dict[str, float]]) -> dict[str, list[float | None]]:
    """A history by name: one value per epoch, None where it was not taken."""
    names = dict.fromkeys(name for entry in history for name in entry)
    return {
        name: [round(entry[name], 6) if name in entry else None for entry in history]
        for name in names
    }


def outcome_of(trained: Trained) -> dict[str, Any]:
    """mAP of each selection rule and protocol, and the last losses, as a line holds them."""
    metrics = {
        rule: {name: _metric(score) for name, score in trained.scores[rule].items()}
        for rule in RULES
    }
    final = trained.history[-1] if trained.history else {}
    return {"metrics": metrics, "losses": {name: round(value, 6) for name, value in final.items()}}


def _metric(score: Score) -> dict[str, Any]:
    return {
        "tious": list(score.tious),
        "map": [round(float(value), 6) for value in score.map],
        "average": round(float(score.average), 6),
    }


def write_files(folder: Path, trained: Trained) -> None:
    """Weights and detections, into the working folder; each file whole or not at all."""
    for rule in RULES:
        weights = {name: value.cpu().contiguous() for name, value in trained.weights[rule].items()}
        partial = folder / f"{rule}.partial"
        save_file(weights, partial)
        os.replace(partial, folder / f"weights_{rule}.safetensors")
        trained.detections[rule].to_parquet(partial, index=False)
        os.replace(partial, folder / f"detections_{rule}.parquet")


def _compute(runs: Sequence[Run], ledger: Ledger, device: str, jobs: int) -> None:
    """Compute runs, several at a time where that is asked for."""
    stamps = {name: behaviour.stamp(name) for name in {run.method for run in runs}}
    tasks = [(run, ledger, device, stamps[run.method]) for run in runs]
    with tqdm(total=len(runs), desc="runs", unit="run", mininterval=5, dynamic_ncols=True) as bar:
        if jobs == 1 or len(runs) == 1:
            for task in tasks:
                compute(*task)
                bar.update()
        else:
            _compute_together(tasks, min(jobs, len(runs)), bar)


def _compute_together(tasks: Sequence[tuple[Run, Ledger, str, str]], jobs: int, bar: tqdm) -> None:
    """Compute tasks in worker processes. One that dies takes only its own task with it, which is
    tried again. Each worker is a pool of its own, because a pool dies with any of its workers.

    Raises WorkbookError, after all others are done, for a task whose worker died `TRIES` times.
    """
    others = set(active_children())
    waiting = deque(tasks)
    idle = [_new_worker(jobs) for _ in range(jobs)]
    busy: dict[Future[Record], tuple[ProcessPoolExecutor, tuple[Run, Ledger, str, str]]] = {}
    deaths: Counter[Run] = Counter()
    try:
        while waiting or busy:
            while waiting and idle:
                worker, task = idle.pop(), waiting.popleft()
                busy[worker.submit(compute, *task)] = worker, task
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, task = busy.pop(future)
                try:
                    future.result()
                    bar.update()
                except BrokenProcessPool:
                    worker.shutdown()
                    worker = _new_worker(jobs)
                    deaths[task[0]] += 1
                    if deaths[task[0]] < TRIES:
                        waiting.append(task)
                idle.append(worker)
    except BaseException:
        for child in set(active_children()) - others:
            child.kill()  # its checkpoint stays, and the next call goes on from there
        raise
    finally:
        for worker in [*idle, *(worker for worker, _ in busy.values())]:
            worker.shutdown(cancel_futures=True)
    _report_dead([run for run, times in deaths.items() if times == TRIES])


def _report_dead(runs: Sequence[Run]) -> None:
    if runs:
        raise WorkbookError(
            f"{len(runs)} runs could not be computed, such as {runs[0].method} on "
            f"{runs[0].dataset}, seed {runs[0].seed}: its process died {TRIES} times (out of "
            "memory?); give fewer jobs at a time, such as --jobs 1"
        )


def _new_worker(jobs: int) -> ProcessPoolExecutor:
    """A worker process, which starts with its first task."""
    given = (os.getpid(), _start_worker, jobs)
    return ProcessPoolExecutor(1, get_context("spawn"), _begin_worker, given)


def _begin_worker(parent: int, start: Callable[[int], None], jobs: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches workers, too; the parent decides
    start(jobs)


def _start_worker(jobs: int) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
