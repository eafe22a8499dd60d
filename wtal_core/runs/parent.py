"""Processes that end with the one that started them, even where that one is killed."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1  # of prctl(2)
SECONDS = 0.5  # between two looks at the parent


def end_with(parent: int) -> None:
    """This process ends when its parent does. parent: its process id.

    Linux does so at once; elsewhere a thread looks whether the parent is still there.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os._exit(1)
