"""The numbers that the papers print, from `data_manifests/papers/`."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from wtal_core.errors import WorkbookError

FOLDER = Path(__file__).parents[2] / "data_manifests" / "papers"


@cache
def reported(paper: str) -> dict[str, Any]:
    """The whole manifest of a paper."""
    path = FOLDER / f"{paper}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise WorkbookError(f"no reported numbers of the paper {paper!r}; known: {known}")
    return yaml.safe_load(path.read_text())


def reported_rows(artifact: str) -> list[dict[str, Any]]:
    """The rows of a table, such as "facnet/table3"."""
    paper, table = artifact.split("/")
    tables = reported(paper)["tables"]
    if table not in tables:
        raise WorkbookError(f"{paper} has no table {table!r}; its tables: {', '.join(tables)}")
    return tables[table]["rows"]
