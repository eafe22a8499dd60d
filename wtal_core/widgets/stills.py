"""Sliders for notebooks, and the still pictures beside them.

Both come from one `draw(value)` that returns a Figure.

A slider sets the bytes of an image: no `Output` widget, nothing printed, so the notebook's other
outputs stay comparable.
"""

import io
from collections.abc import Callable, Sequence

import ipywidgets
import PIL.Image
from IPython.display import Image
from matplotlib.figure import Figure

from wtal_core.pictures.figures import DOTS_PER_INCH, png

PALETTE = 256  # colours of a picture in a notebook, which takes a third of the bytes then


def still(figure: Figure) -> Image:
    """The figure as a picture in the notebook."""
    return Image(in_few_colours(png(figure)))


def in_few_colours(picture: bytes) -> bytes:
    """A PNG with a palette, without dithering; the same bytes every time."""
    drawn = PIL.Image.open(io.BytesIO(picture)).convert("RGB")
    reduced = drawn.quantize(PALETTE, dither=PIL.Image.Dither.NONE)
    target = io.BytesIO()
    reduced.save(target, "PNG", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return target.getvalue()


def stills(draw: Callable[[float], Figure], values: Sequence[float]) -> list[Image]:
    """What the slider would show at these values: its static twin."""
    return [still(draw(value)) for value in values]


class SliderFigure(ipywidgets.VBox):
    """A slider above a picture.

    Where nobody can move it (a page of a repository), it is a line of text.
    """

    def __repr__(self) -> str:
        return f"[slider: {self.children[0].description}; run this cell to move it]"


def slider_figure(
    draw: Callable[[float], Figure], label: str, values: Sequence[float], start: float
) -> SliderFigure:
    """A slider over `values` and the picture that `draw` makes of the chosen one.

    start: one of the values.
    """
    slider = ipywidgets.SelectionSlider(
        options=list(values), value=start, description=label, continuous_update=False
    )
    picture = ipywidgets.Image(value=still(draw(start)).data, format="png")
    slider.observe(
        lambda change: setattr(picture, "value", still(draw(change["new"])).data), names="value"
    )
    return SliderFigure([slider, picture])
