"""Tables: the paper's numbers beside ours."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

from tests.results_samples import results
from wtal_core.report import tables

ROWS = {"Ours": [(0.6, 0.4, 0.2), (0.6, 0.5, 0.1)], "New": [(0.5, 0.3, 0.1), (0.5, 0.3, 0.1)]}


def test_beside_reported_has_interval_median_and_best():
    found = tables.beside_reported(results(ROWS), {"Ours": 41.5})
    columns = ["paper", "here", "median", "trained", "collapsed", "best on test", "n"]
    shown = found.loc["Ours", columns].tolist()
    assert shown == ["41.5", "40.0", "40.0", "2 of 2", "0 of 2", "41.0", 2]
    columns = ["paper", "±", "95 % interval"]
    assert found.loc["New", columns].tolist() == ["–", "0.0", "30.0 to 30.0"]
    assert "difference" not in found


def test_a_difference_stands_only_beside_numbers_of_the_same_data():
    found = tables.beside_reported(results(ROWS).measured(0.5), {"Ours": 41.5}, same_data=True)
    assert found.loc["Ours", ["here", "±", "difference"]].tolist() == ["45.0", "7.1", "+3.5"]
    assert found.loc["New", "difference"] == "–"


def test_a_collapsed_seed_takes_the_interval_away():
    rows = results({"Ours": [(0.5, 0.5, 0.5)] * 4 + [(0.1, 0.1, 0.1)]})
    rows.records["Ours"][4].line["objective"] = {"met": True, "total": 1.5}
    found = tables.beside_reported(rows, {}).loc["Ours"]
    shown = found[["95 % interval", "median", "trained", "collapsed"]].tolist()
    assert shown == ["–", "50.0", "4 of 5", "1 of 5"]


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


@pytest.mark.parametrize(
    ("values", "shown"),
    [([1.0, 3.0], "2.0 (-10.7 to 14.7)"), ([1.5], "1.5"), ([np.nan], "–"), ([np.nan, 4.0], "4.0")],
)
def test_mean_and_interval(values, shown):
    assert tables.mean_and_interval(pd.Series(values)) == shown


def test_spreads_are_like_per_tiou_rows_with_their_average():
    values = {
        "drawn": pd.DataFrame([[10.0, 20.0], [14.0, 20.0]], columns=[0.3, 0.55]),
        "fixed": pd.DataFrame([[50.0, 30.0]], columns=[0.3, 0.55]),
    }
    shown = tables.spreads(values)
    assert list(shown.columns) == ["0.3", "0.55", "AVG"]
    assert shown.loc["drawn"].tolist() == ["12.0 ± 2.8", "20.0 ± 0.0", "16.0 ± 1.4"]
    assert shown.loc["fixed"].tolist() == ["50.0", "30.0", "40.0"]


def test_a_strict_table_says_how_many_seeds_are_trained():
    values = {name: pd.DataFrame({"0.50": [10.0, 12.0], "AVG": [5.0, 5.0]}) for name in ("a", "b")}
    trained = pd.DataFrame({0: [True, False, True], 1: [True, False, False]}, index=["b", "c", "a"])
    shown = tables.strict_spreads(values, trained)
    assert shown["trained"].to_dict() == {"a": "1 of 2", "b": "2 of 2"}
    assert shown.loc["a", "0.50"] == "11.0 ± 1.4" and list(shown) == ["0.50", "AVG", "trained"]
