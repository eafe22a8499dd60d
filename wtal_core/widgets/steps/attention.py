"""Temperature -> attention: over how many snippets a softmax over time spreads."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from wtal_core.models.facnet import hybrid_attention
from wtal_core.packed import Packed
from wtal_core.pages.step_figure import Layer, Number, Panel, Slider, StepFigure
from wtal_core.pictures.teaching import spread_over
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import snippet_grid, spans, time_axis

LOWEST = 0.01  # of the uniform weight; what is less is drawn at the lower edge
TICKS: dict[Number, str] = {-2.0: "0.01", 0.0: "1", 2.0: "100"}  # powers of ten


def attention_steps(
    scores: Mapping[str, Float[np.ndarray, " T"]],
    taus: Sequence[Number],
    start: Number,
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """The attention of one video at each temperature τ (FAC-Net, Eq. 2 and 9), a panel per score.

    scores: name -> one score per snippet. start: one of `taus`. truth: `t_start, t_end`, seconds.
    The axis is logarithmic, in units of the uniform weight 1 / T, so that all τ share it.
    """
    panels = []
    sentences: list[list[str]] = [[] for _ in taus]
    length = len(next(iter(scores.values())))
    for name, score in scores.items():
        attention = attention_at(score, taus)
        heights = np.log10(np.maximum(length * attention, LOWEST))
        layer = Layer("steps", list(heights), "attention", **snippet_grid(timebase))
        uniform = Layer("levels", [[0.0]], "uniform", by=(), colour="quiet", look="dotted")
        words = f"{name}: attention in units of 1 / T, logarithmic"
        panels.append(
            Panel(words, np.log10(LOWEST), np.log10(length), [uniform, layer], 110, ticks=TICKS)
        )
        for place, weights in enumerate(attention):
            sentences[place].append(f"{name} over {spread_over(weights):.0f}")
    return StepFigure(
        title=title,
        sliders=[Slider("τ", taus, start)],
        axes=[time_axis(timebase, length)],
        panels=panels,
        readout=[f"{', '.join(parts)} of {length} snippets" for parts in sentences],
        alt=f"Attention against time at {len(taus)} temperatures: the higher the temperature τ, "
        "the fewer snippets it looks at.",
        shaded=spans(truth),
    )


def attention_at(
    score: Float[np.ndarray, " T"], taus: Sequence[Number]
) -> Float[np.ndarray, "H T"]:
    """The attention of one video's scores at each temperature, a row per temperature."""
    scores = torch.from_numpy(score.astype(np.float64))[None, :, None]
    video = Packed(scores, (len(score),), scores.new_zeros(1, 1))
    return hybrid_attention(scores, tuple(float(tau) for tau in taus), video)[0, :, :, 0].T.numpy()
