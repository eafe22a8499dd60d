"""A fixed number of snippets drawn from each video, or at most so many."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from wtal_core.packed import Packed


def pick(batch: Packed, samples: int, generator: torch.Generator | None) -> Packed:
    """`samples` snippets of each video with any: number ⌊j L / T⌋, or with a generator anywhere
    from there to where the next part begins, both ends included, the last part's end being the last
    snippet. Source: BaS-Net, `thumos_features.py:136-159`.
    """
    device = batch.features.device
    lengths = torch.tensor(
        [length for length in batch.lengths if length], dtype=torch.int64, device=device
    )
    first, last = parts(lengths, samples)
    if generator is not None:
        draws = torch.rand(first.shape, generator=generator, device=device, dtype=torch.float64)
        first = first + torch.minimum((draws * (last - first + 1)).floor().long(), last - first)
    index = (first + (lengths.cumsum(0) - lengths)[:, None]).flatten()
    return batch.at(index, tuple(samples if length else 0 for length in batch.lengths))


def parts(
    lengths: Int[Tensor, " B"], samples: int
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """First and last snippet that each sample may be; a video of as many snippets is taken as it
    is.
    """
    borders = torch.arange(samples + 1, device=lengths.device) * lengths[:, None] // samples
    first, last = borders[:, :-1], borders[:, 1:].clone()
    last[:, -1] -= 1
    return first, torch.where((lengths == samples)[:, None], first, last)


def thinned(batch: Packed, most: int) -> Packed:
    """Videos of more than `most` snippets with `most` of them, number ⌊j L / T⌋; others as they
    are. Source: UM, `thumos_features.py:152-158`, in evaluation.
    """
    lengths = torch.tensor(batch.lengths)
    kept = lengths.clamp_max(most)
    if torch.equal(kept, lengths):
        return batch
    place = torch.arange(int(kept.sum())) - (kept.cumsum(0) - kept).repeat_interleave(kept)
    within = place * lengths.repeat_interleave(kept) // kept.repeat_interleave(kept)
    index = within + (lengths.cumsum(0) - lengths).repeat_interleave(kept)
    return batch.at(index.to(batch.features.device), tuple(kept.tolist()))


def random_crops(batch: Packed, longest: int, generator: torch.Generator) -> Packed:
    """Longer videos cut to a random window of `longest` snippets. As in the official codes it never
    holds the last one. Source: W-TALC, `utils.py:15-29`; SF-Net.

    DIFFERS: SF-Net's code goes on to another video if no click lies in the window; here it counts
    in none of the means.
    """
    lengths = torch.tensor(batch.lengths)
    surplus = (lengths - longest).clamp_min(0)
    if not surplus.any():
        return batch
    draws = torch.rand(
        len(lengths), generator=generator, device=generator.device, dtype=torch.float64
    ).cpu()
    kept = lengths - surplus
    window = (draws * surplus).long()  # where it begins in its video
    start_before = lengths.cumsum(0) - lengths
    start_after = kept.cumsum(0) - kept
    shift = window + start_before - start_after
    rows = torch.arange(int(kept.sum())) + shift.repeat_interleave(kept)
    rows = rows.to(batch.features.device)
    return batch.at(rows, tuple(kept.tolist()))


def picked(outputs: Any, batch: Packed) -> Packed:
    """The snippets that a network's outputs are of: what it says of itself in `snippets`."""
    return outputs.snippets
