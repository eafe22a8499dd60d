"""A figure that steps: panels under one or two sliders, with every position computed beforehand.

A figure is data. It is displayed in a notebook as one piece of HTML with `step_figure.js` in it,
which needs no kernel and no network, so a page made from the notebook moves as well. Equal data
give equal bytes.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from wtal_core.errors import WorkbookError
from wtal_core.pages.step_still import still_source
from wtal_core.pages.timeline import as_script

SCRIPT = Path(__file__).with_suffix(".js")
STYLE = Path(__file__).with_suffix(".css")
LARGEST = 60_000  # bytes of one figure's data; a page holds several
LEVELS = 400  # steps of an axis at least: a panel is about a hundred pixels high
ALONG = 2000  # the same of the lower axis
SHADES = 8  # steps of opacity, as in step_figure.js
TICKS, TICKS_ALONG = 3, 8  # numbers at an axis, about
START = """
for (const root of document.querySelectorAll(".wtal-steps:not([data-is-drawn])")) {
  const content = root.querySelector("script[type='application/json']").textContent;
  root.dataset.isDrawn = "yes";
  mountSteps(root.querySelector(".drawing"), JSON.parse(content));
}
"""
STILL = "A still: the sliders move in the book, and here once the cell has been run."

Number = float | int
Kind = Literal["line", "steps", "area", "signed", "bars", "boxes", "levels", "marks", "heat"]
Colour = Literal["blue", "orange", "green", "pink", "amber", "ink", "quiet"]
Look = Literal["solid", "dashed", "dotted", "hollow", "light"]


@dataclass(frozen=True)
class Slider:
    """A slider over `values`, numbers or words; `start` is one of them."""

    name: str
    values: Sequence[Any]
    start: Any

    def texts(self) -> list[str]:
        """What stands beside the slider at each position."""
        return [value if isinstance(value, str) else f"{value:g}" for value in self.values]


@dataclass(frozen=True)
class Axis:
    """A lower axis. name: with its unit, such as "time (s)"."""

    name: str
    low: Number
    high: Number


@dataclass(frozen=True)
class Layer:
    """What one kind of drawing shows at each position.

    kind, and what one of its states is:
        line, bars: [T] at the points `first`, `first + step`, ... of the lower axis; NaN is a gap.
        steps, area: the same, from each point to the next. signed: an area that is blue below 0.
        boxes: rows (left, right, low, high) or (left, right, low, high, opacity from 0 to 1).
        levels: heights of horizontal lines. marks: places of vertical lines.
        heat: [R, T] from 0 to 1, the first row at height 0 to 1.
    states: one for each position of the sliders with the numbers `by`, the last slider's positions
        side by side; `by=()` and one state for what never changes.
    name: in the legend; layers of the same name share a line there. below: what a signed area says
        below 0.
    ghost: the position that is compared with is drawn as a dashed outline.
    """

    kind: Kind
    states: Sequence[Any]
    name: str = ""
    below: str = ""
    by: tuple[int, ...] = (0,)
    colour: Colour = "blue"
    look: Look = "solid"
    first: Number = 0
    step: Number = 1
    ghost: bool = True


@dataclass(frozen=True)
class Panel:
    """Layers over one another, with a fixed upright axis from `low` to `high` (which may be less).

    height: pixels. axis: number of its lower axis. ticks: height -> text; None chooses numbers.
    """

    name: str
    low: Number
    high: Number
    layers: Sequence[Layer]
    height: int = 90
    axis: int = 0
    ticks: Mapping[Number, str] | None = None


@dataclass(frozen=True)
class StepFigure:
    """Panels below each other, moved by sliders.

    title: what is seen, with data set, video and seed. readout: a sentence for each position of the
    sliders `read_by`. alt: for those who do not see it. shaded: (start, end) on the first lower
    axis, behind all its panels, named `shaded_name` in the legend.
    Raises WorkbookError where states do not match the sliders, or the data are larger than a page
    should hold.
    """

    title: str
    sliders: Sequence[Slider]
    axes: Sequence[Axis]
    panels: Sequence[Panel]
    readout: Sequence[str]
    alt: str
    read_by: tuple[int, ...] = (0,)
    shaded: Sequence[tuple[Number, Number]] = field(default_factory=tuple)
    shaded_name: str = "ground truth"

    def __post_init__(self) -> None:
        for slider in self.sliders:
            if slider.start not in slider.values:
                raise WorkbookError(
                    f"slider {slider.name}: {slider.start} is none of its values; start at one"
                )
        self._check("the readout", self.read_by, len(self.readout))
        for panel in self.panels:
            for layer in panel.layers:
                self._check(f"{panel.name}: {layer.kind}", layer.by, len(layer.states))
        size = len(as_script(content_of(self)))
        if size > LARGEST:
            raise WorkbookError(
                f"{self.title}: the figure holds {size / 1000:.0f} kB, a page should hold at most "
                f"{LARGEST / 1000:.0f} kB of one; give fewer positions or snippets"
            )

    def _check(self, where: str, by: Sequence[int], given: int) -> None:
        expected = math.prod(len(self.sliders[number].values) for number in by)
        if given != expected:
            raise WorkbookError(
                f"{where}: {given} states for {expected} positions of its sliders; give one each"
            )

    def __repr__(self) -> str:
        """What is shown where no HTML can be: the figure in words, at its start."""
        sliders = " and ".join(f"{s.name} ({len(s.values)} positions)" for s in self.sliders)
        return f"[figure with a slider over {sliders}: {self.title}. {self.at_start()}]"

    def at_start(self) -> str:
        """The readout at the sliders' first position."""
        place = 0
        for number in self.read_by:
            slider = self.sliders[number]
            place = place * len(slider.values) + list(slider.values).index(slider.start)
        values = ", ".join(
            f"{s.name} = {s.texts()[list(s.values).index(s.start)]}" for s in self.sliders
        )
        return f"{values}: {self.readout[place]}"

    def _repr_html_(self) -> str:
        return as_html(self)


