"""Printed numbers: how far averages are from their columns, one method in several papers.

All numbers are reported ones; nothing in these figures was computed by running a method.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wtal_core.papers.audit import BOUND
from wtal_core.papers.printed_values import metric_name
from wtal_core.pictures.figures import COLOURS, QUIET

MARKERS = "osD^vP*X"
BIN = 0.02  # points of mAP: dots closer than this are stacked


def average_errors(averages: pd.DataFrame, caption: str) -> Figure:
    """Printed minus recomputed averages (points of mAP), one line of dots per source.

    Beyond the grey band is impossible.

    averages: of `paper_audit.averages`; only those whose columns are all printed are drawn.
    Impossible ones bear a name.
    """
    complete = averages.dropna(subset="recomputed")
    sources = list(dict.fromkeys(sorted(complete["source"])))
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.75 * len(sources)), layout="constrained")
    axes.axvspan(
        -BOUND, BOUND, color=QUIET, alpha=0.4, lw=0, label=f"rounding explains it (±{BOUND:g})"
    )
    for place, source in enumerate(sources):
        rows = complete[complete["source"] == source].sort_values("error", kind="stable")
        heights = place + 0.55 * _stacked(rows["error"])
        impossible = (rows["verdict"] == "impossible").to_numpy()
        for chosen, colour, label in (
            (~impossible, COLOURS[0], "possible"),
            (impossible, COLOURS[1], "impossible"),
        ):
            axes.plot(
                rows["error"][chosen],
                heights[chosen],
                "o",
                color=colour,
                markersize=4,
                label=None if place else label,
            )
        _name(axes, rows[impossible], heights[impossible])
    axes.set_yticks(
        range(len(sources)), [f"{s} ({(complete['source'] == s).sum()})" for s in sources]
    )
    axes.set(
        xlabel="printed average − mean of the printed columns (points of mAP)",
        ylabel="source (averages checked)",
        ylim=(-0.5, len(sources)),
    )
    return _finished(figure, caption)


def one_method(found: pd.DataFrame, sources: list[str], caption: str) -> Figure:
    """One line per method and metric, one dot per source that prints it.

    The spread along the line is the contradiction.

    found: rows of `paper_contradictions.between`, drawn from the largest difference down. sources:
    its columns to draw.
    """
    figure, axes = plt.subplots(figsize=(10, 1.4 + 0.42 * len(found)), layout="constrained")
    places = -np.arange(len(found))
    axes.hlines(places, found["lowest"], found["highest"], color=QUIET, lw=3)
    offsets = np.linspace(0.22, -0.22, len(sources))
    for source, offset, marker, colour in zip(sources, offsets, MARKERS, COLOURS, strict=False):
        axes.plot(found[source], places + offset, marker, color=colour, markersize=6, label=source)
    names = [f"{row.method}, {metric_name(row.metric)}" for row in found.itertuples()]
    axes.set_yticks(places, names)
    axes.set(xlabel="printed mAP (%)", ylabel="method, metric", ylim=(places[-1] - 0.6, 0.6))
    return _finished(figure, caption)


def sizes(groups: Mapping[str, pd.Series], caption: str) -> Figure:
    """Absolute sizes (points of mAP) as dots, one line per group, with the median as a bar."""
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.75 * len(groups)), layout="constrained")
    for place, values in enumerate(reversed(list(groups.values()))):
        ordered = values.abs().sort_values(kind="stable")
        axes.plot(
            ordered,
            place + 0.1 + 0.5 * _stacked(ordered, 0.1),
            "o",
            color=COLOURS[0],
            markersize=4,
            label=None if place else "one printed number",
        )
        axes.plot(
            [ordered.median()] * 2,
            [place - 0.15, place + 0.6],
            color=COLOURS[1],
            lw=2,
            label=None if place else "median",
        )
    axes.set_yticks(
        np.arange(len(groups)) + 0.2,
        [f"{name} ({len(values)})" for name, values in reversed(list(groups.items()))],
    )
    axes.set(
        xlabel="size (points of mAP)",
        ylabel="what (how many)",
        ylim=(-0.4, len(groups)),
        xlim=(-0.1, None),
    )
    return _finished(figure, caption)


def _stacked(values: pd.Series, width: float = BIN) -> np.ndarray:
    """Heights from 0 to at most 1 that pile up values of one bin. values: sorted."""
    bins = pd.Series(np.round(values.to_numpy() / width))
    below = bins.groupby(bins).cumcount().to_numpy()
    return below / max(8, below.max(initial=0))


def _name(axes: plt.Axes, rows: pd.DataFrame, heights: np.ndarray) -> None:
    """Names beside the dots, those of one row together."""
    named = (
        rows.assign(height=heights)
        .groupby("method", sort=False)
        .agg(x=("error", "mean"), height=("height", "max"))
    )
    for method, place in named.iterrows():
        axes.annotate(
            method,
            (place["x"], place["height"]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )


def _finished(figure: Figure, caption: str) -> Figure:
    figure.suptitle(caption, fontsize=9)
    figure.axes[0].grid(axis="x", alpha=0.3)
    figure.legend(fontsize=8, loc="outside lower center", ncols=5)
    return figure
