"""RSKP's packed training step computes what the plain form computes, one video at a time, in fewer
tensor operations.
"""

import pytest
import torch

from benchmarks import random_walk, rskp_step
from benchmarks.training_step import operations


@pytest.mark.parametrize("memory", [False, True])
def test_both_forms_have_the_same_gradients(memory):
    assert rskp_step.gradient_difference(memory) < 1e-9


def test_both_forms_of_the_walk_have_the_same_results_and_gradients():
    assert max(random_walk.differences()) < 1e-10


@pytest.mark.parametrize(
    ("memory", "most", "least_plain"), [(False, 1200, 5000), (True, 1800, 7000)]
)
def test_a_packed_step_takes_few_operations(memory, most, least_plain):
    torch.manual_seed(0)  # the plain form draws from the global generator
    packed_step, plain_step, _ = rskp_step.make_steps(8, "cpu", memory)
    for work in (packed_step, plain_step):
        work(0)  # the first step also makes the optimiser's state
    assert operations(packed_step) <= most
    assert least_plain < operations(plain_step) < 10_000
