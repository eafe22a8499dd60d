"""Many runs: find those that are finished, say what the others cost, compute them.

Runs are computed one after another in this process, or by workers.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
from wtal_core.runs.cluster import has_scheduler, workers
from wtal_core.runs.delivery import clear_unfinished
from wtal_core.runs.ledger import RULES, UNKNOWN, Ledger, Record, working_folder
from wtal_core.runs.provenance import peak_memory_mb, provenance
from wtal_core.runs.run import Run
from wtal_core.runs.train import Trained, Trainer, is_scored, scale_of, suited_threads

if TYPE_CHECKING:
    from distributed import Client

Stale = Literal["use", "refuse", "recompute"]
# In a worker: name and fold -> a data set that came from elsewhere than its data folder
PROVIDED: dict[tuple[str, int | None], Dataset] = {}


def dataset_of(run: Run) -> Dataset:
    """The data set of a run, in its fold; opened once per process."""
    provided = PROVIDED.get((run.dataset, run.fold))
    return _opened(run.dataset, run.fold) if provided is None else provided


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
    if not has_scheduler():
        device = resolve_device(device)
    ledger.check_writable()
    needed = with_needed(wanted, ledger)
    announce(needed, len({*runs, *needed}), ledger, jobs)
    _compute(needed, ledger, device, jobs)
    return [_there(run, ledger) for run in runs]


def with_needed(wanted: Sequence[Run], ledger: Ledger) -> list[Run]:
    """These runs, each once, after those unfinished ones that they begin with or read."""
    starts = _missing([run.before() for run in wanted], ledger)
    sources = _missing([run.source() for run in wanted], ledger)
    return _different([*starts, *sources, *wanted])


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


def reads_another(run: Run, record: Record, ledger: Ledger) -> bool:
    """Whether a run that only reads its source's network has read another one: nobody had kept its
    weights, so that it was trained again, and it came out otherwise than the source's record says.
    """
    source = run.source()
    kept = None if source is None else find(source, ledger)
    return kept is not None and kept.columns.get("total") != record.columns.get("total")


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
        "command goes on from its last checkpoint.",
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


def compute(
    run: Run, ledger: Ledger, device: str, stamp: str, checkpoint: Path | None = None
) -> Record:
    """Train one run, or go on with it, and append it to the ledger.

    stamp: the behaviour that computes it, see `behaviour.stamp`. A second process that is asked
    for the same run waits, and then takes what the first has left. checkpoint: another place than
    the ledger's for it; it then stays there.
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
        trained = train(run, ledger, device, checkpoint or working / "checkpoint.pt")
        write_files(working, trained)
        line = describe(run, dataset, trained, time.monotonic() - begin)
        with suited_threads(trained.network):  # so that it says how many threads were used
            line["by"] = provenance(device, stamp)
        line["peak_memory_mb"] = peak_memory_mb(device)
        clear_unfinished(working)
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
    """Compute runs, each after those that it needs; on workers where that is asked for."""
    bar = partial(tqdm, total=len(runs), desc="runs", unit="run", mininterval=5, dynamic_ncols=True)
    if has_scheduler() or (jobs > 1 and len(runs) > 1):
        number = jobs if has_scheduler() else min(jobs, len(runs))
        with workers(number) as client, bar() as shown:
            send(client, runs, ledger, device, number, lambda run, failure: shown.update())
        return
    with bar() as shown:
        for run in runs:
            compute(run, ledger, device, behaviour.stamp(run.method))
            shown.update()


def send(
    client: "Client",
    runs: Sequence[Run],
    ledger: Ledger,
    device: str,
    jobs: int,
    told: Callable[[Run, Exception | None], object],
) -> None:
    """Have workers compute runs, see `engine.compute_on_workers`. jobs: how many workers share one
    machine.
    """
    # Imported here, because Dask takes as long to import as many a run takes.
    from wtal_core.runs.engine import compute_on_workers

    compute_on_workers(client, runs, ledger, device, partial(_start_worker, jobs), told)


def _start_worker(jobs: int) -> None:
    """The first thing in a worker process. jobs: how many of them share this machine; 1: whoever
    has started the worker has also said how many threads it may use.
    """
    if jobs > 1:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
