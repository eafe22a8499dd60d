"""A fixed number of snippets drawn from each video."""

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
