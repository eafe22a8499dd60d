"""One video followed through a method: its arrays below one another against time; a training step
and a training in pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wtal_core.pictures.figures import COLOURS, FOUND, TRUTH
from wtal_core.timebase import Timebase

LINES = ("-", "--", "-.", ":")
MARKERS = "os^Dvx"


@dataclass(frozen=True)
class Heat:
    """An array over time as a strip of colours. named: number of a column -> its name at the side;
    centred: colours tell the sign.
    """

    values: Float[np.ndarray, "T N"]
    named: Mapping[int, str] = field(default_factory=dict)
    centred: bool = False
    height: float = 1.2


@dataclass(frozen=True)
class Curves:
    """Values over time, one line each. kept: the snippets that count, filled; threshold: a dashed
    line.
    """

    values: Mapping[str, Float[np.ndarray, " T"]]
    kept: Bool[np.ndarray, " T"] | None = None
    threshold: float | None = None
    height: float = 1.1


@dataclass(frozen=True)
class Spans:
    """Segments, `t_start, t_end` in seconds and `score`: the best on top, darker where the score is
    higher.
    """

    table: pd.DataFrame
    height: float = 1.0


def followed(
    panels: Mapping[str, Heat | Curves | Spans],
    truth: pd.DataFrame,
    timebase: Timebase,
    caption: str,
) -> Figure:
    """One panel per array against one axis of time. Green: the true segments, at the bottom and as
    shades behind curves and segments.
    """
    heights = [panel.height for panel in panels.values()]
    figure, rows = plt.subplots(
        len(panels) + 1,
        figsize=(10, sum(heights) + 0.28 * len(panels) + 1.0),
        sharex=True,
        layout="constrained",
        height_ratios=[*heights, 0.22],
    )
    for axes, (name, panel) in zip(rows, panels.items(), strict=False):
        if isinstance(panel, Heat):
            name = f"{name}: {_draw_heat(axes, panel, timebase)}"
        elif isinstance(panel, Curves):
            _draw_curves(axes, panel, timebase)
        else:
            _draw_spans(axes, panel.table)
        if not isinstance(panel, Heat):
            _shade(axes, truth)
        axes.set_title(name, fontsize=9, loc="left", pad=3)
        axes.tick_params(labelsize=8)
    ends = [
        float(timebase.seconds(float(length))) for length in map(_length, panels.values()) if length
    ]
    rows[-1].set_xlim(0, max(ends, default=None))
    rows[-1].broken_barh(_spans(truth), (0, 1), color=TRUTH)
    rows[-1].set_yticks([])
    rows[-1].set_title("ground truth, which no method is shown", fontsize=9, loc="left", pad=3)
    rows[-1].set_xlabel("time (s)")
    figure.suptitle(caption, fontsize=9)
    return figure


def _length(panel: Heat | Curves | Spans) -> int:
    """Snippets of an array; 0 of segments."""
    if isinstance(panel, Heat):
        return len(panel.values)
    return max(map(len, panel.values.values())) if isinstance(panel, Curves) else 0


def _draw_heat(axes: Axes, panel: Heat, timebase: Timebase) -> str:
    """Draws the strip; the range of its colours in words."""
    length, count = panel.values.shape
    low, high = float(panel.values.min()), float(panel.values.max())
    largest = max(-low, high)
    bounds = (-largest, largest) if panel.centred else (low, high)
    axes.imshow(
        panel.values.T,
        aspect="auto",
        interpolation="nearest",
        cmap="PuOr_r" if panel.centred else "cividis",
        vmin=bounds[0],
        vmax=bounds[1],
        extent=(0.0, float(timebase.seconds(float(length))), count - 0.5, -0.5),
    )
    axes.set_yticks(list(panel.named), list(panel.named.values()))
    colours = "orange to violet" if panel.centred else "blue to yellow"
    return f"{colours} is {bounds[0]:.2g} to {bounds[1]:.2g}"


def _draw_curves(axes: Axes, panel: Curves, timebase: Timebase) -> None:
    looks = zip(panel.values.items(), COLOURS, LINES, strict=False)
    for number, ((name, values), colour, line) in enumerate(looks):
        border = timebase.seconds(np.arange(len(values) + 1))
        axes.stairs(values, border, color=colour, ls=line, label=name, baseline=None)
        if panel.kept is not None and number == 0:
            shown = np.where(panel.kept, values, np.nan)
            axes.stairs(shown, border, color=FOUND, fill=True, alpha=0.6, label="kept")
    if panel.threshold is not None:
        axes.axhline(panel.threshold, color="black", ls="--", lw=0.8, label="threshold")
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)


def _draw_spans(axes: Axes, table: pd.DataFrame) -> None:
    best_first = table.sort_values("score", ascending=False, kind="stable")
    scores = best_first["score"].to_numpy()
    width = best_first["t_end"] - best_first["t_start"]
    share = (scores - scores.min(initial=0)) / (np.ptp(scores) or 1.0) if len(scores) else scores
    axes.barh(
        np.arange(len(table)),
        width,
        left=best_first["t_start"],
        height=0.85,
        color=plt.get_cmap("Oranges")(0.35 + 0.65 * share),
    )
    axes.set_ylim(max(len(table), 1) - 0.5, -0.5)
    axes.set_yticks([])


def _shade(axes: Axes, truth: pd.DataFrame) -> None:
    height = (0, 1)
    axes.broken_barh(
        _spans(truth), height, transform=axes.get_xaxis_transform(), color=TRUTH, alpha=0.15, lw=0
    )


def _spans(table: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(table["t_start"], table["t_end"] - table["t_start"], strict=True))


def best(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The segments with the highest scores, best first."""
    return table.sort_values("score", ascending=False, kind="stable").head(count)


