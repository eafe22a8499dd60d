"""What a method does and does not do, in words: made of the verdicts of the tables, each time."""

import pandas as pd

from tests.results_samples import results
from wtal_core.report.artifacts import save_table
from wtal_core.report.in_words import NOTHING, beside, in_words


def save(folder, artifact, *rows):
    """rows: claim, difference, verdict."""
    lines = [
        {
            "claim": claim,
            "comparison": f"A{number} > B",
            "paper": "+1.5",
            "here": here,
            "95 % interval": "-1.0 to 0.1",
            "trained": "5 and 4 of 5",
            "verdict": verdict,
        }
        for number, (claim, here, verdict) in enumerate(rows)
    ]
    path = folder / "simulated-2" / "facnet" / f"{artifact}_messages.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_table(pd.DataFrame(lines).set_index("claim"), path, "caption")


def test_messages_stand_by_what_became_of_them(tmp_path):
    save(
        tmp_path,
        "table3",
        ("it helps", "+2.0", "holds"),
        ("it helps", "+4.0", "holds"),
        ("it harms nobody", "-3.0", "reversed"),
        ("both", "+1.0", "holds"),
        ("both", "-1.0", "reversed"),
        ("the same", "+0.0", "no difference"),
        ("who knows", "+0.5", "cannot tell"),
        ("not in the paper: ours", "+9.0", "holds"),
        ("not printed there: ours, too", "+9.0", "holds"),
    )
    said = in_words(tmp_path, "facnet", "simulated-2")
    assert said.startswith(
        "The tables judge 7 comparisons of the paper: 3 hold, 2 are reversed, "
        "1 shows no difference, 1 cannot be told."
    )
    does, mixed, opposite, nothing, open_ones = said.split("\n\n**")[1:]
    assert (
        "“it helps”: of 2 comparisons 2 hold (here +2.0 to +4.0 points, the paper +1.5) (Table 3)."
        in does
    )
    assert "“both”: of 2 comparisons 1 holds (here +1.0 points, the paper +1.5), 1 is" in mixed
    assert "“it harms nobody”: reversed (here -3.0 points, the paper +1.5) (Table 3)." in opposite
    assert "the same" in nothing and "who knows" in open_ones
    assert "ours" not in said


def test_words_follow_the_tables(tmp_path):
    assert in_words(tmp_path, "facnet", "simulated-2") == NOTHING
    save(tmp_path, "figure4", ("it helps", "+2.0", "holds"))
    assert "**It does here.**" in in_words(tmp_path, "facnet", "simulated-2")
    save(tmp_path, "figure4", ("it helps", "-2.0", "reversed"))
    changed = in_words(tmp_path, "facnet", "simulated-2")
    assert "“it helps”: reversed (here -2.0 points, the paper +1.5) (Figure 4)." in changed
    assert in_words(tmp_path, "facnet", "hapt") == NOTHING
    assert in_words(tmp_path, "ten", "simulated-2") == NOTHING


def test_a_number_within_a_message_is_not_mistaken_for_ours(tmp_path):
    save(tmp_path, "table4", ("it lowers the mAP (-0.3)", "+1.1", "holds"))
    said = in_words(tmp_path, "facnet", "simulated-2")
    assert "“it lowers the mAP”: holds (here +1.1 points, the paper +1.5) (Table 4)." in said
    save(tmp_path, "table4", ("each helps (+1.4, +1.6)", "+0.1", "cannot tell"))
    said = in_words(tmp_path, "facnet", "simulated-2")
    assert "“each helps (the paper: +1.4, +1.6 points)”" in said


def test_a_row_lies_above_or_below_what_has_no_training():
    of_row = results({"Ours": [(0.6, 0.4, 0.2)]})
    said = beside("Ours", of_row, {"no training (mean pooling)": 24.5, "top-k MIL": 41.0})
    assert "above the row without training, mean pooling (24.5) and below top-k MIL" in said
