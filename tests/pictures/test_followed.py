"""One video followed: panels on one axis of time, kept snippets, best segments first."""

import numpy as np
import pandas as pd

from wtal_core.pictures.figures import png
from wtal_core.pictures.followed import (
    Curves,
    Heat,
    Spans,
    best,
    followed,
    gradient_bars,
    half_of,
    loss_curves,
)
from wtal_core.timebase import Timebase

TIMEBASE = Timebase(fps=25.0, stride=25.0)
TRUTH = pd.DataFrame({"t_start": [2.0], "t_end": [5.0]})
SPANS = pd.DataFrame(
    {"t_start": [1.0, 2.0, 3.0], "t_end": [2.0, 5.0, 4.0], "score": [0.1, 0.9, 0.5]}
)


def figure():
    panels = {
        "features": Heat(np.arange(24.0).reshape(8, 3) - 5, {1: "b"}, centred=True),
        "score": Curves({"a": np.arange(8.0)}, kept=np.arange(8) > 5, threshold=2.0),
        "spans": Spans(SPANS),
    }
    return followed(panels, TRUTH, TIMEBASE, "caption")


def test_panels_share_the_time_of_the_longest_array():
    drawn = figure()
    assert len(drawn.axes) == 4 and drawn.axes[-1].get_xlim() == (0, 8)
    assert drawn.axes[0].get_title(loc="left") == "features: orange to violet is -18 to 18"
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["b"]
    png(drawn)


def test_the_best_segment_is_on_top():
    bars = figure().axes[2].patches
    tops = {bar.get_x(): bar.get_y() for bar in bars}
    assert tops[2.0] < tops[3.0] < tops[1.0]
    assert best(SPANS, 2)["score"].tolist() == [0.9, 0.5]


def test_nothing_found_is_drawn_as_nothing():
    drawn = followed({"spans": Spans(SPANS.head(0))}, TRUTH, TIMEBASE, "caption")
    assert not drawn.axes[0].patches
    png(drawn)


def test_half_of_the_weight_is_on_the_heaviest_snippets():
    assert half_of([0.1, 0.4, 0.3, 0.2]).tolist() == [False, True, True, False]
    assert half_of([0.6, 0.4]).tolist() == [True, False]
    assert half_of([]).tolist() == []


def test_a_term_without_a_gradient_has_no_bar():
    norms = pd.DataFrame({"w": [1.0, 0.0], "v": [2.0, 3.0]}, index=["one", "other"])
    heights = [bar.get_height() for bar in gradient_bars(norms, "caption").axes[0].patches]
    assert heights[:2] == [1.0, 2.0] and np.isnan(heights[2]) and heights[3] == 3.0


def test_a_bound_is_drawn_with_the_term_that_it_is_of():
    history = pd.DataFrame({0: [3.0, 1.0], 1: [2.0, 1.0]}, index=[1, 2])
    drawn = loss_curves({"fg": history, "bg": history}, "caption", {"fg": 0.5, "fg + bg": 9.0})
    axes = drawn.axes[0]
    assert axes.get_lines()[0].get_ydata().tolist() == [2.5, 1.0]
    assert axes.get_legend_handles_labels()[1] == ["fg", "bound of fg", "bg"]
    png(drawn)
