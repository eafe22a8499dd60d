"""The methods of the workbook, one file each; `contract.py` says what a method is."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from wtal_core.errors import WorkbookError
from wtal_core.models.contract import Method

FOLDER = Path(__file__).parent
DEFINES = re.compile(r"^METHOD\b.*=", re.MULTILINE)


def method_names() -> list[str]:
    """The methods of the workbook: the files of this folder that define a METHOD."""
    return sorted(file.stem for file in FOLDER.glob("*.py") if DEFINES.search(file.read_text()))


def method(name: str) -> Method[Any, Any]:
    """A method by its name. Raises WorkbookError for a name that is not known."""
    file = FOLDER / f"{name}.py"
    # Only this method's file is read: a method is looked up for every run and config.
    if not (name.isidentifier() and file.is_file() and DEFINES.search(file.read_text())):
        raise WorkbookError(f"unknown method {name!r}; known: {', '.join(method_names())}")
    return import_module(f"wtal_core.models.{name}").METHOD
