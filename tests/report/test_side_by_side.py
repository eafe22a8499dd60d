"""Every printed column beside ours: the numbers are those of the paper and of the records."""

import numpy as np
import pandas as pd
import pytest

from tests.results_samples import results
from wtal_core.errors import WorkbookError
from wtal_core.report import side_by_side
from wtal_core.report.artifacts import read_table, save_table

# mAP in percent, one line per seed
TEN = pd.DataFrame(
    [[60.0, 50.0, 40.0, 30.0, 20.0], [62.0, 52.0, 42.0, 32.0, 22.0]],
    columns=[0.3, 0.4, 0.5, 0.6, 0.7],
)


def test_each_printed_column_stands_beside_ours():
    table = side_by_side.printed_columns("ten/table3", {"BL, A": "BL"}, {"BL, A": TEN})
    assert list(table.index.names) == ["printed row", "row", "column"]
    assert table["printed"].tolist() == ["51.4", "42.1", "31.3", "20.6", "10.5", "31.2"]
    assert table["here"].tolist() == [f"{v}.0 ± 1.4" for v in (61, 51, 41, 31, 21, 41)]
    assert set(table["n"]) == {"2"}


def test_the_interval_is_students():
    table = side_by_side.printed_columns("ten/table3", {"BL": "BL"}, {"BL": TEN})
    # 61 ± 12.706 * sqrt(2) / sqrt(2)
    assert table["95 % interval"].iloc[0] == "48.3 to 73.7"


def test_an_average_is_taken_seed_by_seed_over_its_own_tious():
    values = pd.DataFrame(
        [[70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0]], columns=np.arange(1, 8) / 10
    )
    table = side_by_side.printed_columns("ten/table6", {"k = 2": "interval=2"}, {"k = 2": values})
    here = table.droplevel(["printed row", "row"])["here"]
    assert here["average 0.1:0.5"] == "50.0" and here["average 0.3:0.7"] == "30.0"


def test_a_dash_where_the_paper_or_the_records_have_none():
    values = pd.DataFrame([[30.0]], columns=["0.50"])
    row = {"SF-Net": "SF-Net [11]"}
    table = side_by_side.printed_columns("backtal/table2", row, {"SF-Net": values})
    cells = table.droplevel(["printed row", "row"])
    assert cells.loc["mAP@0.5"].tolist() == ["37.8", "30.0", "–", "1"]
    assert cells.loc["mAP@0.55"].tolist() == ["–", "–", "–", "0"]
    assert cells.loc["mAP@0.7"].tolist() == ["24.6", "–", "–", "0"]


def test_a_column_may_be_of_another_row():
    rows = {"in training": "Uniform", "in testing": "Uniform"}
    values = {
        name: pd.DataFrame(np.full((2, 7), level), columns=np.arange(1, 8) / 10)
        for name, level in (("in training", 10.0), ("in testing", 20.0))
    }
    halves = {
        "in training": ["train_m50", "train_m70", "train_avg_10_70"],
        "in testing": ["test_m50", "test_m70", "test_avg_10_70"],
    }
    table = side_by_side.printed_columns("gaufuse/table3", rows, values, halves)
    assert table["printed"].tolist() == ["24.2", "8.1", "31.2", "33.8", "9.7", "41.5"]
    assert table["here"].str[:2].tolist() == ["10"] * 3 + ["20"] * 3


def test_values_follow_the_protocol_of_the_results():
    sample = results({"Ours": [(0.6, 0.4, 0.2), (0.6, 0.5, 0.1)]})
    assert side_by_side.values_of(sample)["Ours"].values.tolist() == [[60, 40, 20], [60, 50, 10]]


def test_a_row_with_a_collapsed_seed_has_no_interval():
    sample = results({"BL": [(0.6, 0.4, 0.2)] * 5, "BL+BGES": [(0.6, 0.5, 0.1)] * 5})
    sample.records["BL"][3].line["objective"]["total"] = 50.0
    assert sample.collapse().tolist() == [1, 0]
    table = side_by_side.of_results("ten/table3", {"BL": "BL", "BL+BGES": "BL+BGES"}, sample)
    at_half = table["95 % interval"].xs("mAP@0.5", level="column").droplevel("printed row")
    assert at_half.to_dict() == {"BL": "–", "BL+BGES": "50.0 to 50.0"}
    assert set(table.loc[table["here"] != "–", "n"]) == {"5"}


def test_an_unknown_row_is_named():
    with pytest.raises(WorkbookError, match=r"ten/table3 prints no row 'BL \+ A'; its rows: BL,"):
        side_by_side.printed_columns("ten/table3", {"BL": "BL + A"}, {"BL": TEN})


def test_an_unknown_column_is_named():
    with pytest.raises(WorkbookError, match="ten/table3 prints no result 'm10'"):
        side_by_side.printed_columns("ten/table3", {"BL": "BL"}, {"BL": TEN}, {"BL": ["m10"]})


def test_it_is_saved_and_read_back_whole(tmp_path):
    table = side_by_side.printed_columns("ten/table3", {"BL, A": "BL"}, {"BL, A": TEN})
    save_table(table, tmp_path / "table3_columns.csv", "A caption.")
    back = read_table(tmp_path / "table3.csv", "table3_columns")
    assert back.index.equals(table.index) and back.equals(table.astype("str"))


def test_the_compact_form_is_one_line_per_row():
    both = {"BL, A": TEN, "BL, B": TEN + 1}
    table = side_by_side.printed_columns("ten/table3", {"BL, A": "BL", "BL, B": "BL"}, both)
    shown = side_by_side.compact(table)
    assert list(shown.index) == ["BL, A", "BL, B"] and list(shown)[-1] == "average 0.3:0.7"
    assert shown.loc["BL, B", "mAP@0.7"] == "10.5 / 22.0 ± 1.4"
