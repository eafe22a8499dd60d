"""Commands as messages show them: typed as they stand, they do what is said of them."""

import shlex


def command(*words: object) -> str:
    """`wtal` with these words, in backquotes; a path with a space stands in quotation marks."""
    return f"`wtal {shlex.join(str(word) for word in words)}`"


def option(name: str, value: object) -> tuple[str, ...]:
    """The words of an option that was given; None: of none."""
    return () if value is None else (name, str(value))
