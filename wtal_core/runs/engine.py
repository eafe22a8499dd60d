"""Runs as one graph of Dask: each run is a task that needs those whose weights it takes.

Dask decides which worker computes what, and begins anew what a dead worker had begun. The client
writes: it holds the lock of each run that it has asked for, and keeps what comes back.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dask._task_spec import Task, TaskRef
from distributed import Client, Future, KilledWorker, as_completed
from distributed.client import CancelledError, ClosedClientError
from filelock import FileLock, Timeout

from wtal_core.data.dataset import Dataset, Video
from wtal_core.data.opening import folds
from wtal_core.data.stored import in_memory
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import resolved
from wtal_core.runs import behaviour, sweep
from wtal_core.runs.cluster import SCHEDULER, TRIES, data_address, is_loopback, load, returned
from wtal_core.runs.delivery import Delivery, clear_unfinished, delivery_of, keep
from wtal_core.runs.ledger import Ledger, working_folder
from wtal_core.runs.provenance import source_hash
from wtal_core.runs.run import Run
from wtal_core.runs.worker import Order, computed, found

AHEAD = 512  # runs that are asked for at a time, at least: each holds an open file
FETCHED_BYTES = 2**28  # of the runs that are fetched from workers and kept at a time
WAIT_SECONDS = 0.5  # between two looks at runs that another command computes
PREFIX = "run-"


class SchedulerGone(Exception):
    """The scheduler does not answer any more; what was sent to it is lost."""


def compute_on_workers(
    client: Client,
    runs: Sequence[Run],
    ledger: Ledger,
    device: str,
    start: Callable[[], None],
    told: Callable[[Run, Exception | None], object],
) -> None:
    """Compute runs, each after those that it needs, and keep them in the ledger.

    start: what a worker calls before it computes. told: called with each run that is there, or has
    failed, and why. What a scheduler had that was started again is sent to it anew. Raises
    WorkbookError, after all others are done, for runs that failed or whose workers died; and where
    the scheduler does not come back.
    """
    client.run(load, computed.__module__, wait=False)  # while the orders are written here
    root = resolved(ledger.root)
    orders = {
        identity: _order(identity, run, root, device, start)
        for identity, run in ((sweep.identity_of(run), run) for run in runs)
    }
    failures: list[tuple[Run, Exception]] = []
    pending = dict.fromkeys(orders)
    with ExitStack() as stack:
        for tries_left in reversed(range(TRIES)):
            try:
                _compute(Graph(client, ledger, orders), pending, failures, told)
                break
            except SchedulerGone as error:
                gone = WorkbookError(
                    f"the scheduler {os.environ.get(SCHEDULER)} is gone; what has come back is "
                    "kept; start it again, and the same command goes on where this one stopped"
                )
                # A client that was closed has not lost its scheduler: the command is at its end.
                if not tries_left or client.status in ("closing", "closed"):
                    raise gone from error
                client = returned(stack, gone)
    if failures:
        _report(failures)


def _compute(
    graph: "Graph",
    pending: dict[str, None],
    failures: list[tuple[Run, Exception]],
    told: Callable[[Run, Exception | None], object],
) -> None:
    """Compute the pending runs, and take each away from them that is there or has failed.

    Raises SchedulerGone.
    """
    waiting = list(pending)
    try:
        while waiting or graph.claims:
            back: list[tuple[str, Exception | None]] = []
            if waiting and len(graph.claims) < graph.ahead // 2:
                waiting, there = graph.ask(waiting)
                back = [(identity, None) for identity in there]
            if graph.claims:
                back += graph.next()
            elif not back:
                time.sleep(WAIT_SECONDS)  # another command computes all that is missing
            for identity, failure in back:
                del pending[identity]
                run = graph.orders[identity].run
                if failure is not None:
                    failures.append((run, failure))
                told(run, failure)
    finally:
        graph.release_all()


def _order(identity: str, run: Run, root: Path, device: str, start: Callable[[], None]) -> Order:
    stamp = behaviour.stamp(run.method)
    working = working_folder(root, f"{identity}.{stamp}")
    return Order(
        run,
        sweep.dataset_of(run).fingerprint,
        folds(run.dataset),
        stamp,
        device,
        source_hash(),
        working / "checkpoint.pt",
        data_address(),
        start,
    )


def _needed(run: Run) -> str | None:
    """The identity of the run whose weights this one takes; None where there is none."""
    needed = run.source() or run.before()
    return None if needed is None else sweep.identity_of(needed)


class Graph:
    """The runs that are asked for, by identity, and what becomes of them.

    needed: identity -> that of the run whose weights it takes, if there is one.
    claims: those that this command has claimed and that are not back yet, with their locks.
    """

    def __init__(self, client: Client, ledger: Ledger, orders: dict[str, Order]):
        self.client, self.ledger, self.orders = client, ledger, orders
        with _answered():
            self.datasets = Datasets(client)
        self.needed = {identity: _needed(order.run) for identity, order in orders.items()}
        self.claims: dict[str, FileLock] = {}
        self.failed: dict[str, Future] = {}
        self.ahead = AHEAD
        self.largest = 0  # bytes of files of a run, so far
        self.arriving = as_completed(loop=client.loop)

    def ask(self, waiting: list[str]) -> tuple[list[str], list[str]]:
        """Send as many of the waiting runs as there may be at a time. Returns those that wait on,
        and those that another command has finished.
        """
        with _answered():
            self.ahead = max(AHEAD, 2 * len(self.client.nthreads()))
        tasks: dict[str, Task] = {}
        left: dict[str, None] = {}
        there = []
        for place, identity in enumerate(waiting):
            if len(self.claims) >= self.ahead:
                left |= dict.fromkeys(waiting[place:])
                break
            needed = self.needed[identity]
            if needed in left or not self._claim(identity):
                left[identity] = None
            elif self._is_there(identity):
                self.release(identity)
                there.append(identity)
            else:
                with _answered():
                    tasks |= self._tasks(identity, needed)
        keys = [key for key in tasks if key.startswith(PREFIX)]
        if keys:
            with _answered():
                self.arriving.update(self.client.get(tasks, keys, sync=False))
        return list(left), there

    def _claim(self, identity: str) -> bool:
        """Whether no other command computes the run; from now on this one does."""
        folder = self.orders[identity].checkpoint.parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self.claims[identity] = lock
        return True

    def _is_there(self, identity: str) -> bool:
        order = self.orders[identity]
        record = self.ledger.find(order.run.dataset, order.run.method, identity)
        return record is not None and record.behaviour == order.stamp

    def _tasks(self, identity: str, needed: str | None) -> dict[str, Task]:
        """The run's task, and one that holds what is already there of the run that it needs.

        Where nobody has kept the weights of that one, the worker trains it again.
        """
        order = self.orders[identity]
        key = PREFIX + identity
        tasks: dict[str, Task] = {}
        references = []
        if needed in self.claims or needed in self.failed:
            references = [TaskRef(f"{PREFIX}{needed}")]
        elif needed is not None:
            record = self.ledger.find(order.run.dataset, order.run.method, needed)
            delivery = delivery_of(record) if record else None
            if delivery is not None:
                tasks[f"kept-{needed}"] = Task(f"kept-{needed}", _itself, delivery)
                references = [TaskRef(f"kept-{needed}")]
        # A producer of data is sent when a worker is free, not before. So the death of a worker is
        # told of the run that it was computing, and of no other.
        sent = self.datasets.sent(order)
        tasks[key] = Task(key, computed, order, sent, *references, _data_producer=True)
        return tasks

    def next(self) -> list[tuple[str, Exception | None]]:
        """Wait until runs are back, and keep all that are by then, as long as there is room. Their
        identities, and why each failed.

        Raises SchedulerGone.
        """
        futures = [next(self.arriving)]
        while len(futures) * self.largest < FETCHED_BYTES and self.arriving.has_ready():
            futures.append(next(self.arriving))
        back = {future.key.removeprefix(PREFIX): future for future in futures}
        with _answered():
            results = self.client.gather(back, errors="skip")  # None for those that failed
            failed = [back[identity] for identity, delivery in results.items() if delivery is None]
            if any(future.cancelled() for future in failed):
                raise CancelledError  # by nobody else than a client that has lost its scheduler
            failures = {future.key.removeprefix(PREFIX): future.exception() for future in failed}
        failures |= self._keep({name: result for name, result in results.items() if result})
        for identity, future in back.items():
            if identity in failures:
                self.failed[identity] = future
            self.release(identity)
        return [(identity, failures.get(identity)) for identity in back]

    def _keep(self, deliveries: dict[str, Delivery]) -> dict[str, Exception]:
        """Write down what has come back, together; and why some could not be kept."""
        for delivery in deliveries.values():
            size = sum(map(len, delivery.files.values()))
            self.largest = max(self.largest, size)
        try:
            for identity, delivery in deliveries.items():
                if delivery.line["id"] != identity:
                    raise WorkbookError(f"a worker has sent another run than {identity}")
                clear_unfinished(self.orders[identity].checkpoint.parent)
            keep(list(deliveries.values()), self.ledger)
        except Exception as error:
            if len(deliveries) == 1:
                return dict.fromkeys(deliveries, error)
            failures: dict[str, Exception] = {}
            for identity, delivery in deliveries.items():
                failures |= self._keep({identity: delivery})
            return failures
        return {}

    def release(self, identity: str) -> None:
        """Let another command have the run."""
        self.claims.pop(identity).release()

    def release_all(self) -> None:
        """Let other commands have all runs that are not back."""
        for identity in list(self.claims):
            self.release(identity)


@contextmanager
def _answered() -> Iterator[None]:
    """What is asked of the scheduler here is answered, or it is gone."""
    try:
        yield
    except (CancelledError, ClosedClientError, OSError) as error:
        raise SchedulerGone from error


def _itself(value: Any) -> Any:
    return value


class Datasets:
    """Data sets that workers cannot open themselves: sent to each of them once."""

    def __init__(self, client: Client):
        self.client = client
        client.wait_for_workers(1)  # a cluster may keep its jobs waiting
        addresses = client.scheduler_info()["workers"]
        self.here = all(is_loopback(address) for address in addresses)
        self.futures: dict[tuple[str, int | None], Future | None] = {}

    def sent(self, order: Order) -> TaskRef | None:
        """The data set where it had to be sent; None where workers find it by its fingerprint."""
        if self.here or order.address:
            return None
        name = order.run.dataset, order.run.fold
        if name not in self.futures:
            answers = self.client.run(found, order)
            self.futures[name] = None
            if not all(answers.values()):
                dataset = whole(sweep.dataset_of(order.run))
                self.futures[name] = self.client.scatter(dataset, broadcast=True)
        future = self.futures[name]
        return None if future is None else TaskRef(future.key)


def whole(dataset: Dataset) -> Dataset:
    """The data set with all features in memory, none in files."""
    train, test = (tuple(map(_in_memory, videos)) for videos in (dataset.train, dataset.test))
    return replace(dataset, train=train, test=test)


def _in_memory(video: Video) -> Video:
    stored = None if video.as_stored is None else in_memory(video.as_stored)
    return replace(video, features=in_memory(video.features), as_stored=stored)


def _report(failures: Sequence[tuple[Run, Exception]]) -> None:
    """Raise the first failure, after it is said how many there are."""
    run, error = failures[0]
    where = f"{run.method} on {run.dataset}, seed {run.seed}"
    if isinstance(error, KilledWorker):
        raise WorkbookError(
            f"{len(failures)} runs could not be computed, such as {where}: its process died "
            f"{error.allowed_failures + 1} times (out of memory?); give fewer jobs at a time, such "
            "as --jobs 1"
        ) from error
    if isinstance(error, WorkbookError):
        raise WorkbookError(
            f"{len(failures)} runs could not be computed, such as {where}: {error}"
        ) from error
    raise error
