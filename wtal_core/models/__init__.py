"""One file a method. Each has a frozen Config, PROFILES of it, a Network, `loss`, `activate`,
`signals` and `localize`.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from wtal_core.errors import WorkbookError


def method_names() -> list[str]:
    """The methods of the workbook: the files of this folder."""
    return sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"
    )


def method(name: str) -> ModuleType:
    """The module of a method."""
    if name not in method_names():
        raise WorkbookError(f"unknown method {name!r}; known: {', '.join(method_names())}")
    return import_module(f"wtal_core.models.{name}")
