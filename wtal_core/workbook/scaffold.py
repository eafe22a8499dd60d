"""Scaffolds of a method and of a notebook, which work before a line of them is changed."""

import keyword
import os
import re
from pathlib import Path

from wtal_core.data.paths import CHECKOUT
from wtal_core.errors import WorkbookError
from wtal_core.workbook.cells import notebook_from

TEMPLATES = Path(__file__).parent / "templates"
METHOD_NAME = re.compile(r"[a-z][a-z0-9_]*")
ARTIFACT = re.compile(r"([a-z][a-z0-9_]*)/(table|figure)(\d+)_([a-z0-9_]+)")


def write_method(name: str, folder: Path | None = None) -> Path:
    """Write `<folder>/<name>.py`, a method that trains. folder: None is wtal_core/models of the
    checkout.

    Raises WorkbookError for a name that is no module's, and for a file that exists.
    """
    if not METHOD_NAME.fullmatch(name) or keyword.iskeyword(name) or name == "method":
        raise WorkbookError(
            f"{name!r} cannot name a method; use small letters, digits and _, such as my_method"
        )
    text = (TEMPLATES / "method.py.template").read_text(encoding="utf-8")
    home = folder or _of_checkout("wtal_core/models")
    return _write_new(home / f"{name}.py", text.replace("@NAME@", name))


def write_notebook(artifact: str, folder: Path | None = None) -> Path:
    """Write `<folder>/<paper>/<table>_<subject>.ipynb`, not yet executed. artifact: such as
    "facnet/table9_streams". folder: None is notebooks/ of the checkout.

    Raises WorkbookError for a name that is none of a table or figure, and for a table that has a
    notebook.
    """
    match = ARTIFACT.fullmatch(artifact)
    if match is None:
        raise WorkbookError(
            f"{artifact!r} names no table or figure; write paper, number and subject, such as "
            f"facnet/table9_streams or facnet/figure9_attention"
        )
    paper, kind, number, subject = match.groups()
    home = (folder or _of_checkout("notebooks")) / paper
    others = sorted(home.glob(f"{kind}{number}_*.ipynb"))
    if others:
        raise WorkbookError(f"{paper}/{kind}{number} has a notebook: {others[0]}")
    words = {
        "@PAPER@": paper,
        "@WHAT@": f"{kind.capitalize()} {number}",
        "@SUBJECT@": subject.replace("_", " "),
        "@ARTIFACT@": f"{paper}/{kind}{number}",
    }
    text = (TEMPLATES / "notebook.template").read_text(encoding="utf-8")
    for mark, word in words.items():
        text = text.replace(mark, word)
    return _write_new(home / f"{kind}{number}_{subject}.ipynb", notebook_from(text))


def _of_checkout(folder: str) -> Path:
    if CHECKOUT is None:
        raise WorkbookError("this is no checkout of the workbook; say where to with --folder")
    return CHECKOUT / folder


def _write_new(path: Path, text: str) -> Path:
    """Write a file that must not exist, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    try:
        os.link(partial, path)  # unlike a rename, refuses to replace a file
    except FileExistsError:
        raise WorkbookError(f"{path} exists; choose another name, or move it away") from None
    finally:
        partial.unlink()
    return path
