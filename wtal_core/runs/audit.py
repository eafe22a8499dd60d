"""What lies in a results folder: whole records, damaged ones, and those that the code of today
would compute anew.
"""

import json
from pathlib import Path

from wtal_core.errors import WorkbookError
from wtal_core.runs.run import code_modules
from wtal_core.source import source_hash


def audit(results: Path) -> list[dict[str, object]]:
    """A line a data set and method: number of records, of damaged ones and of stale ones (made by
    other code).
    """
    if not results.is_dir():
        raise WorkbookError(
            f"no results folder {results}; `wtal reproduce --results {results}` makes one"
        )
    lines = []
    for folder in sorted(results.glob("*/runs/*")):
        records = [
            _read(path / "record.json")
            for path in sorted(folder.iterdir())
            if not path.name.endswith(".partial")
        ]
        whole = [r for r in records if r is not None]
        lines.append(
            {
                "dataset": folder.parts[-3],
                "method": folder.name,
                "records": len(records),
                "damaged": len(records) - len(whole),
                "stale": sum(r["run"]["code"] != _code(r["run"]) for r in whole),
            }
        )
    return lines


def _read(path: Path) -> dict | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if {"run", "metrics"} <= set(content) else None


def _code(run: dict) -> str:
    return source_hash(*code_modules(run["method"], run["dataset"], run["config"].get("host")))
