"""Conclusions are made from verdicts, and say what would change them."""

from pathlib import Path

import pandas as pd
import pytest

from wtal_core.report import conclusions
from wtal_core.report.tables import save_table

LINES = [
    ("A helps", "A > B", "+3.0", "1.0 to 5.0", "5 and 5 of 5", "holds"),
    ("both help", "C > B", "-3.0", "-5.0 to -1.0", "5 and 5 of 5", "reversed"),
    ("both help", "C > A", "+1.0", "-1.0 to 3.0", "5 and 5 of 5", "cannot tell"),
    ("not in the paper: D helps", "D > B", "–", "–", "2 and 5 of 5", "not trained"),
]
COLUMNS = ["claim", "comparison", "here", "95 % interval", "trained", "verdict"]


def saved(folder: Path, lines=LINES, name: str = "table3_messages") -> Path:
    frame = pd.DataFrame(lines, columns=COLUMNS).set_index("claim")
    save_table(frame, folder / f"{name}.csv", "A caption.")
    return folder / f"{name.partition('_')[0]}.csv"


def test_verdicts_are_counted_by_claim_and_ours_apart(tmp_path):
    text = conclusions.conclusion(saved(tmp_path), "Tiny").text
    assert "on Tiny:** ✓ 1 holds, ✗ 1 is reversed, ? 1 cannot be told." in text
    assert "* **A helps**: ✓ holds, here +3.0 points (1.0 to 5.0)." in text
    assert "* **both help**: of 2, ✗ 1 is reversed, ? 1 cannot be told." in text
    assert "not by the paper:** ○ 1 is not trained." in text and "* **D helps**: ○" in text


def test_the_papers_difference_is_told_beside_ours(tmp_path):
    seeds = "5 and 5 of 5"
    judged = [("A helps (+1.3)", "A > B", "+3.0", "1.0 to 5.0", seeds, "holds")]
    judged.append(("not printed there: A beats C", "A > C", "+9.0", "8.0 to 9.5", seeds, "holds"))
    frame = pd.DataFrame(judged, columns=COLUMNS).set_index("claim")
    save_table(frame.assign(paper=["+1.3", "–"]), tmp_path / "table3_messages.csv", "A caption.")
    text = conclusions.conclusion(tmp_path / "table3.csv", "Tiny").text
    assert "* **A helps**: ✓ holds, here +3.0 points (1.0 to 5.0), the paper +1.3." in text
    papers, ours = text.split("**Asked by the workbook")
    assert "A beats C" in ours and "A beats C" not in papers


def test_it_follows_the_verdicts(tmp_path):
    before = conclusions.conclusion(saved(tmp_path), "Tiny").text
    turned = [(*line[:-1], "reversed") for line in LINES]
    after = conclusions.conclusion(saved(tmp_path, turned), "Tiny").text
    assert "✓" in before and "✓" not in after


def test_seeds_that_would_decide_follow_from_the_interval(tmp_path):
    """Half of the interval is twice the difference: four times the seeds."""
    text = conclusions.conclusion(saved(tmp_path), "Tiny").text
    assert "*C > A* about 20 would decide" in text
    far = [("a", "A > B", "+0.0", "-4.0 to 4.0", "5 and 5 of 5", "cannot tell")]
    assert "*A > B* more than 100" in conclusions.conclusion(saved(tmp_path, far), "Tiny").text


def test_too_few_seeds_are_told(tmp_path):
    few = [("a", "A > B", "+1.0", "–", "1 and 1 of 1", "cannot tell")]
    assert "at least 5 are needed" in conclusions.conclusion(saved(tmp_path, few), "Tiny").text


def test_what_has_read_two_networks_asks_for_one_machine(tmp_path):
    line = ("T matters", "T = 1 > T = 2", "–", "–", "5 and 5 of 5", "cannot tell")
    text = conclusions.conclusion(saved(tmp_path, [line]), "Tiny").text
    assert "**T matters**: ? cannot be told." in text and "More seeds" not in text
    assert "One machine for all: 1 of what cannot be told" in text


def test_a_picture_says_that_it_judges_nothing_and_what_does(tmp_path):
    saved(tmp_path)
    figure = tmp_path / "figure5.csv"
    text = conclusions.conclusion(figure, "Tiny", "table3").text
    assert text.startswith("A picture of one video") and "Table 3 judges" in text
    assert "✓ 1 holds" in text


def test_what_is_not_computed_is_told_with_the_command(tmp_path):
    folder = tmp_path / "facnet"
    folder.mkdir()
    text = conclusions.conclusion(folder / "figure5.csv", "Tiny", "table3").text
    assert "`wtal reproduce facnet/table3`" in text
    assert conclusions.conclusion(folder / "table1.csv", "Tiny").text == "Nothing is judged here."


@pytest.mark.parametrize(("value", "sign"), [(True, "✓ it is"), (False, "✗ not so: it is")])
def test_checks_are_told_as_they_came_out(value, sign):
    said = conclusions.of_checks({"it is": value}, "Another data set.")
    assert f"* {sign}" in said.text and "Another data set." in said.text
    assert said._repr_markdown_() == said.text == repr(said)
