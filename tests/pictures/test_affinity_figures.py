"""How alike snippets are: the numbers, and the figures with empty and odd contents."""

import numpy as np
import pandas as pd
import pytest

from tests.tiny_dataset import tiny_dataset
from wtal_core.pictures import affinity_figures
from wtal_core.timebase import Timebase

SECONDS = Timebase(fps=1.0, stride=1.0)
NOTHING = pd.DataFrame({"t_start": [], "t_end": []}, dtype=float)


def texts(figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_examples_are_the_middles_of_the_longest_runs():
    dataset = tiny_dataset()
    length = dataset.video("test_0").length  # action in [2, 7), one snippet a second
    assert affinity_figures.examples(dataset, "test_0", 2) == [
        ("action 1", 4),
        ("background 1", (7 + length) // 2),
        ("background 2", 1),
    ]


def test_examples_of_a_video_without_action():
    dataset = tiny_dataset()
    other = tiny_dataset().segments.query("video != 'test_0'")
    found = affinity_figures.examples(
        type(dataset)(**{**vars(dataset), "segments": other}), "test_0", 2
    )
    assert [name for name, _ in found] == ["background 1"]


def test_neighbourhood_at_the_end_of_a_video():
    embedding, kind = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), np.array([True, False, True])
    one = affinity_figures.neighbourhood("x", embedding, kind, 0, 2)
    assert one.action and one.offset.tolist() == [-2, -1, 0, 1, 2]
    assert (
        one.similarity[2:] == pytest.approx([1, 0, 0.5**0.5]) and np.isnan(one.similarity[:2]).all()
    )
    assert one.same.tolist() == [False, False, True, False, True]
    assert (
        affinity_figures.mean_similarity(one, True) == pytest.approx(0.5**0.5)
        and affinity_figures.mean_similarity(one, False) == 0
    )


def test_mean_similarity_without_neighbours_of_the_kind():
    one = affinity_figures.neighbourhood("x", np.ones((3, 1)), np.ones(3, bool), 1, 1)
    assert affinity_figures.mean_similarity(one, True) == 1 and np.isnan(
        affinity_figures.mean_similarity(one, False)
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_affinity_figure_has_a_panel_a_snippet(count):
    one = affinity_figures.neighbourhood(
        "x", np.ones((5, 1)), np.array([True, True, False, False, False]), 1, 2
    )
    figure = affinity_figures.affinity_figure([one] * count, SECONDS, "caption")
    assert sum(axes.axison for axes in figure.axes) == count
    filled = [bar.get_facecolor()[:3] != (1, 1, 1) for bar in figure.axes[0].patches]
    assert filled == one.same.tolist()
    assert figure.axes[0].get_title() == "x, at 1.5 s"


def test_distance_figure_has_a_panel_a_network_and_shows_all_of_negative_values():
    same = pd.DataFrame([[0.8, 1.0], [0.4, 0.6]], index=[1, 2])
    panels = {
        "one": {"same": same, "different": same - 1},
        "two": {"same": same, "different": same},
    }
    figure = affinity_figures.distance_figure(panels, "c")
    first, second = figure.axes
    assert [line.get_ydata().tolist() for line in first.lines] == [
        [0.9, 0.5],
        pytest.approx([-0.1, -0.5]),
    ]
    assert (
        first.get_title() == "one"
        and first.get_ylim()[0] < -0.5
        and second.get_ylim() == first.get_ylim()
    )
    assert texts(figure) == {"same", "different"}
    assert [line.get_linestyle() for line in second.lines] == [
        "-",
        "--",
    ]  # one does not hide the other


def test_group_map_shows_the_given_numbers():
    values = np.array([[0, 0, 1], [0, 1, 1]])
    figure = affinity_figures.group_map({"official": values}, ("left", "right"), "c")
    assert figure.axes[0].images[0].get_array().tolist() == values.tolist()
    assert texts(figure) == {
        "scaled by the similarity to: left",
        "scaled by the similarity to: right",
    }
