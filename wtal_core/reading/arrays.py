"""Arrays in .npy and .npz files. A header that promises more than the file holds is refused before
anything is allocated, and nothing is unpickled.
"""

import io
import math
import re
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from wtal_core.reading.places import refuse_special
from wtal_core.reading.refusal import AGAIN, reading, shown

DAMAGED = "is damaged or truncated"
MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000  # numpy's own bound
# what headers are written with; brackets are bounded, because Python's parser reads them
HEADER = re.compile(rb"[\w\s'\":,{}()\[\]<>|=.?-]*", re.ASCII)
MOST_BRACKETS = 64
PLAIN = "biufcSUO"  # kinds of values; no structures, no dates
HIGHEST_DEFLATE = 1032  # bytes that one byte of a zip can stand for
FREE = 2**30  # bytes that an archive may unpack to whatever its own size
HIGHEST_RATIO = 200  # of larger archives
MOST_MEMBERS = 200_000


class Header(NamedTuple):
    """What a .npy file says of its array. data: bytes that follow it."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    data: int

    @property
    def values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def read_header(stream: Any, size: int) -> Header:
    """The header of a .npy stream of `size` bytes, which is left at the first byte of data.

    Raises ValueError where the header is none, or promises another size.
    """
    start = stream.read(8)
    if start[:6] != MAGIC or len(start) < 8:
        raise ValueError("the magic string of .npy is not there")
    version = (start[6], start[7])
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the .npy format is not supported")
    width = 2 if version == (1, 0) else 4
    prefix = stream.read(width)
    length = int.from_bytes(prefix, "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    text = stream.read(length)
    brackets = sum(map(text.count, (b"(", b"[", b"{", b"-")))
    if len(text) < length or not HEADER.fullmatch(text) or brackets > MOST_BRACKETS:
        raise ValueError("its header is cut off or none")
    parse = np.lib.format.read_array_header_1_0
    if width == 4:
        parse = np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = parse(io.BytesIO(prefix + text))
    header = Header(shape, is_fortran, dtype, size - 8 - width - length)
    _check(header)
    return header


def _check(header: Header) -> None:
    """Refuse what is no plain array, and another size than the file's."""
    dtype = header.dtype
    if dtype.names is not None or dtype.subdtype is not None or dtype.kind not in PLAIN:
        raise ValueError(f"dtype {shown(str(dtype))} mixes objects and numbers, or is no number")
    if not all(type(size) is int and size >= 0 for size in header.shape):
        raise ValueError(f"the shape {shown(header.shape)}")
    if len(header.shape) > 32 or header.values >= 2**62:
        raise ValueError(f"the shape {shown(header.shape)} is larger than any array")
    if dtype.hasobject:
        if header.values > header.data:  # each object takes a byte at least
            raise ValueError(f"the header promises {header.values} objects in {header.data} bytes")
        return
    promised = header.values * dtype.itemsize
    if promised != header.data or (dtype.itemsize == 0 and header.values):
        raise ValueError(f"the header promises {promised} bytes, the file holds {header.data}")


def npy_header(path: Path, remedy: str = AGAIN) -> Header:
    """The header of a .npy file, checked against the file's size."""
    refuse_special(path)
    with reading(path, DAMAGED, remedy), path.open("rb") as stream:
        return read_header(stream, path.stat().st_size)


def filled(header: Header, content: bytes) -> np.ndarray:
    """The array of plain values that a header and the bytes after it make."""
    if header.dtype.hasobject:
        raise ValueError("it holds objects, which are not read from here")
    if len(content) != header.data:
        raise ValueError(f"{header.data} bytes were promised, {len(content)} are there")
    flat = np.frombuffer(bytearray(content), header.dtype)
    return flat.reshape(header.shape, order="F" if header.is_fortran else "C")


def read_npz(path: Path, remedy: str = AGAIN, complaint: str = DAMAGED) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by their names; members that are no arrays are refused."""
    refuse_special(path)
    with reading(path, complaint, remedy), ZipFile(path) as archive:
        members = checked_members(archive, path.stat().st_size)
        return {name: _member(archive, info) for name, info in members.items()}


def read_npz_member(path: Path, name: str, remedy: str = AGAIN) -> np.ndarray:
    """One array of an .npz file."""
    refuse_special(path)
    with reading(path, DAMAGED, remedy), ZipFile(path) as archive:
        return _member(archive, checked_members(archive, path.stat().st_size)[name])


def npz_headers(path: Path, remedy: str = AGAIN) -> dict[str, Header]:
    """The headers of an .npz file's arrays by their names; no values are read."""
    refuse_special(path)
    headers = {}
    with reading(path, DAMAGED, remedy), ZipFile(path) as archive:
        for name, info in checked_members(archive, path.stat().st_size).items():
            with archive.open(info) as stream:
                headers[name] = read_header(stream, info.file_size)
    return headers


def _member(archive: ZipFile, info: ZipInfo) -> np.ndarray:
    with archive.open(info) as stream:
        header = read_header(stream, info.file_size)
        return filled(header, stream.read())


def checked_members(archive: ZipFile, size: int) -> dict[str, ZipInfo]:
    """Name, without .npy, -> member of an .npz of `size` bytes.

    Refuses what a zip of that size cannot hold, before any of it is unpacked.
    """
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise ValueError(f"{len(infos)} members")
    members: dict[str, ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in members or not name.isprintable():
            raise ValueError(f"its member {shown(info.filename)} is no array, or there twice")
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or info.flag_bits & 1:
            raise ValueError(f"its member {shown(name)} is packed in a way that is not read")
        most = HIGHEST_DEFLATE if info.compress_type == ZIP_DEFLATED else 1
        if info.file_size > most * info.compress_size:
            raise ValueError(f"its member {shown(name)} promises {info.file_size} bytes")
        members[name] = info
    unpacked = sum(info.file_size for info in infos)
    if sum(info.compress_size for info in infos) > size:
        raise ValueError("its members are larger than the file")
    if unpacked > FREE and unpacked > HIGHEST_RATIO * size:
        raise ValueError(f"{size} bytes that promise {unpacked}")
    return members
