"""The numbers that the papers print, from `data_manifests/papers/`.

And those of other sources, which lie beside it.
"""

from functools import cache
from typing import Any

import yaml

from wtal_core.data.paths import MANIFESTS
from wtal_core.errors import WorkbookError

FOLDER = MANIFESTS / "papers"


@cache
def reported(paper: str) -> dict[str, Any]:
    """The whole manifest of a paper."""
    path = FOLDER / f"{paper}.yaml"
    if not path.is_file():
        raise WorkbookError(
            f"no reported numbers of the paper {paper!r}; known: {', '.join(known_papers())}"
        )
    return yaml.safe_load(path.read_text())


def known_papers() -> list[str]:
    """Names of the papers that have a manifest."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def reported_rows(artifact: str) -> list[dict[str, Any]]:
    """The rows of a table, such as "facnet/table3"."""
    paper, table = artifact.split("/")
    tables = reported(paper)["tables"]
    if table not in tables:
        raise WorkbookError(f"{paper} has no table {table!r}; its tables: {', '.join(tables)}")
    return tables[table]["rows"]


@cache
def other_sources() -> dict[str, Any]:
    """Sources other than the papers by name.

    A curated list, repositories, packages of annotations.
    """
    return yaml.safe_load((MANIFESTS / "other_sources.yaml").read_text())


@cache
def known_methods() -> dict[str, Any]:
    """Methods by their one name: published (year-month), other names, supervision unless weak."""
    return yaml.safe_load((MANIFESTS / "methods.yaml").read_text())["methods"]


def regimes() -> dict[str, dict[str, float]]:
    """Data set -> `coverage`, `labels`, `together` of its training videos: what
    `data/regime.py` computes, kept so that it can stand where the data are not.
    """
    return yaml.safe_load((MANIFESTS / "regimes.yaml").read_text())
