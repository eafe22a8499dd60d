"""Random packed batches for the tests of models: videos of different lengths, among them one
without and one with one snippet.
"""

import torch

from wtal_core.packed import Packed

LENGTHS = (7, 0, 1, 12, 33)


def random_batch(lengths=LENGTHS, streams=2, size=16, classes=5, seed=0) -> Packed:
    """Features >= 0 like those of I3D, float64; every video has at least one label."""
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(streams, sum(lengths), size, generator=draw, dtype=torch.float64).relu()
    labels = (torch.rand(len(lengths), classes, generator=draw, dtype=torch.float64) < 0.3).double()
    labels[torch.arange(len(lengths)), torch.arange(len(lengths)) % classes] = 1
    return Packed(features, tuple(lengths), labels)


def one_by_one(batch: Packed) -> list[Packed]:
    """Each video of a batch as a batch of its own."""
    cuts = batch.features.split(batch.lengths, 1)
    return [
        Packed(cut, (length,), batch.labels[i : i + 1])
        for i, (cut, length) in enumerate(zip(cuts, batch.lengths, strict=True))
    ]


def reordered(batch: Packed, order: list[int]) -> Packed:
    """The same videos in another order."""
    cuts = batch.features.split(batch.lengths, 1)
    return Packed(
        torch.cat([cuts[i] for i in order], 1),
        tuple(batch.lengths[i] for i in order),
        batch.labels[order],
    )
