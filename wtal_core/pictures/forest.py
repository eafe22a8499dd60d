"""Paired differences of many comparisons at once, one line each, one panel per data set."""

from collections.abc import Iterator, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wtal_core.data.manifests import dataset_names, load_manifest
from wtal_core.pictures.figures import COLOURS, QUIET
from wtal_core.report.findings import Judged, judged_of, paper_name

INCHES_PER_LINE = 0.24
GAP = 1.2  # lines above a heading
LONGEST = 70  # characters of a name in one line
COLOUR_OF = {
    "holds": COLOURS[2],
    "reversed": COLOURS[3],
    "no difference": COLOURS[0],
    "cannot tell": "#777777",
    "not trained": QUIET,
}
MARKER_OF = {  # beside the colour, for print and for every eye
    "holds": "o",
    "reversed": "X",
    "no difference": "s",
    "cannot tell": "D",
    "not trained": "o",
}


def forests(judged: Sequence[Judged]) -> Iterator[tuple[str, Figure]]:
    """(paper, its forest plot) of each paper, of what the paper itself says."""
    for paper in dict.fromkeys(one.paper for one in judged):
        of_paper = [one for one in judged if one.paper == paper and one.is_papers]
        if of_paper:
            name = paper_name(paper)
            caption = f"{name}: paired differences here, and the paper's on its own data"
            yield paper, forest(of_paper, caption)


def forest(judged: Sequence[Judged], caption: str) -> Figure:
    """One row per comparison, one panel per data set: the mean paired difference with its 95 %
    interval, in points, coloured by verdict, and the paper's difference as a tick.
    """
    datasets = sorted({one.dataset for one in judged})
    names = list(dict.fromkeys(map(_name, judged)))
    place = {name: -float(number) for number, name in enumerate(names)}
    figure, row = plt.subplots(
        1,
        len(datasets),
        figsize=(5.5 + 3.2 * len(datasets), INCHES_PER_LINE * len(names) + 1.8),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, dataset in zip(row[0], datasets, strict=True):
        for one in judged:
            if one.dataset == dataset:
                _line(axes, place[_name(one)], one)
        axes.axvline(0, color="black", lw=0.8)
        axes.grid(axis="x", alpha=0.3)
        title = load_manifest(dataset).title if dataset in dataset_names() else dataset
        axes.set_title(fill(title, 36), fontsize=9)
        axes.set_xlabel("difference (points)")
    row[0, 0].set_yticks(list(place.values()), names, fontsize=7)
    row[0, 0].set_ylim(min(place.values()) - 1, 1)
    figure.suptitle(caption, fontsize=9)
    figure.legend(handles=_handles(), fontsize=8, loc="outside lower center", ncols=6)
    return figure


def of_judged(judged: pd.DataFrame, caption: str, source: str) -> Figure:
    """The forest plot of one table of `messages.judge`, its comparisons in groups by claim.

    source: what the paper's differences are called, such as "paper, on THUMOS14".
    """
    lines = judged_of(judged)
    headings, rows = _heights(lines)
    heights = [*headings.values(), *rows]
    names = [fill(text, LONGEST) for text in [*headings, *(line.comparison for line in lines)]]
    lowest = min(heights, default=0.0)
    figure, axes = plt.subplots(
        figsize=(9.5, INCHES_PER_LINE * -lowest + 1.7), layout="constrained"
    )
    for height, line in zip(rows, lines, strict=True):
        _line(axes, height, line)
    axes.axvline(0, color="black", lw=0.8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_yticks(heights, names, fontsize=8)
    for label in axes.get_yticklabels()[: len(headings)]:
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(lowest - 0.7, 0.7)
    axes.set_xlabel("difference (points), with its 95 % interval, paired by seed")
    figure.suptitle(fill(caption, 120), fontsize=9)
    printed = any(line.printed is not None for line in lines)
    handles = _handles(source, {line.verdict for line in lines}, printed)
    figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=6)
    return figure


def _heights(lines: Sequence[Judged]) -> tuple[dict[str, float], list[float]]:
    """From 0 downwards: claim -> the height of its heading, and that of each comparison."""
    headings: dict[str, float] = {}
    rows: list[float] = []
    height = 0.0
    for line in lines:
        if line.claim not in headings:
            height -= GAP if headings else 0.0
            headings[line.claim] = height
        height -= 1.0
        rows.append(height)
    return headings, rows


def _name(one: Judged) -> str:
    return fill(f"{one.artifact}: {one.comparison}", LONGEST)


def _line(axes: Axes, place: float, one: Judged) -> None:
    colour = COLOUR_OF[one.verdict]
    if one.interval is not None:
        axes.plot(one.interval, (place, place), "-", color=colour, lw=1.5)
    if one.here is not None:
        hollow = one.verdict == "not trained"
        face = "none" if hollow else colour
        marker = MARKER_OF[one.verdict]
        axes.plot(one.here, place, marker, color=colour, markerfacecolor=face, markersize=5)
    if one.printed is not None:
        axes.plot(one.printed, place, "|", color=COLOURS[1], markersize=9, markeredgewidth=2)


def _handles(
    source: str = "paper", verdicts: set[str] | None = None, printed: bool = True
) -> list[Line2D]:
    """The legend. verdicts: those that are drawn; None for all."""
    lines = [
        Line2D(
            [],
            [],
            marker=MARKER_OF[verdict],
            color=colour,
            markerfacecolor="none" if verdict == "not trained" else colour,
            markersize=5,
            label=verdict,
        )
        for verdict, colour in COLOUR_OF.items()
        if verdicts is None or verdict in verdicts
    ]
    tick = Line2D([], [], marker="|", color=COLOURS[1], ls="", markeredgewidth=2, label=source)
    return [*lines, tick] if printed else lines
