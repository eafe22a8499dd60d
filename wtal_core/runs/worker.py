"""What a worker process does: it computes one run in a folder of its own and sends what that left.

A worker needs no disk in common with the client. Where it sees the client's working folder, the
checkpoint lies there, so that another worker goes on from it; nothing else is written there.
"""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wtal_core.data import opening
from wtal_core.data.dataset import Dataset
from wtal_core.data.fetched import fetched_dataset
from wtal_core.errors import WorkbookError
from wtal_core.runs import sweep
from wtal_core.runs.delivery import Delivery, delivery_of, keep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.provenance import source_hash
from wtal_core.runs.run import Run

# torch's settings, opened data sets and the peak of memory belong to the process.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Order:
    """A run to be computed, and all that a worker has to know besides the files of its data set.

    data: the fingerprint that the data set must have; folds: how many it has. sources:
    `source_hash` of the client's code. checkpoint: where it lies if the worker sees that folder.
    address: a folder of data sets that fsspec reads, such as s3://bucket/data; "": none. start:
    called first, in the worker.
    """

    run: Run
    data: str
    folds: int
    stamp: str
    device: str
    sources: str
    checkpoint: Path
    address: str
    start: Callable[[], None]

    def __dask_tokenize__(self) -> str:
        """What Dask tells two orders apart by, in place of a hash of all that they hold."""
        return str(self.checkpoint)


def computed(order: Order, sent: Dataset | None, *needed: Delivery) -> Delivery:
    """Compute a run. sent: its data set, where the client has sent it; needed: the runs whose
    weights it begins with or reads.

    Raises WorkbookError where this worker has other code than the client, or no such data set.
    """
    with ONE_AT_A_TIME:
        if order.sources != source_hash():
            raise WorkbookError(
                "a worker runs other code of the workbook than this command; install the same "
                "commit on both"
            )
        provide(order, sent)
        with tempfile.TemporaryDirectory(prefix="wtal-run-") as folder:
            ledger = Ledger(folder)
            keep(needed, ledger)
            shared = order.checkpoint.parent.is_dir()
            checkpoint = order.checkpoint if shared else None
            device = sweep.resolve_device(order.device)
            record = sweep.compute(order.run, ledger, device, order.stamp, checkpoint)
            delivery = delivery_of(record)  # while the folder is there
    assert delivery is not None  # `compute` has just written its files
    return delivery


def provide(order: Order, sent: Dataset | None) -> None:
    """See to it that `sweep.dataset_of` gives the data set of that fingerprint in this process."""
    if found(order):
        return
    run = order.run
    if sent is not None and sent.fingerprint == order.data:
        sweep.PROVIDED[run.dataset, run.fold] = sent
        return
    if order.address:
        dataset = fetched_dataset(order.address, run.dataset, run.fold)
        if dataset.fingerprint == order.data:
            sweep.PROVIDED[run.dataset, run.fold] = dataset
            return
    raise WorkbookError(
        f"a worker has no data set {run.dataset} of fingerprint {order.data}; set WTAL_DATA there "
        "to a folder that holds it, or name one that all can read by `data` in the cluster's "
        "settings"
    )


def found(order: Order) -> bool:
    """Whether this process opens the run's data set, and it is the same one as the client's."""
    order.start()
    opening.FOLDS[order.run.dataset] = order.folds
    try:
        return sweep.dataset_of(order.run).fingerprint == order.data
    except WorkbookError:
        return False
