"""How a notebook's kernel is spoken to: through files of its own, where the system has such."""

import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

LONGEST = 100  # bytes of a socket's path that every POSIX system takes; macOS: 103 with the zero


class WithoutPorts:
    """Comes before a kernel manager of Jupyter. Two kernels that start at the same moment can draw
    the same port, and one of them then dies; files in a folder that nobody else may enter have no
    such case. Where there are none (Windows, too long a path), ports it is.
    """

    def __init__(self, **given: Any):
        folder = tempfile.mkdtemp(prefix="wtal-kernel-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = str(Path(folder) / "kernel")
        if sys.platform != "win32" and len(os.fsencode(path)) < LONGEST:
            given |= {"transport": "ipc", "ip": path}
        super().__init__(**given)
