"""Pseudo-action expansion: labels of clicked snippets spread to the snippets beside them (SF-Net,
specification C3).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def spread(
    clicks: Float[Tensor, "M J"],
    logits: Float[Tensor, "M C"],
    video: Int[Tensor, " M"],
    radius: int,
    share: float,
) -> Float[Tensor, "M J"]:
    """Click targets after each labelled snippet has given its own to the `radius` snippets on
    either side.

    No label passes another one, and the earlier one goes first. So to the right clicks alone stop
    it, and to the left, last,
    clicks and what came from there: all clicks spread at once, with the result of one after
    another.
    """
    return _one_side(
        _one_side(clicks, clicks, logits, video, 1, radius, share),
        clicks,
        logits,
        video,
        -1,
        radius,
        share,
    )


def _one_side(
    found: Float[Tensor, "M J"],
    clicks: Float[Tensor, "M J"],
    logits: Float[Tensor, "M C"],
    video: Int[Tensor, " M"],
    side: int,
    radius: int,
    share: float,
) -> Float[Tensor, "M J"]:
    """`found` with what clicks give to one side (`side` 1 or -1).

    A snippet takes the label if it, the one next to the click and the one beyond have the same best
    class (of any name), and if its logits are at least `share` of the click's on the click's
    classes. Ends at a labelled snippet or the video's end.
    """
    blocked, best, last, found = found.sum(1) > 0, logits.argmax(1), len(video) - 1, found.clone()
    click = (clicks.sum(1) > 0).nonzero()[:, 0]
    target = clicks[click]
    least = share * (target[:, :-1] * logits[click]).sum(1)
    going = torch.ones_like(click, dtype=torch.bool)
    for step in range(1, radius + 1):
        beyond = click + side * (step + 1)
        first, here, end = (p.clamp(0, last) for p in (click + side, click + side * step, beyond))
        going = going & (end == beyond) & (video[end] == video[click]) & ~blocked[here]
        agree = (best[first] == best[here]) & (best[here] == best[end])
        taken = going & agree & ((target[:, :-1] * logits[here]).sum(1) >= least)
        found[here[taken]] = target[taken]
    return found
