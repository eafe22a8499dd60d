"""Which modules of the package a file imports, read from its syntax tree."""

import ast
from pathlib import Path

from wtal_core.data.paths import PACKAGE


def imports(path: Path) -> set[str]:
    """Names of the modules of `wtal_core` that a file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("wtal_core")}


def file_of(module: str) -> Path | None:
    """The file of a module of `wtal_core`; None for a name that is not a module."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
