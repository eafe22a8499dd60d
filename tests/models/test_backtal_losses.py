"""BackTAL's losses on clicked snippets and their separation: values by hand, means over batches,
nothing without clicks.
"""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from tests.click_samples import clicked_batch
from tests.packed_samples import LENGTHS, random_batch
from wtal_core.models.backtal import (
    attention_loss,
    background_loss,
    clicked,
    clicked_background,
    frame_loss,
    mean_over_snippets,
    mean_over_videos,
    separation_loss,
)

EXACT = {"rtol": 0, "atol": 1e-12}


def logits(seed=0, classes=6) -> torch.Tensor:
    return torch.randn(
        sum(LENGTHS), classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def test_means_over_the_batch_and_over_its_videos():
    batch, values = (
        random_batch((2, 0, 3, 1)),
        torch.tensor([1.0, 2, 3, 4, 5, 6], dtype=torch.float64),
    )
    chosen = torch.tensor([True, False, True, True, True, False])
    assert mean_over_snippets(values, chosen, batch, "batch").mean().item() == pytest.approx(
        (1 + 3 + 4 + 5) / 4
    )
    assert mean_over_snippets(values, chosen, batch, "per_video").mean().item() == pytest.approx(
        (1 + 4) / 2
    )
    assert (
        mean_over_videos(torch.tensor([1.0, 2, 4]), torch.tensor([True, False, True])).mean().item()
        == 2.5
    )
    assert (mean_over_snippets(values, torch.zeros_like(chosen), batch, "per_video") == 0).all()


@pytest.mark.parametrize("kind", ["background", "action", "both"])
def test_the_frame_loss_is_the_mean_cross_entropy_of_clicked_snippets(kind):
    batch, s = clicked_batch(kind=kind), logits()
    rows = clicked(batch)
    expected = cross_entropy(s[rows], batch.clicks[rows].argmax(1))
    torch.testing.assert_close(frame_loss(s, batch, "batch").mean(), expected, **EXACT)
    assert not torch.allclose(frame_loss(s, batch, "per_video").mean(), expected)


def test_two_labels_on_a_snippet_share_its_target():
    batch, s = clicked_batch((1,)), logits()[:1]
    shared = replace(batch, clicks=torch.tensor([[0.5, 0, 0, 0, 0, 0.5]], dtype=torch.float64))
    expected = -s.log_softmax(1)[0, [0, 5]].mean()
    torch.testing.assert_close(frame_loss(s, shared, "batch")[0], expected, **EXACT)
    assert clicked(shared).all() and not clicked_background(shared).any()


def test_without_clicks_nothing_is_chosen_and_all_is_zero():
    for batch in (
        random_batch(),
        replace(clicked_batch(), clicks=torch.zeros(sum(LENGTHS), 6, dtype=torch.float64)),
    ):
        assert not clicked(batch).any() and not clicked_background(batch).any()
        background = clicked_background(batch)
        values = [
            frame_loss(logits(), batch, "batch"),
            frame_loss(logits(), batch, "per_video"),
            background_loss(logits(), background, batch),
            separation_loss(logits(), logits()[:5], background, batch),
            attention_loss(logits()[:, 0], background, background, batch, "batch"),
        ]
        assert all(value.shape == (5,) and (value == 0).all() for value in values)


def test_the_background_loss_asks_for_the_last_class():
    batch, s = clicked_batch(), logits()
    chosen = clicked_background(batch)
    expected = cross_entropy(s[chosen], torch.full((int(chosen.sum()),), 5))
    torch.testing.assert_close(background_loss(s, chosen, batch).mean(), expected, **EXACT)


def test_attention_is_pushed_down_at_background_and_up_at_positives():
    batch, w = random_batch((3,)), torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    background, positive = torch.tensor([True, False, False]), torch.tensor([False, False, True])
    found = attention_loss(w, background, positive, batch, "batch")
    expected = -((1 - w[0].sigmoid()).log() + w[2].sigmoid().log()) / 2
    torch.testing.assert_close(found[0], expected, **EXACT)


def test_separation_is_a_two_way_softmax_for_each_label():
    batch, s = clicked_batch(without=(3,)), logits()
    background, action = clicked_background(batch), logits(1)[:5]
    expected = []
    for v in (0, 2, 4):
        mean = s[background & (batch.video == v)].mean(0)
        labels = batch.labels[v].nonzero()[:, 0]
        pairs = torch.stack([action[v, labels], mean[labels]], 1)
        expected.append(-pairs.log_softmax(1)[:, 0].mean())
    found = separation_loss(s, action, background, batch)
    torch.testing.assert_close(found.mean(), torch.stack(expected).mean(), **EXACT)
    assert found[1] == found[3] == 0


def test_both_logarithms_of_eq_8_are_equal():
    action, background = torch.tensor([1.3, -2.0]), torch.tensor([0.4, 0.9])
    share = torch.stack([action, background]).softmax(0)
    torch.testing.assert_close(-share[0].log(), -(1 - share[1]).log())
    torch.testing.assert_close(-share[0].log(), softplus(background - action))
