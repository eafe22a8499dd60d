"""Still pictures: the same bytes every time, words for each, and no figure is left open."""

import io

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from wtal_core.pictures.figures import DOTS_PER_INCH, png
from wtal_core.pictures.sketch import sketch
from wtal_core.widgets.stills import Drawing, still, stored


def draw(value: float) -> Figure:
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, value])
    return figure


def test_a_palette_makes_a_picture_smaller_and_changes_no_colour_that_one_could_see():
    figure = draw(2.0)
    target = io.BytesIO()
    figure.savefig(target, dpi=DOTS_PER_INCH, bbox_inches="tight", metadata={"Software": None})
    whole = target.getvalue()
    small = still(figure).png
    before = np.asarray(PIL.Image.open(target).convert("RGB"), dtype=int)
    after = np.asarray(PIL.Image.open(io.BytesIO(small)).convert("RGB"), dtype=int)
    assert before.shape == after.shape and len(small) < len(whole)
    assert np.abs(before - after).max() <= 8


def test_pictures_are_equal_every_time_and_leave_no_figure_open():
    before = plt.get_fignums()
    assert still(draw(1.0)).png == still(draw(1.0)).png != still(draw(2.0)).png
    assert png(draw(1.0)) == png(draw(1.0))
    assert plt.get_fignums() == before


def test_a_notebook_keeps_the_words_of_every_kind_of_picture(tmp_path):
    figure = draw(1.0)
    figure.suptitle("A rising line")
    (tmp_path / "line.png").write_bytes(still(draw(1.0)).png)
    drawing = Drawing(sketch("Two boxes", "features (T)\nscores (T): a layer <- features"))
    words = {"image/png": "A rising line", "image/svg+xml": drawing.alt}
    assert drawing.alt.startswith("Two boxes. ") and "a layer" in drawing.alt
    shown = [still(figure), stored(tmp_path / "line.png", "A rising line"), drawing]
    for picture in shown:
        data, metadata = DisplayFormatter().format(picture)
        (kind,) = set(data) - {"text/plain"}
        assert metadata[kind]["alt"] == words[kind]
