"""Download one file: over https, resumed where it broke off, tried a few times, never too long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from wtal_core.errors import WorkbookError

TRIES = 4
PAUSE = 1.0  # seconds before the second try; twice as many before each further one
TIMEOUT = (15.0, 60.0)  # seconds to connect, and between two pieces
PIECE = 1 << 16
MOST_BYTES = 1 << 40  # of a file of which nobody says how long it is
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be better next time


class Broken(Exception):
    """A download that broke off; another try may go on with it."""


def download(
    address: str, part: Path, size: int | None = None, plain: bool = False, progress: bool = True
) -> None:
    """Write what lies at an address to `part`, behind what is there of an earlier try.

    size: the file's bytes, where known. plain: http is allowed, too, because the user has named
    the server. Raises WorkbookError after the last try, and at once where another would not help;
    `part` then holds what has come.
    """
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _continue(address, part, size, plain, progress)
            return
        except Broken as error:
            reason = " ".join(str(error).split())[:200]
    raise WorkbookError(f"{address}: given up after {TRIES} tries ({reason}); try again later")


def _continue(address: str, part: Path, size: int | None, plain: bool, progress: bool) -> None:
    """One try."""
    _check_address(address, plain)
    there = part.stat().st_size if part.exists() else 0
    if size is not None and there > size:
        part.unlink()
        there = 0
    with _answer(address, there) as answer:
        for visited in [*answer.history, answer]:
            _check_address(visited.url, plain)
        if answer.status_code == 416:  # all of it is there, or what is there is of another file
            if there != size:
                part.unlink(missing_ok=True)
                raise Broken("the file has changed on the server")
            return
        if answer.status_code in PASSING:
            raise Broken(f"status {answer.status_code}")
        if answer.status_code not in (200, 206):
            raise WorkbookError(f"{address}: status {answer.status_code} {answer.reason}")
        if answer.status_code == 200:  # from the beginning, whatever was asked for
            there = 0
        length = answer.headers.get("Content-Length", "")
        whole = there + int(length) if length.isdigit() else size
        if size is not None and whole is not None and whole != size:
            raise WorkbookError(f"{address}: {whole} bytes, expected {size}; it is another file")
        _receive(answer, part, there, whole, progress)


def _receive(answer: Any, part: Path, there: int, whole: int | None, progress: bool) -> None:
    """Write the pieces of an answer behind the first `there` bytes of `part`."""
    most = MOST_BYTES if whole is None else whole
    part.parent.mkdir(parents=True, exist_ok=True)
    bar = tqdm(total=whole, initial=there, unit="B", unit_scale=True, disable=not progress)
    with bar, part.open("ab") as target:
        target.truncate(there)
        for piece in answer.iter_content(PIECE):
            there += len(piece)
            if there > most:
                raise WorkbookError(f"{answer.url}: more than {most} bytes; it is another file")
            target.write(piece)
            bar.update(len(piece))
    if whole is not None and there != whole:
        raise Broken(f"{there} of {whole} bytes came")


@contextmanager
def _answer(address: str, there: int) -> Iterator[Any]:
    """The server's answer, from byte `there` on. What breaks on the way is `Broken`."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        with requests.get(address, headers=headers, timeout=TIMEOUT, stream=True) as answer:
            yield answer
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Broken(str(error)) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise Broken(str(error)) from error
    except requests.RequestException as error:
        raise WorkbookError(f"{address}: {' '.join(str(error).split())[:300]}") from error


def _check_address(address: str, plain: bool) -> None:
    if not address.startswith("https://") and not (plain and address.startswith("http://")):
        raise WorkbookError(
            f"{address} is no https address, so that anybody on the way could change the file; "
            "fetch it by hand, or name a server that you trust with --mirror"
        )
