"""The registered predictions as one figure: each value against its bound."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wtal_core.pictures.figures import COLOURS, QUIET
from wtal_core.report.predictions import FAIL, NOT_MEASURED, PASS, Bound, Outcome

INCHES_PER_PREDICTION = 0.62
BAND = "#dddddd"
COLOUR_OF = {PASS: COLOURS[2], FAIL: COLOURS[1], NOT_MEASURED: QUIET}
ROOM = 0.12  # beside the outermost value or bound, as a share of the axis


def against_bounds(outcomes: Sequence[Outcome], caption: str) -> Figure:
    """One strip per prediction, each on an axis and in a unit of its own: the bound as a band, the
    value as a dot (of several, one dot each), coloured by whether it is within the bound.
    """
    height = INCHES_PER_PREDICTION * len(outcomes) + 1.2
    figure, column = plt.subplots(
        len(outcomes), 1, figsize=(8.5, height), squeeze=False, layout="constrained"
    )
    for axes, outcome in zip(column[:, 0], outcomes, strict=True):
        _strip(axes, outcome)
    figure.suptitle(caption, fontsize=9)
    figure.legend(handles=_handles(), fontsize=8, loc="outside lower center", ncols=4)
    return figure


def _strip(axes: Axes, outcome: Outcome) -> None:
    prediction = outcome.prediction
    values = [value for value in outcome.values.values() if not math.isnan(value)]
    low, high = _ends(prediction.bound, values)
    axes.set(xlim=(low, high), ylim=(-1, 1), yticks=[])
    axes.axvspan(max(low, prediction.bound.low), min(high, prediction.bound.high), color=BAND)
    for value in values:
        verdict = PASS if prediction.bound.holds(value) else FAIL
        axes.plot(value, 0, "o", color=COLOUR_OF[verdict], markersize=7, alpha=0.8)
    if not values:
        place = axes.transAxes
        axes.text(0.5, 0.5, NOT_MEASURED, fontsize=8, ha="center", va="center", transform=place)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_ylabel(
        f"{prediction.id}, {prediction.kind}\n{outcome.unit}\n{outcome.text} ({prediction.bound})",
        rotation=0,
        ha="right",
        va="center",
        fontsize=7,
        color=COLOUR_OF[FAIL] if outcome.verdict == FAIL else "black",
    )


def _ends(bound: Bound, values: Sequence[float]) -> tuple[float, float]:
    """An axis on which the finite ends of the bound and all values are seen, with 0 among them."""
    ends = [0.0, *values, *(end for end in (bound.low, bound.high) if math.isfinite(end))]
    low, high = min(ends), max(ends)
    room = ROOM * ((high - low) or 1.0)
    return low - room, high + room


def _handles() -> list[Line2D | Patch]:
    dots = [
        Line2D([], [], marker="o", color=colour, ls="", label=verdict)
        for verdict, colour in COLOUR_OF.items()
    ]
    return [*dots, Patch(color=BAND, label="bound")]
