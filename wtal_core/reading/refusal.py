"""How a file is refused: one error, one line, with the file and the remedy."""

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wtal_core.errors import MissingFile, WorkbookError

AGAIN = "write or fetch the file again"
LONGEST_QUOTE = 60
WORDS = 120  # letters of what a library says

_quote = reprlib.Repr()
_quote.maxlevel = 3
_quote.maxstring = _quote.maxother = _quote.maxlong = LONGEST_QUOTE


def shown(value: object) -> str:
    """A value of a file as an error quotes it: short, in one line, however deep or long it is."""
    try:
        text = repr(value) if isinstance(value, str) else _quote.repr(value)
    except Exception:  # a number of too many digits, an object that cannot say what it is
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def words(error: BaseException) -> str:
    """What an error of a library says, short and in one line that can be printed."""
    text = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:WORDS])
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def reading(path: Path, complaint: str, remedy: str = AGAIN) -> Iterator[None]:
    """Turn whatever is raised while a file is read into one WorkbookError.

    complaint: what is wrong with the file then, such as "is no whole Parquet file". A WorkbookError
    passes; a file that is not there is a MissingFile.
    """
    try:
        yield
    except WorkbookError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFile(f"{path} is missing: there is no such file; {remedy}") from error
    except IsADirectoryError as error:
        raise WorkbookError(f"{path}: is a folder; name the file in it") from error
    except RecursionError as error:
        raise WorkbookError(f"{path} {complaint} (it is nested too deeply); {remedy}") from error
    except Exception as error:  # each library raises its own, MemoryError and AssertionError too
        if isinstance(error, OSError) and error.strerror:  # of the system, not of a library
            problem = f"{path}: cannot be read ({error.strerror}); {remedy}"
            raise WorkbookError(problem) from error
        raise WorkbookError(f"{path} {complaint} ({words(error)}); {remedy}") from error
