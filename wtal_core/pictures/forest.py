"""Paired differences of many comparisons at once, one line each, one panel per data set."""

from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wtal_core.pictures.figures import COLOURS, QUIET
from wtal_core.report.findings import Judged

INCHES_PER_LINE = 0.2
LONGEST = 70  # characters of a line's name
COLOUR_OF = {
    "holds": COLOURS[2],
    "reversed": COLOURS[3],
    "no difference": COLOURS[0],
    "cannot tell": "#777777",
    "not trained": QUIET,
}


def forests(judged: Sequence[Judged]) -> Iterator[tuple[str, Figure]]:
    """(paper, its forest plot) of each paper, of what the paper itself says."""
    for paper in dict.fromkeys(one.paper for one in judged):
        of_paper = [one for one in judged if one.paper == paper and one.is_papers]
        if of_paper:
            caption = f"{paper}: paired differences here, and the paper's on its own data"
            yield paper, forest(of_paper, caption)


def forest(judged: Sequence[Judged], caption: str) -> Figure:
    """One row per comparison, one panel per data set: the mean paired difference with its 95 %
    interval, in points, coloured by verdict, and the paper's difference as a tick.
    """
    datasets = sorted({one.dataset for one in judged})
    names = list(dict.fromkeys(map(_name, judged)))
    place = {name: -number for number, name in enumerate(names)}
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
        axes.set_xlabel(f"difference on {dataset} (points)")
    row[0, 0].set_yticks(list(place.values()), names, fontsize=7)
    row[0, 0].set_ylim(min(place.values()) - 1, 1)
    figure.suptitle(caption, fontsize=9)
    figure.legend(handles=_handles(), fontsize=8, loc="outside lower center", ncols=6)
    return figure


def _name(one: Judged) -> str:
    text = f"{one.artifact}: {one.comparison}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _line(axes: Axes, place: int, one: Judged) -> None:
    colour = COLOUR_OF[one.verdict]
    if one.interval is not None:
        axes.plot(one.interval, (place, place), "-", color=colour, lw=1.5)
    if one.here is not None:
        hollow = one.verdict == "not trained"
        face = "none" if hollow else colour
        axes.plot(one.here, place, "o", color=colour, markerfacecolor=face, markersize=4)
    if one.printed is not None:
        axes.plot(one.printed, place, "|", color=COLOURS[1], markersize=9, markeredgewidth=2)


def _handles() -> list[Line2D]:
    lines = [
        Line2D([], [], marker="o", color=colour, markersize=4, label=verdict)
        for verdict, colour in COLOUR_OF.items()
    ]
    tick = Line2D([], [], marker="|", color=COLOURS[1], ls="", markeredgewidth=2, label="paper")
    return [*lines, tick]
