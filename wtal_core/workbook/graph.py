"""All runs of all notebooks as one graph: a notebook is due when its own runs are there."""

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from wtal_core.errors import WorkbookError
from wtal_core.runs.cluster import Place, engaged, workers
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import announce, find, identity_of, send, with_needed
from wtal_core.workbook.artifacts import Notebook
from wtal_core.workbook.plan import planned

Job = tuple[Notebook, dict[str, Any]]  # a notebook and its parameters


@contextmanager
def when_ready(jobs: Sequence[Job], ledger: Ledger, place: Place) -> Iterator[Iterator[Job]]:
    """The notebooks, each as soon as its runs are in the ledger, or have failed.

    With one process each notebook computes its own, and they come in their order. Workers, where
    there are any, stay until the block ends: what a plan did not know is sent there, too.
    """
    if place.jobs == 1 and not place.is_elsewhere:
        yield iter(jobs)
        return
    wanted = [_missing(planned(notebook.path, values), ledger) for notebook, values in jobs]
    runs = with_needed([run for part in wanted for run in part], ledger)
    if not runs or (len(runs) == 1 and not place.is_elsewhere):
        yield iter(jobs)  # a worker would start for longer than it computes
        return
    place = replace(place, jobs=min(place.jobs, len(runs)))
    announce(runs, len(runs), ledger, place.workers if place.cluster else place.jobs)
    device = jobs[0][1]["device"]
    sharing = 1 if place.is_elsewhere else place.jobs  # workers on this machine
    with engaged(place) as end_at_once, workers(place.jobs) as client:
        back: queue.Queue[Run | Exception | None] = queue.Queue()

        def compute() -> None:
            try:
                send(client, runs, ledger, device, sharing, lambda run, _: back.put(run))
            except Exception as error:
                back.put(error)
            back.put(None)

        # The main thread executes notebooks, because it is the one that is told of Ctrl-C.
        threading.Thread(target=compute, daemon=True).start()
        try:
            with tqdm(total=len(runs), desc="runs", unit="run", mininterval=5) as bar:
                yield _due(jobs, wanted, back, bar)
        finally:
            end_at_once()


def _missing(runs: Sequence[Run], ledger: Ledger) -> list[Run]:
    return [run for run in runs if find(run, ledger) is None]


def _due(
    jobs: Sequence[Job], wanted: Sequence[Sequence[Run]], back: "queue.Queue[Any]", bar: tqdm
) -> Iterator[Job]:
    """The notebooks in the order in which the last of their runs comes back."""
    lacking = [{identity_of(run) for run in part} for part in wanted]
    waiting = list(range(len(jobs)))
    is_over = False
    while waiting:
        for place in [place for place in waiting if is_over or not lacking[place]]:
            waiting.remove(place)
            yield jobs[place]
        if not waiting or is_over:
            continue
        answer = back.get()
        if answer is None:
            is_over = True
        elif isinstance(answer, WorkbookError):
            tqdm.write(str(answer))
        elif isinstance(answer, Exception):
            raise answer
        else:
            bar.update()
            for part in lacking:
                part.discard(identity_of(answer))
