"""The methods of the workbook, one file each; `method.py` says what a method is."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from wtal_core.errors import WorkbookError
from wtal_core.models.contract import Method

DEFINES = re.compile(r"^METHOD\b.*=", re.MULTILINE)


def method_names() -> list[str]:
    """The methods of the workbook: the files of this folder that define a METHOD."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if DEFINES.search(file.read_text()))


def method(name: str) -> Method[Any, Any]:
    """A method by its name. Raises WorkbookError for a name that is not known."""
    if name not in method_names():
        raise WorkbookError(f"unknown method {name!r}; known: {', '.join(method_names())}")
    return import_module(f"wtal_core.models.{name}").METHOD
