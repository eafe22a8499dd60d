"""An extension of IPython: the kernel of a notebook ends with the command that executes it."""

import os
from typing import Any

from wtal_core.runs.parent import end_with


def load_ipython_extension(shell: Any) -> None:
    """Called by IPython as the kernel starts; Jupyter names the parent in its environment."""
    end_with(int(os.environ.get("JPY_PARENT_PID", os.getppid())))
