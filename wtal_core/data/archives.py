"""Zip and tar archives, read within limits: what is in them was written by others."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wtal_core.errors import WorkbookError

MOST_MEMBERS = 200_000
MOST_BYTES = 1 << 38  # of all members together, unpacked
MOST_RATIO = 200  # unpacked to packed; text packs to about a tenth
SMALL = 1 << 20  # bytes up to which the ratio says nothing


@dataclass(frozen=True)
class Member:
    """A file in an archive. size: bytes, unpacked."""

    name: str
    size: int
    open: Callable[[], Any]


@contextmanager
def opened(archive: Path) -> Iterator[list[Member]]:
    """The files in a zip or tar, readable as long as the context lasts.

    Raises WorkbookError for a damaged archive, for links, devices and encrypted members, and for
    one that holds more than the limits above. Nothing is unpacked before all members are checked.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as content:
                yield _limited(archive, _of_zip(archive, content))
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as content:
                yield _limited(archive, _of_tar(archive, content))
        else:
            raise zipfile.BadZipFile("it is neither zip nor tar")
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
    ) as error:
        raise WorkbookError(
            f"{archive} is not a readable zip or tar ({error}); remove it and fetch again"
        ) from error


def _of_zip(archive: Path, content: zipfile.ZipFile) -> Iterator[Member]:
    for info in content.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(archive, f"{info.filename!r} is a link or a device")
        if info.flag_bits & 1:
            raise _refused(archive, f"{info.filename!r} is encrypted")
        if info.file_size > max(SMALL, MOST_RATIO * info.compress_size):
            raise _refused(archive, f"{info.filename!r} unpacks to {info.file_size} bytes")
        if not info.is_dir():
            yield Member(info.filename, info.file_size, partial(content.open, info))


def _of_tar(archive: Path, content: tarfile.TarFile) -> Iterator[Member]:
    most = max(SMALL, MOST_RATIO * archive.stat().st_size)
    total = 0
    for info in content:  # to find the next member, this one is unpacked: its size is looked at now
        if not (info.isreg() or info.isdir()) or info.issparse():
            raise _refused(archive, f"{info.name!r} is a link or a device")
        total += info.size
        if total > most:
            raise _refused(archive, f"{info.name!r} and those before it unpack to {total} bytes")
        if info.isreg():
            yield Member(info.name, info.size, partial(_file, content, info))


def _file(content: tarfile.TarFile, info: tarfile.TarInfo) -> Any:
    stream = content.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(f"{info.name} is no file")
    return stream


def _limited(archive: Path, members: Iterator[Member]) -> list[Member]:
    """All members, each name once."""
    known: dict[str, Member] = {}
    total = 0
    for member in members:
        total += member.size
        if len(known) == MOST_MEMBERS or total > MOST_BYTES:
            raise _refused(
                archive, f"it holds more than {MOST_MEMBERS} files or {MOST_BYTES} bytes"
            )
        if member.name in known:
            raise _refused(archive, f"{member.name!r} is there twice")
        known[member.name] = member
    return list(known.values())


def _refused(archive: Path, reason: str) -> WorkbookError:
    return WorkbookError(f"{archive.name} is not unpacked: {reason}; fetch the files by hand")
