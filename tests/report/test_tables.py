"""Tables: the paper's numbers beside ours."""

from dataclasses import dataclass, field, replace

import pandas as pd

from tests.results_samples import results
from wtal_core.report import tables

ROWS = {"Ours": [(0.6, 0.4, 0.2), (0.6, 0.5, 0.1)], "New": [(0.5, 0.3, 0.1), (0.5, 0.3, 0.1)]}


def test_beside_reported_has_delta_interval_and_best():
    found = tables.beside_reported(results(ROWS), {"Ours": 41.5})
    shown = found.loc["Ours", ["reported", "reproduced", "delta", "best on test", "n"]].tolist()
    assert shown == ["41.5", "40.0", "-1.5", "41.0", 2]
    assert found.loc["New", ["reported", "delta", "±", "95 % interval"]].tolist() == [
        "–",
        "–",
        "0.0",
        "30.0 to 30.0",
    ]


def test_beside_reported_follows_the_metric():
    found = tables.beside_reported(results(ROWS).measured(0.5), {"Ours": 41.5})
    assert found.loc["Ours", ["reproduced", "±", "delta", "best on test"]].tolist() == [
        "45.0",
        "7.1",
        "+3.5",
        "46.0",
    ]


def test_per_tiou_shows_the_protocols_average_whatever_the_metric():
    found = tables.per_tiou(results(ROWS).measured(0.5), {"Ours": "shown"})
    assert list(found.columns) == ["0.3", "0.5", "0.7", "AVG"] and list(found.index) == ["shown"]
    assert found.loc["shown"].tolist() == ["60.0 ± 0.0", "45.0 ± 7.1", "15.0 ± 7.1", "40.0 ± 0.0"]


@dataclass(frozen=True)
class Inner:
    clicks: str = "none"
    length: int | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    weight: float = 1.0
    sizes: tuple[int, ...] = (1, 2)
    still: str = "same"


def test_settings_are_the_fields_that_differ():
    one = Outer()
    found = tables.settings(
        {
            "one": one,
            "two": replace(one, weight=0.5),
            "three": replace(one, inner=Inner("action"), sizes=(3,)),
        }
    )
    assert list(found.columns) == ["weight", "sizes", "inner.clicks"]
    assert found.loc["three"].tolist() == [1.0, (3,), "action"] and found.index.name == "row"


def test_settings_of_equal_rows_are_none():
    assert tables.settings({"one": Outer(), "two": Outer()}).shape == (2, 0)


def test_a_saved_table_carries_its_caption(tmp_path):
    table = pd.DataFrame({"reproduced": ["1.0"]}, index=pd.Index(["a"], name="row"))
    assert tables.save_table(table, tmp_path / "table.csv", "Where from.") is table
    assert (tmp_path / "table.csv").read_text() == "# Where from.\nrow,reproduced\na,1.0\n"
    assert (tmp_path / "table.md").read_text().startswith("Where from.\n\n| row")
    assert "1.0" in (tmp_path / "table.md").read_text()


def test_a_saved_table_writes_each_part_of_an_index_into_a_column_of_its_own(tmp_path):
    index = pd.MultiIndex.from_tuples([("v1", "a"), ("v1", "b")], names=["video", "method"])
    tables.save_table(
        pd.DataFrame({"n": ["1", "2"]}, index=index), tmp_path / "table.csv", "Where from."
    )
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["video", "method", "n"]
    assert [cell.strip() for cell in lines[5].split("|")[1:-1]] == ["v1", "b", "2"]
    assert pd.read_csv(tmp_path / "table.csv", comment="#", dtype=str).to_numpy().tolist() == [
        ["v1", "a", "1"],
        ["v1", "b", "2"],
    ]
