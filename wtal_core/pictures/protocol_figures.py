"""Protocols in pictures.

Hand examples, mAP per tIoU and protocol, what each detail causes, the best of n seeds.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wtal_core.evaluation.hand_examples import HandExample
from wtal_core.evaluation.statistics import BestOf
from wtal_core.pictures.figures import COLOURS, FOUND, QUIET, TRUTH
from wtal_core.timebase import Timebase

MARKERS = ("o", "s", "^", "D", "v")
AVERAGE = "0.1:0.7"


def hand_figure(examples: Mapping[str, HandExample], caption: str) -> Figure:
    """Instances above the detections of each video, and mAP before and after a detail changes.

    One panel per detail.
    """
    columns = 3
    rows = -(-len(examples) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(12, 2.5 * rows + 0.6), layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(examples) :]:
        axes.set_axis_off()
    for axes, (name, example) in zip(panels.flat, examples.items(), strict=False):
        _draw_example(axes, example)
        before, after = example.scores()
        axes.set_title(
            f"{name}, at tIoU {example.tiou:g}\n{example.names[0]}: mAP {before:.0f} %    "
            f"{example.names[1]}: mAP {after:.0f} %",
            fontsize=9,
        )
        axes.set_xlabel("time (s)", fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def _draw_example(axes: Axes, example: HandExample) -> None:
    """Instances, ambiguous intervals, then detections, each with what it is on the left.

    One line per row; grey: snippets.
    """
    kinds = (
        ("instance", example.instances, TRUTH, None),
        ("ambiguous", example.ambiguous, "white", "////"),
        ("detection", example.detections, FOUND, None),
    )
    rows = [(kind, row, colour, hatch) for kind, listed, colour, hatch in kinds for row in listed]
    videos, labels = (
        {row[0] for _, row, _, _ in rows},
        {row[1] for _, row, _, _ in rows if row[1] != "Ambiguous"},
    )
    names = []
    for place, (kind, row, colour, hatch) in enumerate(rows):
        axes.barh(
            -place,
            row[3] - row[2],
            left=row[2],
            height=0.6,
            color=colour,
            hatch=hatch,
            edgecolor="#555555",
            lw=0.5,
        )
        extra = [f"video {row[0]}"] * (len(videos) > 1) + [row[1]] * (len(labels) > 1)
        names.append(", ".join([f"{kind} {row[4]:g}" if len(row) > 4 else kind, *extra]))
    axes.set_yticks(-np.arange(len(rows)), names, fontsize=8)
    axes.set(xlim=(0, 8.5), ylim=(0.5 - max(len(rows), 4), 0.5))
    if example.last.protocol.unit == "snippets":
        axes.set_xticks(Timebase().seconds(np.arange(14)), minor=True)
        axes.grid(axis="x", which="minor", color=QUIET, lw=0.8)
        axes.set_axisbelow(True)


def dots(table: pd.DataFrame, base: tuple[str, str], caption: str) -> Figure:
    """mAP in percent by tIoU (above), and its difference to one row of the table (below).

    One marker per protocol, filled for the first test list, open for the others. Protocols with
    equal numbers lie on each other.
    """
    lists, protocols = (table.index.get_level_values(level).unique() for level in (0, 1))
    columns = [name for name in table.columns if ":" not in name] + [AVERAGE]
    figure, panels = plt.subplots(2, figsize=(9, 6.6), sharex=True, layout="constrained")
    for axes, values in zip(
        panels, (table[columns], table[columns] - table.loc[base, columns]), strict=True
    ):
        for (name, protocol), row in values.iterrows():
            number, filled = protocols.get_loc(protocol), name == lists[0]
            shift = 0.13 * (number - (len(protocols) - 1) / 2) + 0.03 * (1 - 2 * filled)
            axes.plot(
                np.arange(len(columns)) + shift,
                row,
                MARKERS[number],
                color=COLOURS[number],
                ls="",
                markersize=6,
                markerfacecolor=COLOURS[number] if filled else "white",
                label=f"{protocol}, {name}",
            )
        axes.grid(axis="y", alpha=0.3)
        axes.axvline(len(columns) - 1.5, color=QUIET, lw=0.8)
    panels[0].set_ylabel("mAP (%)")
    panels[1].set_ylabel(f"mAP − mAP under\n{base[1]}, {base[0]} (points)")
    panels[1].axhline(0, color="black", lw=0.8)
    panels[1].set_xticks(range(len(columns)), [*columns[:-1], f"mean of\n{AVERAGE}"])
    panels[1].set_xlabel("tIoU threshold (no unit)")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside right center",
        fontsize=8,
        title="protocol, test list",
    )
    figure.suptitle(caption, fontsize=9)
    return figure


def waterfall(
    steps: pd.DataFrame, caption: str, columns: Sequence[str] = ("0.1", "0.5", "0.7", AVERAGE)
) -> Figure:
    """From the first row of a ladder to its last, one panel per column.

    One bar per detail, from the mAP before to the mAP after it.
    """
    figure, (panels,) = plt.subplots(
        1,
        len(columns),
        figsize=(12, 0.36 * len(steps) + 1.6),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    place = np.arange(len(steps))
    for axes, column in zip(panels, columns, strict=True):
        value = steps[column].to_numpy()
        change = np.diff(value)
        axes.barh(
            place[1:], change, left=value[:-1], color=np.where(change < 0, COLOURS[1], COLOURS[2])
        )
        axes.plot(value[[0, -1]], place[[0, -1]], "k|", markersize=12, mew=2)
        for y, x, points in zip(place[1:], value[1:], change, strict=True):
            axes.annotate(
                f"{points:+.2f}",
                (max(x, x - points), y),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        low, high = value.min(), value.max()
        axes.set_xlim(low - 0.1 * (high - low) - 0.05, high + 0.45 * (high - low) + 0.05)
        axes.set(xlabel="mAP (%)")
        axes.set_title(
            f"{'mean of tIoU' if ':' in column else 'tIoU'} {column}\n{value[0]:.2f} to "
            f"{value[-1]:.2f}",
            fontsize=9,
        )
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(place, steps.index)
    panels[0].invert_yaxis()
    figure.suptitle(caption, fontsize=9)
    return figure


def contribution_dots(
    points: pd.DataFrame, caption: str, columns: Sequence[str] = ("0.1", "0.5", "0.7", AVERAGE)
) -> Figure:
    """Points of mAP that each detail causes, one marker per way of counting.

    One panel per tIoU. points: see `contributions`.
    """
    ways, details = (points.index.get_level_values(level).unique() for level in (0, 1))
    figure, (panels,) = plt.subplots(
        1,
        len(columns),
        figsize=(12, 0.42 * len(details) + 1.8),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, column in zip(panels, columns, strict=True):
        for number, way in enumerate(ways):
            place = np.arange(len(details)) + 0.16 * (number - (len(ways) - 1) / 2)
            axes.plot(
                points.loc[way, column].reindex(details),
                place,
                MARKERS[number],
                color=COLOURS[number],
                ls="",
                markersize=5,
                label=way,
            )
        axes.axvline(0, color="black", lw=0.8)
        axes.set(
            xlabel="points of mAP", title=f"{'mean of tIoU' if ':' in column else 'tIoU'} {column}"
        )
        axes.title.set_fontsize(9)
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(details)), details)
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(ways),
        fontsize=8,
    )
    figure.suptitle(caption, fontsize=9)
    return figure


def inflation_figure(found: Mapping[str, Sequence[BestOf]], caption: str) -> Figure:
    """Points that the best of n runs is above their mean, with its interval.

    One line per name over n; dashed: normal theory.
    """
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for place, ((name, values), colour) in enumerate(zip(found.items(), COLOURS, strict=False)):
        count = np.array([best.n for best in values])
        height = np.array([best.inflation for best in values])
        bounds = np.array([best.interval or (best.inflation, best.inflation) for best in values])
        normal = np.array([best.normal for best in values], dtype=float)  # None: not drawn
        shift = 0.06 * place
        axes.errorbar(
            count + shift,
            height,
            np.maximum(np.abs(bounds - height[:, None]).T, 0),
            fmt="o-",
            color=colour,
            capsize=3,
            label=f"{name}: observed runs, 95 % bootstrap",
        )
        axes.plot(
            count + shift,
            normal,
            "--",
            color=colour,
            label=f"{name}: if runs were normal",
        )
    axes.set(
        xlabel="number of runs n of which the best is reported",
        ylabel="best of n − mean (points of mAP)",
        ylim=(0, None),
    )
    axes.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure
