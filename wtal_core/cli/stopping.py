"""Ctrl-C and SIGTERM: one line and the exit status that a shell expects, whatever a command does at
that moment, importing its libraries included. This module imports little, since it comes first.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)
# Checkpoints: see `runs.train.CHECKPOINT_SECONDS`, which would import torch
TOLD = (
    "interrupted; the same command goes on from what is kept: what is finished, and of a training "
    "its last checkpoint (one every 30 s)"
)


class Stopped(KeyboardInterrupt):
    """A signal has come. Of a plain KeyboardInterrupt within `exec` Python would remember, although
    it is caught, to end by SIGINT in place of the status.
    """


def status_of(work: Callable[[], int]) -> int:
    """The exit status of some work; where a signal has stopped it, that is told."""
    with _stopped_by_signals():
        try:
            return work()
        except KeyboardInterrupt as interrupt:
            return _told(interrupt)


def _told(interrupt: BaseException | None) -> int:
    print(f"wtal: {TOLD}", file=sys.stderr, flush=True)
    number: int = interrupt.args[0] if interrupt is not None and interrupt.args else signal.SIGINT
    return 128 + number


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, so that all is tidied up; a second one ends the
    process at once. Processes that it has started end with it.
    """

    def stop(number: int, frame: object) -> None:
        for again in STOPPING:
            signal.signal(again, lambda again, frame: os._exit(128 + again))
        raise Stopped(number)

    def unraisable(ignored: Any) -> None:
        # Where Python may raise nothing, as between two imports, it would print and go on.
        if isinstance(ignored.exc_value, KeyboardInterrupt):
            os._exit(_told(ignored.exc_value))
        hook(ignored)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = {number: signal.signal(number, stop) for number in STOPPING}
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
