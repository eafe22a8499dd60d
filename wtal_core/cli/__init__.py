"""The command `wtal`. Exit status 0: all well, 1: a check failed, 2: bad input, in one line.

A command is a function that returns its exit status: its name, arguments and docstring are what
`wtal --help` shows. `COMMANDS` and `GROUPS` in `entry.py` name them all.
"""

from wtal_core.cli.entry import main

__all__ = ["main"]
