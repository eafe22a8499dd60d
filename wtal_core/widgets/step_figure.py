"""A figure that steps, joined to Python: the same script and style, and where its sliders are.

To look at, a `StepFigure` needs no widget; this is for a cell that computes with the position.
"""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from wtal_core.pages.step_figure import SCRIPT, STYLE, StepFigure, content_of

JOINT = Path(__file__).with_suffix(".js")


class StepWidget(anywidget.AnyWidget):
    """places: the number of each slider's position, from 0; `values`: what they stand for."""

    _esm = SCRIPT.read_text(encoding="utf-8") + JOINT.read_text(encoding="utf-8")
    _css = STYLE.read_text(encoding="utf-8")
    content: Any = traitlets.Dict().tag(sync=True)
    places: Any = traitlets.List().tag(sync=True)

    def __init__(self, figure: StepFigure):
        self.figure = figure
        content = content_of(figure)
        super().__init__(content=content, places=[slider["start"] for slider in content["sliders"]])

    def __repr__(self) -> str:
        """What a page without widgets shows."""
        return repr(self.figure)

    def values(self) -> dict[str, Any]:
        """Slider -> the value that it stands at now."""
        sliders = zip(self.figure.sliders, self.places, strict=True)
        return {slider.name: slider.values[place] for slider, place in sliders}
