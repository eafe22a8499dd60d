"""Sequences, their cuts, clicks and detections: numbers and figures with odd contents."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.localization.frame_proposals import Margin
from wtal_core.pictures import proposal_figures
from wtal_core.timebase import Timebase

SECONDS = Timebase(fps=1.0, stride=1.0)
NOTHING = pd.DataFrame({"t_start": [], "t_end": []}, dtype=float)


def texts(figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_level_table():
    action, background = np.array([True, True, False, False]), np.array([False, False, True, False])
    table = proposal_figures.level_table({"x": np.array([1.0, 3.0, 0.5, 9.0])}, action, background)
    assert table.loc["x"].tolist() == [2.0, 0.5, 1.5]
    assert (
        proposal_figures.level_table(
            {"x": np.float32([0.7, 0.7, 0.2, 0.2])}, action, background
        ).dtypes.tolist()
        == [np.float64] * 3
    )
    assert np.isnan(
        proposal_figures.level_table({"x": np.ones(4)}, action, ~np.ones(4, bool)).loc[
            "x", "difference"
        ]
    )


def test_detections_figure_with_nothing_found():
    truth = pd.DataFrame({"t_start": [1.0], "t_end": [2.0]})
    panels = {
        "video a": (truth, {"one": NOTHING, "two": truth}),
        "video b": (truth, {"one": truth}),
    }
    figure = proposal_figures.detections_figure(panels, "c")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["video a", "video b"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "two",
        "one",
        "ground truth",
    ]


def test_cut_at_scores_inner_minus_outer():
    sequence = np.array([0.0, 0.2, 0.8, 1.0, 0.2, 0.0, 0.0, 0.9, 0.0])
    table = proposal_figures.runs_above(sequence, 0.5, Margin(1.0, "inclusive"), SECONDS)
    assert table[["t_start", "t_end"]].to_numpy().tolist() == [[2, 4], [7, 8]]
    assert table["score"].tolist() == pytest.approx(
        [0.9, 0.9]
    )  # what is below the threshold counts as 0
    assert not len(proposal_figures.runs_above(sequence, 1.1, Margin(1.0, "inclusive"), SECONDS))


def test_overlap_figure_draws_a_line_a_rule():
    table = pd.DataFrame({"iou": [1.0, 0.0], "+1 s": [1.0, 0.3]}, index=[0.0, 1.0])
    figure = proposal_figures.overlap_figure({"short": table, "long": table}, 0.55, "c")
    assert len(figure.axes) == 2 and [line.get_ydata()[-1] for line in figure.axes[0].lines] == [
        0.0,
        0.3,
        0.55,
    ]
