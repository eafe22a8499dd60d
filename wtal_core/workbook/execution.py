"""Notebooks as programs: find them by artifact, check parameters, execute by papermill, verify
every cell.
"""

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat
import papermill
import zmq
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from wtal_core.data.paths import HOME
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import refuse_special, resolved, written_place
from wtal_core.reading.texts import read_text
from wtal_core.workbook.artifacts import FOLDER
from wtal_core.workbook.kernel_sockets import WithoutPorts

PYTHON = "python"
KEPT_CELL_METADATA = ("tags", "jupyter")  # the second says that a cell is folded
PICTURES = ("image/png", "image/svg+xml")


def opened(notebook: Path) -> Any:
    """A notebook of the workbook as nbformat reads it. Raises WorkbookError for what is none."""
    refuse_special(notebook)  # Papermill reads it once more
    text = read_text(notebook, "name a notebook")
    try:
        book = nbformat.reads(text, 4)
        nbformat.validate(book)
        tags = [tag for cell in book.cells for tag in cell.metadata.get("tags", [])]
        language = _language(book)
    except Exception as error:  # nbformat raises whatever a foreign file makes it stumble over
        raise WorkbookError(
            f"{notebook} is no Jupyter notebook (version 4); name a file that ends in .ipynb"
        ) from error
    if language != PYTHON:
        raise WorkbookError(f"{notebook} is a notebook of {language}; only Python's are executed")
    if "parameters" not in tags and not resolved(notebook).is_relative_to(resolved(FOLDER)):
        raise WorkbookError(
            f"{notebook} is no notebook of the workbook, and has no cell with the tag parameters; "
            "`wtal new notebook` writes one that has it"
        )
    return book


def _language(book: Any) -> str:
    """The language of a notebook. One that says nothing is Python's, as Papermill is told, too."""
    kernel = {"display_name": "Python 3", "name": "python3"} | book.metadata.get("kernelspec", {})
    of_cells = book.metadata.get("language_info", {}).get("name")
    language = str(kernel.get("language") or of_cells or PYTHON)
    book.metadata["kernelspec"] = nbformat.from_dict(kernel | {"language": language})
    return language


def check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Refuse what is no notebook of the workbook, parameters that it does not have, and values
    that do not survive the way through JSON.
    """
    known = papermill.inspect_notebook(opened(notebook))
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

    Raises WorkbookError with the failing cell's error, if the kernel died, or if any cell did not
    complete. Kernel messages go to stderr.
    """
    check_parameters(notebook, parameters)
    output = written_place(output)
    failed = output.with_suffix(".failed.ipynb")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(output) as partial:
            try:
                _in_kernel(notebook, partial, parameters, progress)
            except PapermillExecutionError:
                os.replace(partial, failed)
                raise
            verify(partial)
            clean(partial)
            os.replace(partial, output)
    except PapermillExecutionError as error:
        raise WorkbookError(
            f"cell {error.exec_count} of {notebook.name} failed: {error.ename}: {error.evalue}; "
            f"see {failed}"
        ) from error
    except DeadKernelError as error:
        raise WorkbookError(
            "the kernel died (out of memory?); run it again, and give fewer jobs at a time"
        ) from error
    except OSError as error:
        raise WorkbookError(f"{output} cannot be written ({error.strerror or error})") from error


@contextmanager
def _unfinished(output: Path) -> Iterator[Path]:
    """Where an executed notebook lies until it is whole: in a folder of its own, then gone.

    When a command is interrupted, Papermill's thread still saves what it has. The folder gets
    another name first, so that nothing can be written into it while it is removed.
    """
    folder = Path(tempfile.mkdtemp(".partial", f".{output.stem}.", output.parent))
    written = folder / "written"
    written.mkdir()
    try:
        yield written / output.name
    finally:
        with suppress(FileNotFoundError):
            os.rename(written, folder / "left")
        shutil.rmtree(folder, ignore_errors=True)


def _in_kernel(notebook: Path, partial: Path, parameters: dict[str, Any], progress: bool) -> None:
    """Execute a notebook in a kernel, which is gone afterwards, whatever happens.

    Papermill works in a thread of its own: in the main thread it would take over the signals, and
    an interrupted command would wait for the kernel to finish politely.
    """
    managers: list[AsyncKernelManager] = []
    raised: list[BaseException] = []

    class Manager(WithoutPorts, AsyncKernelManager):
        """Known here, too, as soon as it is there. It encrypts what it says to its kernel, where
        it can: a kernel that is spoken to in plain text prints a warning.
        """

        def __init__(self, **given: Any):
            super().__init__(**given)
            if self.has_trait("transport_encryption") and zmq.has("curve"):
                self.transport_encryption = "auto"
            managers.append(self)

    def work() -> None:
        loop = ensure_event_loop()  # nbclient takes this one, and nobody else would close it
        try:
            papermill.execute_notebook(
                str(notebook),
                str(partial),
                parameters,
                kernel_name="python3",
                language=PYTHON,
                progress_bar=progress,
                stderr_file=sys.stderr,
                cwd=str(HOME),  # where an installed workbook finds the user's data
                kernel_manager_class=Manager,
                shutdown_kernel="immediate",
                extra_arguments=["--ext=wtal_core.workbook.kernel_ending"],
            )
        except BaseException as error:
            raised.append(error)
        finally:
            loop.close()

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        thread.join()
    finally:
        for manager in managers:
            _kill(manager)
    if raised:
        raise raised[0]


def _kill(manager: AsyncKernelManager) -> None:
    kernel = getattr(manager.provisioner, "process", None)
    if kernel is not None:
        kernel.kill()
        kernel.wait()
    manager.cleanup_connection_file()


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
    """Keep only what a reader and nbval need: sources, outputs, counts, tags, what is folded."""
    book = nbformat.read(path, 4)
    book.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in book.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"  # papermill draws one by chance
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA}
        )
        if cell.cell_type == "code":
            cell.outputs = joined(
                o for o in cell.outputs if not (o.output_type == "stream" and o.name == "stderr")
            )
            for output in cell.outputs:
                if "metadata" in output:
                    told = output.metadata  # of pictures: words and width
                    output.metadata = nbformat.from_dict(
                        {k: told[k] for k in PICTURES if k in told}
                    )
    nbformat.write(book, path)


def joined(outputs: Iterable[Any]) -> list[Any]:
    """Outputs with neighbouring pieces of printed text as one: where it is cut is chance."""
    parts: list[Any] = []
    for output in outputs:
        last = parts[-1] if parts else None
        if last and last.output_type == output.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            parts.append(output)
    return parts


def refresh(notebook: Path) -> None:
    """Execute a committed notebook in place with its own parameters, and clean it."""
    target = written_place(notebook)
    executed = target.with_suffix(".refreshed.ipynb")
    execute(notebook, executed, {})
    os.replace(executed, target)


def refresh_all(notebooks: list[Path]) -> None:
    """Execute committed notebooks in place. All are looked at before the first one starts."""
    for notebook in notebooks:
        opened(notebook)
    for notebook in tqdm(notebooks, desc="notebooks", unit="notebook"):
        refresh(notebook)
