"""The packed training step computes what one video at a time computes, in few tensor operations."""

import torch

from benchmarks import training_step


def test_both_forms_have_the_same_gradients():
    assert training_step.gradient_difference() < 1e-9


def test_a_packed_step_takes_few_operations():
    """The authors' loop takes 8,291; `benchmarks/plain/facnet.py`, the same in our words, about as
    many.
    """
    torch.manual_seed(0)  # the plain form draws from the global generator
    packed_step, plain_step, _ = training_step.make_steps(8, "cpu")
    for work in (packed_step, plain_step):
        work(0)  # the first step also makes the optimiser's state
    assert training_step.operations(packed_step) <= 600
    assert 6000 < training_step.operations(plain_step) < 10_000
