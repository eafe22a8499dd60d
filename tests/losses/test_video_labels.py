"""Losses of video-level class logits: values by hand."""

import pytest
import torch

from wtal_core.losses.video_labels import label_binary_cross_entropy, label_cross_entropy


def test_label_losses_normalise_their_targets():
    draw = torch.Generator().manual_seed(0)
    s = torch.randn(2, 6, generator=draw, dtype=torch.float64)
    y = torch.tensor([[1.0, 0, 1, 0, 0, 0], [0] * 6], dtype=torch.float64)
    q, p = y[0] / 2, s[0].softmax(0)
    found = label_cross_entropy(s, y)
    assert found[0].item() == pytest.approx(-(q * p.log()).sum().item(), abs=1e-9) and found[1] == 0
    binary = label_binary_cross_entropy(s, y)
    assert binary[0].item() == pytest.approx(
        -(q * p.log() + (1 - q) * (1 - p).log()).mean().item(), abs=1e-9
    )
    assert binary.isfinite().all()
