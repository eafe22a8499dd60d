"""Whose an output folder of `wtal try` is: videos of two folders never come into one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wtal_core.errors import WorkbookError
from wtal_core.reading.places import resolved, written_place

OWNER = ".videos"  # holds the path of the folder of videos


def check_owner(out: Path, videos: Path, remedy: str) -> None:
    """Refuse a folder that was made of the videos of another folder, if that is still there.

    A folder of videos that was moved or renamed keeps its output.
    """
    owner = _owner(out)
    if owner is not None and _is_another(owner, videos):
        raise WorkbookError(
            f"{out} holds what was made of the videos of {owner}, not of {resolved(videos)}; "
            f"{remedy}"
        )


def _is_another(owner: Path, videos: Path) -> bool:
    """Whether both folders are there and are two."""
    with suppress(OSError):  # which says that the first is not there, or cannot be looked at
        return owner.is_dir() and not os.path.samefile(owner, videos)
    return False


@contextmanager
def owned(out: Path, videos: Path) -> Iterator[None]:
    """Note whose the folder is, before features are written into it; without features no note."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    note = written_place(out / OWNER)
    partial = note.with_name(f"{OWNER}.{os.getpid()}.partial")
    try:
        partial.write_bytes(os.fsencode(resolved(videos)))
        os.replace(partial, note)
        yield
    finally:
        partial.unlink(missing_ok=True)
        if not (out / "features").exists():
            note.unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):  # which says that it is not empty
                out.rmdir()


def _owner(out: Path) -> Path | None:
    """The folder of videos that a folder was made of; None where nothing says so."""
    note = out / OWNER
    if not note.is_file():
        return None
    text = os.fsdecode(note.read_bytes())
    return Path(text) if text and "\0" not in text else None
