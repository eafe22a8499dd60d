"""The figures of linear programmes."""

import numpy as np
import pytest

from wtal_core.pictures import solver_figures
from wtal_core.timebase import Timebase

SECONDS = Timebase(fps=1.0, stride=1.0)
ROWS = np.array([[0.0, -1, 1, 1, 1, -1, 0, 0], [0, 0, 0, 0, 0, -1, 1, 1]])
SCORE = np.array([0.6, 0.2])
EVEN, CORNER = np.array([0, 0, 0.2, 0.2, 0.2, 0, 0.1, 0.1]), np.array([0, 0, 0.6, 0, 0, 0, 0.2, 0])


def test_measures_by_hand():
    assert solver_figures.off(ROWS, EVEN, SCORE) == pytest.approx(0, abs=1e-12)
    assert solver_figures.off(ROWS, np.zeros(8), SCORE) == 0.6
    assert solver_figures.uneven(ROWS, EVEN) == 0 and solver_figures.uneven(ROWS, CORNER) == 0.6
    assert solver_figures.apart(CORNER, EVEN) == pytest.approx((0.4 + 0.2 + 0.2 + 0.1 + 0.1) / 0.8)
    assert solver_figures.apart(CORNER, np.zeros(8)) == 0


def test_of_no_segments():
    nothing = np.zeros((0, 5))
    assert (
        solver_figures.off(nothing, np.zeros(5), np.zeros(0)) == 0
        and solver_figures.uneven(nothing, np.zeros(5)) == 0
    )
    assert solver_figures.solvers_figure(
        nothing, np.zeros(0), {"one": np.zeros(5)}, SECONDS, "caption"
    ).axes


def test_a_panel_a_solver_says_what_its_labels_are():
    figure = solver_figures.solvers_figure(
        ROWS, SCORE, {"even": EVEN, "corner": CORNER}, SECONDS, "caption"
    )
    equations, *panels = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        "even: sum 0.800, largest |Wp − q| 0.000, 5 of 8 snippets above 0",
        "corner: sum 0.800, largest |Wp − q| 0.000, 2 of 8 snippets above 0",
    ]
    assert [tick.get_text() for tick in equations.get_yticklabels()] == ["q = 0.600", "q = 0.200"]
    bars = {(bar.get_x(), bar.get_width(), round(bar.get_y() + 0.4)) for bar in equations.patches}
    assert bars == {(2, 3, 0), (6, 2, -1), (1, 1, 0), (5, 1, 0), (5, 1, -1)}
    words = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert words == {
        "counts for the score (inner area)",
        "counts against it (outer area)",
        "label p",
    }


def test_a_window_leaves_out_the_segments_that_are_not_in_it():
    figure = solver_figures.solvers_figure(ROWS, SCORE, {"even": EVEN}, SECONDS, "caption", 0, 5)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["q = 0.600"]
    assert figure.axes[-1].get_xlim() == (0, 5) and figure.axes[-1].get_ylim()[1] == pytest.approx(
        0.23
    )
