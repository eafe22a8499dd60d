"""Computed answers of exercises are folded, and numbers stand by name."""

import pandas as pd

from wtal_core.report import conclusions, messages


def test_answers_are_folded_like_their_solutions():
    text = conclusions.answered({1: "7.4 %", 3: "none"}).text
    assert text.startswith("<details><summary>") and text.endswith("</details>")
    assert "* **1.** 7.4 %\n* **3.** none" in text


def test_numbers_stand_by_name_and_are_told_apart():
    assert conclusions.points({"A": 1.24, "B": -0.3}) == "A 1.2, B -0.3"
    assert conclusions.points(pd.Series({"A, one": 1.0, "B": 2.0})) == "A, one 1.0; B 2.0"
    assert conclusions.points(pd.Series([1.0], index=[0.1])) == "0.1 1.0"


def test_judged_comparisons_can_be_judged_again():
    judged = pd.DataFrame({"claim": ["it helps"] * 2, "comparison": ["A > B", "C, one > B"]})
    pairs = {"it helps": [("A", "B"), ("C, one", "B")]}
    assert messages.pairs_of(judged) == pairs
    assert messages.pairs_of(judged.set_index("claim")) == pairs
