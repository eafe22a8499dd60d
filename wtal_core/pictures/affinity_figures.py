"""How alike the snippets of a video are, in pictures and numbers.

For any embedding; the choice of snippets uses no trained network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside
from wtal_core.pictures.figures import COLOURS, FOUND
from wtal_core.timebase import Timebase

ACTION, BACKGROUND = FOUND, COLOURS[0]


@dataclass(frozen=True)
class Neighbourhood:
    """How alike a snippet is to those around it.

    offset: -W to W; similarity: cosines, NaN beyond the video's ends; same: which of them are of
    its own kind (both in an instance of any class, or neither); snippet: its number.
    """

    name: str
    snippet: int
    action: bool
    offset: Int[np.ndarray, " N"]
    similarity: Float[np.ndarray, " N"]
    same: Bool[np.ndarray, " N"]


def examples(dataset: Dataset, video: str, count: int) -> list[tuple[str, int]]:
    """(name, snippet) in the middle of the `count` longest runs of action, and of background.

    They are chosen by length alone.
    """
    kind = inside(dataset, video)
    borders = np.concatenate(([0], np.flatnonzero(kind[1:] != kind[:-1]) + 1, [len(kind)]))
    runs = sorted(
        zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True),
        key=lambda run: run[0] - run[1],
    )
    found = []
    for wanted, name in ((True, "action"), (False, "background")):
        chosen = [run for run in runs if run[1] > run[0] and bool(kind[run[0]]) == wanted][:count]
        found += [
            (f"{name} {number + 1}", (begin + end) // 2)
            for number, (begin, end) in enumerate(chosen)
        ]
    return found


def neighbourhood(
    name: str,
    embedding: Float[np.ndarray, "T E"],
    kind: Bool[np.ndarray, " T"],
    snippet: int,
    window: int,
) -> Neighbourhood:
    """Cosines of one snippet's embedding with those of the snippets up to `window` away.

    kind: in an instance or not.
    """
    offset = np.arange(-window, window + 1)
    place = np.clip(snippet + offset, 0, len(embedding) - 1)
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    beyond = place != snippet + offset
    return Neighbourhood(
        name,
        snippet,
        bool(kind[snippet]),
        offset,
        np.where(beyond, np.nan, unit[place] @ unit[snippet]),
        (kind[place] == kind[snippet]) & ~beyond,
    )


def mean_similarity(one: Neighbourhood, same: bool) -> float:
    """With the neighbours of its own or of the other kind, itself left out; NaN without any."""
    chosen = (one.same == same) & (one.offset != 0) & ~np.isnan(one.similarity)
    return float(one.similarity[chosen].mean()) if chosen.any() else float("nan")


def affinity_figure(shown: Sequence[Neighbourhood], timebase: Timebase, caption: str) -> Figure:
    """The similarity of each snippet to its neighbours, one panel per snippet.

    Filled bars are neighbours of its own kind, hollow ones are not.
    """
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(4.6 * columns + 1.5, 2.3 * rows + 1),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, one in zip(panels.flat, shown, strict=False):
        colour = ACTION if one.action else BACKGROUND
        axes.bar(
            one.offset,
            np.nan_to_num(one.similarity),
            color=[colour if same else "white" for same in one.same],
            edgecolor=colour,
        )
        axes.axhline(0, color=COLOURS[6], lw=0.6)
        axes.set_title(f"{one.name}, at {timebase.seconds(one.snippet + 0.5):.1f} s", fontsize=8)
    for axes in panels.flat[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xticks(shown[0].offset[::2])
        axes.set_xlabel("neighbour, snippets away")
    for axes in panels[:, 0]:
        axes.set_ylabel("similarity (cosine)")
    handles = [
        Patch(color=ACTION, label="snippet in action"),
        Patch(color=BACKGROUND, label="snippet in background"),
        Patch(facecolor="white", edgecolor="black", label="neighbour of the other kind"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def distance_figure(panels: Mapping[str, Mapping[str, pd.DataFrame]], caption: str) -> Figure:
    """Mean similarity against the distance of two snippets.

    One panel per network, one line per kind of pair, the second one dashed.

    Each line: one row per distance, one column per seed, drawn as mean and one standard deviation.
    """
    figure, row = plt.subplots(
        1,
        len(panels),
        figsize=(4.6 * len(panels), 3.6),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, lines) in zip(row[0], panels.items(), strict=True):
        for (kind, values), colour, look in zip(
            lines.items(), (COLOURS[0], COLOURS[1]), ("o-", "s--"), strict=True
        ):
            mean, spread = values.mean(axis=1), values.std(axis=1).fillna(0)
            axes.plot(values.index, mean, look, color=colour, markersize=4, label=kind)
            axes.fill_between(
                values.index, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0
            )
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("distance of the two snippets (snippets)")
        axes.grid(axis="y", alpha=0.3)
    row[0, 0].set_ylabel("mean similarity (cosine)")
    row[0, 0].set_ylim(min(0.0, row[0, 0].get_ylim()[0]), 1.05)
    figure.legend(
        *row[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8
    )
    figure.suptitle(f"{caption}\nmean over seeds, band ± 1 standard deviation", fontsize=9)
    return figure


def group_map(
    groups: Mapping[str, Int[np.ndarray, "h D"]], names: Sequence[str], caption: str
) -> Figure:
    """Which neighbour's similarity scales which input channel under which tap.

    One panel per layout, one colour per neighbour.
    """
    figure, panels = plt.subplots(
        len(groups),
        figsize=(9, 1.5 * len(groups) + 0.9),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    colours = COLOURS[: len(names)]
    for axes, (name, values) in zip(panels[:, 0], groups.items(), strict=True):
        axes.imshow(
            values,
            aspect="auto",
            interpolation="nearest",
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=len(names) - 0.5,
        )
        axes.set_yticks(range(len(values)), [f"tap {tap}" for tap in names])
        axes.set_title(name, fontsize=8, loc="left")
    panels[-1, 0].set_xlabel("input channel")
    figure.legend(
        handles=[
            Patch(color=c, label=f"scaled by the similarity to: {n}")
            for c, n in zip(colours, names, strict=True)
        ],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
    )
    figure.suptitle(caption, fontsize=9)
    return figure
