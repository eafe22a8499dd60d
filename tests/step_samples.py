"""A small figure that steps, with two sliders and every kind of layer, for tests."""

import itertools

import numpy as np

from wtal_core.pages.step_figure import Axis, Layer, Panel, Slider, StepFigure

HOSTILE = '<img src=x onerror="window.broken=1">'
ENDING = "</script><script>window.broken=2</script>"
LEVELS = (0.25, 0.5, 0.75)
WAYS = ("one", "two")
CURVE = np.array([0.1, 0.3, 0.6, 0.9, np.nan, 0.4, 0.8, 0.2])
SECONDS = 0.5  # per snippet


def above(level: float) -> np.ndarray:
    """Rows of boxes: each snippet above a level on its own."""
    left = SECONDS * np.flatnonzero(np.nan_to_num(CURVE) > level)
    return np.column_stack([left, left + SECONDS, 0 * left, 0 * left + 1])


def step_figure() -> StepFigure:
    pairs = list(itertools.product(range(3), range(2)))
    grid = {"first": 0.0, "step": SECONDS}
    return StepFigure(
        title=f"Title {HOSTILE}",
        sliders=[Slider(f"θ {HOSTILE}", LEVELS, 0.5), Slider("way", WAYS, "one")],
        axes=[Axis("time (s)", 0, 4), Axis(f"place {ENDING}", -2.5, 2.5)],
        panels=[
            Panel(
                f"curve {ENDING}",
                0,
                1,
                [
                    Layer("steps", [CURVE], "curve", by=(), **grid),
                    Layer("levels", [[level] for level in LEVELS], HOSTILE, colour="orange"),
                    Layer("marks", [[1.0], [2.0]], "mark", by=(1,)),
                    Layer("line", [CURVE, CURVE / 2], "line", by=(1,), **grid),
                ],
            ),
            Panel("boxes", 0, 1, [Layer("boxes", [above(t) for t in LEVELS])], 24, ticks={}),
            Panel("heat", 2, 0, [Layer("heat", [np.eye(2), 1 - np.eye(2)], "heat", by=(1,))]),
            Panel(
                "bars",
                -1,
                1,
                [
                    Layer("signed", [np.array([0.5, -0.5])], "up", "down", by=(), first=-1.0),
                    Layer(
                        "bars",
                        [np.array([0.1 * i - 0.1 * j, 0.3]) for i, j in pairs],
                        by=(0, 1),
                    ),
                    Layer("area", [CURVE], "area", by=(), first=-2.0, step=0.5),
                ],
                axis=1,
            ),
        ],
        readout=[f"{level:g} by {way}" for level in LEVELS for way in WAYS],
        read_by=(0, 1),
        alt=f"Alt {HOSTILE}",
        shaded=[(1.0, 2.0)],
    )
