"""A file of others, opened once: its bytes, and what they are as text and as JSON.

A file is known by its content, never by its ending. Compressed files (gzip) and standard input
("-") are dealt with here, so that no format has to.
"""

import gc
import gzip
import hashlib
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

from wtal_core.errors import WorkbookError

STANDARD_INPUT = Path("-")
GZIP = b"\x1f\x8b"
MOST_BYTES = 4 * 2**30  # a small gzip file can hold any number of bytes; this many fit into memory


@dataclass(frozen=True)
class Opened:
    """A file or folder to read.

    data: the bytes, decompressed; empty for a folder.
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
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise WorkbookError(
                f"{self.name}: is no text in UTF-8 (byte {error.start}); write or fetch the file "
                "again"
            ) from None

    @cached_property
    def json(self) -> object:
        """What a JSON file holds, see `parse_json`."""
        return parse_json(self.text, self.name)

    @cached_property
    def begins_as_json(self) -> bool:
        """Whether the first character is a bracket of JSON; false for what is no text."""
        head = self.data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
        return head[:1] in (b"{", b"[")

    @cached_property
    def sha256(self) -> str:
        """Checksum of the decompressed bytes."""
        return hashlib.sha256(self.data).hexdigest()


def open_file(path: str | Path) -> Opened:
    """Read a file, a gzip file or standard input ("-"); of a folder nothing is read yet.

    Raises WorkbookError where that is impossible.
    """
    path = Path(path)
    if path == STANDARD_INPUT:
        return Opened(path, _decompressed(sys.stdin.buffer.read(), "standard input"))
    if path.is_dir():
        return Opened(path, is_folder=True)
    try:
        return Opened(path, _decompressed(path.read_bytes(), str(path)))
    except FileNotFoundError:
        raise WorkbookError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WorkbookError(f"{path}: cannot be read ({reason})") from None


def _decompressed(data: bytes, name: str) -> bytes:
    if not data.startswith(GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WorkbookError(
            f"{name}: not a whole gzip file ({str(error)[:60]}); write or fetch the file again"
        ) from None
    if len(content) > MOST_BYTES:
        raise WorkbookError(
            f"{name}: holds more than {MOST_BYTES // 2**30} GiB when decompressed; split it"
        )
    return content


def parse_json(text: str, name: str) -> object:
    """What a JSON text holds; NaN and Infinity are let through, equal keys are not.

    json alone keeps the last of equal keys without a word.
    Raises WorkbookError for all that is no whole JSON.
    """
    if not text.strip():
        raise WorkbookError(
            f"{name}: is empty, so not complete JSON; write or fetch the file again"
        )
    try:
        with _no_collection():
            content = json.loads(text)
            # a colon stands behind every key; more of them than keys: in names, or keys are lost
            if text.count(":") > _number_of_keys(content):
                content = json.loads(text, object_pairs_hook=partial(_object, name))
        return content
    except RecursionError:
        raise WorkbookError(
            f"{name}: lists or objects are nested too deeply; expected the ActivityNet JSON format"
        ) from None
    except json.JSONDecodeError as error:
        raise WorkbookError(
            f"{name}: not complete JSON ({str(error)[:80]}); write or fetch the file again"
        ) from None
    except WorkbookError:
        raise
    except ValueError as error:  # such as an integer of more than 4300 digits
        raise WorkbookError(
            f"{name}: a number cannot be read ({str(error)[:40]}); correct or remove it"
        ) from None


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for garbage, which takes longer than the parsing: there is none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _number_of_keys(content: object) -> int:
    """Keys of all objects, one level of nesting after the other."""
    number = 0
    level = [content]
    while level:
        objects = [value for value in level if type(value) is dict]
        lists = [value for value in level if type(value) is list]
        number += sum(map(len, objects))
        inside = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(lists))
        level = list(inside)
    return number


def _object(name: str, pairs: list[tuple[str, object]]) -> dict:
    """A JSON object; equal keys are refused."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = [key for key in content if keys.count(key) > 1]
        raise WorkbookError(
            f"{name}: the key {repeated[0]!r} is twice in one object; join what it holds (a reader "
            "would keep only the last)"
        )
    return content
