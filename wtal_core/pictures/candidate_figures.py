"""What ways to resolve or to label real candidates give, each beside one of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wtal_core.pictures.figures import COLOURS, QUIET


def beside_reference(
    table: pd.DataFrame, column: str, reference: str, labels: tuple[str, str], caption: str
) -> Figure:
    """A row per way: its value (left), and its difference to the reference's (right).

    table: the columns `column`, difference, low and high. labels: of the two axes, with units.
    """
    places = -np.arange(len(table))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 0.27 * len(table) + 1.8), sharey=True, layout="constrained"
    )
    left.barh(places, table[column], 0.7, color=COLOURS[5], label="value")
    left.set_yticks(places, list(table.index), fontsize=8)
    others = np.flatnonzero(table.index != reference)
    middle = table["difference"].to_numpy()[others]
    ends = table[["low", "high"]].to_numpy()[others]
    right.hlines(
        places[others], *ends.T, color=COLOURS[0], lw=2, label="middle 95 % of resampled videos"
    )
    right.plot(middle, places[others], "o", color=COLOURS[1], ms=5, label="difference")
    right.axvline(0, color="black", lw=0.8, ls="--", label=f"reference: {reference}")
    for axes, label in zip((left, right), labels, strict=True):
        axes.set_xlabel(label)
        axes.grid(axis="x", color=QUIET, alpha=0.4)
        axes.set_axisbelow(True)
    left.set_ylabel("way")
    figure.suptitle(caption, fontsize=9)
    handles = [axes.get_legend_handles_labels() for axes in (left, right)]
    figure.legend(
        handles[0][0] + handles[1][0],
        handles[0][1] + handles[1][1],
        loc="outside lower center",
        ncols=2,
        fontsize=8,
    )
    return figure
