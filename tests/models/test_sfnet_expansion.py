"""Pseudo-action expansion: all clicks at once equal one click after another."""

import numpy as np
import pytest
import torch

from benchmarks.plain.sfnet import expand_video
from wtal_core.models.sfnet import expanded

CLASSES = 3


def clicks_at(length: int, **labels: list[int]) -> torch.Tensor:
    """at_3=[0, 2]: snippet 3 shows the classes 0 and 2."""
    clicks = torch.zeros(length, CLASSES + 1, dtype=torch.float64)
    for place, names in labels.items():
        clicks[int(place[3:]), names] = 1 / len(names)
    return clicks


def spread_labels(
    clicks: torch.Tensor, logits: torch.Tensor, radius=3, share=0.95, video=None
) -> list[int]:
    """Class of each snippet after expansion, -1 without."""
    video = torch.zeros(len(clicks), dtype=torch.int64) if video is None else video
    found = expanded(clicks, logits, video, radius, share)
    return torch.where(found.sum(1) > 0, found.argmax(1), -1).tolist()


def uniform(length: int) -> torch.Tensor:
    """Class 1 is best everywhere, by the same logits."""
    return torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64).repeat(length, 1)


def test_a_click_spreads_three_snippets_to_either_side_but_not_to_the_last_one():
    assert spread_labels(clicks_at(12, at_5=[0]), uniform(12)) == [
        -1,
        -1,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        -1,
        -1,
        -1,
    ]
    assert spread_labels(clicks_at(5, at_2=[0]), uniform(5)) == [
        -1,
        0,
        0,
        0,
        -1,
    ]  # the one beyond must exist
    assert (
        spread_labels(clicks_at(12, at_5=[0]), uniform(12), radius=1)
        == [-1] * 4 + [0, 0, 0] + [-1] * 5
    )


def test_the_earlier_of_two_clicks_goes_first_and_none_passes_the_other():
    assert spread_labels(clicks_at(8, at_1=[0], at_5=[2]), uniform(8)) == [-1, 0, 0, 0, 0, 2, 2, -1]
    assert spread_labels(clicks_at(8, at_2=[0], at_3=[2]), uniform(8)) == [-1, 0, 0, 2, 2, 2, 2, -1]


def test_the_best_class_must_agree_at_three_snippets_whatever_its_name():
    logits = uniform(12)
    logits[7] = torch.tensor(
        [1.0, 0.0, 2.0]
    )  # no agreement at 6, where it is the one beyond, and at 7; again at 8
    assert spread_labels(clicks_at(12, at_5=[0]), logits) == [
        -1,
        -1,
        0,
        0,
        0,
        0,
        -1,
        -1,
        0,
        -1,
        -1,
        -1,
    ]
    logits = uniform(12)
    logits[6] = torch.tensor([1.0, 0.0, 2.0])  # the one beside the click
    assert spread_labels(clicks_at(12, at_5=[0]), logits) == [
        -1,
        -1,
        0,
        0,
        0,
        0,
        -1,
        -1,
        -1,
        -1,
        -1,
        -1,
    ]


def test_a_snippet_that_fails_is_passed_over_not_an_end():
    logits = uniform(12)
    logits[6, 0] = 0.5
    assert spread_labels(clicks_at(12, at_5=[0]), logits) == [
        -1,
        -1,
        0,
        0,
        0,
        0,
        -1,
        0,
        0,
        -1,
        -1,
        -1,
    ]
    assert spread_labels(clicks_at(12, at_5=[0]), logits, share=0.5) == [
        -1,
        -1,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        -1,
        -1,
        -1,
    ]


def test_all_labels_of_a_snippet_go_on_and_their_mean_decides():
    logits, clicks = uniform(12), clicks_at(12, at_5=[0, 2])
    logits[6] = torch.tensor([0.5, 2.0, 0.5])  # the same mean
    logits[4] = torch.tensor([1.0, 2.0, -0.2])  # 0.4 is less than 0.95 of 0.5
    found = expanded(clicks, logits, torch.zeros(12, dtype=torch.int64), 3, 0.95)
    assert found[6].tolist() == [0.5, 0, 0.5, 0] and found[4].sum() == 0


def test_labels_stay_in_their_video():
    video = torch.tensor([0] * 4 + [1] * 6)
    assert spread_labels(clicks_at(10, at_3=[0]), uniform(10), video=video) == [
        -1,
        0,
        0,
        0,
        -1,
        -1,
        -1,
        -1,
        -1,
        -1,
    ]
    assert spread_labels(clicks_at(10, at_4=[0]), uniform(10), video=video) == [
        -1,
        -1,
        -1,
        -1,
        0,
        0,
        0,
        0,
        -1,
        -1,
    ]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("radius", [1, 3, 5])
def test_all_videos_at_once_are_those_of_plain_loops(seed, radius):
    draw = np.random.default_rng(seed)
    lengths = draw.integers(0, 40, size=6)
    logits = np.repeat(draw.normal(1, 1, (lengths.sum(), CLASSES)), 4, axis=0)[
        : lengths.sum()
    ]  # stays a while
    logits += draw.normal(0, 0.05, logits.shape)
    clicks = np.pad((draw.random(logits.shape) < 0.06).astype(np.float64), ((0, 0), (0, 1)))
    clicks /= np.maximum(clicks.sum(1, keepdims=True), 1)
    cuts = np.cumsum(lengths)[:-1]
    expected = np.concatenate(
        [
            expand_video(c, s, radius, 0.95)
            for c, s in zip(np.split(clicks, cuts), np.split(logits, cuts), strict=True)
        ]
    )
    video = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))
    found = expanded(torch.from_numpy(clicks), torch.from_numpy(logits), video, radius, 0.95)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert (expected.sum(1) > 0).sum() > (clicks.sum(1) > 0).sum()
    assert not (expected[clicks.sum(1) > 0] - clicks[clicks.sum(1) > 0]).any()


def test_nothing_to_spread():
    empty = torch.zeros(0, dtype=torch.int64)
    assert spread_labels(clicks_at(0), uniform(0), video=empty) == []
    assert spread_labels(clicks_at(9), uniform(9)) == [-1] * 9
    assert spread_labels(clicks_at(1, at_0=[1]), uniform(1)) == [1]
