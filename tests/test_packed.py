"""Packed batches give what plain loops over the videos give, also for videos without snippets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.packed_samples import LENGTHS, random_batch
from wtal_core import packed
from wtal_core.packed import Packed, Resident

CASES = [LENGTHS, (0,), (1,), (0, 0, 3), (5, 0), (4, 4, 4)]
EXACT = {"rtol": 0, "atol": 1e-12}


def values_of(lengths, columns=4, streams=2) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return 5 * torch.randn(streams, sum(lengths), columns, generator=draw, dtype=torch.float64)


def each_video(values: torch.Tensor, lengths) -> list[torch.Tensor]:
    """(S, T, K) of every video, cut by running sums."""
    ends = np.cumsum(lengths)
    return [values[:, end - length : end] for end, length in zip(ends, lengths, strict=True)]


@pytest.mark.parametrize("lengths", CASES)
def test_video_and_membership_name_the_owner_of_each_snippet(lengths):
    batch = random_batch(lengths)
    owners = [v for v, length in enumerate(lengths) for _ in range(length)]
    assert batch.video.tolist() == owners
    assert batch.membership.sum(1).tolist() == list(lengths)
    assert batch.membership.dtype == batch.features.dtype
    assert all(batch.membership[owner, t] == 1 for t, owner in enumerate(owners))


@pytest.mark.parametrize("lengths", CASES)
def test_sum_equals_a_loop(lengths):
    values = values_of(lengths)
    expected = torch.stack([v.sum(1) for v in each_video(values, lengths)], 1)
    torch.testing.assert_close(random_batch(lengths).sum(values), expected, **EXACT)


@pytest.mark.parametrize("lengths", CASES)
def test_softmax_equals_a_loop(lengths):
    values = values_of(lengths)
    found = random_batch(lengths).softmax(values)
    torch.testing.assert_close(
        found, torch.cat([v.softmax(1) for v in each_video(values, lengths)], 1), **EXACT
    )


def test_softmax_has_the_gradient_of_a_loop():
    ours, theirs = values_of(LENGTHS).requires_grad_(), values_of(LENGTHS).requires_grad_()
    weight = torch.arange(sum(LENGTHS), dtype=torch.float64)[:, None]
    (random_batch().softmax(ours) * weight).sum().backward()
    (torch.cat([v.softmax(1) for v in each_video(theirs, LENGTHS)], 1) * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-10)


def test_softmax_of_large_scores_does_not_overflow():
    found = random_batch((3, 2)).softmax(
        torch.tensor([1e4, 0.0, 1e4, -1e4, -1e4], dtype=torch.float64)[None, :, None]
    )
    assert found.flatten().tolist() == [0.5, 0.0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("lengths", CASES)
def test_pool_equals_a_loop(lengths):
    batch, weight = random_batch(lengths), values_of(lengths, 3)
    found = batch.pool(weight, batch.features)
    assert found.shape == (2, len(lengths), 3, 16)
    for v, (w, x) in enumerate(
        zip(each_video(weight, lengths), each_video(batch.features, lengths), strict=True)
    ):
        torch.testing.assert_close(found[:, v], torch.einsum("stk,std->skd", w, x), **EXACT)


@pytest.mark.parametrize("lengths", CASES)
@pytest.mark.parametrize("fraction", [1, 4, 8])
def test_top_mean_equals_a_loop(lengths, fraction):
    values = values_of(lengths)
    found = random_batch(lengths).top_mean(values, fraction)
    for v, cut in enumerate(each_video(values, lengths)):
        count = max(1, cut.shape[1] // fraction)
        expected = (
            cut.sort(1, descending=True).values[:, :count].mean(1)
            if cut.shape[1]
            else torch.zeros(2, 4).double()
        )
        torch.testing.assert_close(found[:, v], expected, **EXACT)


@pytest.mark.parametrize("lengths", [*CASES, ()])
def test_slots_name_the_places_of_padded_videos(lengths):
    batch, first, longest = random_batch(lengths), 0, max(lengths, default=0)
    assert batch.slots.shape == batch.inside.shape == (len(lengths), longest)
    for row, inside, length in zip(
        batch.slots.tolist(), batch.inside.tolist(), lengths, strict=True
    ):
        assert row == [*range(first, first + length), *[sum(lengths)] * (longest - length)]
        assert inside == [True] * length + [False] * (longest - length)
        first += length


@pytest.mark.parametrize("lengths", [*CASES, ()])
@pytest.mark.parametrize("tail", [(), (3,), (2, 3)])
def test_padded_videos_come_back_as_they_were(lengths, tail):
    batch = random_batch(lengths)
    values = torch.randn(
        sum(lengths), *tail, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    padded = batch.padded(values)
    assert padded.shape == (len(lengths), max(lengths, default=0), *tail)
    for row, cut in zip(padded, values.split(lengths), strict=True):
        assert torch.equal(row[: len(cut)], cut) and not row[len(cut) :].any()
    assert torch.equal(batch.unpadded(padded), values)
    outside = ~batch.inside.view(*batch.inside.shape, *[1] * len(tail))
    assert torch.equal(
        batch.unpadded(padded + outside), values
    )  # what stands behind an end is left out


def test_padding_passes_gradients_on():
    values = values_of(LENGTHS)[0].requires_grad_()
    batch = random_batch()
    weight = torch.arange(5.0, dtype=torch.float64)[:, None, None] + 1
    (batch.padded(values) * weight).sum().backward()
    assert torch.equal(values.grad, (batch.video + 1.0)[:, None].expand_as(values).double())


@pytest.mark.parametrize(
    ("lengths", "most", "expected"),
    [
        ((7, 0, 1, 12, 33), 10**6, [(7, 0, 1, 12, 33)]),
        ((7, 0, 1, 12, 33), 21, [(7, 0, 1), (12,), (33,)]),
        ((7, 0, 1, 12, 33), 1, [(7,), (0,), (1,), (12,), (33,)]),
        ((3, 3, 3), 6, [(3, 3), (3,)]),
        ((), 4, [()]),
        ((0, 0), 1, [(0, 0)]),
        ((5, 1, 1, 1), 4, [(5,), (1, 1, 1)]),
    ],
)
def test_parts_are_consecutive_videos_of_so_many_places(lengths, most, expected):
    batch = random_batch(lengths)
    marks = torch.arange(float(sum(lengths)))[:, None].double()
    batch = replace(batch, clicks=marks, targets=marks[None, None])
    parts = batch.parts(most)
    assert [part.lengths for part in parts] == expected
    for name, dim in (("features", 1), ("labels", 0), ("clicks", 0), ("targets", 2)):
        assert torch.equal(
            torch.cat([getattr(part, name) for part in parts], dim), getattr(batch, name)
        )
    assert all(
        part.clicks is None and part.targets is None for part in random_batch(lengths).parts(most)
    )


def resident_of(lengths) -> tuple[list[np.ndarray], np.ndarray, Resident]:
    rng = np.random.default_rng(0)
    features = [rng.random((2, length, 3), dtype=np.float32) for length in lengths]
    labels = np.eye(len(lengths), dtype=np.float32)
    return features, labels, Resident(features, labels)


def test_a_batch_holds_the_videos_asked_for_in_their_order():
    features, labels, resident = resident_of(LENGTHS)
    assert len(resident) == len(LENGTHS)
    for videos in ([3, 0], [1], [4, 1, 2], range(5)):
        batch = resident.batch(videos)
        assert batch.lengths == tuple(LENGTHS[v] for v in videos)
        np.testing.assert_array_equal(
            batch.features, np.concatenate([features[v] for v in videos], 1)
        )
        np.testing.assert_array_equal(batch.labels, labels[list(videos)])


class OnDisk:
    """Features that are made anew whenever they are asked for, and count how often."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self.reads = 0

    def __iter__(self):
        self.reads += 1
        return iter(self.values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("small", [0, 2**40])
def test_batches_are_the_same_wherever_the_features_lie(monkeypatch, dtype, small):
    monkeypatch.setattr(packed, "SMALL", small)
    rng = np.random.default_rng(0)
    arrays = [rng.random((2, length, 3), dtype=np.float32) for length in LENGTHS]
    stored = [OnDisk(array) for array in arrays]
    videos = Resident(stored, np.eye(5)[: len(LENGTHS)], dtype=dtype)
    assert [video.reads for video in stored] == [int(small > 0)] * len(LENGTHS)
    for chosen in ([3, 0], [1], [4, 1, 2], range(5), [2]):
        expected = torch.cat([torch.as_tensor(arrays[v]) for v in chosen], 1).to(dtype)
        assert torch.equal(videos.batch(chosen).features, expected)
    assert torch.equal(videos.features, torch.as_tensor(np.concatenate(arrays, 1)).to(dtype))
    videos.double()
    assert videos.batch([0, 3]).features.dtype == videos.labels.dtype == torch.float64


def test_without_a_copy_only_the_videos_of_a_batch_are_read(monkeypatch):
    monkeypatch.setattr(packed, "SMALL", 0)
    stored = [OnDisk(np.ones((1, length, 2), np.float32)) for length in (4, 5, 6)]
    videos = Resident(stored, np.eye(3))
    videos.batch([2, 0])
    assert [video.reads for video in stored] == [1, 0, 1]


def test_features_go_to_a_device_whole_only_if_they_fit(monkeypatch):
    """The number of free bytes is set here, as no accelerator is at hand."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 2000))
    assert packed.copied_bytes(torch.device("cuda")) == 400
    assert packed.copied_bytes(torch.device("cpu")) == packed.SMALL
    batch = Resident([np.ones((1, 4, 2), np.float32)], np.eye(1), device="meta").batch([0])
    assert batch.features.device.type == batch.labels.device.type == "meta"


@pytest.mark.parametrize("streams", [1, 2])
def test_pseudo_labels_of_a_batch_are_those_of_its_videos(streams):
    """There may be one set for all streams."""
    _, _, resident = resident_of(LENGTHS)
    assert resident.batch([0]).targets is None and resident.batch([0]).clicks is None
    owners = torch.repeat_interleave(torch.arange(5), torch.tensor(LENGTHS))
    resident.targets = (
        torch.stack([owners, -owners])
        .float()[:, None, :, None]
        .expand(2, streams, -1, 6)
        .contiguous()
    )
    for videos in ([3, 0], [1], [4, 1, 2], range(5)):
        batch = resident.batch(videos)
        assert batch.targets.shape == (2, streams, sum(batch.lengths), 6)
        expected = torch.tensor([v for v in videos for _ in range(LENGTHS[v])], dtype=torch.float32)
        assert all(
            torch.equal(column, expected)
            for column in batch.targets[0].transpose(1, 2).flatten(0, 1)
        )
        assert torch.equal(batch.targets[1], -batch.targets[0])


def test_a_batch_on_an_accelerator_keeps_its_parts_together():
    """`meta` stands for any device but the CPU: nothing may be left behind there."""
    batch = Packed(torch.empty(2, 5, 3, device="meta"), (2, 3), torch.empty(2, 4, device="meta"))
    parts = (
        batch.video,
        batch.membership,
        batch.slots,
        batch.inside,
        batch.softmax(batch.features),
        batch.padded(batch.features[0]),
    )
    assert {part.device.type for part in parts} == {"meta"}
