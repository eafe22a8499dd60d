"""What a committed notebook's parameters cell says, read without executing anything."""

import ast
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from wtal_core.data.paths import NOTEBOOKS

NAME = re.compile(r"((?:table|figure)\d+)_\w+")
DECIDING = ("dataset", "profile", "seeds", "device")  # parameters that results depend on
# what a notebook has that says nothing else
OWN_PARAMETERS = {"dataset": "simulated-2", "profile": "quick", "seeds": 5, "device": "cpu"}
# data sets in whose place a notebook takes any other; of another one it is about that one alone
EXCHANGEABLE = ("simulated", "simulated-2")


def own_parameters(artifact: str) -> dict[str, Any]:
    """`DECIDING` parameters of the committed notebook of an artifact such as "facnet/table3";
    `OWN_PARAMETERS` where there is none.
    """
    for path in NOTEBOOKS.glob("**/*.ipynb"):
        if artifact_of(path) == artifact:
            state = path.stat()
            return {**OWN_PARAMETERS, **_read(path, state.st_mtime_ns, state.st_size)}
    return dict(OWN_PARAMETERS)


def artifact_of(path: Path) -> str:
    """ "facnet/table3" of `facnet/table3_branches.ipynb`, "ladder/ladder" of `ladder.ipynb`."""
    folder = path.stem if path.parent == NOTEBOOKS else path.parent.name
    return f"{folder}/{short_name(path.stem)}"


def short_name(stem: str) -> str:
    """The number of a table or figure without its subject; the name of any other notebook."""
    match = NAME.fullmatch(stem)
    return match[1] if match else stem


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> dict[str, Any]:
    """modified, size: of the file, so that a changed one is read again."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: value
        for cell in content["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
        for name, value in _literals("".join(cell["source"]))
        if name in DECIDING
    }


def _literals(source: str) -> Iterator[tuple[str, Any]]:
    """(name, value) of each line such as `seeds: int = 5`."""
    for statement in ast.parse(source).body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value)):
                yield name, value
