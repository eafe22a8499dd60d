"""The figures of printed numbers show what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from wtal_core.papers import audit as paper_audit
from wtal_core.papers import contradictions as paper_contradictions
from wtal_core.papers.printed_values import printed_values
from wtal_core.pictures import paper_figures


def drawn(figure) -> np.ndarray:
    """The x of every dot."""
    return np.concatenate(
        [line.get_xdata() for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    )


def test_every_complete_average_is_a_dot_and_impossible_ones_are_named():
    found = paper_audit.averages(printed_values())
    figure = paper_figures.average_errors(found, "caption")
    complete = found.dropna(subset="recomputed")
    assert np.allclose(np.sort(drawn(figure)), np.sort(complete["error"]))
    assert sorted(text.get_text() for text in figure.axes[0].texts) == [
        "ACGNet",
        "BSN",
        "SSN",
        "SSN",
    ]
    plt.close(figure)


def test_one_dot_a_source_that_prints_the_number():
    found = paper_contradictions.between(printed_values()).head(2)
    figure = paper_figures.one_method(found, ["facnet", "ten"], "caption")
    assert sorted(x for x in drawn(figure) if not np.isnan(x)) == [39.2, 43.4, 46.9, 52.3]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "UM, mAP@0.3",
        "UM, mAP@0.4",
    ]
    plt.close(figure)


def test_sizes_have_no_sign():
    figure = paper_figures.sizes({"gains": pd.Series([1.0, -2.0, 3.0])}, "caption")
    assert sorted(drawn(figure)) == [1.0, 2.0, 3.0]
    assert figure.axes[0].lines[1].get_xdata()[0] == 2.0
    plt.close(figure)
