"""Where data, manifests, notebooks and results lie, and the guard that keeps every path inside its
folder.

Two arrangements: a checkout of the project, where all of them are folders beside the package; and
an installed wheel, which carries manifests, notebooks and committed statistics inside the package,
and reads and writes data and results in the user's working folder.
"""

import os
from pathlib import Path

from wtal_core.data.problems import MissingData
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import resolved

PACKAGE = Path(__file__).resolve().parents[1]


def _checkout() -> Path | None:
    """The checkout that this package lies in; None for an installed wheel."""
    folder = PACKAGE.parent
    is_checkout = (folder / "pyproject.toml").is_file() and (folder / "data_manifests").is_dir()
    return folder if is_checkout else None


CHECKOUT = _checkout()
SHIPPED = CHECKOUT or PACKAGE  # holds what comes with the workbook and is only read
HOME = CHECKOUT or Path.cwd()  # holds `data` and `results`, which commands write
MANIFESTS = SHIPPED / "data_manifests"
MANIFEST_FOLDER = MANIFESTS / "datasets"
NOTEBOOKS = SHIPPED / "notebooks"
COMMITTED = SHIPPED / "results"
RESULTS = HOME / "results"


def data_root(root: str | Path | None = None) -> Path:
    """The folder that holds one folder per data set: `root`, else environment WTAL_DATA, else
    `data` of the checkout, without a checkout `data` of the working folder.
    """
    return Path(root or os.environ.get("WTAL_DATA") or HOME / "data")


def inside(folder: Path, relative: str) -> Path:
    """`folder/relative`; refuses a path, read from a file, that leads out of `folder` (also through
    a link).
    """
    path = folder / relative
    if "\0" in relative or not resolved(path).is_relative_to(resolved(folder)):
        raise WorkbookError(
            f"path {relative!r} leads out of {folder}; it must be a relative path inside that "
            f"folder"
        )
    return path


def require(path: Path, what: str, name: str) -> Path:
    """`path` if it exists, else an error that names it and the command that fetches it."""
    if not path.exists():
        raise MissingData(
            f"{name}: {what} is missing, expected at {path}; "
            f"run `wtal data fetch {name}`, then `wtal data verify {name}`"
        )
    return path
