"""The page of findings: verdicts of the tables of artifacts; the committed page is of today."""

import pandas as pd
import pytest

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.report.artifacts import save_table
from wtal_core.report.findings import all_judged, findings


def judged_table(*verdicts):
    claims = ["A beats B"] * (len(verdicts) - 1) + ["C helps"]
    lines = [
        {"claim": claim, "verdict": verdict}
        for claim, verdict in zip(claims, verdicts, strict=True)
    ]
    return pd.DataFrame(lines).set_index("claim")


def test_verdicts_are_counted_per_message_and_data_set(tmp_path):
    for dataset, verdicts in {"hapt": ("holds", "cannot tell", "holds", "reversed")}.items():
        folder = tmp_path / dataset / "paper"
        folder.mkdir(parents=True)
        save_table(judged_table(*verdicts), folder / "table1_messages.csv", "About.")
        save_table(pd.DataFrame({"a": [1]}), folder / "table1.csv", "Not judged.")
    first, second = all_judged(tmp_path)
    assert (first.claim, first.as_text()) == ("A beats B", "2 holds, 1 cannot tell")
    assert (second.claim, second.as_text()) == ("C helps", "reversed")
    page = findings(tmp_path)
    assert "## paper" in page and "[2 holds, 1 cannot tell](../results/hapt/paper/table1.md)" in page


def test_a_folder_without_messages_is_refused(tmp_path):
    with pytest.raises(WorkbookError, match="holds no judged messages"):
        findings(tmp_path)


def test_the_committed_page_is_what_the_committed_tables_say():
    assert (ROOT / "docs" / "findings.md").read_text() == findings(ROOT / "results")
