"""One video at a time takes the step that a batch takes."""

from dataclasses import replace

import pytest
import torch

from benchmarks.training import PRODUCTS, bound, counted, one_at_a_time
from wtal_core.models import method
from wtal_core.runs.behaviour.micro_data import micro_dataset
from wtal_core.runs.train import Trainer

VIDEOS = [0, 1, 2, 5]


@pytest.mark.parametrize("name", ["facnet", "topk_mil", "basnet"])
def test_both_forms_have_the_same_gradients(name):
    config = replace(method(name).profiles["quick"], dropout=0.0)
    trainer, plain = (Trainer(name, config, micro_dataset(), 1) for _ in range(2))
    trainer.step(VIDEOS)
    one_at_a_time(plain)(VIDEOS)
    forms = (dict(form.progress.network.named_parameters()) for form in (trainer, plain))
    ours, theirs = forms
    for weight, values in ours.items():
        torch.testing.assert_close(values.grad, theirs[weight].grad, rtol=1e-3, atol=1e-6)


def test_floating_point_work_of_a_step_grows_with_its_snippets():
    trainer = Trainer("topk_mil", method("topk_mil").profiles["quick"], micro_dataset(), 1)
    work, count = counted(trainer.step, [0, 1])
    less, same = counted(trainer.step, [1])
    assert work > 1.5 * less > 0
    assert 0 < same <= count < 2 * same


def test_what_bounds_a_step_is_told_in_shares_of_its_time():
    trainer = Trainer("topk_mil", method("topk_mil").profiles["quick"], micro_dataset(), 1)
    products, other = bound(trainer.step, [0, 1])
    name, share = other.rsplit(" ", 1)
    assert 0 < products < 100 and 0 <= float(share) <= 101 - products
    assert name and f"aten::{name}" not in PRODUCTS
