"""Sliders: moving one draws its picture anew, as the still twin does."""

import io

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from matplotlib.figure import Figure

from wtal_core.pictures.figures import png
from wtal_core.widgets.stills import slider_figure, stills

VALUES = [1.0, 2.0, 5.0]


def draw(value: float) -> Figure:
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, value])
    return figure


def test_moving_the_slider_shows_what_the_still_shows():
    slider, picture = slider_figure(draw, "τ", VALUES, start=2.0).children
    for value in (5.0, 1.0, 2.0):
        slider.value = value
        assert picture.value == stills(draw, [value])[0].data


def test_a_palette_makes_a_picture_smaller_and_changes_no_colour_that_one_could_see():
    whole = png(draw(2.0))
    small = stills(draw, [2.0])[0].data
    before = np.asarray(PIL.Image.open(io.BytesIO(whole)).convert("RGB"), dtype=int)
    after = np.asarray(PIL.Image.open(io.BytesIO(small)).convert("RGB"), dtype=int)
    assert before.shape == after.shape and len(small) < len(whole)
    assert np.abs(before - after).max() <= 8


def test_pictures_are_equal_every_time_and_leave_no_figure_open():
    before = plt.get_fignums()
    assert png(draw(1.0)) == png(draw(1.0)) != png(draw(2.0))
    assert plt.get_fignums() == before


def test_a_page_that_cannot_run_it_says_so():
    assert (
        repr(slider_figure(draw, "τ", VALUES, start=1.0)) == "[slider: τ; run this cell to move it]"
    )
