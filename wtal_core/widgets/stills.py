"""Sliders for notebooks, and the still pictures beside them.

Both come from one `draw(value)` that returns a Figure.

A slider sets the bytes of an image: no `Output` widget, nothing printed, so the notebook's other
outputs stay comparable.
"""

from collections.abc import Callable, Sequence

import ipywidgets
from IPython.display import Image
from matplotlib.figure import Figure

from wtal_core.pictures.figures import png, small_png


def still(figure: Figure) -> Image:
    """The figure as a picture in the notebook."""
    return Image(small_png(figure))


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
    picture = ipywidgets.Image(value=png(draw(start)), format="png")
    slider.observe(
        lambda change: setattr(picture, "value", png(draw(change["new"]))), names="value"
    )
    return SliderFigure([slider, picture])
