"""Names that were probably meant: other capitals, other spaces, a letter that is wrong."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


def folded(name: str) -> str:
    """A name without what people write in several ways: capitals, spaces, '_' and '-'."""
    plain = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[\s_-]+", "", plain) or plain


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, other than the name itself; "" where none is near."""
    others = sorted(set(known) - {name})
    alike = [other for other in others if folded(other) == folded(name)]
    near = alike or get_close_matches(name, others, 1)
    return near[0] if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with a blank behind it, or nothing."""
    near = nearest(name, known)
    return f"did you mean {near!r}? " if near else ""


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in capitals, spaces, '_' or '-' alone."""
    first: dict[str, str] = {}
    pairs = []
    for name in sorted(set(names)):
        other = first.setdefault(folded(name), name)
        if other != name:
            pairs.append((other, name))
    return pairs
