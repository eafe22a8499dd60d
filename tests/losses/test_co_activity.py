"""The co-activity similarity of pairs, on W-TALC's reference vectors and in a plain form."""

import numpy as np
import pytest
import torch

from tests.packed_samples import random_batch
from tests.places import GOLDEN_FOLDER
from wtal_core.losses.co_activity import co_activity
from wtal_core.packed import Packed

GOLDEN = {
    name: torch.from_numpy(value)
    for name, value in np.load(GOLDEN_FOLDER / "wtalc.npz").items()
    if value.ndim
}
LENGTHS = (9, 4, 1, 6, 12, 0, 5)


def values_of(features, scores, labels, lengths, pairs=3, margin=0.5) -> torch.Tensor:
    batch = Packed(features[None], tuple(lengths), labels)
    return co_activity(features, scores, batch, pairs, margin)


def random_pairs(lengths=LENGTHS, size=6, classes=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    features = torch.rand(sum(lengths), size, generator=draw, dtype=torch.float64)
    scores = torch.randn(sum(lengths), classes, generator=draw, dtype=torch.float64)
    labels = (torch.rand(len(lengths), classes, generator=draw) < 0.7).double()
    return features, scores, labels


def plain(features, scores, labels, lengths, pairs, margin) -> float:
    """One pair and class after another, as the loss is written down."""
    videos = list(zip(features.split(lengths), scores.split(lengths), labels, strict=True))
    cost, count = 0.0, 0
    for first, second in list(zip(videos[::2], videos[1::2], strict=False))[:pairs]:
        for label in torch.nonzero(first[2] * second[2])[:, 0].tolist():
            parts = []
            for h, s, _ in (first, second):
                alpha = s[:, label].softmax(0)
                low = ((1 - alpha)[:, None] * h).sum(0) / max(1, len(h) - 1)
                parts.append(((alpha[:, None] * h).sum(0), low))
            (high_1, low_1), (high_2, low_2) = parts
            alike = cosine_distance(high_1, high_2)
            cost += max(0.0, alike - cosine_distance(high_1, low_2) + margin) / 2
            cost += max(0.0, alike - cosine_distance(low_1, high_2) + margin) / 2
            count += 1
    return cost / max(1, count)


def cosine_distance(a, b) -> float:
    norms = a.norm() * b.norm()
    return 1 - float(a @ b / norms) if norms > 0 else 1.0


def test_reference_vectors_agree():
    lengths = GOLDEN["seq_len"].tolist()
    rows = torch.arange(40) < GOLDEN["seq_len"][:, None]
    values = values_of(GOLDEN["features"][rows], GOLDEN["cas"][rows], GOLDEN["y"], lengths, pairs=2)
    with np.load(GOLDEN_FOLDER / "wtalc.npz") as numbers:
        assert abs(values.mean().item() - float(numbers["loss_casl"])) < 1e-12


@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize("pairs", [1, 3, 9])
def test_pairs_at_once_are_pairs_one_by_one(pairs, margin):
    """With videos of one and of no snippet, an odd one at the end, and fewer pairs than asked."""
    features, scores, labels = random_pairs()
    values = values_of(features, scores, labels, LENGTHS, pairs, margin)
    expected = plain(features, scores, labels, LENGTHS, pairs, margin)
    assert expected > 0
    assert values.mean().item() == pytest.approx(expected, rel=1e-12)


def test_one_division_by_all_shared_classes_not_one_per_pair():
    features, scores, _ = random_pairs(lengths=(5, 6, 7, 8), classes=2)
    labels = torch.tensor([[1, 1], [1, 1], [1, 0], [1, 1]], dtype=torch.float64)
    both = values_of(features, scores, labels, (5, 6, 7, 8)).mean()
    first = values_of(features[:11], scores[:11], labels[:2], (5, 6)).mean()
    second = values_of(features[11:], scores[11:], labels[2:], (7, 8)).mean()
    torch.testing.assert_close(both, (2 * first + second) / 3)
    assert abs(both - (first + second) / 2) > 1e-4


def test_nothing_to_compare_costs_nothing():
    features, scores, labels = random_pairs()
    apart = labels.clone()
    apart[::2, :] = 0
    assert values_of(features, scores, apart, LENGTHS).tolist() == [0.0] * 7
    assert values_of(features, scores, labels, LENGTHS, pairs=0).tolist() == [0.0] * 7
    alone = values_of(features[:9], scores[:9], labels[:1], LENGTHS[:1])
    assert alone.tolist() == [0.0]


def test_gradients_stay_finite_where_all_features_are_zero():
    features, scores, labels = random_pairs()
    features = torch.zeros_like(features).requires_grad_()
    values_of(features, scores, labels, LENGTHS).sum().backward()
    assert torch.isfinite(features.grad).all()


def test_videos_outside_the_pairs_have_no_part_in_it():
    batch = random_batch((6, 7, 8))
    features = batch.features[0].clone().requires_grad_()
    scores = torch.randn(21, 2, dtype=features.dtype, generator=torch.Generator().manual_seed(1))
    whole = Packed(features[None], (6, 7, 8), torch.ones(3, 2, dtype=features.dtype))
    co_activity(features, scores, whole, pairs=1).sum().backward()
    assert features.grad[:13].abs().sum() > 0
    assert not features.grad[13:].any()
