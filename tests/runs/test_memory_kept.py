"""What `freed_memory_kept` is for: a step does not take its memory from the system anew."""

import resource
import sys
from pathlib import Path

import pytest
import torch

from wtal_core.runs.memory import freed_memory_kept

BLOCK = 2**26  # bytes of a tensor: by default, whatever ran before, glibc hands it back at once
TENSORS = 3

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to keep memory")


def step() -> None:
    """As a step of a training: tensors are made one after another, and go all at once."""
    _ = [torch.ones(BLOCK // 4) for _ in range(TENSORS)]


def pages_of_a_step() -> int:
    """Pages of memory that the system gives during a step."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_step_reuses_the_memory_of_the_one_before():
    step()
    needed = TENSORS * BLOCK / resource.getpagesize()
    assert pages_of_a_step() > 0.5 * needed
    with freed_memory_kept():
        step()
        assert pages_of_a_step() < 0.1 * needed


def test_memory_goes_back_at_the_end():
    with freed_memory_kept():
        step()
        kept = resident()
    assert kept - resident() > 0.9 * TENSORS * BLOCK
