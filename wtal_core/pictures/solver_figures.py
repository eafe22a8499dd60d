"""One linear programme in pictures: its equations, and the labels that solvers give."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wtal_core.pictures.figures import COLOURS
from wtal_core.segments import runs_of_mask
from wtal_core.timebase import Timebase

ABOVE, BELOW = COLOURS[5], COLOURS[4]


def off(
    rows: Float[np.ndarray, "N T"], label: Float[np.ndarray, " T"], score: Float[np.ndarray, " N"]
) -> float:
    """Largest difference between a score and what labels give its segment: max |W p - q|."""
    return float(np.abs(rows @ label - score).max(initial=0))


def uneven(rows: Float[np.ndarray, "N T"], label: Float[np.ndarray, " T"]) -> float:
    """Largest difference between labels of snippets with equal columns of W."""
    kind = np.unique(rows, axis=1, return_inverse=True)[1].reshape(-1)
    return max(
        (float(np.ptp(label[kind == k])) for k in range(kind.max(initial=-1) + 1)), default=0.0
    )


def apart(label: Float[np.ndarray, " T"], reference: Float[np.ndarray, " T"]) -> float:
    """Sum of the differences from a reference, as a share of the reference's sum.

    2 where both sums lie on other snippets.
    """
    return float(np.abs(label - reference).sum() / reference.sum()) if reference.any() else 0.0


def solvers_figure(
    rows: Float[np.ndarray, "N T"],
    score: Float[np.ndarray, " N"],
    labels: Mapping[str, Float[np.ndarray, " T"]],
    timebase: Timebase,
    caption: str,
    first: int = 0,
    last: int | None = None,
) -> Figure:
    """The equations as bars, one line each with its score, then the labels of each solver.

    Only snippets `first` to `last` of T.
    """
    shown = slice(first, rows.shape[1] if last is None else last)
    taking_part = np.flatnonzero(rows[:, shown].any(1))
    figure, panels = plt.subplots(
        len(labels) + 1,
        figsize=(11, 1.5 * len(labels) + 0.25 * len(taking_part) + 1.4),
        sharex=True,
        layout="constrained",
        height_ratios=[0.25 * len(taking_part) + 0.6] + [1.5] * len(labels),
    )
    _equations(panels[0], rows[taking_part], score[taking_part], timebase)
    for axes, (name, label) in zip(panels[1:], labels.items(), strict=True):
        axes.stairs(
            label,
            timebase.seconds(np.arange(len(label) + 1)),
            color=COLOURS[3],
            fill=True,
            label="label p",
        )
        axes.set(ylim=(0, 1.15 * max(label[shown].max(initial=0), 1e-3)), ylabel="p (no unit)")
        axes.set_title(
            f"{name}: sum {label.sum():.3f}, largest |Wp − q| {off(rows, label, score):.3f}, "
            f"{(label > 1e-6).sum()} of {len(label)} snippets above 0",
            fontsize=9,
            loc="left",
        )
    panels[-1].set(xlabel="time (s)", xlim=timebase.seconds(np.array([shown.start, shown.stop])))
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), fontsize=8, loc="outside lower center", ncols=3)
    figure.suptitle(f"{caption}\neach panel of labels has a scale of its own", fontsize=9)
    return figure


def _equations(
    axes: Axes, rows: Float[np.ndarray, "K T"], score: Float[np.ndarray, " K"], timebase: Timebase
) -> None:
    for sign, colour, name in (
        (1, ABOVE, "counts for the score (inner area)"),
        (-1, BELOW, "counts against it (outer area)"),
    ):
        for place, row in enumerate(rows):
            start, end = (timebase.seconds(edge) for edge in runs_of_mask(sign * row > 0))
            axes.barh(
                np.full(len(start), -place),
                end - start,
                0.8,
                left=start,
                color=colour,
                label=None if place else name,
            )
    axes.set_yticks(-np.arange(len(rows)), [f"q = {q:.3f}" for q in score], fontsize=8)
    axes.set_ylim(0.4 - len(rows), 0.6)
    axes.set_ylabel("segment")
