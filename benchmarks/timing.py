"""Seconds and memory of a call, for all benchmarks."""

import resource
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def seconds(
    call: Callable[[], Result], times: int = 1, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Result]:
    """Shortest time of `times` runs, and the last result. The shortest is the one that others
    disturbed least.

    clock: `time.perf_counter` for what a user waits, `time.process_time` for CPU seconds, which
    other processes change less.
    """
    best = float("inf")
    for _ in range(times):
        before = clock()
        result = call()
        best = min(best, clock() - before)
    return best, result


def peak_memory() -> float:
    """Largest memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
