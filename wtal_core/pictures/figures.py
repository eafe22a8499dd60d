"""Figures.

Each takes plain numbers and returns a matplotlib Figure; `save_figure` writes it, the same bytes
every time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wtal_core.pictures.saved import Picture, png_of, write_picture
from wtal_core.report.artifacts import refresh_page
from wtal_core.timebase import Timebase

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)  # safe for colour-blind readers
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # beside the colour: for print, and for every eye
LINE_STYLES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
DOTS_PER_INCH = 100
TRUTH, FOUND, QUIET = "#009e73", "#d55e00", "#bbbbbb"


def png(figure: Figure) -> bytes:
    """The figure as PNG, the same bytes every time; the figure is closed."""
    drawn = png_of(figure, DOTS_PER_INCH)
    plt.close(figure)
    return drawn


def plain_png(draw: Callable[[], Figure]) -> bytes:
    """What `draw` draws as PNG, its texts taken literally.

    Names of methods, classes and videos may hold a "$".
    """
    with plt.rc_context({"text.parse_math": False}):
        return png(draw())


def save_figure(figure: Figure, path: Path) -> Picture:
    """Write a PNG without a date in it, an SVG beside it where that is small, and link both on
    their artifact's page, if there is one.

    Returns what a notebook shows: the picture with its alternative text. The figure is closed.
    """
    drawn = write_picture(figure, path)
    refresh_page(path)
    return drawn


@dataclass(frozen=True)
class BarLayout:
    """How bars stand. Lengths are in units of the distance between two rows.

    lying: the first row on top, for names too long to stand side by side. thickness: of a bar.
    reach: of the line of a printed number, to either side of its row.
    """

    lying: bool
    thickness: float
    reach: float


BAR_LAYOUTS = {
    "slanted": BarLayout(lying=False, thickness=0.8, reach=0.4),
    "upright": BarLayout(lying=False, thickness=0.6, reach=0.4),
    "lying": BarLayout(lying=True, thickness=0.75, reach=0.45),
}


def bars(
    values: Mapping[str, pd.Series],
    reported: Mapping[str, float | None],
    caption: str,
    label: str = "average mAP (%)",
    source: str = "paper, on THUMOS14",
    *,
    layout: str = "slanted",
    what: str = "here, mean over seeds",
    references: Mapping[str, float] | None = None,
    top: float | None = None,
    together: bool = False,
) -> Figure:
    """Mean of each row as a bar, where there are several values each as a dot; in a panel of its
    own what the paper prints.

    label: of the axis of values, which ends at `top`. reported: row -> what `source` prints of it.
    together: both in one panel, for numbers of the same data. references: name -> a number to
    compare all rows with, a dashed line across. what: the bars' name in the legend. layout: a key
    of `BAR_LAYOUTS`, by the names of the rows: "slanted" writes them at an angle, "upright" on
    several lines.
    """
    form = BAR_LAYOUTS[layout]
    places = [-number if form.lying else number for number in range(len(values))]
    printed = {
        place: number
        for place, name in zip(places, values, strict=True)
        if (number := reported.get(name)) is not None
    }
    figure, axes, of_paper = _bar_panels(layout, list(values), bool(printed) and not together)
    means = [row.mean() for row in values.values()]
    draw_bars = axes.barh if form.lying else axes.bar
    draw_bars(places, means, form.thickness, color=COLOURS[5], label=what)
    for place, row in zip(places, values.values(), strict=True):
        if len(row) > 1:
            _one_dot_per_value(axes, place, row, form)
    draw_line = of_paper.vlines if form.lying else of_paper.hlines
    for place, number in printed.items():
        ends = (place - form.reach, place + form.reach)
        draw_line(number, *ends, color=COLOURS[1], lw=2, label=source)
    draw_across = axes.axvline if form.lying else axes.axhline
    for (name, value), colour in zip((references or {}).items(), COLOURS[2:5], strict=False):
        draw_across(value, color=colour, ls="--", lw=1.5, label=f"{name}: {value:.1f}")
    for panel in {axes, of_paper}:
        _label_bars(panel, label if panel is axes else f"{source} (%)", form)
    axes.set(**{"xlim" if form.lying else "ylim": (0, top)})
    if form.lying:
        axes.set_yticks(places, list(values))
    else:
        _name_standing_bars(figure.axes[-1], list(values), layout)
    figure.suptitle(caption, fontsize=9)
    if layout == "upright":
        _legend_of(figure, figure.axes, "outside right center", columns=1)
    else:
        _legend_of(figure, figure.axes)
    return figure


def _bar_panels(layout: str, names: list[str], apart: bool) -> tuple[Figure, Axes, Axes]:
    """The figure, the panel of the bars, and that of the printed numbers, which may be the same."""
    width, height = _bars_size(layout, names)
    if not apart:
        figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
        return figure, axes, axes
    if BAR_LAYOUTS[layout].lying:
        figure, (axes, of_paper) = plt.subplots(
            1,
            2,
            figsize=(width + 2, height),
            sharey=True,
            width_ratios=(3, 1),
            layout="constrained",
        )
    else:
        figure, (axes, of_paper) = plt.subplots(
            2,
            1,
            figsize=(width, height + 1.4),
            sharex=True,
            height_ratios=(3, 1.2),
            layout="constrained",
        )
    return figure, axes, of_paper


def _label_bars(axes: Axes, label: str, form: BarLayout) -> None:
    """The axis of values."""
    if form.lying:
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.3)
    else:
        axes.set_ylabel(label)
        axes.grid(axis="y", alpha=0.3)


def _bars_size(layout: str, names: list[str]) -> tuple[float, float]:
    """Width and height in inches: names decide how much room the rows need."""
    if layout == "lying":
        return 9.0, 0.36 * len(names) + 1.6
    if layout == "upright":
        return max(7.5, 1.1 * len(names) + 4), 3.8
    longest = max(map(len, names), default=0)
    room_for_long_names = max(0.0, 0.08 * (longest - 25))
    return max(8.0, 0.55 * len(names) + 2), 4 + room_for_long_names


def _one_dot_per_value(axes: Axes, place: int, row: pd.Series, form: BarLayout) -> None:
    beside = np.full(len(row), place)
    points = (row, beside) if form.lying else (beside, row)
    axes.plot(*points, ".", color=COLOURS[6], markersize=5, label="one seed")


def _name_standing_bars(axes: Axes, names: list[str], layout: str) -> None:
    if layout == "upright":
        axes.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    else:
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right")


def unit_range(sequence: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """0 at its lowest value, 1 at its highest; 0 everywhere if they are equal."""
    if not len(sequence):
        return sequence
    return (sequence - sequence.min()) / (np.ptp(sequence) or 1.0)


def lines(
    table: Mapping[str, pd.DataFrame],
    xlabel: str,
    caption: str,
    ylabel: str = "average mAP (%)",
    ticks: Sequence[str] | None = None,
    every_seed: bool = False,
) -> Figure:
    """One line per name: the mean over seeds, with a band of one standard deviation.

    table: name -> a DataFrame with one row per x value and one column per seed. every_seed: the
    median, and a thin line per seed, where some seeds go another way: a band would say that all lie
    between.
    """
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    draw, how = _band, "mean over seeds, band ± 1 standard deviation"
    if every_seed:
        draw, how = _seeds, "median over seeds, a thin line per seed"
    for number, (name, values) in enumerate(table.items()):
        places = np.arange(len(values)) if ticks is not None else values.index.to_numpy()
        draw(axes, places, values, number, name)
    if ticks is not None:
        axes.set_xticks(range(len(ticks)), ticks, rotation=20)
    return _finish(figure, axes, f"{caption}\n{how}", xlabel, ylabel)


def sweeps(
    panels: Mapping[str, Mapping[str, pd.DataFrame]],
    reported: Mapping[str, pd.Series],
    caption: str,
    ylabel: str = "average mAP (%)",
    source: str = "paper, on THUMOS14",
    *,
    references: Mapping[str, float] | None = None,
    together: bool = False,
) -> Figure:
    """One panel per parameter: lines as in `lines` against its values, and below it the paper's.

    The values are evenly spaced, and the panel is named as its axis.

    reported: parameter -> the paper's numbers by the same values. source: what their line is
    called. together: both in one panel, for numbers of the same data. references: see `bars`. The
    panels of a row share one y axis, which need not begin at 0.
    """
    rows = 1 if together else 2
    figure, grid = plt.subplots(
        rows,
        len(panels),
        figsize=(max(6.0, 3.2 * len(panels)), 4 if together else 5.6),
        sharey="row",
        sharex="col",
        squeeze=False,
        height_ratios=(3, 1.4)[:rows],
        layout="constrained",
    )
    for axes, of_paper, (parameter, table) in zip(grid[0], grid[-1], panels.items(), strict=True):
        places = [f"{value:g}" for value in next(iter(table.values())).index]
        for number, (name, values) in enumerate(table.items()):
            _band(axes, places, values, 2 * number, name)
        for (name, level), colour in zip((references or {}).items(), COLOURS[3:5], strict=False):
            axes.axhline(level, color=colour, ls="--", lw=1.2, label=f"{name}: {level:.1f}")
        paper = reported[parameter]
        of_paper.plot(
            [f"{value:g}" for value in paper.index],
            paper,
            "s--",
            color=COLOURS[1],
            markersize=4,
            label=source,
        )
        of_paper.set_xlabel(parameter)
        of_paper.tick_params(axis="x", labelrotation=45 if len(places) > 7 else 0)
        for panel in (axes, of_paper):
            panel.grid(axis="y", alpha=0.3)
    grid[0, 0].set_ylabel(ylabel)
    if not together:
        grid[1, 0].set_ylabel(f"{source.split(',')[0]} (%)")
    figure.suptitle(
        f"{caption}\nmean over seeds, band ± 1 standard deviation; the y axis need not begin at 0",
        fontsize=9,
    )
    _legend_of(figure, grid.ravel())
    return figure


def heat_maps(
    table: Mapping[str, pd.DataFrame], caption: str, label: str = "average mAP (%)"
) -> Figure:
    """One panel per name, one cell per pair of values: the mean over seeds, and below it one
    standard deviation. The panels share one scale of colours.

    table: name -> a DataFrame with one row per pair and one column per seed. Its index has two
    named levels: the values upwards, and those to the right. Numbers
    are in their order, names in that of the rows.
    """
    means = {name: values.mean(axis=1) for name, values in table.items()}
    lowest = min(mean.min() for mean in means.values())
    highest = max(mean.max() for mean in means.values())
    tallest = max(values.index.unique(0).size for values in table.values())
    size = (4.2 * len(table) + 1, max(4.4, 0.55 * tallest + 1.5))
    figure, row = plt.subplots(1, len(table), figsize=size, squeeze=False, layout="constrained")
    for axes, (name, values) in zip(row[0], table.items(), strict=True):
        mean = _wide(means[name])
        deviation = _wide(values.std(axis=1))
        image = axes.imshow(
            mean, cmap="viridis", vmin=lowest, vmax=highest, origin="lower", aspect="auto"
        )
        for (y, x), height in np.ndenumerate(mean.to_numpy()):
            bright = height > (lowest + highest) / 2
            spread = f"\n± {deviation.iat[y, x]:.1f}" if values.shape[1] > 1 else ""
            colour = "black" if bright else "white"
            axes.text(x, y, f"{height:.1f}{spread}", ha="center", va="center", color=colour, size=8)
        axes.set_xticks(range(mean.shape[1]), _labels(mean.columns))
        axes.set_yticks(range(mean.shape[0]), _labels(mean.index))
        axes.set(title=name, xlabel=mean.columns.name, ylabel=mean.index.name)
        if isinstance(mean.index[0], str):
            axes.invert_yaxis()  # names are read from above, as in a table
    figure.colorbar(image, ax=row[0], label=label, shrink=0.85)
    figure.suptitle(f"{caption}\nmean ± one standard deviation over seeds", fontsize=9)
    return figure


def _wide(values: pd.Series) -> pd.DataFrame:
    """Numbers in their order, names in that of the rows."""
    named = any(isinstance(value, str) for value in values.index.get_level_values(0))
    return values.unstack(sort=not named)


def _labels(values: pd.Index) -> list[str]:
    return [value if isinstance(value, str) else f"{value:g}" for value in values]


def timeline(
    rows: Mapping[str, np.ndarray | Mapping[str, np.ndarray] | None],
    truth: pd.DataFrame,
    detections: Mapping[str, pd.DataFrame],
    timebase: Timebase,
    caption: str,
    limits: Mapping[str, float] | None = None,
) -> Figure:
    """One video against time: signals over the shaded ground truth, and detections by name.

    rows: one panel per signal `[T]`; of several signals by name, all in one panel; None is an empty
    panel that only says its name. truth, detections: tables with `t_start, t_end` in seconds; the
    truth is drawn once, as shading. limits: panel -> value drawn as a dashed line.
    """
    lanes = [1.0] * len(rows)
    if detections:
        lanes.append(0.3 + 0.3 * len(detections))
    figure, grid = plt.subplots(
        len(lanes),
        figsize=(10, 1.25 * sum(lanes) + 0.9),
        sharex=True,
        squeeze=False,
        layout="constrained",
        height_ratios=lanes,
    )
    panels = grid[:, 0]
    for axes, (name, signal) in zip(panels, rows.items(), strict=False):
        _shade(axes, truth, "ground truth")
        axes.set_title(name, loc="left", fontsize=8, pad=3)
        if signal is None:
            axes.set_yticks([])
            continue
        _draw_signals(axes, signal, timebase)
        if limits and name in limits:
            label = f"threshold {limits[name]:.3f}"
            axes.axhline(limits[name], color=COLOURS[6], ls="--", lw=0.8, label=label)
    if detections:
        _shade(panels[-1], truth, "ground truth")
        lanes_of_segments(panels[-1], detections)
    panels[-1].set_xlabel("time (s)")
    figure.suptitle(fill(caption, 130), fontsize=9)
    _legend_of(figure, panels, columns=4)
    return figure


def _draw_signals(
    axes: Axes, signal: np.ndarray | Mapping[str, np.ndarray], timebase: Timebase
) -> None:
    """One signal, or several over one another, told apart by colour and stroke."""
    named = signal if isinstance(signal, Mapping) else {"": signal}
    for number, (name, values) in enumerate(named.items()):
        axes.stairs(
            values,
            timebase.seconds(np.arange(len(values) + 1)),
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINE_STYLES[number % len(LINE_STYLES)],
            label=name or None,
            baseline=None,
        )


def barcode(axes: Axes, truth: pd.DataFrame, detections: Mapping[str, pd.DataFrame]) -> None:
    """Ground truth and detections as bars on rows of their own."""
    lanes_of_segments(axes, {"ground truth": truth, **detections}, (TRUTH,))


def lanes_of_segments(
    axes: Axes, segments: Mapping[str, pd.DataFrame], first_colours: Sequence[str] = ()
) -> None:
    """Segments as bars, one lane per name, translucent where they overlap.

    first_colours: of the first lanes; the others have the colour of detections.
    """
    for place, table in enumerate(segments.values()):
        spans = np.column_stack([table["t_start"], table["t_end"] - table["t_start"]])
        colour = first_colours[place] if place < len(first_colours) else FOUND
        axes.broken_barh(spans.tolist(), (-place - 0.4, 0.8), color=colour, alpha=0.6, lw=0)
    axes.set_yticks(range(1 - len(segments), 1), list(segments)[::-1], fontsize=8)
    axes.set_ylim(0.4 - len(segments), 0.6)


def scatter(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], caption: str) -> Figure:
    """Points `[N, 2]` and whether each is foreground `[N]`, one panel per name (Fig. 8)."""
    figure, axes_row = plt.subplots(
        1, len(panels), figsize=(5 * len(panels), 4.6), layout="constrained", squeeze=False
    )
    for axes, (name, (points, inside)) in zip(axes_row[0], panels.items(), strict=True):
        for mask, colour, label in (
            (~inside, QUIET, "background snippet"),
            (inside, FOUND, "foreground snippet"),
        ):
            axes.plot(*points[mask].T, ".", color=colour, markersize=3, label=label)
        axes.set(title=name, xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
        axes.legend(markerscale=3, fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def _band(
    axes: Axes, x: np.ndarray | list[str], values: pd.DataFrame, number: int, name: str | None
) -> None:
    """Mean and one standard deviation over the columns of values; one column has no band.

    number: of the line, which chooses its colour, marker and stroke.
    """
    mean, spread = values.mean(axis=1).to_numpy(), values.std(axis=1, ddof=1).fillna(0).to_numpy()
    colour = _marked(axes, x, mean, number, name)
    axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)


def _seeds(
    axes: Axes, x: np.ndarray | list[str], values: pd.DataFrame, number: int, name: str | None
) -> None:
    """The median over the columns of values, and each of them. number: see `_band`."""
    colour = _marked(axes, x, values.median(axis=1).to_numpy(), number, name)
    axes.plot(x, values.to_numpy(), color=colour, alpha=0.35, lw=0.6)


def _marked(
    axes: Axes, x: np.ndarray | list[str], y: np.ndarray, number: int, name: str | None
) -> str:
    """A line with markers; its colour."""
    place = number % len(COLOURS)
    axes.plot(
        x,
        y,
        color=COLOURS[place],
        marker=MARKERS[place],
        linestyle=LINE_STYLES[place],
        label=name,
        markersize=4,
    )
    return COLOURS[place]


def _shade(axes: Axes, truth: pd.DataFrame, label: str | None) -> None:
    for number, (start, end) in enumerate(zip(truth["t_start"], truth["t_end"], strict=True)):
        axes.axvspan(
            start, end, color=TRUTH, alpha=0.15, lw=0, label=label if number == 0 else None
        )


def _legend_of(
    figure: Figure,
    panels: Sequence[Axes] | np.ndarray,
    place: Literal["outside lower center", "outside right center"] = "outside lower center",
    columns: int = 3,
) -> None:
    """One legend beside the panels that names each thing once."""
    handles = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    figure.legend(list(handles.values()), list(handles), fontsize=8, loc=place, ncols=columns)


def _finish(figure: Figure, axes: Axes, caption: str, xlabel: str, ylabel: str) -> Figure:
    """From 0 upwards; with a line at 0 where a drawn value lies below it."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if any((np.asarray(line.get_ydata()) < 0).any() for line in axes.lines):
        axes.axhline(0, color="0.4", lw=0.8, zorder=1)
    else:
        axes.set_ylim(0, None)
    figure.suptitle(caption, fontsize=9)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=8, loc="outside lower center", ncols=3)
    return figure
