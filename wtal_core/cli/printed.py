"""Tables on the terminal."""

from typing import Any


def tabulate(rows: Any, *layout: Any, **options: Any) -> str:
    """The table of the library of this name, which is imported with the first table, not before:
    `wtal --help` has none, and is there at once.
    """
    from tabulate import tabulate as drawn

    text: str = drawn(rows, *layout, **options)
    return text
