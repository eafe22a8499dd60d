"""The source code that computes a run, as a hash.

Comments, docstrings, layout and types of arguments do not count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


@cache
def source_hash(*modules: str) -> str:
    """Hash of these modules of `wtal_core` and of all that they import from it, directly or not."""
    digest = hashlib.sha256()
    for path in sorted(_closure(modules)):
        digest.update(f"{path.relative_to(PACKAGE)}\n{_meaning(path)}\n".encode())
    return digest.hexdigest()


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


def _closure(modules: tuple[str, ...]) -> set[Path]:
    done: set[Path] = set()
    waiting = [file_of(module) for module in modules]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in done:
            done.add(path)
            waiting.extend(file_of(module) for module in imports(path))
    return done


def _meaning(path: Path) -> str:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return _plain(tree)


def _plain(node: object) -> str:
    """A syntax tree as text, without fields that are empty.

    Newer Pythons add such fields, and `ast.dump` hides others.
    """
    if isinstance(node, ast.AST):
        values = {name: getattr(node, name, None) for name in node._fields}
        filled = [
            f"{name}={_plain(value)}"
            for name, value in values.items()
            if value is not None and value != []
        ]
        return f"{type(node).__name__}({', '.join(filled)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_plain, node))}]"
    return repr(node)
