"""Train finished runs again, and say how far apart two computations of one run are."""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from wtal_core.data.opening import open_dataset
from wtal_core.errors import WorkbookError
from wtal_core.runs import behaviour
from wtal_core.runs.ledger import UNKNOWN, Ledger, Record, files
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import compute, find, is_stale, resolve_device


def sample(ledger: Ledger, number: int | None, draw: int = 0) -> list[Record]:
    """Finished runs drawn at random, or all (None); runs that only read another's weights, too."""
    records = _all(ledger)
    if not records:
        raise WorkbookError(f"{ledger.root} holds no runs; `wtal reproduce` computes some")
    if number is None or number >= len(records):
        return records
    return random.Random(draw).sample(records, number)


def stale(ledger: Ledger) -> list[Record]:
    """The runs that an earlier behaviour of their method computed."""
    return [record for record in _all(ledger) if is_stale(record)]


def run_of(record: Record) -> Run:
    """The run that left a record."""
    return Run(record.method, record.config, record.line["dataset"], record.seed, record.start)


def again(record: Record, device: str = "cpu") -> dict[str, Any]:
    """Train a run again in a folder of its own, and compare: one line of a table.

    mAP is in percent, at the last epoch, by the data set's own protocol. A run whose data set is
    not here, or is another one than it was, is said to be so.
    """
    run = run_of(record)
    line: dict[str, Any] = {
        "run": record.key,
        "method": run.method,
        "dataset": run.dataset,
        "seed": run.seed,
    }
    try:
        dataset = open_dataset(run.dataset, fold=run.fold)
    except WorkbookError as error:
        return {**line, "outcome": f"not computed: {error}"}
    if dataset.fingerprint != record.line["data"]:
        return {**line, "outcome": "not computed: the data set is another one than it was"}
    with tempfile.TemporaryDirectory() as folder:
        stamp = behaviour.stamp(run.method)
        fresh = compute(run, Ledger(Path(folder)), resolve_device(device), stamp)
        losses = _first_difference(record, fresh)
    protocol = dataset.default_protocol
    before, after = record.average_map(protocol), fresh.average_map(protocol)
    return {
        **line,
        "mAP then": round(before, 2),
        "mAP now": round(after, 2),
        "difference": round(after - before, 2) + 0.0,  # no minus before a zero
        "losses differ from epoch": losses,
        "same instruction set": _same_instruction_set(record, fresh),
        "outcome": "equal" if record.line["metrics"] == fresh.line["metrics"] else "differs",
    }


def anew(record: Record, ledger: Ledger, device: str = "cpu") -> Record:
    """Compute a stale run by today's code and append it; the older line stays.

    Raises WorkbookError where the run is not stale.
    """
    run = run_of(record)
    newest = find(run, ledger)
    if newest is not None and not is_stale(newest):
        raise WorkbookError(f"run {newest.key} is of today's behaviour; there is nothing to do")
    return compute(run, ledger, resolve_device(device), behaviour.stamp(run.method))


def summary(lines: Sequence[dict[str, Any]]) -> str:
    """The table's meaning in a sentence or two."""
    table = pd.DataFrame(lines)
    done = table[~table["outcome"].str.startswith("not computed")]
    text = f"{len(done)} of {len(table)} runs computed again"
    if len(done):
        sizes = done["difference"].abs()
        equal = int((done["outcome"] == "equal").sum())
        text += (
            f"; {equal} equal in every number; mAP differs by {sizes.median():.2f} points in the "
            f"median and {sizes.max():.2f} at most, by {done['difference'].mean():+.2f} on average"
        )
    return text + "."


def _all(ledger: Ledger) -> list[Record]:
    return [
        record
        for path in files(ledger.root)
        for record in ledger.records(path.parts[-3], path.stem)
    ]


def _first_difference(record: Record, fresh: Record) -> int | None:
    """The first epoch, from 1, whose losses differ; None where all are equal."""
    pairs = zip(record.history, fresh.history, strict=False)
    return next((epoch for epoch, (then, now) in enumerate(pairs, 1) if then != now), None)


def _same_instruction_set(record: Record, fresh: Record) -> str:
    """ "yes", "no", or "unknown" for a run from before the ledger."""
    then = record.line["by"]["environment"].get("instruction_set", UNKNOWN)
    now = fresh.line["by"]["environment"]["instruction_set"]
    if then == UNKNOWN:
        return UNKNOWN
    return "yes" if then == now else "no"
