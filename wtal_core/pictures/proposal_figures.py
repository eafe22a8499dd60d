"""From a sequence to its proposals and detections, in pictures and numbers.

For any method with clicks, or with proposals on a frame grid.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wtal_core.localization.frame_proposals import Margin, contrast, find_runs
from wtal_core.pictures.figures import COLOURS, FOUND, TRUTH
from wtal_core.timebase import Timebase

ACTION, CLICK = FOUND, COLOURS[3]


def level_table(
    sequences: Mapping[str, Float[np.ndarray, " T"]],
    action: Bool[np.ndarray, " T"],
    background: Bool[np.ndarray, " T"],
) -> pd.DataFrame:
    """Mean of each sequence over action and over background snippets, and their difference.

    NaN where there are none.
    """
    lines = {}
    for name, sequence in sequences.items():
        of_action, of_background = (
            float(sequence[chosen].mean()) if chosen.any() else np.nan
            for chosen in (action, background)
        )
        lines[name] = {
            "action": of_action,
            "background": of_background,
            "difference": of_action - of_background,
        }
    return pd.DataFrame(lines).T


def detections_figure(
    panels: Mapping[str, tuple[pd.DataFrame, Mapping[str, pd.DataFrame]]], caption: str
) -> Figure:
    """Ground truth of several videos against time, and below it the methods' detections.

    One panel per video, bars on rows of their own.

    Bars of detections are see-through: a method's own may overlap. A row without any says so.
    """
    height = [1 + len(found) for _, found in panels.values()]
    figure, rows = plt.subplots(
        len(panels),
        figsize=(11, 0.42 * sum(height) + 0.9 * len(panels)),
        squeeze=False,
        layout="constrained",
        height_ratios=height,
    )
    for axes, (name, (truth, found)) in zip(rows[:, 0], panels.items(), strict=True):
        for place, table in enumerate((truth, *found.values())):
            spans = np.column_stack([table["t_start"], table["t_end"] - table["t_start"]]).tolist()
            look = (
                {"color": TRUTH}
                if place == 0
                else {"facecolor": (FOUND, 0.35), "edgecolor": FOUND, "lw": 0.8}
            )
            axes.broken_barh(spans, (-place - 0.4, 0.8), **look)
            if not spans:
                axes.text(0.01, -place, "none", va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks(range(-len(found), 1), [*reversed(list(found)), "ground truth"])
        axes.set_ylim(-len(found) - 0.6, 0.6)
        axes.set_title(name, fontsize=8, loc="left")
        axes.set_xlim(0, None)
        axes.grid(axis="x", alpha=0.3)
    rows[-1, 0].set_xlabel("time (s)")
    handles = [
        Patch(color=TRUTH, label="ground truth"),
        Patch(color=FOUND, alpha=0.5, label="detection (darker: several)"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
    figure.suptitle(caption, fontsize=9)
    return figure


def runs_above(
    sequence: Float[np.ndarray, " F"], threshold: float, margin: Margin, timebase: Timebase
) -> pd.DataFrame:
    """Runs of a normalised sequence above one threshold: `t_start, t_end, score`.

    score: inner minus outer. timebase: a point of the sequence is its snippet.
    """
    lengths = np.array([len(sequence)])
    runs = find_runs(sequence, lengths, (threshold,), drop_frame0_run=False)
    score = contrast(sequence, lengths, runs, margin, thresholded=True)
    return pd.DataFrame(
        {
            "t_start": timebase.seconds(runs.start),
            "t_end": timebase.seconds(runs.end),
            "score": score,
        }
    )


def overlap_figure(curves: Mapping[str, pd.DataFrame], limit: float, caption: str) -> Figure:
    """Overlap of two equal segments by the distance between their begins.

    One panel per length; columns are rules.
    """
    figure, panels = plt.subplots(
        1,
        len(curves),
        figsize=(3.6 * len(curves), 3.2),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, table) in zip(panels[0], curves.items(), strict=True):
        for rule, colour in zip(table.columns, COLOURS, strict=False):
            axes.plot(table.index, table[rule], color=colour, label=rule)
        axes.axhline(limit, color=COLOURS[6], ls="--", lw=0.8, label=f"suppressed from {limit:g}")
        axes.set(xlabel="distance of the begins (s)", title=name, ylim=(0, 1))
        axes.grid(alpha=0.3)
    panels[0, 0].set_ylabel("overlap (no unit)")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
    )
    figure.suptitle(caption, fontsize=9)
    return figure
