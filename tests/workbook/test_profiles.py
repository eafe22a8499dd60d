"""docs/profiles.md says what the records say."""

from math import isnan
from pathlib import Path

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.workbook.profiles import late_share, profiles

ROOT = Path(__file__).parents[2]


def history(*totals):
    return [{"total": total} for total in totals]


def test_the_share_of_the_last_quarter():
    assert late_share(history(9.0, 5.0, 3.0, 3.0, 2.0, 2.0, 2.0, 1.0)) == pytest.approx(1 / 8)
    assert late_share(history(4.0, 0.0)) == 1.0
    assert isnan(late_share(history(1.0, 2.0)))
    assert isnan(late_share(history(1.0)))


def test_a_folder_without_runs_makes_no_page(tmp_path):
    with pytest.raises(WorkbookError, match="holds no runs of a profile"):
        profiles(tmp_path)


def test_the_page_is_made_of_the_committed_records():
    text = profiles(ROOT / "results")
    assert "## Simulated, version 2, profile quick" in text
    assert (ROOT / "docs" / "profiles.md").read_text() == text
