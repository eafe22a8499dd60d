"""The numbers that the papers print, from `data_manifests/papers/`.

And those of other sources, which lie beside it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from wtal_core.data.paths import MANIFESTS
from wtal_core.errors import WorkbookError
from wtal_core.reading.yaml_files import read_mapping

FOLDER = MANIFESTS / "papers"


@cache
def reported(paper: str) -> dict[str, Any]:
    """The whole manifest of a paper."""
    path = FOLDER / f"{paper}.yaml"
    if not path.is_file():
        raise WorkbookError(
            f"no reported numbers of the paper {paper!r}; known: {', '.join(known_papers())}"
        )
    return read_mapping(path)


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


def printed_factors(artifact: str, rows: Mapping[str, str]) -> dict[str, dict[str, bool]]:
    """Row of ours -> factor -> whether the paper's check mark stands there.

    artifact: such as "facnet/table3". rows: row of ours -> printed row. Factors are the columns
    that the manifest calls settings and that hold 0 or 1 only. Raises WorkbookError for a row that
    the paper does not print.
    """
    paper, name = artifact.split("/")
    content = reported(paper)["tables"][name]
    settings = content.get("settings", [])
    marks = {
        row["method"]: {
            column.replace("_", " "): bool(value)
            for column, value in zip(content["columns"], row["v"], strict=True)
            if column in settings
        }
        for row in content["rows"]
    }
    for printed in rows.values():
        if printed not in marks:
            raise WorkbookError(
                f"{artifact} prints no row {printed!r}; its rows: {', '.join(marks)}"
            )
    return {row: marks[printed] for row, printed in rows.items()}


@cache
def other_sources() -> dict[str, Any]:
    """Sources other than the papers by name.

    A curated list, repositories, packages of annotations.
    """
    return read_mapping(MANIFESTS / "other_sources.yaml")


@cache
def known_methods() -> dict[str, Any]:
    """Methods by their one name: published (year-month), other names, supervision unless weak."""
    return read_mapping(MANIFESTS / "methods.yaml")["methods"]


def regimes() -> dict[str, dict[str, float]]:
    """Data set -> `coverage`, `labels`, `together` of its training videos: what
    `data/regime.py` computes, kept so that it can stand where the data are not.
    """
    return read_mapping(MANIFESTS / "regimes.yaml")
