"""Where the foreground of each run lies, against what the run scores."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wtal_core.pictures.figures import COLOURS, QUIET
from wtal_core.report.foreground import CHANGED_SIDES

MARKERS = ("o", "^", "s", "D")


def sides_and_scores(runs: pd.DataFrame, caption: str) -> Figure:
    """One mark per row, seed and stream: AUC of the foreground score against average mAP. A colour
    per row, a marker per stream; a thin line joins the streams of one run.

    runs: see `foreground.per_run`.
    """
    figure, axes = plt.subplots(figsize=(7.5, 5), layout="constrained")
    colour_of = dict(zip(runs["row"].unique(), COLOURS, strict=False))
    marker_of = dict(zip(runs["stream"].unique(), MARKERS, strict=False))
    axes.axvline(CHANGED_SIDES, color=QUIET, lw=1, zorder=0)
    for (row, _), of_run in runs.groupby(["row", "seed"], sort=False):
        axes.plot(of_run["auc"], of_run["map"], color=colour_of[row], lw=0.6, alpha=0.5)
        for stream, auc, value in zip(of_run["stream"], of_run["auc"], of_run["map"], strict=True):
            axes.plot(auc, value, marker_of[stream], color=colour_of[row], markersize=7, alpha=0.8)
    axes.set(
        xlim=(0, 1),
        xlabel="AUC of the foreground score on test snippets (0 to 1; below .5: changed sides)",
        ylabel="average mAP of the run (%)",
    )
    axes.grid(alpha=0.3)
    rows = [Line2D([], [], color=colour, lw=3, label=row) for row, colour in colour_of.items()]
    streams = [
        Line2D([], [], color="black", marker=marker, ls="", label=f"stream {stream}")
        for stream, marker in marker_of.items()
    ]
    figure.legend(handles=rows + streams, fontsize=8, loc="outside lower center", ncols=4)
    figure.suptitle(caption, fontsize=9)
    return figure
