"""The page of findings: verdicts of the tables of artifacts; the committed page is of today."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.pictures.forest import forests
from wtal_core.report.artifacts import save_table
from wtal_core.report.findings import all_judged, counts, findings


def judged_table(*verdicts):
    claims = ["A beats B"] * (len(verdicts) - 1) + ["not in the paper: C helps"]
    lines = [
        {
            "claim": claim,
            "comparison": f"A{number} > B",
            "paper": "+1.5",
            "here": "-0.5",
            "95 % interval": "-1.0 to 0.1",
            "trained": "5 and 4 of 5",
            "verdict": verdict,
        }
        for number, (claim, verdict) in enumerate(zip(claims, verdicts, strict=True))
    ]
    return pd.DataFrame(lines).set_index("claim")


@pytest.fixture
def folder(tmp_path):
    artifact = tmp_path / "hapt" / "paper"
    artifact.mkdir(parents=True)
    verdicts = ("holds", "cannot tell", "holds", "reversed")
    save_table(judged_table(*verdicts), artifact / "table1_messages.csv", "About.")
    save_table(pd.DataFrame({"a": [1]}), artifact / "table1.csv", "Not judged.")
    return tmp_path


def test_every_comparison_is_one_line_with_its_numbers(folder):
    first, *_, last = all_judged(folder)
    assert (first.claim, first.comparison, first.verdict) == ("A beats B", "A0 > B", "holds")
    assert (first.printed, first.here, first.interval) == (1.5, -0.5, (-1.0, 0.1))
    assert first.is_papers and not last.is_papers
    page = findings(folder)
    link = "[hapt](../results/hapt/paper/table1.md)"
    assert (
        f"| A beats B | A0 > B | {link} | +1.5 | -0.5 | -1.0 to 0.1 | 5 and 4 of 5 | ✓ holds |"
        in page
    )


def test_verdicts_of_the_papers_messages_are_counted_per_data_set(folder):
    (line,) = counts(list(all_judged(folder))).to_dict("records")
    assert line == {
        "data set": "hapt",
        "paper": "paper",
        "holds": 2,
        "reversed": 0,
        "no difference": 0,
        "cannot tell": 1,
        "not trained": 0,
    }


def test_the_page_says_how_many_of_all_comparisons_have_each_verdict(folder):
    shares = "holds 67 %, reversed 0 %, no difference 0 %, cannot tell 33 %, not trained 0 %"
    assert f"Of 3 comparisons: {shares}. 1 of them have the difference" in findings(folder)


def test_the_forest_has_one_line_per_comparison_of_the_paper(folder):
    ((paper, figure),) = forests(list(all_judged(folder)))
    assert paper == "paper"
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"table1: A{number} > B" for number in range(3)
    ]
    plt.close(figure)


def test_a_folder_without_messages_is_refused(tmp_path):
    with pytest.raises(WorkbookError, match="holds no judged messages"):
        findings(tmp_path)


def test_the_committed_page_is_what_the_committed_tables_say():
    assert (ROOT / "docs" / "findings.md").read_text() == findings(ROOT / "results")
