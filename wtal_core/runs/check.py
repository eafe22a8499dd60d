"""Can a results folder be believed? Whole lines, provenance as it was written, behaviour of today.

The two last questions need no data set: provenance is compared with git, behaviour by micro-runs.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wtal_core.errors import WorkbookError
from wtal_core.models import method_names
from wtal_core.reading.commands import command
from wtal_core.reading.places import resolved
from wtal_core.runs import behaviour
from wtal_core.runs.ledger import UNKNOWN, files, key_of_line, read, runs_file


def census(results: Path) -> list[dict[str, Any]]:
    """One line per data set and method: how many runs, of which behaviour, how many stale.

    Raises WorkbookError for a damaged file, a run without history, or a folder without results.
    """
    if not results.is_dir():
        raise WorkbookError(
            f"no results folder {results}; {command('reproduce', '--results', results)} makes one"
        )
    lines = []
    for path in files(results):
        dataset, method_name = path.parts[-3], path.stem
        runs = read(path)
        histories = read(runs_file(results, dataset, method_name, "history"))
        read(runs_file(results, dataset, method_name, "facts"))
        without = sorted(set(runs) - set(histories))
        if without:
            raise WorkbookError(
                f"{path}: run {without[0]} has no history; restore it by `git checkout`, or delete "
                "its line: it is then computed again"
            )
        behaviours = [line["by"]["behaviour"] for line in runs.values()]
        today = behaviour.name_of(method_name)
        lines.append(
            {
                "dataset": dataset,
                "method": method_name,
                "runs": len(runs),
                "of today": behaviours.count(today),
                "before the ledger": behaviours.count(UNKNOWN),
                "stale": sum(name not in (today, UNKNOWN) for name in behaviours),
            }
        )
    return lines


def moved(methods: Sequence[str] = ()) -> list[str]:
    """Methods whose code computes other numbers than were accepted: one sentence for each."""
    changes = [behaviour.compare(name) for name in methods or method_names()]
    return [str(change) for change in changes if change]


def in_checkout(results: Path) -> bool:
    """Whether a results folder lies in a git checkout that has a commit."""
    return _git(resolved(results), "rev-parse", "HEAD") is not None


def rewritten(results: Path, commit: str = "HEAD") -> list[str]:
    """Runs whose provenance is another one than in a commit: one sentence for each.

    Lines may be added, and whole runs deleted; what a line says under `by` stays as it was written.
    Raises WorkbookError outside a git checkout.
    """
    offences = []
    for path in files(results):
        before = {key: line["by"] for key, line in _committed(path, commit).items()}
        now = {key: line["by"] for key, line in read(path).items()}
        offences += [
            f"{path}: provenance of run {key} is not what {commit} says"
            for key in sorted(set(before) & set(now))
            if before[key] != now[key]
        ]
    return offences


def _committed(path: Path, commit: str) -> dict[str, dict[str, Any]]:
    """The lines of a ledger file as they were in a commit; none where it was not there."""
    folder = resolved(path).parent
    known = _git(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    if known is None:
        raise WorkbookError(f"{folder} is in no git checkout that has {commit}")
    text = _git(folder, "show", f"{commit}:./{path.name}")
    lines = [json.loads(line) for line in (text or "").splitlines()]  # a commit of this project
    return {key_of_line(line): line for line in lines}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None where it refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True
        )
    except OSError as error:
        raise WorkbookError("git is not installed; it is needed to compare provenance") from error
    return done.stdout if done.returncode == 0 else None
