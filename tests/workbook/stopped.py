"""`python -m tests.workbook.stopped NOTEBOOK OUTPUT`: a command of two processes at a time, which
takes hours unless it is stopped.
"""

import sys
from pathlib import Path

from wtal_core.cli import entry, main


def forever(notebook: Path, output: Path) -> int:
    """Execute a notebook.

    Args:
        notebook: file.
        output: file.
    """
    from wtal_core.workbook.execution import execute

    execute(notebook, output, {}, progress=False)
    return 0


if __name__ == "__main__":
    entry.COMMANDS["forever"] = forever
    main(["forever", "--notebook", sys.argv[1], "--output", sys.argv[2]])
