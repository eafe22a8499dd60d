"""Refusals in one line: whatever cannot be done, standard error says it in a single line."""

import errno
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import get_type_hints

LONGEST = 1000  # characters of a line; the middle of a longer one is left out
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
EDGE = re.compile(r"^[╭╰]")  # of the box that the argument parser draws
SIDE = re.compile(r"^│ ?|\s*│$")
RULE = re.compile(r"^\s*(─+|-+)\s*$")
REMEDIES = {
    errno.ENOSPC: "free some space, or choose a folder on another disk",
    errno.EDQUOT: "free some space, or choose a folder on another disk",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose one that you may use, or change its rights",
    errno.EPERM: "choose one that you may use, or change its rights",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "correct the name",
    errno.EISDIR: "name a file in it",
    errno.ENOTDIR: "correct the path",
    errno.EMFILE: "close other programs, or raise the limit by `ulimit -n`",
}


def one_line(text: str) -> str:
    """The text in one line that a terminal shows as it is: control characters are written out."""
    whole = visible(" ".join(text.split()))
    if len(whole) <= LONGEST:
        return whole
    half = LONGEST // 2
    return f"{whole[:half]} [...] {whole[-half:]}"


def visible(text: str) -> str:
    """The text with its control characters written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def of_system(error: OSError) -> str:
    """What the operating system refused, and the remedy."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    what = error.strerror or str(error) or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0, "")
    return ": ".join([*names, what]) + (f"; {remedy}" if remedy else "")


def of_name(name: str, known: Iterable[str], program: str) -> str:
    """A command that there is not, with the nearest ones that there are."""
    near = get_close_matches(name, list(known))
    nearest = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{program} has no command {name!r}; {nearest}`{program} --help` lists all"


def of_parser(box: str, program: str, command: Callable[..., int], words: Sequence[str]) -> str:
    """What the argument parser has drawn as a box of many lines, with the nearest remedy.

    program: the command's full name, such as "wtal data verify"; words: its arguments.
    """
    reason, *remedies = _parts(COLOUR.sub("", box)) or ["cannot be read"]
    remedies = [part for part in remedies if not part.startswith("For full helptext")]
    needed = _needed(command)
    if needed and reason.startswith("Missing"):
        remedies.append(f"usage: {program} {' '.join(needed)} [OPTIONS]")
    remedies += [
        f"name the file {word} as ./{word}"
        for word in words
        if word.startswith("-") and os.path.exists(word)
    ]
    name = program.removeprefix("wtal ")
    return "; ".join([f"{name}: {reason}", *remedies, f"see `{program} --help`"])


def _parts(box: str) -> list[str]:
    """The texts between the rules of a box, each in one line, without its title."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        text = SIDE.sub("", line)
        if RULE.match(text):
            parts.append([])
        elif not EDGE.match(line):
            parts[-1].append(text)
    if "╭" not in box:  # in its plain form the title stands above the first rule
        parts = parts[1:]
    texts = [" ".join(" ".join(part).split()).rstrip(".") for part in parts]
    return [text.removeprefix("Argument helptext: ") for text in texts if text]


def _needed(command: Callable[..., int]) -> list[str]:
    """The arguments that a command cannot do without, as they are typed: those without a name
    first, then such as `--labels LABELS`.
    """
    from tyro.conf import Positional  # loaded where a parser has refused, not at each start

    hints = get_type_hints(command, include_extras=True)
    needed = [
        name
        for name, parameter in inspect.signature(command).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    places = [name for name in needed if Positional in getattr(hints[name], "__metadata__", ())]
    named = [name for name in needed if name not in places]
    options = [f"--{name.replace('_', '-')} {name.upper()}" for name in named]
    return [name.upper() for name in places] + options
