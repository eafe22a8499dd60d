"""Large files of detections in ActivityNet's JSON, read piece by piece.

A million detections as Python's own objects take several times the file. Here only some thousands
of them are there at a time: each piece becomes columns of numbers before the next one is read, and
the file's text is never in memory as a whole. Whatever is not of the plain form is left to the
reader of whole files, `activitynet.read`, which knows what to say of it.
"""

import codecs
import gc
import json
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from wtal_core.evaluation.formats.content import Content
from wtal_core.evaluation.formats.entries import UNREADABLE, plain_columns
from wtal_core.reading.json_files import RepeatedKey, without_repeats
from wtal_core.reading.texts import CONTROL

LARGE = 2**24  # bytes from which a file is read like this
CHUNK = 2**20  # bytes that are read at a time
ENTRIES = 20_000  # that become columns at a time
NUMBERS = {"start": "t_start", "end": "t_end", "score": "score"}  # as columns of the table
SPACE = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder(object_pairs_hook=without_repeats)


class NotPlain(Exception):
    """The file holds something that this reader leaves to the other one."""


def read(path: Path) -> Content | None:
    """Detections of a large file of the plain form; None for any other, which is no error."""
    if not path.is_file() or path.stat().st_size < LARGE:
        return None
    was_enabled = gc.isenabled()
    gc.disable()  # JSON has no cycles, and the search for some costs as much as the parsing
    try:
        with path.open("rb") as stream:
            return _detections(_Text(stream))
    except (NotPlain, RepeatedKey, RecursionError, *UNREADABLE, OSError):
        return None
    finally:
        if was_enabled:
            gc.enable()


class _Text:
    """The text of a file, of which only what is being parsed is in memory."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text = ""
        self.place = 0

    def more(self) -> bool:
        """Read on; False at the end. What was parsed is forgotten. As much is read as is still
        unparsed, so that a long value is tried a few times only.
        """
        rest = self.text[self.place :]
        data = self.stream.read(max(CHUNK, len(rest)))
        if b"\\" in data or len(data.translate(None, CONTROL)) < len(data):
            raise NotPlain  # escapes may hide what cannot be written
        self.text = rest + self.decoder.decode(data, final=not data)
        self.place = 0
        return bool(data)

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            space = SPACE.match(self.text, self.place)
            self.place = space.end() if space else self.place
            if self.place < len(self.text) or not self.more():
                return self.text[self.place : self.place + 1]

    def take(self, *expected: str) -> str:
        """Go past one of these characters."""
        mark = self.peek()
        if mark not in expected or not mark:
            raise NotPlain
        self.place += 1
        return mark

    def value(self) -> Any:
        """Go past a value, and return it."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.place)
            except json.JSONDecodeError:
                if not self.more():
                    raise NotPlain from None
                continue
            if end == len(self.text) and self.more():
                continue  # a number may go on
            self.place = end
            return value

    def members(self) -> Iterator[str]:
        """The keys of an object; whoever is given one has to take its value before the next."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        seen = set()
        mark = ","
        while mark == ",":
            key = self.value()
            if not isinstance(key, str) or key in seen:
                raise NotPlain
            seen.add(key)
            self.take(":")
            yield key
            mark = self.take(",", "}")


@dataclass
class _Columns:
    """Of all detections so far: videos with their numbers of detections, and columns that grow in
    place.
    """

    videos: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    label: array = field(default_factory=lambda: array("i"))
    numbers: dict[str, array] = field(
        default_factory=lambda: {name: array("d") for name in NUMBERS}
    )
    waiting: list[Any] = field(default_factory=list)

    def add(self, video: str, listed: Any) -> None:
        """The entries of a video."""
        if not isinstance(listed, list):
            raise NotPlain
        self.videos.append(video)
        self.counts.append(len(listed))
        self.waiting.extend(listed)
        if len(self.waiting) >= ENTRIES:
            self.settle()

    def settle(self) -> None:
        """Make columns of the entries that wait."""
        if not self.waiting:
            return
        columns = plain_columns(self.waiting, {"label", "score"})
        self.waiting = []
        labels = self.labels
        self.label.extend(labels.setdefault(name, len(labels)) for name in columns["label"])
        for name, values in self.numbers.items():
            values.frombytes(np.ascontiguousarray(columns[name]).tobytes())


def _detections(text: _Text) -> Content:
    columns = _Columns()
    has_results = False
    for key in text.members():
        if key == "database":
            raise NotPlain  # annotations
        if key == "results" and text.peek() == "{":
            has_results = True
            for video in text.members():
                columns.add(video, text.value())
        else:
            text.value()
    if not has_results or text.peek():
        raise NotPlain
    columns.settle()
    if not columns.label:
        raise NotPlain
    return Content("detections", _table(columns), tuple(columns.videos))


def _table(columns: _Columns) -> pd.DataFrame:
    """One row per detection, in the order of the file."""
    names = pd.array(columns.videos, dtype="str")
    labels = pd.array(list(columns.labels), dtype="str")
    count = np.array(columns.counts, dtype=np.int64)
    video = np.repeat(np.arange(len(count), dtype=np.int32), count)
    table = pd.DataFrame({"video": names.take(video)})
    del video
    table["label"] = labels.take(np.frombuffer(columns.label, dtype=np.intc))
    for column, name in NUMBERS.items():
        table[name] = np.frombuffer(columns.numbers.pop(column))
    return table
