"""docs/profiles.md: the profiles of each method, and whether they train."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from wtal_core.data.manifests import load_manifest
from wtal_core.errors import WorkbookError
from wtal_core.models import backtal, method, method_names, ten
from wtal_core.runs.ledger import Ledger, Record
from wtal_core.runs.run import differences

# method -> rows besides its own that a paper's message is about
BESIDE: dict[str, dict[str, Callable[[Any], Any]]] = {
    "backtal": {"backtal, baseline": backtal.baseline},
    "facnet": {"facnet, no background class": lambda config: replace(config, background=False)},
    "ten": {"ten, baseline": ten.baseline},
}
PROFILES = ("quick", "official")
HEADER = (
    "method",
    "seeds",
    "epochs",
    "learning rate",
    "objective met",
    "labels recalled",
    "last quarter's share of the fall (%)",
    "mAP (%), mean ± deviation",
    "best epoch on the test set",
    "seconds per run",
)
INTRODUCTION = """# Profiles, and whether they train

Written by `make docs` from the records in [`results/`](../results/README.md). Do not edit it by
hand.

A **quick** profile is a small network and a short schedule, made for minutes on a CPU. Width,
learning rate, length and the fall of the rate were chosen on `simulated-2` with one to three seeds,
by the training loss and the bounds that each method states of its own losses, and by the time a run
takes; never by mAP. `python -m tools.choose_profiles METHOD` trains all candidates again. On other
data the same profiles are used as they are.

The **official** profile is the authors' network and schedule. `python -m tools.paper_profile`
trains it on a GPU, in an order that was fixed before: all rows with seed 0, then with seed 1, and
so on, until the time that was given is over. What had not ended by then is missing: a row may have
fewer than five seeds, and one with fewer than two is not shown.

*Objective met*: in how many of the seeds all bounds are met. *Labels recalled*: the share of
training labels that the network finds in its own training videos. *Last quarter's share of the
fall*: how much of what the total loss lost from the first epoch to the last it lost in the last
quarter; a large share says that a longer training would go on. It means little for methods whose
loss gains terms on the way (ASM-Loc, EM-MIL, GauFuse, SF-Net). mAP is of the last epoch; it stands
here for the deviation over seeds, and had no say. Beside it the mean of the best epoch on the test
set, which many official codes report: where it lies far above, mAP falls while the loss still
falls, and what is printed depends on when one stops.
"""


def profiles(results: Path) -> str:
    """The page as Markdown, a table per data set and profile that has records of today's
    profiles.
    """
    ledger = Ledger(results)
    sections = [INTRODUCTION]
    for dataset in sorted(folder.parent.name for folder in results.glob("*/runs")):
        manifest = load_manifest(dataset)
        about = (
            f"Data set `{dataset}` ({manifest.origin}), average mAP by protocol "
            f"`{manifest.default_protocol}`, last epoch but where it says otherwise."
        )
        for profile in PROFILES:
            lines = list(lines_of(ledger, dataset, profile, manifest.default_protocol))
            if lines:
                table = tabulate(lines, HEADER, tablefmt="github", disable_numparse=True)
                title = f"## {manifest.title}, profile {profile}"
                sections.append(f"{title}\n\n{about}\n\n{table}\n")
    if len(sections) == 1:
        raise WorkbookError(f"{results} holds no runs of a profile; `wtal reproduce` makes some")
    return "\n".join(sections)


def lines_of(
    ledger: Ledger, dataset: str, profile: str, protocol: str
) -> Iterable[tuple[str, ...]]:
    """One line per row with records of two seeds at least on this data set."""
    for name in method_names():
        config, _ = method(name).config_for(profile, dataset)
        rows = {name: config}
        for row, change in BESIDE.get(name, {}).items():
            rows[row] = change(config)
        for row, asked in rows.items():
            records = of_config(ledger, dataset, name, asked)
            if len(records) > 1:
                yield line_of(row, records, protocol)


def of_config(ledger: Ledger, dataset: str, name: str, config: Any) -> list[Record]:
    """The newest record of each seed of a config that began with random weights, by seed."""
    asked = differences(config)
    records = {
        record.seed: record
        for record in ledger.newest(dataset, name)
        if record.differences == asked and record.start is None
    }
    return [records[seed] for seed in sorted(records)]


def line_of(row: str, records: list[Record], protocol: str) -> tuple[str, ...]:
    """A row with its records, one per seed."""
    schedule = records[0].config.schedule
    met = sum(record.objective.get("met", False) for record in records)
    recalled = np.mean([record.objective.get("recalled", np.nan) for record in records])
    late = 100 * np.mean([late_share(record.history) for record in records])
    values = [record.average_map(protocol) for record in records]
    best = [record.average_map(protocol, "best") for record in records]
    seconds = np.mean([record.line["seconds"] for record in records])
    return (
        row,
        str(len(records)),
        str(schedule.epochs),
        f"{schedule.learning_rate:g}",
        f"{met} of {len(records)}",
        f"{recalled:.2f}",
        "" if np.isnan(late) else str(round(late)),
        f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}",
        f"{np.mean(best):.1f}",
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
