"""Mining hard background snippets over a batch."""

import pytest
import torch

from benchmarks.plain import sfnet as plain
from tests.packed_samples import random_batch
from wtal_core.losses.mined_background import background_counts, hardest_background, last_background

LENGTHS = (7, 0, 1, 4, 12, 33, 5)


def clicked(share=0.1, lengths=LENGTHS, seed=0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(sum(lengths), generator=draw) < share


def scores_of(outputs=3, lengths=LENGTHS, seed=0) -> torch.Tensor:
    return torch.randn(
        outputs, sum(lengths), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def as_targets(labelled: torch.Tensor, lengths=LENGTHS) -> list[torch.Tensor]:
    return list(labelled[:, None].double().split(lengths))


@pytest.mark.parametrize("ratio", [7.0, 0.6, 2.5, 0.0])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_counts_pool_and_choice_are_those_of_plain_loops(share, ratio):
    labelled, batch, scores = clicked(share), random_batch(LENGTHS), scores_of()
    targets, starts = as_targets(labelled), [sum(LENGTHS[:v]) for v in range(len(LENGTHS))]
    counts = background_counts(labelled, batch, ratio)
    assert counts.tolist() == plain.mined_numbers(targets, ratio)
    pool = [starts[v] + t for v, t in plain.pool(targets, ratio)]
    hard = hardest_background(labelled, counts, scores, batch)
    for o in range(3):
        assert (
            hard[o].tolist() == sorted(pool, key=lambda m, o=o: -scores[o, m].item())[: sum(counts)]
        )
    assert last_background(labelled, counts, batch).tolist() == pool[len(pool) - sum(counts) :]


def test_a_video_without_a_click_gives_no_background():
    labelled, batch = torch.zeros(45, dtype=torch.bool), random_batch((40, 5))
    labelled[42] = True
    counts = background_counts(labelled, batch)
    assert counts.tolist() == [0, 4]
    scores = torch.arange(45.0)[None].flip(1)  # the other video has the larger scores
    assert sorted(hardest_background(labelled, counts, scores, batch)[0].tolist()) == [
        40,
        41,
        43,
        44,
    ]


def test_snippets_are_ranked_over_the_batch_not_in_their_video():
    labelled, batch = torch.zeros(40, dtype=torch.bool), random_batch((20, 20))
    labelled[[3, 23]] = True
    counts = background_counts(labelled, batch, 2.0)
    assert counts.tolist() == [2, 2]
    assert hardest_background(labelled, counts, torch.arange(40.0)[None], batch)[0].tolist() == [
        39,
        38,
        37,
        36,
    ]
    assert hardest_background(labelled, counts, torch.ones(1, 40), batch)[0].tolist() == [
        0,
        1,
        2,
        4,
    ]  # ties: the first
    assert last_background(labelled, counts, batch).tolist() == [36, 37, 38, 39]


def test_without_clicks_or_snippets_nothing_is_mined():
    for lengths in ((0,), (0, 3)):
        labelled, batch = torch.zeros(sum(lengths), dtype=torch.bool), random_batch(lengths)
        counts = background_counts(labelled, batch)
        assert counts.tolist() == [0] * len(lengths)
        assert hardest_background(labelled, counts, scores_of(2, lengths), batch).shape == (2, 0)
        assert last_background(labelled, counts, batch).shape == (0,)


def test_no_gradient_goes_through_the_choice():
    labelled, batch, scores = clicked(), random_batch(LENGTHS), scores_of().requires_grad_()
    assert not hardest_background(
        labelled, background_counts(labelled, batch), scores, batch
    ).requires_grad
