"""Random packed batches with clicks, for the tests of click-supervised methods."""

from dataclasses import replace

import torch

from tests.packed_samples import LENGTHS, random_batch
from wtal_core.packed import Packed


def clicked_batch(
    lengths=LENGTHS, kind="background", share=0.2, classes=5, seed=0, without=()
) -> Packed:
    """Clicks on about a share of the snippets, at least one a video with snippets, none in the
    videos `without`.

    kind: "background", "action" (a label of the video) or "both" (background on every second
    clicked snippet).
    """
    batch = random_batch(lengths, classes=classes, seed=seed)
    draw = torch.Generator().manual_seed(seed + 1)
    chosen = torch.rand(sum(lengths), generator=draw) < share
    starts = torch.tensor([0, *lengths]).cumsum(0)
    for v, length in enumerate(lengths):
        if length:
            chosen[starts[v] + length // 2] = v not in without
        if v in without:
            chosen[starts[v] : starts[v + 1]] = False
    background = torch.ones_like(chosen) if kind == "background" else torch.zeros_like(chosen)
    if kind == "both":
        background[chosen.nonzero()[::2, 0]] = True
    label = torch.where(background, classes, batch.labels.argmax(1)[batch.video])
    clicks = torch.nn.functional.one_hot(label, classes + 1).double() * chosen[:, None]
    return replace(batch, clicks=clicks)


def one_by_one(batch: Packed) -> list[Packed]:
    """Each video of a batch as a batch of its own, with its clicks."""
    parts = zip(
        batch.features.split(batch.lengths, 1),
        batch.clicks.split(batch.lengths),
        batch.lengths,
        strict=True,
    )
    return [
        Packed(features, (length,), batch.labels[i : i + 1], clicks)
        for i, (features, clicks, length) in enumerate(parts)
    ]
