"""JSON, whole or one value per line."""

import gc
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import AGAIN, reading, shown, words
from wtal_core.reading.texts import decoded, read_bytes

DEEPEST = 64  # lists in lists; no format of the field needs more than 8
CHUNK = 1 << 20
OPEN, CLOSE, QUOTE = 1, -1, 2
KIND = np.zeros(256, dtype=np.int8)
KIND[[ord("["), ord("{")]] = OPEN
KIND[[ord("]"), ord("}")]] = CLOSE
KIND[ord('"')] = QUOTE
Pairs = Callable[[list[tuple[str, Any]]], object]


def read_json(path: Path, remedy: str = AGAIN) -> Any:
    """What a JSON file holds; NaN and Infinity are let through, equal keys are refused."""
    return parse_json(read_bytes(path, remedy), path, remedy)


def parse_json(content: bytes, where: Path | str, remedy: str = AGAIN) -> Any:
    """A JSON value. where: names it in the error."""
    path = Path(where)
    text = decoded(content, path, remedy)
    if not text.strip():
        raise WorkbookError(f"{where} is empty, so not complete JSON; {remedy}")
    if depth(content) > DEEPEST:
        raise WorkbookError(f"{where}: lists or objects are nested too deeply; {remedy}")
    with reading(path, "is not valid JSON", remedy):
        try:
            with _uncollected():
                value = json.loads(text, object_pairs_hook=without_repeats)
        except json.JSONDecodeError as error:
            raise WorkbookError(
                f"{where} is not valid JSON, not complete JSON at least ({str(error)[:80]}); "
                f"{remedy}"
            ) from None
        except RepeatedKey as error:
            raise WorkbookError(
                f"{where}: the key {shown(error.args[0])} is twice in one object; join what it "
                "holds (a reader would keep only the last)"
            ) from None
        except ValueError as error:  # such as an integer of more than 4300 digits
            raise WorkbookError(
                f"{where}: a number cannot be read ({words(error)[:60]}); correct or remove it"
            ) from None
    if b"\\u" in content:
        refuse_unwritable(value, where, remedy)
    return value


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles, which JSON cannot have; it costs as much as the parsing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class RepeatedKey(Exception):
    """An object has a key twice."""


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        number = Counter(key for key, _ in pairs)
        raise RepeatedKey(next(key for key in content if number[key] > 1))
    return content


def depth(content: bytes) -> int:
    """How many lists and objects lie in one another at most, counted before anything is built."""
    if b"\\" in content:  # what is left are the quotes that begin and end a text
        content = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    deepest = level = 0
    in_text = False
    for first in range(0, len(content), CHUNK):
        codes = np.frombuffer(content, np.uint8, min(CHUNK, len(content) - first), first)
        kinds = KIND[codes]
        kinds = kinds[kinds != 0]
        is_quote = kinds == QUOTE
        inside = np.logical_xor(np.cumsum(is_quote) % 2, in_text)
        levels = level + np.cumsum(np.where(is_quote | inside, 0, kinds))
        if len(kinds):
            deepest = max(deepest, int(levels.max()))
            level, in_text = int(levels[-1]), bool(inside[-1])
    return deepest


def refuse_unwritable(value: Any, where: Path | str, remedy: str = AGAIN) -> None:
    """Refuse texts that no file and no terminal can show: half characters, control characters.

    A text that is several lines long is one that can be shown.
    """
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
        elif isinstance(part, str) and not is_writable(part):
            raise WorkbookError(
                f"{where}: the text {shown(part)} holds half a character or a control character; "
                f"correct it, or {remedy}"
            )


def is_writable(text: str) -> bool:
    """Whether a text can be written in UTF-8 and holds no control character but white space."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return all(letter >= " " or letter in "\t\n\r" for letter in text) and "\x7f" not in text
