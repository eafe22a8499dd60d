"""The weights of a finished run: where they lie, and how they are put back."""

import sys

import torch
from torch import Tensor
from tqdm import tqdm

from wtal_core.runs.ledger import ANOTHER_NETWORK, Ledger, Record, finite
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import find, outcome_of, resolve_device, train, weights_in, write_files
from wtal_core.runs.train import Trained


def weights_of(run: Run, record: Record, ledger: Ledger, device: str) -> dict[str, Tensor]:
    """Weights at the last epoch, on the CPU; of a run that only reads another one's weights, those.

    The run is trained once more, on `device`, where nobody has kept them. Raises WorkbookError for
    a damaged file.
    """
    path = record.weights("last")
    if path is None:
        trained, trained_record = _trained_as(run, record, ledger)
        path = trained_record.weights("last")
        if path is None:
            train_again(trained, trained_record, ledger, device)
            path = trained_record.weights("last")
    assert path is not None  # it has just been written
    return weights_in(path)


def _trained_as(run: Run, record: Record, ledger: Ledger) -> tuple[Run, Record]:
    """The run whose training this one reads, and its record; itself where that has no record."""
    source = run.source()
    if source is None:
        return run, record
    source_record = find(source, ledger)
    if source_record is None:
        return run, record
    return source, source_record


def train_again(run: Run, record: Record, ledger: Ledger, device: str) -> None:
    """Train a finished run once more and keep its weights and detections; its record stays as it
    is. An interrupted training is taken up again.
    """
    title = f"{run.method}, seed {run.seed}: no weights kept, trained again"
    checkpoint = record.working_folder / "checkpoint.pt"
    with tqdm(total=1, desc=title, unit="run", dynamic_ncols=True) as bar:
        with torch.enable_grad():  # the caller may have switched it off
            trained = train(run, ledger, resolve_device(device), checkpoint)
        keep_training(record, trained)
        bar.update()
    checkpoint.unlink(missing_ok=True)
    _tell_another_network(record, trained)


def _tell_another_network(record: Record, trained: Trained) -> None:
    """Note, and say on stderr, where a network trained again is another one than the record's.

    Bits agree on one kind of processor only. What is drawn from this network must not stand beside
    what was drawn from the other one.
    """
    outcome = finite(outcome_of(trained))
    if all(record.line[name] == value for name, value in outcome.items()):
        return
    (record.working_folder / ANOTHER_NETWORK).touch()
    print(
        f"{record.method}, seed {record.seed}: the network trained here gives other numbers than "
        f"run {record.key}, which another kind of processor or other code computed; what is drawn "
        "from the network is of this one",
        file=sys.stderr,
        flush=True,
    )


def keep_training(record: Record, trained: Trained) -> None:
    """Weights and detections, into the working folder. Git ignores them."""
    record.working_folder.mkdir(parents=True, exist_ok=True)
    write_files(record.working_folder, trained)
