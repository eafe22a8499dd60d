"""Notebooks as programs: find them by artifact, check parameters, execute by papermill, verify
every cell.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from wtal_core.data.paths import HOME
from wtal_core.errors import WorkbookError

KEPT_CELL_METADATA = ("tags",)


class _Stderr:
    """stderr without the notice that every kernel start prints on connections within this
    machine.
    """

    def write(self, text: str) -> int:
        return len(text) if "TCP without encryption" in text else sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Refuse parameters that the notebook does not have, and values that do not survive the way
    through JSON.
    """
    known = papermill.inspect_notebook(str(notebook))
    for name, value in parameters.items():
        if name not in known:
            raise WorkbookError(
                f"{notebook.name} has no parameter {name!r}; its parameters: {', '.join(known)}"
            )
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError):
            same = False
        if not same:
            raise WorkbookError(
                f"{notebook.name}: parameter {name} = {value!r} is not a plain JSON value"
            )


def execute(
    notebook: Path, output: Path, parameters: dict[str, Any], progress: bool = True
) -> None:
    """Run a notebook with these parameters; the executed copy goes to `output`, whole or not at
    all.

    Raises WorkbookError with the failing cell's error, or if any cell did not complete. Kernel
    messages go to stderr.
    """
    check_parameters(notebook, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_suffix(".partial.ipynb")
    try:
        papermill.execute_notebook(
            str(notebook),
            str(partial),
            parameters,
            kernel_name="python3",
            progress_bar=progress,
            stderr_file=_Stderr(),
            cwd=str(HOME),  # where an installed workbook finds the user's data
        )
    except PapermillExecutionError as error:
        os.replace(partial, output.with_suffix(".failed.ipynb"))
        raise WorkbookError(
            f"cell {error.exec_count} of {notebook.name} failed: {error.ename}: {error.evalue}; "
            f"see {output.with_suffix('.failed.ipynb')}"
        ) from error
    verify(partial)
    clean(partial)
    os.replace(partial, output)


def verify(path: Path) -> None:
    """Every code cell completed and nothing was raised; papermill returns normally in cases where
    that is not so.
    """
    executed = nbformat.read(path, 4)
    states = [
        cell.metadata.papermill.status
        for cell in executed.cells
        if cell.cell_type == "code" and cell.source.strip()
    ]
    broken = [i for i, state in enumerate(states, 1) if state != "completed"]
    if (
        broken
        or executed.metadata.papermill.exception
        or executed.metadata.papermill.end_time is None
    ):
        raise WorkbookError(
            f"{path.name}: code cell {broken[0] if broken else '?'} did not complete; run it again"
        )


def clean(path: Path) -> None:
    """Keep only what a reader and nbval need: sources, outputs, counts and tags."""
    book = nbformat.read(path, 4)
    book.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in book.cells:
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA}
        )
        if cell.cell_type == "code":
            cell.outputs = [
                o for o in cell.outputs if not (o.output_type == "stream" and o.name == "stderr")
            ]
            for output in cell.outputs:
                if "metadata" in output:
                    output.metadata = nbformat.from_dict({})
    nbformat.write(book, path)


def refresh(notebook: Path) -> None:
    """Execute a committed notebook in place with its own parameters, and clean it."""
    executed = notebook.with_suffix(".refreshed.ipynb")
    execute(notebook, executed, {})
    os.replace(executed, notebook)


def refresh_all(notebooks: list[Path]) -> None:
    """Execute committed notebooks in place."""
    for notebook in tqdm(notebooks, desc="notebooks", unit="notebook"):
        refresh(notebook)
