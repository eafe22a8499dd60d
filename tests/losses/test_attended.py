"""Losses of logits that an attention weights: values by hand."""

import pytest
import torch

from wtal_core.losses.attended import guide_loss, lifted, top_label_loss
from wtal_core.packed import Packed

BATCH = Packed(
    torch.zeros(1, 3, 1).double(), (2, 0, 1), torch.tensor([[1.0, 1], [1, 0], [0, 1]]).double()
)
LOGITS = torch.tensor([[2.0, -1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 1.0, -2.0]]).double()
ATTENTION = torch.tensor([0.0, 0.5, 1.0]).double()


def test_without_attention_all_classes_are_as_the_least_one():
    expected = torch.tensor([[-1.0, -1, -1], [0, 1.5, 0.5], [1, 1, -2]]).double()
    torch.testing.assert_close(lifted(LOGITS, ATTENTION), expected)


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_label_loss_takes_the_largest_logits_of_each_class(background):
    """Of two snippets the better one counts, of none zeros; labels are divided by their sum and
    1e-4 more.
    """
    tops = torch.tensor([[2.0, 3.0, 1.0], [0, 0, 0], [1, 1, -2]]).double()
    labels = torch.tensor([[1.0, 1, background], [1, 0, background], [0, 1, background]]).double()
    shares = labels / (labels.sum(1, keepdim=True) + 1e-4)
    expected = -(shares * tops.log_softmax(1)).sum(1)
    torch.testing.assert_close(top_label_loss(LOGITS, BATCH, 2, background), expected)


def test_guide_loss_is_the_mean_distance_from_the_background():
    background = LOGITS.softmax(1)[:, 2]
    each = (1 - ATTENTION - background).abs()
    expected = torch.stack([each[:2].mean(), torch.zeros(()).double(), each[2]])
    torch.testing.assert_close(guide_loss(LOGITS, ATTENTION, BATCH), expected)
