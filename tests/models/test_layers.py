"""Layers that methods share: dropout, cosine, stacked linear layers, temporal convolution."""

import pytest
import torch

from tests.packed_samples import one_by_one, random_batch
from wtal_core.models.shared.layers import StackedLinear, cosine, dropout, with_neighbours, xavier
from wtal_core.packed import Packed


def seeded(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.7])
def test_dropout_keeps_the_mean_at_its_rate(rate):
    x = torch.ones(1000, 203)  # no multiple of four: the last word is cut
    dropped = dropout(x, rate, seeded())
    assert dropped.shape == x.shape
    deviation = (rate / (1 - rate) / x.numel()) ** 0.5
    assert dropped.mean().item() == pytest.approx(1, abs=6 * deviation)
    assert (dropped == 0).float().mean().item() == pytest.approx(rate, abs=0.01)
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)))


def test_dropout_is_decided_by_the_generator():
    x = torch.ones(7, 33)
    assert torch.equal(dropout(x, 0.5, seeded(1)), dropout(x, 0.5, seeded(1)))
    assert not torch.equal(dropout(x, 0.5, seeded(1)), dropout(x, 0.5, seeded(2)))


def test_dropout_treats_neighbouring_elements_independently():
    """The 16-bit pieces of one random word must not move together."""
    kept = (dropout(torch.ones(400_000), 0.5, seeded()) != 0).float().view(-1, 4)
    correlation = torch.corrcoef(kept.T)
    assert (correlation - torch.eye(4)).abs().max() < 0.02


def test_dropout_without_a_generator_or_a_rate_is_the_identity():
    x = torch.randn(3, 4, generator=seeded())
    assert dropout(x, 0.5, None) is x
    assert dropout(x, 0.0, seeded()) is x
    assert dropout(x[:0], 0.5, seeded()).shape == (0, 4)


def test_dropout_passes_gradients_of_what_it_keeps():
    x = torch.ones(50, requires_grad=True)
    dropped = dropout(x, 0.5, seeded())
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, dropped.detach())


def test_stacked_linear_is_a_linear_layer_a_stream():
    layer, batch = StackedLinear(2, 16, 7, 1, seeded()).double(), random_batch()
    with torch.no_grad():
        layer.bias.uniform_(generator=seeded(1))
    for stream in range(2):
        expected = torch.nn.functional.linear(
            batch.features[stream], layer.weight[stream].T, layer.bias[stream, 0]
        )
        torch.testing.assert_close(
            layer(batch.features, batch)[stream], expected, rtol=0, atol=1e-12
        )


def test_kernel_three_is_a_temporal_convolution_that_stays_inside_each_video():
    layer, batch = StackedLinear(2, 16, 7, 3, seeded()).double(), random_batch()
    out = layer(batch.features, batch).split(batch.lengths, 1)
    kernel = layer.weight.unflatten(1, (3, 16)).permute(0, 3, 2, 1)  # (S, O, I, 3)
    for single, found in zip(one_by_one(batch), out, strict=True):
        if single.lengths[0]:
            for stream in range(2):
                expected = torch.nn.functional.conv1d(
                    single.features[stream].T[None], kernel[stream], padding=1
                )[0].T
                torch.testing.assert_close(found[stream], expected, rtol=0, atol=1e-12)


def test_neighbours_of_nothing_are_nothing():
    batch = random_batch((0,))
    assert with_neighbours(batch.features, batch).shape == (2, 0, 48)


def test_xavier_weights_fill_their_bound():
    weight = xavier(2, 30, 70, seeded())
    bound = 0.06**0.5
    assert weight.shape == (2, 30, 70) and weight.requires_grad
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_cosine_of_a_zero_row_is_zero_and_has_a_finite_gradient():
    a = torch.randn(2, 5, 8, generator=seeded(), dtype=torch.float64)
    a[0, 2] = 0
    b = torch.randn(2, 3, 8, generator=seeded(1), dtype=torch.float64)
    a.requires_grad_()
    found = cosine(a, b)
    assert found[0, 2].eq(0).all()
    expected = torch.nn.functional.cosine_similarity(a[:, :, None], b[:, None], dim=-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(cosine(3 * a, 0.1 * b), found, rtol=0, atol=1e-12)
    found.sum().backward()
    assert a.grad.isfinite().all()


def plain_neighbours(x, lengths):
    """Each snippet between those before and after it, one video at a time."""
    sides = []
    for video in x.split(lengths, 1):
        edge = torch.zeros_like(video[:, :1])
        longer = torch.cat([edge, video, edge], 1)
        length = video.shape[1]
        sides.append(torch.cat([longer[:, i : i + length] for i in range(3)], 2))
    return torch.cat(sides, 1)


@pytest.mark.parametrize("lengths", [(4, 0, 1, 3), (0, 0), (1,), (2, 1), ()])
def test_neighbours_and_their_gradients_stay_inside_each_video(lengths):
    batch = random_batch(lengths) if lengths else None
    x = torch.randn(2, sum(lengths), 5, generator=seeded(), dtype=torch.float64)
    if batch is None:
        batch = Packed(x, (), torch.zeros(0, 3))
    weight = torch.randn(2, sum(lengths), 15, generator=seeded(1), dtype=torch.float64)
    ours, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    wide = with_neighbours(ours, batch)
    (wide * weight).sum().backward()
    expected = plain_neighbours(plain, lengths) if lengths else plain.repeat(1, 1, 3)
    (expected * weight).sum().backward()
    assert torch.equal(wide, expected)
    torch.testing.assert_close(ours.grad, plain.grad, rtol=0, atol=1e-14)
