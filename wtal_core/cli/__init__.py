"""The command `wtal`. Exit status 0: all well, 1: a check failed, 2: bad input, in one line.

A command is a function that returns its exit status: its name, arguments and docstring are what
`wtal --help` shows. `COMMANDS` and `GROUPS` in `entry.py` name them all.
"""

import sys

from wtal_core.cli.stopping import status_of

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""

    def work() -> int:
        from wtal_core.cli import entry  # its imports may be interrupted, too

        return entry.status(arguments)

    sys.exit(status_of(work))
