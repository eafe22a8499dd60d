"""The walk of RSKP: snippets and prototypes exchange what they know, round after round."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from wtal_core.models.rskp import assigned, unit, walk
from wtal_core.pages.step_figure import Layer, Panel, Slider, StepFigure
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import snippet_grid, spans, time_axis

FOREVER = "∞"
ROUNDS = (0, 1, 2, 3, 5, 10, FOREVER)
WEIGHTS = (0.1, 0.25, 0.5, 0.75, 0.9)


def walk_steps(
    x: Float[Tensor, "T D"],
    prototypes: Float[Tensor, "K D"],
    sharpness: float,
    weight: float,
    probability: Callable[[Float[Tensor, "T D"]], Float[Tensor, " T"]],
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """Snippets x after so many rounds of the walk, for several weights w of what is received.

    sharpness, weight: as in `rskp.Config`; the slider starts at this weight and at the end of the
    walk. probability: what a class's head says of snippets. truth: `t_start, t_end`, seconds.
    """
    weights = sorted({*WEIGHTS, weight})
    inside = torch.ones(1, len(x), dtype=torch.bool)
    shares = assigned(x[None], inside, prototypes[None], sharpness)[0][0]  # (K, T)
    states = [walked(x, prototypes, sharpness, w, rounds) for rounds in ROUNDS for w in weights]
    said = [probability(rows).double().numpy() for rows in states]
    nearest = [_nearest(rows, prototypes) for rows in states]
    grid = snippet_grid(timebase)
    both = (0, 1)
    least, largest = (float(extreme) for extreme in shares.aminmax())
    heat = Layer(
        "heat",
        [((shares - least) / max(largest - least, 1e-9)).double().numpy()],
        f"share Z of a snippet, {least:.2f} to {largest:.2f} (full colour)",
        by=(),
        colour="pink",
        **grid,
    )
    panels = [
        Panel("prototypes that share each snippet (fixed)", len(shares), 0, [heat], 70, ticks={}),
        Panel(
            "probability of the class (no unit)",
            0,
            1,
            [Layer("steps", said, "probability", by=both, **grid)],
        ),
        Panel(
            "cosine with the nearest prototype",
            0,
            1,
            [Layer("steps", nearest, "cosine", by=both, colour="amber", **grid)],
        ),
    ]
    return StepFigure(
        title=title,
        sliders=[Slider("rounds", ROUNDS, FOREVER), Slider("w", weights, weight)],
        axes=[time_axis(timebase, len(x))],
        panels=panels,
        readout=[_sentence(*pair) for pair in zip(said, nearest, strict=True)],
        read_by=both,
        alt="A class's probability of each snippet after some rounds of the walk: snippets move "
        "towards prototypes and towards those with which they share them.",
        shaded=spans(truth),
    )


def walked(
    x: Float[Tensor, "T D"],
    prototypes: Float[Tensor, "K D"],
    sharpness: float,
    w: float,
    rounds: int | str,
) -> Float[Tensor, "T D"]:
    """Snippets after so many rounds M = w Ẑ X' + (1 − w) μ, X' = w Zᵀ M + (1 − w) X.

    After infinitely many they are `rskp.walk`.
    """
    inside = torch.ones(1, len(x), dtype=torch.bool)
    if rounds == FOREVER:
        return walk(x[None], inside, prototypes[None], w, sharpness)[0]
    z, share = assigned(x[None], inside, prototypes[None], sharpness)
    moved = x
    for _ in range(int(rounds)):
        reached = w * share[0] @ moved + (1 - w) * prototypes
        moved = w * z[0].T @ reached + (1 - w) * x
    return moved


def _nearest(rows: Float[Tensor, "T D"], prototypes: Float[Tensor, "K D"]) -> np.ndarray:
    return (unit(rows) @ unit(prototypes).T).max(1).values.double().numpy()


def _sentence(probability: Float[np.ndarray, " T"], nearest: Float[np.ndarray, " T"]) -> str:
    return (
        f"mean probability {probability.mean():.2f}, highest {probability.max():.2f}; mean cosine "
        f"with the nearest prototype {nearest.mean():.2f}"
    )
