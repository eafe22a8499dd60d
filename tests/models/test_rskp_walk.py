"""The random walk in its low-rank form: what the dense inverse gives, what it leaves unchanged, and
its gradients.
"""

import numpy as np
import pytest
import torch

from tests.places import GOLDEN_FOLDER
from wtal_core.models.rskp import assigned, cosine, unit, walk

GOLDEN = {
    name: torch.from_numpy(value) for name, value in np.load(GOLDEN_FOLDER / "rskp.npz").items()
}
SIZES = [(40, 16, 8), (7, 5, 8), (1, 4, 3), (60, 3, 1), (2, 6, 5)]  # T, D, K
W, SHARPNESS = 0.5, 5.0


def random_walk_of(
    length, size, count, videos=1, seed=0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Snippets (B, T, D) >= 0, all inside, and prototypes (B, K, D), float64."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(videos, length, size, generator=draw, dtype=torch.float64).relu()
    prototypes = torch.randn(videos, count, size, generator=draw, dtype=torch.float64)
    return x, torch.ones(videos, length, dtype=torch.bool), prototypes


def plain_steps(x, prototypes, sharpness) -> tuple[torch.Tensor, torch.Tensor]:
    """Z (K, T) and its rows over their sums, for one video, as its equation reads."""
    cosines = torch.stack(
        [
            torch.stack([y @ t / ((y.norm() + 1e-9) * (t.norm() + 1e-9)) for t in x])
            for y in prototypes
        ]
    )
    z = (sharpness * cosines).softmax(0)
    return z, z / (z.sum(1, keepdim=True) + 1e-9)


def dense(x, prototypes, w=W, sharpness=SHARPNESS) -> torch.Tensor:
    """(1 - w)(I - w² A)⁻¹(w Zᵀ Y + X) of one video."""
    z, share = plain_steps(x, prototypes, sharpness)
    matrix = torch.eye(len(x), dtype=x.dtype) - w * w * z.T @ share
    return (1 - w) * torch.linalg.inv(matrix) @ (w * z.T @ prototypes + x)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(
    ("w", "sharpness"), [(0.5, 5.0), (0.1, 5.0), (0.9, 5.0), (0.0, 5.0), (0.5, 1.0), (0.5, 40.0)]
)
def test_the_low_rank_form_equals_the_dense_inverse(sizes, w, sharpness):
    x, inside, prototypes = random_walk_of(*sizes)
    found = walk(x, inside, prototypes, w, sharpness)
    torch.testing.assert_close(
        found[0], dense(x[0], prototypes[0], w, sharpness), rtol=0, atol=1e-10
    )


def test_it_agrees_with_the_official_code():
    x, prototypes = GOLDEN["embedding"], GOLDEN["rw_prototypes"]
    found = walk(x, torch.ones(x.shape[:2], dtype=torch.bool), prototypes, W, SHARPNESS)
    torch.testing.assert_close(found, GOLDEN["rw_refined"], rtol=0, atol=1e-9)


def test_a_constant_feature_stays_as_it_is():
    """Golden test (a) of the specification."""
    value = torch.rand(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, inside, prototypes = (
        value.expand(1, 30, 6),
        torch.ones(1, 30, dtype=torch.bool),
        value.expand(1, 8, 6),
    )
    torch.testing.assert_close(walk(x, inside, prototypes, W, SHARPNESS), x, rtol=0, atol=1e-8)
    other = walk(
        x, inside, 2 * prototypes, W, SHARPNESS
    )  # another length: as close, but not the same
    assert ((other > x) & (other < 2 * x)).all()


@pytest.mark.parametrize("sizes", SIZES)
def test_rows_of_a_and_of_the_assignment_sum_to_one(sizes):
    x, inside, prototypes = random_walk_of(*sizes, videos=3)
    z, share = assigned(x, inside, prototypes, SHARPNESS)
    expected = [plain_steps(a, b, SHARPNESS) for a, b in zip(x, prototypes, strict=True)]
    torch.testing.assert_close(z, torch.stack([a for a, _ in expected]), rtol=0, atol=1e-12)
    torch.testing.assert_close(share, torch.stack([b for _, b in expected]), rtol=0, atol=1e-12)
    ones = torch.ones(3, sizes[0], dtype=torch.float64)
    torch.testing.assert_close(z.sum(1), ones, rtol=0, atol=1e-12)
    torch.testing.assert_close((z.transpose(1, 2) @ share).sum(2), ones, rtol=0, atol=1e-6)


def test_it_is_where_steps_to_the_prototypes_and_back_end():
    x, inside, prototypes = random_walk_of(40, 16, 8)
    z, share = assigned(x, inside, prototypes, SHARPNESS)
    found = walk(x, inside, prototypes, W, SHARPNESS)
    met = W * share @ found + (1 - W) * prototypes
    torch.testing.assert_close(found, W * z.transpose(1, 2) @ met + (1 - W) * x, rtol=0, atol=1e-12)
    stepped = x
    for _ in range(60):
        stepped = W * z.transpose(1, 2) @ (W * share @ stepped + (1 - W) * prototypes) + (1 - W) * x
    torch.testing.assert_close(found, stepped, rtol=0, atol=1e-12)


@pytest.mark.parametrize("beyond", [0.0, 3.0])
def test_padded_videos_give_what_each_gives_alone(beyond):
    """Whatever stands behind the end of a video."""
    lengths = (40, 0, 1, 13)
    x, _, prototypes = random_walk_of(max(lengths), 16, 8, videos=4)
    inside = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    found = walk(torch.where(inside[..., None], x, beyond), inside, prototypes, W, SHARPNESS)
    for v, length in enumerate(lengths):
        if length:
            torch.testing.assert_close(
                found[v, :length], dense(x[v, :length], prototypes[v]), rtol=0, atol=1e-10
            )


def test_prototypes_that_are_not_there_change_nothing():
    x, inside, prototypes = random_walk_of(20, 6, 8, videos=3)
    filled = torch.tensor([[True] * 8, [True] * 3 + [False] * 5, [False, True] * 4])
    for junk in (0.0, 5.0):
        found = walk(
            x, inside, torch.where(filled[..., None], prototypes, junk), W, SHARPNESS, filled
        )
        for v in range(3):
            torch.testing.assert_close(
                found[v], dense(x[v], prototypes[v, filled[v]]), rtol=0, atol=1e-10
            )


@pytest.mark.parametrize("count", [0, 4])
def test_without_any_prototype_only_the_snippets_are_left(count):
    x, inside, prototypes = random_walk_of(9, 6, count, videos=2)
    found = walk(x, inside, prototypes, W, SHARPNESS, torch.zeros(2, count, dtype=torch.bool))
    torch.testing.assert_close(found, (1 - W) * x, rtol=0, atol=1e-12)


def test_prototypes_of_zeros_pull_to_the_mean_of_the_video():
    """An empty memory, as GauFuse reads it: X' = (1 - w)(X + w² / (1 - w²) mean
    X).
    """
    x, inside, prototypes = random_walk_of(25, 6, 5, videos=2)
    expected = (1 - W) * (x + W**2 / (1 - W**2) * x.mean(1, keepdim=True))
    torch.testing.assert_close(
        walk(x, inside, 0 * prototypes, W, SHARPNESS), expected, rtol=0, atol=1e-8
    )


@pytest.mark.parametrize(("videos", "length"), [(0, 5), (2, 0), (0, 0), (2, 1)])
def test_no_video_no_snippet_or_one(videos, length):
    x, inside, prototypes = random_walk_of(length, 6, 4, videos=videos)
    found = walk(x, inside, prototypes, W, SHARPNESS)
    assert found.shape == (videos, length, 6) and found.isfinite().all()


def test_gradients_are_those_of_the_dense_form():
    ours, theirs = ([t.requires_grad_() for t in random_walk_of(12, 5, 4)[::2]] for _ in range(2))
    weight = torch.linspace(-1, 1, 60, dtype=torch.float64).view(12, 5)
    (
        walk(ours[0], torch.ones(1, 12, dtype=torch.bool), ours[1], W, SHARPNESS)[0] * weight
    ).sum().backward()
    (dense(theirs[0][0], theirs[1][0]) * weight).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        assert b.grad.abs().max() > 1e-2
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-10)


def test_gradients_are_those_of_finite_differences():
    x, _, prototypes = random_walk_of(4, 3, 2, videos=2)
    inside = torch.tensor([[True] * 4, [True] * 2 + [False] * 2])
    x = (x + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: walk(a, inside, b, W, SHARPNESS)[inside], (x, prototypes.requires_grad_())
    )


def test_snippets_of_zeros_have_finite_gradients():
    """Dropout may leave nothing of a snippet."""
    x, inside, prototypes = random_walk_of(6, 4, 3)
    x, prototypes = x.float(), prototypes.float().requires_grad_()
    x[0, 2:4] = 0
    x.requires_grad_()
    walk(x, inside, prototypes, W, SHARPNESS).sum().backward()
    assert x.grad.isfinite().all() and prototypes.grad.isfinite().all()


def test_unit_rows_and_cosines_are_almost_those_of_length_one():
    """RSKP adds 1e-9 to every length; a row of zeros has the cosine 0 with all others."""
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [3e-9, 4e-9]], dtype=torch.float64)
    assert unit(x).flatten().tolist() == pytest.approx([0.6, 0.8, 0, 0, 0.5, 2 / 3], abs=1e-9)
    expected = unit(x) @ unit(x).T
    torch.testing.assert_close(cosine(x, x), expected, rtol=0, atol=1e-12)
    assert expected[2, 2].item() == pytest.approx(25 / 36)
