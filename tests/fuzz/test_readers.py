"""Damaged files of every format through the public readers: refused in one line, or read rightly.

`make fuzz N=20000` tries as many cases; without it, about 1,500, the same ones every time.
"""

import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.command_readers import COMMAND_READERS
from tests.fuzz.damage import damaged
from tests.fuzz.readers import READERS, Reader, quietly
from tests.fuzz.user_readers import USER_READERS
from wtal_core.errors import WorkbookError

CASES = int(os.environ.get("WTAL_FUZZ_CASES", "1500"))
EVERY_READER = (*READERS, *USER_READERS, *COMMAND_READERS)
EACH = max(1, -(-CASES // len(EVERY_READER)))
# seconds for one file, of the processor's time: a busy machine gives a process a part of it only
AT_MOST = 5.0
PATIENCE = 150.0  # and of the clock's, for a reader that waits
TIMERS = (
    (signal.ITIMER_PROF, signal.SIGPROF, AT_MOST),
    (signal.ITIMER_REAL, signal.SIGALRM, PATIENCE),
)
LONGEST_MESSAGE = 1200  # letters, the folder of the test included
# Many cases are new ones every time: a plain run repeats its own
IS_SEARCH = "WTAL_FUZZ_CASES" in os.environ


class Hangs(BaseException):
    """A reader has taken too long. No exception, so that no reader catches it."""


def _stop(number: int, frame: object) -> None:
    raise Hangs


@contextmanager
def timed() -> Iterator[None]:
    """Raises Hangs where what is done in it takes too long."""
    before = {number: signal.signal(number, _stop) for _, number, _ in TIMERS}
    for timer, _, seconds in TIMERS:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, _, _ in TIMERS:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def outcome(reader: Reader, folder: Path) -> list[str]:
    """What is wrong with how a reader takes the files of a folder; nothing, if all is well."""
    try:
        with timed():
            content = quietly(lambda: reader.read(folder))
            return reader.check(content)
    except WorkbookError as error:
        message = str(error)
        is_one_line = "\n" not in message and len(message) <= LONGEST_MESSAGE
        return [] if is_one_line else [f"a long refusal: {message[:300]}"]
    except Hangs:
        return ["hangs"]


class Prepared(NamedTuple):
    """A reader, its folder, and the valid content of the files that are damaged."""

    reader: Reader
    folder: Path
    valid: dict[str, bytes]

    def __repr__(self) -> str:
        return self.reader.name


@pytest.fixture(scope="module", params=EVERY_READER, ids=lambda reader: reader.name)
def prepared(request, tmp_path_factory):
    reader = request.param
    folder = tmp_path_factory.mktemp("files")
    reader.write(folder)
    valid = {name: (folder / name).read_bytes() for name in sorted(reader.files)}
    return Prepared(reader, folder, valid)


def test_valid_files_are_read(prepared):
    reader, folder, _ = prepared
    assert reader.check(quietly(lambda: reader.read(folder))) == []


@settings(
    max_examples=EACH,
    derandomize=not IS_SEARCH,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink) if IS_SEARCH else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(draw=st.randoms(use_true_random=True))
def test_damaged_files_are_refused_in_one_line_or_read_rightly(prepared, draw):
    reader, folder, valid = prepared
    name = draw.choice(sorted(valid))
    content = damaged(draw, reader.files[name], valid[name])
    (folder / name).write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problems = outcome(reader, folder)
    finally:
        (folder / name).write_bytes(valid[name])
    assert problems == [], f"{name}: {content[:200]!r}"
