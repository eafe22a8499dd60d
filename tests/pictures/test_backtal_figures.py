"""The numbers that go into the figures of BackTAL, and the figures with empty and odd contents."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.tiny_dataset import tiny_dataset
from wtal_core.localization.frame_proposals import Margin
from wtal_core.pictures import backtal_figures as pictures
from wtal_core.timebase import Timebase

SECONDS = Timebase(fps=1.0, stride=1.0)
NOTHING = pd.DataFrame({"t_start": [], "t_end": []}, dtype=float)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


@pytest.mark.parametrize(
    ("values", "shown"),
    [([1.0, 3.0], "2.0 (-10.7 to 14.7)"), ([1.5], "1.5"), ([np.nan], "–"), ([np.nan, 4.0], "4.0")],
)
def test_mean_and_interval(values, shown):
    assert pictures.mean_and_interval(pd.Series(values)) == shown


def test_level_table():
    action, background = np.array([True, True, False, False]), np.array([False, False, True, False])
    table = pictures.level_table({"x": np.array([1.0, 3.0, 0.5, 9.0])}, action, background)
    assert table.loc["x"].tolist() == [2.0, 0.5, 1.5]
    assert (
        pictures.level_table(
            {"x": np.float32([0.7, 0.7, 0.2, 0.2])}, action, background
        ).dtypes.tolist()
        == [np.float64] * 3
    )
    assert np.isnan(
        pictures.level_table({"x": np.ones(4)}, action, ~np.ones(4, bool)).loc["x", "difference"]
    )


def test_examples_are_the_middles_of_the_longest_runs():
    dataset = tiny_dataset()
    length = dataset.video("test_0").length  # action in [2, 7), one snippet a second
    assert pictures.examples(dataset, "test_0", 2) == [
        ("action 1", 4),
        ("background 1", (7 + length) // 2),
        ("background 2", 1),
    ]


def test_examples_of_a_video_without_action():
    dataset = tiny_dataset()
    other = tiny_dataset().segments.query("video != 'test_0'")
    found = pictures.examples(type(dataset)(**{**vars(dataset), "segments": other}), "test_0", 2)
    assert [name for name, _ in found] == ["background 1"]


def test_neighbourhood_at_the_end_of_a_video():
    embedding, kind = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), np.array([True, False, True])
    one = pictures.neighbourhood("x", embedding, kind, 0, 2)
    assert one.action and one.offset.tolist() == [-2, -1, 0, 1, 2]
    assert (
        one.similarity[2:] == pytest.approx([1, 0, 0.5**0.5]) and np.isnan(one.similarity[:2]).all()
    )
    assert one.same.tolist() == [False, False, True, False, True]
    assert (
        pictures.mean_similarity(one, True) == pytest.approx(0.5**0.5)
        and pictures.mean_similarity(one, False) == 0
    )


def test_mean_similarity_without_neighbours_of_the_kind():
    one = pictures.neighbourhood("x", np.ones((3, 1)), np.ones(3, bool), 1, 1)
    assert pictures.mean_similarity(one, True) == 1 and np.isnan(
        pictures.mean_similarity(one, False)
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_affinity_figure_has_a_panel_a_snippet(count):
    one = pictures.neighbourhood(
        "x", np.ones((5, 1)), np.array([True, True, False, False, False]), 1, 2
    )
    figure = pictures.affinity_figure([one] * count, SECONDS, "caption")
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
    figure = pictures.distance_figure(panels, "c")
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


def test_detections_figure_with_nothing_found():
    truth = pd.DataFrame({"t_start": [1.0], "t_end": [2.0]})
    panels = {
        "video a": (truth, {"one": NOTHING, "two": truth}),
        "video b": (truth, {"one": truth}),
    }
    figure = pictures.detections_figure(panels, "c")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["video a", "video b"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "two",
        "one",
        "ground truth",
    ]


def test_group_map_shows_the_given_numbers():
    values = np.array([[0, 0, 1], [0, 1, 1]])
    figure = pictures.group_map({"official": values}, ("left", "right"), "c")
    assert figure.axes[0].images[0].get_array().tolist() == values.tolist()
    assert texts(figure) == {
        "scaled by the similarity to: left",
        "scaled by the similarity to: right",
    }


def test_cut_at_scores_inner_minus_outer():
    sequence = np.array([0.0, 0.2, 0.8, 1.0, 0.2, 0.0, 0.0, 0.9, 0.0])
    table = pictures.cut_at(sequence, 0.5, Margin(1.0, "inclusive"), SECONDS)
    assert table[["t_start", "t_end"]].to_numpy().tolist() == [[2, 4], [7, 8]]
    assert table["score"].tolist() == pytest.approx(
        [0.9, 0.9]
    )  # what is below the threshold counts as 0
    assert not len(pictures.cut_at(sequence, 1.1, Margin(1.0, "inclusive"), SECONDS))


def test_cut_figure_counts_the_runs():
    figure = pictures.cut_figure(
        {"s": np.array([0.0, 1.0, 0.0, 1.0])}, 0.5, Margin(0.25, "exclusive"), NOTHING, SECONDS, "c"
    )
    assert "2 runs: s" in [label.get_text() for label in figure.axes[-1].get_yticklabels()]


def test_clicks_are_drawn_where_they_are():
    clicks = pd.DataFrame({"label": ["background", "jump"], "t": [1.5, 2.5]})
    figure = pictures.clicks_figure({"s": np.zeros(4)}, NOTHING, clicks, SECONDS, "c")
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert drawn == [1.5, 2.5] and texts(figure) == {"background click", "action click"}


def test_overlap_figure_draws_a_line_a_rule():
    table = pd.DataFrame({"iou": [1.0, 0.0], "+1 s": [1.0, 0.3]}, index=[0.0, 1.0])
    figure = pictures.overlap_figure({"short": table, "long": table}, 0.55, "c")
    assert len(figure.axes) == 2 and [line.get_ydata()[-1] for line in figure.axes[0].lines] == [
        0.0,
        0.3,
        0.55,
    ]
