"""The source code that computes a run, as a hash: comments, docstrings, layout and types of
arguments do not count.
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
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wtal_core"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("wtal_core")}
    return found


def file_of(module: str) -> Path | None:
    """The file of a module of `wtal_core`; None for a name that is not a module."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((c for c in candidates if c.is_file()), None)


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
        documented = (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        )
        if documented:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return _plain(tree)


def _plain(node: object) -> str:
    """A syntax tree as text, without fields that are empty: newer Pythons add such fields, and
    `ast.dump` hides others.
    """
    if isinstance(node, ast.AST):
        inside = ((name, getattr(node, name, None)) for name in node._fields)
        filled = [
            f"{name}={_plain(value)}" for name, value in inside if value is not None and value != []
        ]
        return f"{type(node).__name__}({', '.join(filled)})"
    return f"[{', '.join(map(_plain, node))}]" if isinstance(node, list) else repr(node)
