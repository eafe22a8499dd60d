"""Commands as messages show them: typed as they stand, they do what is said of them."""

import os
import shlex
import subprocess


def command(*words: object) -> str:
    """`wtal` with these words, in backquotes; a path with a space stands in quotation marks."""
    return f"`wtal {' '.join(quoted(word) for word in words)}`"


def quoted(word: object) -> str:
    """A word as the system's shell takes it for one."""
    return subprocess.list2cmdline([str(word)]) if os.name == "nt" else shlex.quote(str(word))


def option(name: str, value: object) -> tuple[str, ...]:
    """The words of an option that was given; None: of none."""
    return () if value is None else (name, str(value))
