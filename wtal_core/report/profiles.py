"""docs/profiles.md: the quick profile of each method, and whether it trains."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from wtal_core.data.manifests import load_manifest
from wtal_core.models import method, method_names
from wtal_core.models.first_round import DATASETS as FIRST_ROUND
from wtal_core.runs.ledger import Ledger, Record
from wtal_core.runs.run import differences

SEEDS = range(5)
HEADER = (
    "method",
    "epochs",
    "learning rate",
    "objective met",
    "labels recalled",
    "last quarter's share of the fall (%)",
    "mAP (%), mean ± deviation",
    "seconds per run",
)
INTRODUCTION = """# Quick profiles, and whether they train

Written by `make docs` from the records in [`results/`](../results/README.md). Do not edit it by
hand.

A quick profile is a small network and a short schedule, made for minutes on a CPU. Width, learning
rate, length and the fall of the rate were chosen on `simulated-2` with one to three seeds, by the
training loss and the bounds that each method states of its own losses, and by the time a run takes;
never by mAP. `python -m tools.choose_profiles METHOD` trains all candidates again.

*Objective met*: in how many of the seeds all bounds are met. *Labels recalled*: the share of
training labels that the network finds in its own training videos. *Last quarter's share of the
fall*: how much of what the total loss lost from the first epoch to the last it lost in the last
quarter; a large share says that a longer training would go on. It means little for methods whose
loss gains terms on the way (ASM-Loc, EM-MIL, GauFuse, SF-Net). mAP is of the last epoch; it stands
here for the deviation over seeds, and had no say.

On other data the same profiles are used as they are.
"""


def profiles(results: Path) -> str:
    """The page as Markdown, with a table per data set that has records of today's profiles."""
    ledger = Ledger(results)
    sections = [INTRODUCTION]
    for dataset in datasets_with_runs(results):
        lines = list(lines_of(ledger, dataset))
        if lines:
            table = tabulate(lines, HEADER, tablefmt="github", disable_numparse=True)
            sections.append(f"## {load_manifest(dataset).title}\n\n{table}\n")
    return "\n".join(sections)


def datasets_with_runs(results: Path) -> list[str]:
    """Data sets with records of today's quick profiles, by name."""
    names = sorted(folder.parent.name for folder in results.glob("*/runs"))
    return [name for name in names if name not in FIRST_ROUND]


def lines_of(ledger: Ledger, dataset: str) -> Iterable[tuple[str, ...]]:
    """One line per method with records of all seeds on this data set."""
    protocol = load_manifest(dataset).default_protocol
    for name in method_names():
        asked = differences(method(name).profiles["quick"])
        records = {
            record.seed: record
            for record in ledger.newest(dataset, name)
            if record.differences == asked and record.start is None
        }
        if set(SEEDS) <= set(records):
            yield line_of(name, [records[seed] for seed in SEEDS], protocol)


def line_of(name: str, records: list[Record], protocol: str) -> tuple[str, ...]:
    """A method with its records, one per seed."""
    schedule = records[0].config.schedule
    met = sum(record.objective.get("met", False) for record in records)
    recalled = np.mean([record.objective.get("recalled", np.nan) for record in records])
    late = 100 * np.mean([late_share(record.history) for record in records])
    values = [record.average_map(protocol) for record in records]
    seconds = np.mean([record.line["seconds"] for record in records])
    return (
        name,
        str(schedule.epochs),
        f"{schedule.learning_rate:g}",
        f"{met} of {len(records)}",
        f"{recalled:.2f}",
        f"{late:.0f}",
        f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}",
        f"{seconds:.0f}",
    )


def late_share(history: list[dict[str, Any]]) -> float:
    """Of what the total loss lost from the first epoch to the last: the share of the last quarter.
    NaN where it did not fall.
    """
    totals = [entry["total"] for entry in history]
    start = totals[-max(1, len(totals) // 4) - 1] if len(totals) > 1 else totals[0]
    fall = totals[0] - totals[-1]
    return (start - totals[-1]) / fall if fall > 0 else float("nan")