def gradient_bars(norms: pd.DataFrame, caption: str) -> Figure:
    """How hard each term of a loss pulls at each part of a network, on a logarithmic axis.

    norms: one row per term, one column per part; a part without a gradient has no bar.
    """
    figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
    thickness = 0.8 / len(norms)
    for number, (term, values) in enumerate(norms.iterrows()):
        places = np.arange(norms.shape[1]) - 0.4 + thickness * (number + 0.5)
        axes.bar(places, values.where(values > 0), thickness, color=COLOURS[number], label=term)
    axes.set_xticks(range(norms.shape[1]), norms.columns)
    axes.set(yscale="log", ylabel="norm of the gradient")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def loss_curves(
    histories: Mapping[str, pd.DataFrame], caption: str, bounds: Mapping[str, float] | None = None
) -> Figure:
    """Each term of a loss over the epochs, as the record tells it: the mean over seeds, with a band
    of one standard deviation.

    bounds: term -> what it must fall below for the run to count as trained, a dotted line.
    """
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    for number, (term, history) in enumerate(histories.items()):
        epochs = history.index.to_numpy()
        mean = history.mean(axis=1).to_numpy()
        spread = history.std(axis=1, ddof=1).fillna(0).to_numpy()
        colour = COLOURS[number]
        axes.plot(
            epochs,
            mean,
            color=colour,
            ls=LINES[number % len(LINES)],
            marker=MARKERS[number],
            markersize=3,
            label=term,
        )
        axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
        if bounds and term in bounds:
            axes.axhline(bounds[term], color=colour, ls=":", lw=1.5, label=f"bound of {term}")
    axes.set(xlabel="epoch", ylabel="loss per video (nats)")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    figure.suptitle(f"{caption}\nmean over seeds, band ± 1 standard deviation", fontsize=9)
    return figure


def half_of(weights: Sequence[float] | Float[np.ndarray, " T"]) -> Bool[np.ndarray, " T"]:
    """The snippets that hold half of the weight together, the heaviest first."""
    weight = np.asarray(weights, dtype=float)
    order = np.argsort(-weight, kind="stable")
    before = np.cumsum(weight[order]) - weight[order]
    kept = np.zeros(len(weight), dtype=bool)
    kept[order[before < 0.5 * weight.sum()]] = True
    return kept
