"""`python -m wtal_core` is the command `wtal`."""

from wtal_core.cli import main

main()
