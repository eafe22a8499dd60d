"""Temporal convolutions of packed videos: equal to torch's own, both layouts of BackTAL's
modulation, exact gradients.
"""

import pytest
import torch
from torch.nn.functional import conv1d

from tests.packed_samples import LENGTHS, random_batch
from wtal_core.models.shared.convolution import (
    Block,
    Convolution,
    channel_blocks,
    coefficients,
    inside,
    kaiming_convolution,
    moving_mean,
    neighbours,
)
from wtal_core.packed import Packed

EXACT = {"rtol": 0, "atol": 1e-12}
LAYOUTS = ("official_groups", "paper_eq15")


def layer(size_in=16, size_out=5, taps=3, bias=False) -> Convolution:
    return Convolution(size_in, size_out, taps, bias, torch.Generator().manual_seed(0)).double()


def torch_s_own(x: torch.Tensor, convolution: Convolution, batch: Packed) -> torch.Tensor:
    """Each video by itself through conv1d with zero padding."""
    weight = convolution.weight.permute(2, 1, 0)
    done = [
        conv1d(video.T[None], weight, convolution.bias, padding=weight.shape[2] // 2)[0].T
        if len(video)
        else video.new_zeros(0, len(weight))
        for video in x.split(batch.lengths)
    ]
    return torch.cat(done)


def group(channel: int, tap: int, size: int, taps: int) -> int:
    """Which neighbour's similarity the official code scales this channel of this tap by."""
    return (taps * channel + tap) // size


@pytest.mark.parametrize("taps", [1, 3, 5, 9])
@pytest.mark.parametrize("bias", [False, True])
def test_plain_convolutions_equal_torch_s_own(taps, bias):
    batch, convolution = random_batch(streams=1), layer(taps=taps, bias=bias)
    x = batch.features[0]
    expected = torch_s_own(x, convolution, batch)
    torch.testing.assert_close(convolution(x, batch), expected, **EXACT)
    torch.testing.assert_close(convolution(x[None], batch)[0], expected, **EXACT)
    k, blocks = inside(batch, taps), channel_blocks(16, taps, "paper_eq15")
    for passes in (1, 2):
        torch.testing.assert_close(
            convolution.shared(x, k.repeat(passes, 1, 1), blocks)[-1], expected, **EXACT
        )
    torch.testing.assert_close(convolution.modulated(x[None], k, blocks)[0], expected, **EXACT)


def test_the_group_map_at_its_split_channels():
    """Specification A2: 682 is left, left, centre; 1365 is centre, right, right; whole thirds lie
    between.
    """
    blocks = channel_blocks(2048, 3, "official_groups")
    found = {
        (channel, tap): [
            b.neighbour for b in blocks if b.tap == tap and b.start <= channel < b.stop
        ]
        for channel in (0, 681, 682, 683, 1364, 1365, 1366, 2047)
        for tap in range(3)
    }
    assert all(len(value) == 1 for value in found.values())
    rows = {channel: [found[channel, tap][0] for tap in range(3)] for channel, _ in found}
    assert rows == {
        0: [0, 0, 0],
        681: [0, 0, 0],
        682: [0, 0, 1],
        683: [1, 1, 1],
        1364: [1, 1, 1],
        1365: [1, 2, 2],
        1366: [2, 2, 2],
        2047: [2, 2, 2],
    }


@pytest.mark.parametrize("taps", [3, 5, 7, 9])
@pytest.mark.parametrize("size", [1, 2, 16, 17, 64])
def test_the_groups_of_any_size(size, taps):
    blocks = channel_blocks(size, taps, "official_groups")
    found = {(c, b.tap): b.neighbour for b in blocks for c in range(b.start, b.stop)}
    assert found == {(c, i): group(c, i, size, taps) for c in range(size) for i in range(taps)}
    assert channel_blocks(size, taps, "paper_eq15") == tuple(
        Block(i, i, 0, size) for i in range(taps)
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("taps", [3, 5])
def test_modulated_convolutions_equal_their_formula(layout, taps):
    batch, convolution = random_batch((4, 1, 6), streams=1), layer(taps=taps)
    x, a = batch.features[0], torch.rand(taps, 11, dtype=torch.float64) - 0.5
    expected = torch.zeros(11, 5, dtype=torch.float64)
    for t in range(11):
        for i in range(taps):
            source = t + i - taps // 2
            if 0 <= source < 11 and batch.video[source] == batch.video[t]:
                which = [
                    group(c, i, 16, taps) if layout == "official_groups" else i for c in range(16)
                ]
                expected[t] += (x[source] * a[which, t]) @ convolution.weight[i]
    blocks = channel_blocks(16, taps, layout)
    k = coefficients(a, blocks, batch, taps)
    for passes in (1, 2):
        torch.testing.assert_close(
            convolution.shared(x, k.repeat(passes, 1, 1), blocks)[-1], expected, **EXACT
        )
    torch.testing.assert_close(convolution.modulated(x[None], k, blocks)[0], expected, **EXACT)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_constant_embedding_changes_at_most_the_ends_of_a_video(layout):
    """Specification G3: all affinities 1 inside, 0 beyond the ends."""
    batch, convolution = random_batch((9, 12), streams=1), layer()
    x, blocks = batch.features[0], channel_blocks(16, 3, layout)
    found = convolution.modulated(
        x[None], coefficients(inside(batch, 3), blocks, batch, 3), blocks
    )[0]
    different = (found - torch_s_own(x, convolution, batch)).abs().amax(1) > 1e-9
    assert different.nonzero()[:, 0].tolist() == (
        [0, 8, 9, 20] if layout == "official_groups" else []
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lengths", [(4, 0, 1, 3), (1,)])
def test_gradients_are_exact(layout, lengths):
    batch, convolution = random_batch(lengths, streams=1, size=4), layer(4, 3)
    blocks, x = (
        channel_blocks(4, 3, layout),
        torch.randn(2, sum(lengths), 4, dtype=torch.float64, requires_grad=True),
    )
    a = torch.rand(3, sum(lengths), dtype=torch.float64, requires_grad=True)
    weight = convolution.weight

    def shared(x, a, weight):
        k = coefficients(a, blocks, batch, 3)
        return convolution.shared(x, torch.stack([k, 2 * k**2]), blocks)

    def modulated(x, a, weight):
        return convolution.modulated(x, coefficients(a, blocks, batch, 3), blocks)

    assert torch.autograd.gradcheck(shared, (x[0], a, weight))
    assert torch.autograd.gradcheck(modulated, (x, a, weight))


def test_passes_with_weights_of_their_own_share_one_product():
    """Weighted snippets, convolved, equal the convolution with weighted coefficients."""
    batch, convolution = random_batch(streams=1), layer()
    x, weight = batch.features[0], torch.rand(2, sum(LENGTHS), dtype=torch.float64)
    blocks = channel_blocks(16, 3, "paper_eq15")
    k = inside(batch, 3) * neighbours(weight.T, 3).movedim(2, 0)
    for found, w in zip(convolution.shared(x, k, blocks), weight, strict=True):
        torch.testing.assert_close(found, torch_s_own(x * w[:, None], convolution, batch), **EXACT)


def test_neighbours_are_zero_beyond_the_ends_and_stay_in_their_video():
    batch = random_batch((2, 0, 3), streams=1, size=1)
    x = torch.arange(1.0, 6)[:, None]
    assert neighbours(x, 3)[..., 0].tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 0]]
    assert inside(batch, 3).tolist() == [[0, 1, 0, 1, 1], [1] * 5, [1, 0, 1, 1, 0]]


@pytest.mark.parametrize("width", [1, 3, 5])
def test_moving_means_stay_in_their_video_and_count_zeros_beyond(width):
    batch = random_batch()
    x = batch.features[0, :, :3]
    expected = []
    for video in x.split(batch.lengths):
        for t in range(len(video)):
            near = video[max(0, t - width // 2) : t + width // 2 + 1]
            expected.append(near.sum(0) / width)
    torch.testing.assert_close(moving_mean(x, batch, width), torch.stack(expected))


def test_kaiming_weights_fill_their_range_and_biases_are_zero():
    first = kaiming_convolution(50, 40, 3, torch.Generator().manual_seed(0))
    bound = (6 / 150) ** 0.5
    assert 0.99 * bound < first.weight.abs().max() <= bound * (1 + 1e-6)
    assert first.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not first.bias.any()
