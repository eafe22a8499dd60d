"""The background loss of TEN + BGES in pictures.

The gradient that each snippet's attention receives, and the loss against attention.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from wtal_core.pictures.figures import COLOURS, TRUTH
from wtal_core.timebase import Timebase


def gradient_figure(
    gradients: Mapping[str, Float[np.ndarray, " T"]],
    attention: Float[np.ndarray, " T"],
    truth: pd.DataFrame,
    timebase: Timebase,
    caption: str,
) -> Figure:
    """The gradient of each snippet times T, one panel per manner, then the attention.

    Manners: see `background_gradients`.

    Red: towards background (positive), blue: towards action. Instances are shaded.
    """
    figure, panels = plt.subplots(
        len(gradients) + 1,
        figsize=(11, 1.5 * len(gradients) + 2),
        sharex=True,
        layout="constrained",
    )
    edges, length = timebase.seconds(np.arange(len(attention) + 1)), len(attention)
    largest = max(np.abs(g).max() for g in gradients.values()) * length or 1.0
    for number, (axes, (name, gradient)) in enumerate(zip(panels, gradients.items(), strict=False)):
        for sign, colour, word in (
            (1, COLOURS[1], "towards background"),
            (-1, COLOURS[0], "towards action"),
        ):
            part = np.where(sign * gradient > 0, length * gradient, 0)
            axes.stairs(
                part, edges, fill=True, color=colour, zorder=2, label=word if number == 0 else None
            )
        axes.axhline(0, color=COLOURS[6], lw=0.5)
        axes.set_ylim(-1.1 * largest, 1.1 * largest)
        axes.set_ylabel("T ∂L_b/∂a\n(nats)", fontsize=8)
        axes.set_title(
            f"{name}: {100 * (gradient > 0).mean():.0f} % of the snippets towards background",
            fontsize=9,
            loc="left",
        )
    panels[-1].stairs(attention, edges, color=COLOURS[6], baseline=None, label="attention a")
    panels[-1].set(ylabel="a (no unit)", xlabel="time (s)", ylim=(0, 1))
    for axes in panels:
        for number, (start, end) in enumerate(zip(truth["t_start"], truth["t_end"], strict=True)):
            axes.axvspan(
                start,
                end,
                color=TRUTH,
                alpha=0.15,
                lw=0,
                zorder=0,
                label="ground truth" if number == 0 and axes is panels[0] else None,
            )
    figure.suptitle(caption, fontsize=9)
    figure.legend(fontsize=8, loc="outside lower center", ncols=4)
    return figure


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
