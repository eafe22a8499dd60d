"""Figures that step, as data: what is written for the browser, and what is refused."""

import base64
import html
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.step_samples import CURVE, ENDING, HOSTILE, LEVELS, step_figure
from wtal_core.errors import WorkbookError
from wtal_core.pages.step_figure import Axis, Layer, Panel, Slider, as_html, content_of
from wtal_core.pages.step_still import still_source, still_svg
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
    page = as_html(step_figure())
    assert HOSTILE not in page and ENDING not in page
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data) == content_of(step_figure())
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_where_no_script_runs_there_is_a_still_of_the_start():
    page = as_html(step_figure())
    ((alt, source),) = re.findall(r'<img alt="(.*?)" src="data:image/svg\+xml;base64,(.*?)">', page)
    assert alt == html.escape(f"Alt {HOSTILE}")
    assert "the sliders move in the book" in page
    drawing = ElementTree.fromstring(base64.b64decode(source))
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"boxes", f"curve {ENDING}", HOSTILE, "up", "down", "time (s)"} <= set(texts)
    assert {element.tag.partition("}")[2] for element in drawing.iter()} == {
        "svg", "rect", "text", "path", "g"
    }  # fmt: skip


def test_the_still_shows_the_state_at_the_start_and_not_another():
    figure = step_figure()
    moved = replace(figure, sliders=[replace(figure.sliders[0], start=0.75), figure.sliders[1]])
    level = 'M46 {}H690" fill="none" stroke="#c44f00"'
    assert level.format(_height(0.5)) in still_svg(content_of(figure))
    assert level.format(_height(0.75)) in still_svg(content_of(moved))
    assert level.format(_height(0.75)) not in still_svg(content_of(figure))


def _height(value: float) -> str:
    """Of a value of the first panel, whose 90 pixels begin 19 pixels from the top."""
    return f"{19 + 90 * (1 - value):g}"


def test_a_still_of_a_long_curve_is_small():
    curve = np.sin(np.arange(4000) / 7)
    panels = [Panel("p", -1, 1, [Layer("steps", [curve], by=(), step=0.001)])]
    content = content_of(replace(step_figure(), panels=panels))
    assert len(still_source(content)) < 40_000


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
