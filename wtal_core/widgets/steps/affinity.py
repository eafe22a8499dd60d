"""The affinity kernel: how alike a snippet is to each of its neighbours (BackTAL, Eq. 9)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from wtal_core.pages.step_figure import Axis, Colour, Layer, Panel, Slider, StepFigure
from wtal_core.pictures.affinity_figures import Neighbourhood, mean_similarity, neighbourhood
from wtal_core.segments import runs_of_mask
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import boxes, time_axis

TAPS = 3  # of the convolution that the similarities scale


def affinity_steps(
    embedding: Float[np.ndarray, "T E"],
    kind: Bool[np.ndarray, " T"],
    places: Sequence[int],
    start: int,
    window: int,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """The similarity of one snippet after another with those up to `window` away.

    kind: which snippets are in an instance. places: snippets that the slider stops at; start: one
    of them.
    """
    precise = embedding.astype(np.float64)
    seen = [neighbourhood(f"{place}", precise, kind, place, window) for place in places]
    middles = [[timebase.seconds(place + 0.5)] for place in places]
    begins, ends = (timebase.seconds(border) for border in runs_of_mask(kind))
    where = Panel(
        "where: the snippet in its video",
        0,
        1,
        [
            Layer(
                "boxes", [boxes(begins, ends, 0.2, 0.8)], "in an instance", by=(), colour="orange"
            ),
            Layer("marks", middles, "the snippet", colour="ink"),
        ],
        height=30,
        ticks={},
    )
    reach = boxes(np.array([-TAPS / 2]), np.array([TAPS / 2]), -1, 1, 0.3)
    layers = [
        Layer("boxes", [reach], f"reached by {TAPS} taps", by=(), colour="quiet", look="light"),
        *(_bars(seen, kind, is_action, window) for is_action in (True, False)),
    ]
    return StepFigure(
        title=title,
        sliders=[Slider("snippet", places, start)],
        axes=[
            time_axis(timebase, len(kind)),
            Axis("neighbour, snippets away", -window - 0.5, window + 0.5),
        ],
        panels=[where, Panel("similarity (cosine)", -1, 1, layers, height=170, axis=1)],
        readout=[_sentence(each, timebase) for each in seen],
        alt=f"Bars: the cosine of one snippet's embedding with those of its {2 * window} "
        "neighbours, in one colour for neighbours in action and in another for background.",
    )


def _bars(
    seen: Sequence[Neighbourhood], kind: Bool[np.ndarray, " T"], is_action: bool, window: int
) -> Layer:
    """The similarities with neighbours of one kind."""
    states = []
    for each in seen:
        place = np.clip(each.snippet + each.offset, 0, len(kind) - 1)
        states.append(np.where(kind[place] == is_action, each.similarity, np.nan))
    name = "neighbour in an instance" if is_action else "neighbour in background"
    colour: Colour = "orange" if is_action else "blue"
    return Layer("bars", states, name, colour=colour, first=-window)


def _sentence(each: Neighbourhood, timebase: Timebase) -> str:
    place = "in an instance" if each.action else "in background"
    means = [
        f"{mean:.2f} with {words} kind"
        for words, is_same in (("its own", True), ("the other", False))
        if not np.isnan(mean := mean_similarity(each, is_same))
    ]
    return (
        f"at {timebase.seconds(each.snippet + 0.5):.1f} s, {place}; mean cosine {', '.join(means)}"
    )
