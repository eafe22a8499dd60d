"""Fresh tables against committed ones."""

import pandas as pd
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.report.artifacts import save_table
from wtal_core.report.compare import compare


def saved(root, name: str, rows: dict[str, tuple[str, str]]) -> None:
    folder = root / "simulated" / "backtal"
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["here", "95 % interval"])
    save_table(
        table.assign(**{"±": "1.0"}).rename_axis("row"), folder / f"{name}.csv", "Where from."
    )


def test_rows_agree_where_their_intervals_overlap(tmp_path):
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    saved(fresh, "table7", {"a": ("10.0", "9.0 to 11.0"), "b": ("20.0", "19.0 to 21.0")})
    saved(committed, "table7", {"a": ("12.0", "11.0 to 13.0"), "b": ("23.5", "22.0 to 25.0")})
    saved(fresh, "table7_average", {"a": ("10.0", "–"), "new": ("1.0", "0.0 to 2.0")})
    saved(committed, "table7_average", {"a": ("30.0", "29.0 to 31.0")})
    saved(fresh, "table7_only", {"a": ("10.0", "–")})
    lines = compare(fresh, committed).to_dict("records")
    assert lines == [
        {
            "dataset": "simulated",
            "artifact": "backtal/table7",
            "rows": 2,
            "agree": 1,
            "largest difference": "3.5",
        },
        {
            "dataset": "simulated",
            "artifact": "backtal/table7_average",
            "rows": 1,
            "agree": 1,
            "largest difference": "20.0",
        },
    ]


def test_tables_without_intervals_and_other_files_are_left_out(tmp_path):
    for root in ("fresh", "committed"):
        folder = tmp_path / root / "thumos14" / "stpn"
        folder.mkdir(parents=True)
        (folder / "protocols.csv").write_text("kind,row\n")
        save_table(pd.DataFrame({"n": [1]}), folder / "table1.csv", "x")
    with pytest.raises(WorkbookError, match="holds no table that is also in"):
        compare(tmp_path / "fresh", tmp_path / "committed")
