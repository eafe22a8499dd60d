"""What `freed_memory_kept` is for: a step does not take its memory from the system anew."""

import subprocess
import sys

import pytest

from tests.places import ROOT
from tests.runs.pages import BLOCK, TENSORS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to keep memory")


def test_a_step_reuses_the_memory_of_the_one_before_and_it_goes_back_at_the_end():
    # In a process of its own: what ran before in this one decides where its memory comes from.
    command = [sys.executable, "-m", "tests.runs.pages"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    by_default, with_memory_kept, given_back = map(int, answer.stdout.split())
    assert with_memory_kept < 0.1 * by_default
    assert given_back > 0.9 * TENSORS * BLOCK
