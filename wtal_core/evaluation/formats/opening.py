"""A file of others, opened once: its bytes, and what they are as text and as JSON.

A file is known by its content, never by its ending. Compressed files (gzip) and standard input
("-") are dealt with here, so that no format has to.
"""

import gzip
import hashlib
import io
import sys
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wtal_core.errors import MissingFile, WorkbookError
from wtal_core.reading import json_files, texts
from wtal_core.reading.arrays import FREE, HIGHEST_RATIO

STANDARD_INPUT = Path("-")
HEAD = 4096  # bytes by which a table is known
GZIP = b"\x1f\x8b"
MOST_PLAIN = 16 * 2**30  # bytes of a file, or of a pipe, which need not end
MOST_BYTES = 4 * 2**30  # a small gzip file can hold any number of bytes; this many fit into memory


@dataclass(frozen=True)
class Opened:
    """A file or folder to read.

    data: the bytes, decompressed, and in UTF-8 where they were a text in UTF-16; empty for a
        folder.
    """

    path: Path
    data: bytes = b""
    is_folder: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return "standard input" if self.path == STANDARD_INPUT else str(self.path)

    @property
    def ending(self) -> str:
        """The ending of the name in small letters, without that of gzip: ".json"."""
        stem = self.path.name.lower().removesuffix(".gz")
        return Path(stem).suffix

    @cached_property
    def text(self) -> str:
        """All of it as UTF-8, with or without a byte-order mark; raises WorkbookError."""
        return texts.decoded(self.data, Path(self.name))

    @cached_property
    def head(self) -> str:
        """The first letters, whatever cannot be decoded left out."""
        return self.data[:HEAD].decode("utf-8-sig", errors="ignore")

    @cached_property
    def json(self) -> object:
        """What a JSON file holds, see `json_files.parse_json`."""
        return json_files.parse_json(self.data, self.name)

    @cached_property
    def begins_as_json(self) -> bool:
        """Whether the first character is a bracket of JSON; false for what is no text."""
        head = self.data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
        return head[:1] in (b"{", b"[")

    @cached_property
    def sha256(self) -> str:
        """Checksum of `data`."""
        return hashlib.sha256(self.data).hexdigest()


def open_file(path: str | Path) -> Opened:
    """Read a file, a gzip file or standard input ("-"); of a folder nothing is read yet.

    Raises WorkbookError where that is impossible.
    """
    path = Path(path)
    if path == STANDARD_INPUT:
        said = texts.bounded(sys.stdin.buffer, MOST_PLAIN)
        return Opened(path, _content(said, "standard input"))
    if path.is_dir():
        return Opened(path, is_folder=True)
    try:
        return Opened(path, _content(texts.bytes_of(path, MOST_PLAIN), str(path)))
    except WorkbookError:
        raise
    except FileNotFoundError:
        raise MissingFile(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WorkbookError(f"{path}: cannot be read ({reason})") from None


def _content(data: bytes, name: str) -> bytes:
    if len(data) > MOST_PLAIN:
        raise WorkbookError(f"{name}: holds more than {MOST_PLAIN // 2**30} GiB; split it")
    return texts.in_utf8(_decompressed(data, name))


def _decompressed(data: bytes, name: str) -> bytes:
    if not data.startswith(GZIP):
        return data
    most = min(MOST_BYTES, max(FREE, HIGHEST_RATIO * len(data)))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = texts.bounded(stream, most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WorkbookError(
            f"{name}: not a whole gzip file ({str(error)[:60]}); write or fetch the file again"
        ) from None
    if len(content) > most:
        raise WorkbookError(
            f"{name}: holds more than {most:,} bytes when decompressed; split it, or give it "
            "decompressed"
        )
    return content
