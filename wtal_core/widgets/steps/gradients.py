"""Epoch -> the gradient that each snippet's attention receives (TEN + BGES, Figure 3)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.pages.step_figure import Layer, Number, Panel, Slider, StepFigure
from wtal_core.timebase import Timebase
from wtal_core.widgets.steps.along_time import snippet_grid, spans, time_axis

TICKS = (0.1, 1.0, 4.0, 16.0, 64.0)  # of the axis, on either side of 0, as far as it reaches


def gradient_steps(
    gradients: Mapping[int, Mapping[str, Float[np.ndarray, " T"]]],
    attention: Mapping[int, Float[np.ndarray, " T"]],
    truth: pd.DataFrame,
    timebase: Timebase,
    title: str,
) -> StepFigure:
    """T times the gradient of every snippet's attention, one panel per manner, then the attention.

    gradients: epoch -> manner -> one value per snippet, as `attention_gradients` gives them.
    attention: epoch -> one value per snippet. The slider starts at the last epoch. truth:
    `t_start, t_end`, seconds. The axis is one of square roots: a gradient shrinks a hundredfold
    while the network learns.
    """
    epochs = sorted(gradients)
    length = len(attention[epochs[0]])
    grid = snippet_grid(timebase)
    manners = list(gradients[epochs[0]])
    values = {name: [length * gradients[epoch][name] for epoch in epochs] for name in manners}
    everything = np.concatenate([state for states in values.values() for state in states])
    reach = max(1.05 * float(on_root_scale(np.abs(everything)).max()), 0.5)
    panels = []
    for name in manners:
        layer = Layer(
            "signed",
            [on_root_scale(state) for state in values[name]],
            "towards background",
            "towards action",
            colour="orange",
            **grid,
        )
        panels.append(
            Panel(
                f"{name}: T ∂L_b/∂a (nats, root scale)",
                -reach,
                reach,
                [layer],
                80,
                ticks=ticks(reach),
            )
        )
    levels = Layer("steps", [attention[e] for e in epochs], "attention a", colour="ink", **grid)
    panels.append(Panel("attention a (no unit)", 0, 1, [levels], height=60))
    return StepFigure(
        title=title,
        sliders=[Slider("epoch", epochs, epochs[-1])],
        axes=[time_axis(timebase, length)],
        panels=panels,
        readout=[_sentence(gradients[epoch]) for epoch in epochs],
        alt="The gradient of each snippet's attention against time, above zero where it pushes "
        f"towards background, for {', '.join(manners)}.",
        shaded=spans(truth),
    )


def on_root_scale(values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Square roots, with the sign that a value had."""
    return np.sign(values) * np.sqrt(np.abs(values))


def ticks(reach: float) -> dict[Number, str]:
    """Height on the root scale -> the gradient that it stands for."""
    marks: dict[Number, str] = {0.0: "0"}
    inside = [value for value in TICKS if value**0.5 <= reach]
    for value in inside[-2:]:
        marks[value**0.5] = f"{value:g}"
        marks[-(value**0.5)] = f"−{value:g}"
    return marks


def _sentence(gradients: Mapping[str, Float[np.ndarray, " T"]]) -> str:
    parts = [
        f"{name} {100 * float((gradient > 0).mean()):.0f} %" for name, gradient in gradients.items()
    ]
    return f"snippets pushed towards background: {', '.join(parts)}"
