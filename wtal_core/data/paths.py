"""Where data and manifests lie, and the guard that keeps every path inside its folder."""

import os
from pathlib import Path

from wtal_core.data.problems import MissingData
from wtal_core.errors import WorkbookError

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST_FOLDER = REPOSITORY / "data_manifests" / "datasets"


def data_root(root: str | Path | None = None) -> Path:
    """The folder that holds one folder a data set: `root`, else environment WTAL_DATA, else
    `<repository>/data`.
    """
    return Path(root or os.environ.get("WTAL_DATA") or REPOSITORY / "data")


def inside(folder: Path, relative: str) -> Path:
    """`folder/relative`; refuses a path, read from a file, that leads out of `folder` (also through
    a link).
    """
    path = folder / relative
    if "\0" in relative or not path.resolve().is_relative_to(folder.resolve()):
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
