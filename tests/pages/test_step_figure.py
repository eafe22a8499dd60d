"""Figures that step, as data: what is written for the browser, and what is refused."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.step_samples import CURVE, ENDING, HOSTILE, LEVELS, step_figure
from wtal_core.errors import WorkbookError
from wtal_core.pages.step_figure import Axis, Layer, Panel, Slider, as_html, content_of
from wtal_core.widgets.step_figure import StepWidget


def layer(content: dict, panel: int, number: int) -> dict:
    return content["panels"][panel]["layers"][number]


def test_states_are_whole_numbers_of_a_unit_finer_than_a_pixel():
    content = content_of(step_figure())
    panel = content["panels"][0]
    (curve,) = layer(content, 0, 0)["states"]
    assert curve[4] is None
    known = [place for place, number in enumerate(curve) if number is not None]
    drawn = [curve[place] * panel["unit"] for place in known]
    assert panel["unit"] <= (panel["high"] - panel["low"]) / panel["height"]
    np.testing.assert_allclose(drawn, CURVE[known], atol=panel["unit"] / 2)


def test_every_position_has_its_state():
    content = content_of(step_figure())
    unit = content["panels"][0]["unit"]
    assert [numbers[0] * unit for numbers in layer(content, 0, 1)["states"]] == list(LEVELS)
    assert content["sliders"][0]["start"] == 1
    assert content["readout"]["states"][1 * 2 + 0] == "0.5 by one"
    boxes = layer(content, 1, 0)["states"]
    assert [len(rows) for rows in boxes] == [6 - 1, 3, 2]
    assert layer(content, 2, 0)["states"][0] == [[8, 0], [0, 8]]


def test_the_bytes_are_the_same_every_time():
    assert as_html(step_figure()) == as_html(step_figure())


def test_names_are_text_in_the_html():
    html = as_html(step_figure())
    assert HOSTILE not in html and ENDING not in html
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data) == content_of(step_figure())
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_where_no_script_runs_the_figure_is_words():
    words = f"θ {HOSTILE} = 0.5, way = one: 0.5 by one"
    assert words in repr(step_figure())
    assert words.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in as_html(
        step_figure()
    )


def test_what_does_not_fit_is_refused():
    figure = step_figure()
    with pytest.raises(WorkbookError, match="readout: 5 states for 6 positions"):
        replace(figure, readout=figure.readout[:5])
    with pytest.raises(WorkbookError, match="is none of its values"):
        replace(figure, sliders=[Slider("θ", LEVELS, 0.3), figure.sliders[1]])
    short = Panel("p", 0, 1, [Layer("steps", [CURVE])])
    with pytest.raises(WorkbookError, match="p: steps: 1 states for 3 positions"):
        replace(figure, panels=[short])
    with pytest.raises(WorkbookError, match="has no length"):
        replace(figure, axes=[Axis("time (s)", 1, 1), figure.axes[1]])
    large = Panel("p", 0, 1, [Layer("steps", [np.linspace(0, 1, 30_000)], by=())])
    with pytest.raises(WorkbookError, match=r"at most 60 kB.*fewer positions"):
        replace(figure, panels=[large])


def test_the_widget_tells_python_where_the_sliders_are():
    widget = StepWidget(step_figure())
    assert list(widget.values().values()) == [0.5, "one"]
    widget.places = [2, 1]
    assert list(widget.values().values()) == [0.75, "two"]
    assert repr(widget) == repr(step_figure())
