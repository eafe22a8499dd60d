"""A process of its own: pages that the system gives in a step, by default and with memory kept.

It prints three numbers: pages of a step by default, pages of a step with memory kept, and bytes
that went back at the end.
"""

import resource
from pathlib import Path

from wtal_core.runs.memory import freed_memory_kept

BLOCK = 2**26  # bytes of a tensor: so large that glibc by default hands it back at once
TENSORS = 3


def step() -> None:
    """As a step of a training: arrays are made one after another, and go all at once."""
    _ = [bytes([number]) * BLOCK for number in range(1, TENSORS + 1)]


def pages_of_a_step() -> int:
    """Pages of memory that the system gives during a step."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    step()
    by_default = pages_of_a_step()
    with freed_memory_kept():
        step()
        with_memory_kept = pages_of_a_step()
        at_the_end = resident()
    print(by_default, with_memory_kept, at_the_end - resident())
