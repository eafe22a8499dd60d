"""One linear programme whose second instance slides: the labels that three solvers give."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from wtal_core.pages.step_figure import Layer, Panel, Slider, StepFigure
from wtal_core.pictures.solver_figures import off
from wtal_core.segments import runs_of_mask
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import boxes, snippet_grid, time_axis

LEAST = 1e-6  # labels above it count


def solver_steps(
    begins: Sequence[int],
    start: int,
    rows: Sequence[Float[np.ndarray, "N T"]],
    score: Float[np.ndarray, " N"],
    labels: Sequence[Mapping[str, Float[np.ndarray, " T"]]],
    timebase: Timebase,
    title: str,
    first: int,
    last: int,
) -> StepFigure:
    """The equations, and the labels of each solver, for each place where the instance begins.

    begins: snippets; start: one of them. rows, labels: the equations W and solver -> labels, one
    for each of `begins`. first, last: the snippets that are drawn.
    """
    shown = slice(first, last)
    ticks = {number + 0.5: f"{q:g}" for number, q in enumerate(score)}
    inner = [_areas(each, 1, timebase) for each in rows]
    outer = [_areas(each, -1, timebase) for each in rows]
    equations = [
        Layer("boxes", inner, "counts for the score (inner area)", colour="blue"),
        Layer("boxes", outer, "counts against it (outer area)", colour="orange"),
    ]
    panels = [
        Panel(
            "equations, each with its score q",
            len(score),
            0,
            equations,
            26 * len(score),
            ticks=ticks,
        )
    ]
    grid = snippet_grid(timebase, first)
    highest = max(float(label[shown].max(initial=0)) for each in labels for label in each.values())
    for name in labels[0]:
        states = [each[name][shown] for each in labels]
        layer = Layer("area", states, "label p", colour="pink", **grid)
        panels.append(Panel(f"{name}: p (no unit)", 0, 1.05 * max(highest, 1e-3), [layer], 75))
    return StepFigure(
        title=title,
        sliders=[Slider("B begins", begins, start)],
        axes=[time_axis(timebase, last, first)],
        panels=panels,
        readout=[_sentence(*each, score) for each in zip(rows, labels, strict=True)],
        alt="Two instances as bars, of which the second moves, and the labels that three solvers "
        "give the snippets.",
    )


def _areas(
    rows: Float[np.ndarray, "N T"], sign: int, timebase: Timebase
) -> Float[np.ndarray, "K 5"]:
    """A bar per run of snippets whose coefficient has this sign, on the lane of its equation."""
    bars = []
    for lane, row in enumerate(rows):
        start, end = (timebase.seconds(border) for border in runs_of_mask(sign * row > 0))
        bars.append(boxes(start, end, lane + 0.15, lane + 0.85))
    return np.concatenate(bars)


def _sentence(
    rows: Float[np.ndarray, "N T"],
    labels: Mapping[str, Float[np.ndarray, " T"]],
    score: Float[np.ndarray, " N"],
) -> str:
    parts = [
        f"{name} {label.sum():.2f} over {(label > LEAST).sum()} snippets"
        for name, label in labels.items()
    ]
    worst = max(off(rows, label, score) for label in labels.values())
    return f"sum of the labels: {'; '.join(parts)}; largest |Wp − q| {worst:.3f}"
