"""The background loss of TEN + BGES against attention, in a picture."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from wtal_core.pictures.figures import COLOURS


def background_losses(margins: Sequence[float], classes: int, caption: str) -> Figure:
    """L_b with BGES against the mean attention ā under both readings.

    For pooled background logits that exceed all others by each margin. The plain loss is the value
    at ā = 0.
    """
    mean = np.linspace(0, 0.999, 400)
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for margin, colour in zip(margins, COLOURS, strict=False):
        under_a = np.log1p(classes * np.exp(-(1 - mean) * margin))
        under_b = np.log1p(classes * np.exp(-margin)) - np.log1p(-mean)
        for axes, loss in zip(panels, (under_a, under_b), strict=True):
            axes.plot(
                mean,
                loss,
                color=colour,
                label=f"margin {margin:+g}".replace("+0", "0") if axes is panels[0] else None,
            )
    for axes, title in zip(
        panels, ("reading A: a temperature", "reading B: a barrier"), strict=True
    ):
        axes.axhline(
            np.log(classes + 1),
            color=COLOURS[6],
            ls=":",
            lw=1,
            label=f"log {classes + 1}, where nothing is said" if axes is panels[0] else None,
        )
        axes.set(xlabel="mean attention ā (no unit)", title=title, ylim=(0, 8))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("background loss with BGES (nats)")
    figure.suptitle(caption, fontsize=9)
    figure.legend(fontsize=8, loc="outside lower center", ncols=4)
    return figure
