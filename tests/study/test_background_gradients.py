"""TEN's Figure 3 in numbers: gradients measured and by formula."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wtal_core.models import ten
from wtal_core.packed import Packed
from wtal_core.study.background_gradients import attention_gradients, closed_form


def a_branch(lengths=(6, 9)) -> tuple[ten.Branch, Packed]:
    draw = torch.Generator().manual_seed(0)
    m = sum(lengths)
    s = torch.randn(m, 4, generator=draw, dtype=torch.float64)
    a = torch.rand(m, generator=draw, dtype=torch.float64)
    batch = Packed(
        torch.zeros(1, m, 2, dtype=torch.float64),
        lengths,
        torch.zeros(len(lengths), 3, dtype=torch.float64),
    )
    return ten.Branch(s, a, s[None], (s, a), s), batch


@pytest.mark.parametrize("reading", ["A", "B"])
def test_a_reversed_gradient_is_the_negative_of_the_plain_one(reading):
    found = attention_gradients(*a_branch(), replace(ten.QUICK, reading=reading, grl_factor=0.5))
    np.testing.assert_allclose(found["GRL"], -0.5 * found["plain loss"], rtol=1e-12)
    assert np.abs(found["plain loss"]).min() > 0


def test_under_b_bges_adds_the_same_to_every_snippet_of_a_video():
    branch, batch = a_branch()
    found = attention_gradients(branch, batch, replace(ten.QUICK, reading="B"))
    added = found["BGES"] - found["plain loss"]
    for v in range(2):
        own = (batch.video == v).numpy()
        np.testing.assert_allclose(
            added[own], 1 / (1 - branch.attention.numpy()[own]).sum(), rtol=1e-12
        )


def test_the_weights_of_the_network_receive_nothing():
    branch, batch = a_branch()
    cas = branch.cas.clone().requires_grad_()
    attention_gradients(
        replace(branch, cas=cas, background=(cas, branch.attention)), batch, ten.QUICK
    )
    assert cas.grad is None


@pytest.mark.parametrize("reading", ["A", "B"])
@pytest.mark.parametrize(("background", "name"), [("plain", "plain loss"), ("bges", "BGES")])
def test_closed_forms_are_the_gradients(reading, background, name):
    branch, batch = a_branch()
    found = attention_gradients(branch, batch, replace(ten.QUICK, reading=reading))[name]
    for v in range(2):
        own = batch.video == v
        formula = closed_form(branch.cas[own], branch.attention[own], reading, background)
        np.testing.assert_allclose(formula.numpy(), found[own.numpy()], rtol=1e-10, atol=1e-14)
