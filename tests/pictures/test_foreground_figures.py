"""The picture of sides and scores holds every seed."""

import matplotlib.pyplot as plt
import pandas as pd

from wtal_core.pictures import foreground_figures

RUNS = pd.DataFrame(
    {
        "row": ["full"] * 4 + ["plain"] * 2,
        "seed": [0, 0, 1, 1, 0, 0],
        "stream": ["rgb", "flow"] * 3,
        "auc": [0.9, 0.8, 0.1, 0.7, 0.5, 0.6],
        "map": [40.0, 40.0, 20.0, 20.0, 30.0, 30.0],
        "loss": 1.0,
    }
)


def test_each_row_seed_and_stream_is_a_mark_of_its_colour_and_marker():
    figure = foreground_figures.sides_and_scores(RUNS, "made up")
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    places = sorted((mark.get_xdata()[0], mark.get_ydata()[0]) for mark in marks)
    assert places == sorted(zip(RUNS["auc"], RUNS["map"], strict=True))
    assert len({mark.get_color() for mark in marks}) == 2
    assert len({mark.get_marker() for mark in marks}) == 2
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["full", "plain", "stream rgb", "stream flow"]
    plt.close(figure)
