"""Figures about protocols draw what they are given."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from wtal_core.evaluation.hand_examples import EXAMPLES
from wtal_core.evaluation.statistics import best_of
from wtal_core.pages import published_detections
from wtal_core.pictures import protocol_figures
from wtal_core.pictures.figures import png


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_hand_examples_have_a_panel_each_with_both_values():
    figure = protocol_figures.hand_figure(EXAMPLES, "caption")
    titles = {axes.get_title().split(",")[0]: axes.get_title() for axes in figure.axes}
    assert (
        set(titles) == set(EXAMPLES)
        and "later: mAP 100 %" in titles["tie rule"]
        and "earlier: mAP 50 %" in titles["tie rule"]
    )


def test_dots_hold_every_row_and_the_difference_to_the_base():
    table = published_detections.published("protocol")
    above, below = protocol_figures.dots(table, ("210", "activitynet"), "caption").axes
    marks = {line.get_label(): line.get_ydata() for line in below.get_lines()}
    assert len([line for line in above.get_lines() if ", 21" in line.get_label()]) == 10
    assert not marks["activitynet, 210"].any()
    assert marks["wtalc, 210"][4] == pytest.approx(
        table.loc[("210", "wtalc"), "0.5"] - table.loc[("210", "activitynet"), "0.5"]
    )


def test_a_waterfall_names_each_change():
    steps = pd.DataFrame({"0.5": [20.0, 21.0, 18.5]}, index=["start", "time grid", "AP rule"])
    (axes,) = protocol_figures.waterfall(steps, "caption", ("0.5",)).axes
    assert texts(axes) == ["+1.00", "-2.50"]
    assert [bar.get_width() for bar in axes.patches] == [1.0, -2.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(steps.index)


def test_one_panel_is_enough_for_contributions_and_the_picture_is_repeatable():
    points = published_detections.published("contribution")
    one, other = (
        png(protocol_figures.contribution_dots(points, "caption", ("0.5",))) for _ in range(2)
    )
    assert one == other


def test_inflation_begins_at_zero_and_grows():
    found = [best_of([30.0, 31.0, 33.0, 32.5, 29.0], n) for n in range(1, 6)]
    (axes,) = protocol_figures.inflation_figure({"a": found}, "caption").axes
    height = axes.containers[0].lines[0].get_ydata()
    assert height[0] == pytest.approx(0) and (height[1:] > height[:-1]).all()
