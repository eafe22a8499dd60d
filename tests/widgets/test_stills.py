"""Still pictures: the same bytes every time, and no figure is left open."""

import io

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from matplotlib.figure import Figure

from wtal_core.pictures.figures import DOTS_PER_INCH, png
from wtal_core.widgets.stills import still


def draw(value: float) -> Figure:
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, value])
    return figure


def test_a_palette_makes_a_picture_smaller_and_changes_no_colour_that_one_could_see():
    figure = draw(2.0)
    target = io.BytesIO()
    figure.savefig(target, dpi=DOTS_PER_INCH, bbox_inches="tight", metadata={"Software": None})
    whole = target.getvalue()
    small = still(figure).data
    before = np.asarray(PIL.Image.open(target).convert("RGB"), dtype=int)
    after = np.asarray(PIL.Image.open(io.BytesIO(small)).convert("RGB"), dtype=int)
    assert before.shape == after.shape and len(small) < len(whole)
    assert np.abs(before - after).max() <= 8


def test_pictures_are_equal_every_time_and_leave_no_figure_open():
    before = plt.get_fignums()
    assert still(draw(1.0)).data == still(draw(1.0)).data != still(draw(2.0)).data
    assert png(draw(1.0)) == png(draw(1.0))
    assert plt.get_fignums() == before
