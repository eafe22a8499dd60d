"""Many runs: find those that are finished, compute the others, one after another or several
processes at a time.
"""

import os
import platform
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from wtal_core.data.dataset import Dataset
from wtal_core.data.opening import folds, open_dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.mean_average_precision import Score
from wtal_core.runs.run import Run
from wtal_core.runs.store import RULES, Record, Store
from wtal_core.runs.train import Trained, Trainer


def dataset_of(run: Run) -> Dataset:
    """The data set of a run, in its fold; opened once per process."""
    return _opened(run.dataset, run.fold)


def opened(name: str) -> Dataset:
    """A data set, in its first fold where it has several; the same object as `dataset_of` gives."""
    return _opened(name, 0 if folds(name) > 1 else None)


@lru_cache(maxsize=8)
def _opened(name: str, fold: int | None) -> Dataset:
    return open_dataset(name, fold=fold)


def ensure(runs: Sequence[Run], store: Store, device: str = "cpu", jobs: int = 1) -> list[Record]:
    """The records of these runs, in their order; what the store lacks is computed, with progress on
    stderr.

    jobs: processes at a time, on the CPU. Interrupted work is taken up again by the next call.
    """
    unknown = list(_missing(runs, store).values())
    for wanted in ([source for run in unknown if (source := run.source())], unknown):
        if missing := _missing(wanted, store):
            _compute(missing, store, resolve_device(device), jobs)
    return [store.find(run, key_of(run)) for run in runs]


def key_of(run: Run) -> str:
    """The run's key with its data set as it is here."""
    return run.key(dataset_of(run).fingerprint)


def _missing(runs: Sequence[Run], store: Store) -> dict[str, Run]:
    return {key: run for run in runs if store.find(run, key := key_of(run)) is None}


def compute(run: Run, key: str, root: Path, device: str = "cpu") -> None:
    """Train one run, or go on with it, and write its record."""
    store, begin = Store(root), time.monotonic()
    dataset = dataset_of(run)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    trained = train(run, key, store, device)
    content = describe(run, dataset, trained, device, time.monotonic() - begin)
    store.write(run, key, content, lambda folder: write_files(folder, trained))


def train(run: Run, key: str, store: Store, device: str) -> Trained:
    """A run that only reads its network in another way takes the weights of its source, both the
    last and those best by the source's own reading; its history holds no scores, and its training
    took no time.
    """
    trainer, source = (
        Trainer(run.method, run.config, dataset_of(run), run.seed, device),
        run.source(),
    )
    if source is None:
        return trainer.run(store.checkpoint(run, key))
    record = store.find(source, key_of(source))
    if record is not None and record.weights("last") and record.weights("best"):
        weights = {rule: load_file(record.weights(rule), device) for rule in RULES}
        best_epoch, history = record.content["best_epoch"], record.content["history"]
    else:
        other = Trainer(source.method, source.config, dataset_of(run), run.seed, device).run(
            store.checkpoint(run, key)
        )
        weights, best_epoch, history = other.weights, other.best_epoch, other.history
    unscored = [
        {name: value for name, value in entry.items() if name != "average_map"} for entry in history
    ]
    return trainer.read(weights, best_epoch, unscored, 0.0)


def resolve_device(device: str) -> str:
    """ "auto" is the GPU where there is one. Asking for one that is not there is an error, as is an
    unknown device.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise WorkbookError(f"unknown device {device!r}; expected cpu, cuda or auto")
    if device == "cuda" and not torch.cuda.is_available():
        raise WorkbookError(
            "device cuda: no GPU is seen by torch; use --device cpu, or install torch with CUDA "
            "and a driver"
        )
    return (
        "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
    )


def describe(
    run: Run, dataset: Dataset, trained: Trained, device: str, seconds: float
) -> dict[str, Any]:
    """The content of a record, JSON values only."""
    return {
        "run": run.values(dataset.fingerprint),
        "title": dataset.title,
        "origin": dataset.origin,
        "fold": run.fold,
        "metrics": {
            rule: {p: _metric(s) for p, s in trained.scores[rule].items()} for rule in RULES
        },
        "best_epoch": trained.best_epoch,
        "detections": {rule: len(trained.detections[rule]) for rule in RULES},
        "history": [{k: round(v, 6) for k, v in entry.items()} for entry in trained.history],
        "environment": environment(device),
        "train_seconds": round(trained.seconds, 2),
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory_mb(device),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def environment(device: str) -> dict[str, Any]:
    """What a number may depend on besides the run's values."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


def peak_memory_mb(device: str) -> int:
    """Peak of the process, or of the GPU, in MB."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10


def _metric(score: Score) -> dict[str, Any]:
    return {
        "tious": list(score.tious),
        "map": [round(float(v), 6) for v in score.map],
        "average": round(float(score.average), 6),
    }


def write_files(folder: Path, trained: Trained) -> None:
    """The large files that a training leaves: weights and detections of each selection rule."""
    for rule in RULES:
        weights = {name: value.cpu().contiguous() for name, value in trained.weights[rule].items()}
        save_file(weights, folder / f"weights_{rule}.safetensors")
        trained.detections[rule].to_parquet(folder / f"detections_{rule}.parquet", index=False)


def _compute(missing: dict[str, Run], store: Store, device: str, jobs: int) -> None:
    bar = tqdm(total=len(missing), desc="runs", unit="run", mininterval=5, dynamic_ncols=True)
    if jobs == 1 or len(missing) == 1:
        for key, run in missing.items():
            compute(run, key, store.root, device)
            bar.update()
    else:
        with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (jobs,)) as pool:
            waiting = [
                pool.submit(compute, run, key, store.root, device) for key, run in missing.items()
            ]
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    bar.close()


def _start_worker(jobs: int) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
