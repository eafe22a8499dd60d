"""JupyterLab, opened at a notebook of the workbook."""

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import zmq

from wtal_core.data.paths import SHIPPED
from wtal_core.errors import WorkbookError
from wtal_core.workbook.artifacts import FOLDER
from wtal_core.workbook.navigation import notebooks

ENCRYPTED = "--MappingKernelManager.transport_encryption=auto"


def become(words: Sequence[str]) -> NoReturn:
    """This process becomes another program, so that Ctrl-C is that program's to answer."""
    os.execv(words[0], list(words))


def start(name: str, run: Callable[[Sequence[str]], int] = become) -> int:
    """Run JupyterLab until it is ended, with the notebook of this name open; its exit status.

    Raises WorkbookError for a name that no notebook has.
    """
    return run(command(path_of(name)))


def path_of(name: str) -> Path:
    """The file of a notebook by its artifact ("facnet/table3") or its place under `notebooks/`,
    with or without its ending. Raises WorkbookError for any other name.
    """
    known: dict[str, Path] = {}
    for notebook in notebooks():
        place = notebook.path.relative_to(FOLDER).with_suffix("").as_posix()
        known[notebook.artifact] = notebook.path
        known[place] = notebook.path
    wanted = name.removeprefix("./").removeprefix("notebooks/").removesuffix(".ipynb")
    if wanted not in known:
        similar = difflib.get_close_matches(wanted, known, 1)
        meant = f"; did you mean `wtal lab {similar[0]}`?" if similar else ""
        raise WorkbookError(
            f"no notebook is called {name!r}{meant or '; start_here links to every notebook'}"
        )
    return known[wanted]


def command(notebook: Path) -> list[str]:
    """What starts JupyterLab; its kernels are spoken to as `execution` does."""
    encrypted = [ENCRYPTED] if zmq.has("curve") else []
    root = f"--ServerApp.root_dir={SHIPPED}"
    return [sys.executable, "-m", "jupyterlab", root, *encrypted, str(notebook)]
