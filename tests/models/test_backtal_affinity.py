"""The affinity loss against a loop over videos and pairs, in both readings."""

import pytest
import torch

from tests.click_samples import clicked_batch
from tests.packed_samples import LENGTHS
from wtal_core.models.backtal import affinity_loss
from wtal_core.packed import Packed

SAME, DIFFERENT = 0.5, 0.1


def sample(seed=0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Packed]:
    batch = clicked_batch(without=(3,), seed=seed)
    draw = torch.Generator().manual_seed(seed)
    e = torch.nn.functional.normalize(
        torch.randn(sum(LENGTHS), 4, generator=draw, dtype=torch.float64), dim=1
    ).requires_grad_()
    background = batch.clicks[:, -1] == 1
    times = (
        torch.randint(3, (sum(LENGTHS),), generator=draw).double().masked_fill(background, 0)
    )  # no ties of 1 with itself
    return e, times, background, batch


def by_pairs(e, times, background, batch, hard) -> torch.Tensor:
    """The same, pair by pair; a snippet that is foreground twice is listed twice."""
    values, used = [], []
    for v in range(len(batch.lengths)):
        mine = batch.video == v
        fg = [u for u in range(len(e)) if mine[u] for _ in range(int(times[u]))]
        bg = [u for u in range(len(e)) if mine[u] and background[u]]
        used.append(bool(bg))

        def hinges(rows, columns, alike):
            out = []
            for u in rows if columns else []:
                cosines = [e[u] @ e[w] for w in columns]
                out.append(
                    (SAME - min(cosines)).relu() if alike else (max(cosines) - DIFFERENT).relu()
                )
            return out

        terms = [
            hinges(fg, fg, True),
            hinges(bg, bg, True),
            hinges(fg, bg, False),
            hinges(bg, fg, False),
        ]
        chosen = (
            [sum(t) / len(t) for t in terms if t]
            if hard == "per_row"
            else [max(t) for t in terms[:3] if t]
        )
        values.append(sum(chosen) if bg else torch.zeros((), dtype=torch.float64))
    return torch.stack([torch.as_tensor(v) * len(values) / max(1, sum(used)) for v in values])


@pytest.mark.parametrize("hard", ["per_row", "global_max"])
@pytest.mark.parametrize("seed", range(3))
def test_it_equals_a_double_loop(hard, seed):
    e, times, background, batch = sample(seed)
    found = affinity_loss(e, times, background, batch, SAME, DIFFERENT, hard)
    expected = by_pairs(e, times, background, batch, hard)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert found[3] == 0 and found[4] > 0
    ours, theirs = (torch.autograd.grad(value.sum(), e)[0] for value in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hard", ["per_row", "global_max"])
def test_without_background_or_foreground_it_is_finite(hard):
    e, times, background, batch = sample()
    none = torch.zeros_like(background)
    assert (affinity_loss(e, times, none, batch, SAME, DIFFERENT, hard) == 0).all()
    found = affinity_loss(e, torch.zeros_like(times), background, batch, SAME, DIFFERENT, hard)
    assert found.isfinite().all() and torch.autograd.grad(found.sum(), e)[0].isfinite().all()


def test_a_snippet_that_counts_twice_weighs_twice():
    e = torch.tensor([[1.0, 0], [0, 1], [0.6, 0.8]], dtype=torch.float64)
    batch = Packed(
        torch.zeros(1, 3, 1, dtype=torch.float64), (3,), torch.ones(1, 1, dtype=torch.float64)
    )
    background = torch.tensor([False, True, False])
    found = affinity_loss(
        e, torch.tensor([1.0, 0, 2]).double(), background, batch, 0.9, 0.1, "per_row"
    )
    # foreground: 0.9 - 0.6 each; with the background 0 and 0.8 - 0.1, twice; the background with
    # its nearest: 0.8 - 0.1
    assert found.item() == pytest.approx(0.3 + 0 + 2 * 0.7 / 3 + 0.7)
