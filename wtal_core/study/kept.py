"""What a finished run has kept, and what of it is put back: the only place of the studies that
knows where such files lie.
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from wtal_core.errors import WorkbookError
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record, Store
from wtal_core.runs.sweep import key_of, resolve_device, train, write_files
from wtal_core.runs.train import Trained

FACTS = "facts"


def facts_kept(record: Record) -> dict[str, list] | None:
    """The facts of a run by name, as lists; None where they were not kept."""
    arrays = record.arrays(FACTS)
    if arrays is None:
        return None
    return {name: array.tolist() for name, array in arrays.items()}


def keep_facts(record: Record, values: dict[str, list]) -> None:
    """Keep the facts of a run, by name."""
    record.keep_arrays(FACTS, {name: np.array(value) for name, value in values.items()})


def weights_of(run: Run, record: Record, store: Store, device: str) -> dict[str, Tensor]:
    """Weights at the last epoch, on the CPU; of a run that only reads another one's weights, those.

    The run is trained once more, on `device`, where nobody has kept them. Raises WorkbookError for
    a damaged file.
    """
    path = record.weights("last")
    if path is None:
        trained, trained_record = _trained_as(run, record, store)
        path = trained_record.weights("last")
        if path is None:
            train_again(trained, trained_record, store, device)
            path = trained_record.weights("last")
    assert path is not None  # it has just been written
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WorkbookError(
            f"weights {path} are damaged ({error}); delete the file, and the run is trained again"
        ) from error


def _trained_as(run: Run, record: Record, store: Store) -> tuple[Run, Record]:
    """The run whose training this one reads, and its record; itself where that has no record."""
    source = run.source()
    if source is None:
        return run, record
    source_record = store.find(source, key_of(source))
    if source_record is None:
        return run, record
    return source, source_record


def train_again(run: Run, record: Record, store: Store, device: str) -> None:
    """Train a finished run once more and keep its weights and detections; its record stays as it
    is. An interrupted training is taken up again.
    """
    key = key_of(run)
    title = f"{run.method}, seed {run.seed}: no weights kept, trained again"
    with tqdm(total=1, desc=title, unit="run", dynamic_ncols=True) as bar:
        with torch.enable_grad():  # the caller may have switched it off
            trained = train(run, key, store, resolve_device(device))
        keep_training(record, trained)
        bar.update()
    shutil.rmtree(store.checkpoint(run, key).parent, ignore_errors=True)


def keep_training(record: Record, trained: Trained) -> None:
    """Weights and detections, each file whole or not at all. Git ignores them."""
    with tempfile.TemporaryDirectory(suffix=".partial", dir=record.folder) as aside:
        write_files(Path(aside), trained)
        for path in sorted(Path(aside).iterdir()):
            os.replace(path, record.folder / path.name)
