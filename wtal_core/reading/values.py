"""What was read, looked at: is it a list, an object, a name, a number?

Each check returns the value or raises a WorkbookError. where: file and place, for the message.
"""

import math
from functools import lru_cache
from numbers import Real
from typing import Any

from wtal_core.errors import WorkbookError
from wtal_core.reading.json_files import is_writable
from wtal_core.reading.refusal import shown

LATEST = 1e12  # seconds; beyond it, differences and numbers of snippets lose their meaning
LARGEST_WHOLE = 2**63
# marks that show the letters after them in another order than they have
TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LONGEST_NAME = 255  # bytes of a file's name on every usual disk


def mapping(value: Any, where: object) -> dict[str, Any]:
    """An object of JSON, a dictionary."""
    if not isinstance(value, dict):
        raise _unlike(value, where, "an object {name: value}")
    return value


def listed(value: Any, where: object) -> list[Any]:
    """A list; a text would fall apart into letters."""
    if not isinstance(value, list):
        raise _unlike(value, where, "a list")
    return value


def text(value: Any, where: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise _unlike(value, where, "a text")
    return value


def name(value: Any, where: object) -> str:
    """A name of a video, class or subset: one line of text that is not too long to stand in one."""
    if not isinstance(value, str) or not is_name(value):
        raise _unlike(value, where, f"a name (one line of text, at most {LONGEST_NAME} bytes)")
    return value


@lru_cache(maxsize=1 << 16)
def is_name(value: str) -> bool:
    """Whether a text may name something. One that shows its letters in another order may not."""
    fits = is_writable(value) and not set(value) & {*TURNED, *"\t\n\r"}
    return fits and 0 < len(value.encode()) <= LONGEST_NAME


def names(value: Any, where: object) -> list[str]:
    """A list of names, of which one may be empty where none was given."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _unlike(value, where, "a list of names")
    for entry in value:
        if entry:
            name(entry, f"{where}: one of them")
    return value


RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{i}" for port in ("COM", "LPT") for i in range(10)),
}


def file_name(value: Any, where: object) -> str:
    """A name that a file or folder may have on any disk, so that it leads nowhere else."""
    if not isinstance(value, str) or not is_file_name(value):
        raise _unlike(value, where, "a name that a folder can have (no /, no .., not CON)")
    return value


@lru_cache(maxsize=1 << 16)
def is_file_name(value: str) -> bool:
    """Whether a name is one part of a path, on Linux, macOS and Windows alike."""
    plain = is_name(value) and not set(value) & set('/\\:*?"<>|')
    stays = value.strip(". ") == value.lstrip(". ") != "" and value.lstrip(" ") == value
    return plain and stays and value.partition(".")[0].upper() not in RESERVED


def number(value: Any, where: object) -> float:
    """A finite number, or a text of one; true and false are none, and "1_0" is not 10."""
    is_number = isinstance(value, Real | str) and not isinstance(value, bool)
    if not is_number or (isinstance(value, str) and ("_" in value or not value.isascii())):
        raise _unlike(value, where, "a number")
    try:
        as_float = float(value)
    except (ValueError, OverflowError):
        raise _unlike(value, where, "a number") from None
    if not math.isfinite(as_float):
        raise WorkbookError(f"{where} is {shown(value)}, which is not a finite number; correct it")
    return as_float


def whole(value: Any, where: object) -> int:
    """A whole number."""
    if type(value) is not int or abs(value) >= LARGEST_WHOLE:
        raise _unlike(value, where, "a whole number")
    return value


def seconds(value: Any, where: object) -> float:
    """A time in seconds: finite, and none of a million years."""
    time = number(value, where)
    if abs(time) > LATEST:
        raise _unlike(value, where, f"seconds, at most {LATEST:.0e}")
    return time


def length(value: Any, where: object) -> float:
    """How long something is, in seconds: at least 0."""
    time = seconds(value, where)
    if time < 0:
        raise _unlike(value, where, "seconds, at least 0")
    return time


def span(value: Any, where: object) -> tuple[float, float]:
    """A list of two times in seconds, the start and the end, in whichever order."""
    pair = list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2:
        raise _unlike(value, where, "a pair of numbers in seconds")
    return seconds(pair[0], where), seconds(pair[1], where)


def member(content: dict[str, Any], key: str, where: object) -> Any:
    """What an object holds under a key that it must have."""
    if key not in content:
        raise WorkbookError(f"{where} lacks {key!r}; add it, or write or fetch the file again")
    return content[key]


def _unlike(value: Any, where: object, expected: str) -> WorkbookError:
    return WorkbookError(f"{where} is {shown(value)}, expected {expected}; correct it")