def as_html(figure: StepFigure) -> str:
    """The figure with its style, its script and its data, for any page."""
    title = html.escape(figure.title)
    style = STYLE.read_text(encoding="utf-8")
    script = SCRIPT.read_text(encoding="utf-8") + START
    # without scripts the figure is a still and words; with them, these are replaced
    content = content_of(figure)
    picture = f'<img alt="{html.escape(figure.alt)}" src="{still_source(content)}">'
    words = (html.escape(figure.at_start()), STILL)
    return (
        f'<div class="wtal-steps" role="group" aria-label="{title}">\n<style>\n{style}</style>\n'
        f'<div class="drawing"><p>{title}</p>{picture}'
        f"{''.join(f'<p>{text}</p>' for text in words)}</div>\n"
        f'<script type="application/json">{as_script(content)}</script>\n'
        f"<script>\n(() => {{\n{script}}})();\n</script>\n</div>"
    )


def content_of(figure: StepFigure) -> dict[str, Any]:
    """What `step_figure.js` draws, as JSON values.

    Heights are whole numbers of the panel's `unit`, and places in boxes and marks of the lower
    axis's, both as fine as can be seen.
    """
    axes = [_axis(axis) for axis in figure.axes]
    panels = [_panel(panel, axes[panel.axis]["unit"]) for panel in figure.panels]
    sliders = [
        {"name": s.name, "texts": s.texts(), "start": list(s.values).index(s.start)}
        for s in figure.sliders
    ]
    return {
        "title": figure.title,
        "alt": figure.alt,
        "sliders": sliders,
        "axes": axes,
        "panels": panels,
        "readout": {"by": list(figure.read_by), "states": list(figure.readout)},
        "shaded": np.round(np.reshape(figure.shaded, (-1, 2)), 3).tolist(),
        "shaded_name": figure.shaded_name,
    }


def unit_of(low: Number, high: Number, steps: int) -> float:
    """The largest power of ten that cuts the range into at least so many steps."""
    if low == high or not math.isfinite(high - low):
        raise WorkbookError(f"an axis from {low} to {high} has no length; give it one")
    return float(f"1e{math.floor(math.log10(abs(high - low) / steps))}")


def _ticks(low: Number, high: Number, count: int) -> list[list[Any]]:
    """About so many round numbers within the range, with their texts."""
    least, largest = sorted((low, high))
    values = MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(least, largest)
    inside = [float(v) for v in values if least - 1e-9 <= v <= largest + 1e-9]
    return [[round(value, 9), f"{round(value, 9):g}"] for value in inside]


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "name": axis.name,
        "low": _told(axis.low),
        "high": _told(axis.high),
        "unit": unit_of(axis.low, axis.high, ALONG),
        "ticks": _ticks(axis.low, axis.high, TICKS_ALONG),
    }


def _panel(panel: Panel, unit_along: float) -> dict[str, Any]:
    unit = unit_of(panel.low, panel.high, LEVELS)
    given = panel.ticks
    chosen = None if given is None else [[value, text] for value, text in given.items()]
    return {
        "name": panel.name,
        "low": _told(panel.low),
        "high": _told(panel.high),
        "unit": unit,
        "height": panel.height,
        "axis": panel.axis,
        "ticks": _ticks(panel.low, panel.high, TICKS) if chosen is None else chosen,
        "layers": [_layer(layer, unit, unit_along) for layer in panel.layers],
    }


def _layer(layer: Layer, unit: float, unit_along: float) -> dict[str, Any]:
    return {
        "kind": layer.kind,
        "name": layer.name,
        "below": layer.below,
        "by": list(layer.by),
        "colour": layer.colour,
        "look": layer.look,
        "first": round(float(layer.first), 6),
        "step": round(float(layer.step), 6),
        "ghost": layer.ghost and layer.kind != "heat",
        "states": [_state(layer.kind, state, unit, unit_along) for state in layer.states],
    }


def _state(kind: Kind, state: Any, unit: float, unit_along: float) -> list[Any]:
    """One state in whole numbers of the units."""
    values = np.asarray(state, dtype=np.float64)
    if kind == "heat":
        return _whole(values, 1 / SHADES)
    if kind == "marks":
        return _whole(values, unit_along)
    if kind == "boxes":
        rows = values.reshape(-1, values.shape[1] if values.size else 5)
        shade = rows[:, 4:] if rows.shape[1] == 5 else np.ones((len(rows), 1))
        along, up = rows[:, :2] / unit_along, rows[:, 2:4] / unit
        return _whole(np.hstack([along, up, np.ceil(shade * SHADES)]), 1.0)
    return _whole(values, unit)


def _whole(values: np.ndarray, unit: float) -> list[Any]:
    """Whole numbers of a unit; None for a gap."""
    numbers = np.rint(values / unit)
    whole = np.where(np.isnan(numbers), 0, numbers).astype(np.int64).astype(object)
    whole[np.isnan(numbers)] = None
    return whole.tolist()


def _told(limit: int | float) -> float:
    """A limit of an axis in five digits, which are the same on every processor."""
    return float(f"{limit:.5g}")
