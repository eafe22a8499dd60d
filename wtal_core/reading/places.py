"""Where a path leads: links are followed, and what is no regular file is told from what is one."""

import errno
import os
import stat
from pathlib import Path

from wtal_core.errors import WorkbookError


def resolved(path: Path) -> Path:
    """The place that a path leads to, whether or not something is there.

    Raises WorkbookError for links that lead in a circle, and for names that no file can have.
    """
    try:
        place = Path(os.path.realpath(path))
        place.stat()
    except ValueError as error:  # a zero byte
        raise WorkbookError(f"{str(path)!r} can name no file; correct it") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise WorkbookError(
                f"{path}: its links lead in a circle; remove the link, or name another file"
            ) from error
    return place


def is_special(path: Path) -> bool:
    """Whether a path leads to a device, a pipe or a socket: reading it may never end, and a file
    that takes its place would remove it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says why
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def refuse_special(path: Path) -> None:
    """Raise WorkbookError for what `is_special`."""
    if is_special(path):
        raise WorkbookError(f"{path}: is a device or a pipe, no file; name a file")


def written_place(path: Path) -> Path:
    """Where a file of that name is written: beside the file that a link leads to, which stays a
    link. Raises WorkbookError where a device, a pipe or a socket would be replaced.
    """
    refuse_special(path)
    return resolved(path) if path.is_symlink() else path
