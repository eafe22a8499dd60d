"""Values over seeds from committed records, without a data set."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.models import facnet
from wtal_core.report import seeds

RESULTS = ROOT / "results"


def write_record(root: Path, name: str, config: dict, seed: int, average: float) -> None:
    folder = root / "some" / "runs" / "method" / name
    folder.mkdir(parents=True)
    metrics = {
        rule: {"wtalc": {"average": average + gain}}
        for rule, gain in (("last", 0.0), ("best", 0.01))
    }
    (folder / "record.json").write_text(
        json.dumps({"run": {"config": config, "seed": seed}, "metrics": metrics})
    )


def test_a_row_a_configuration_a_column_a_seed(tmp_path):
    write_record(tmp_path, "a", {"x": 1, "y": 2}, 0, 0.1)
    write_record(tmp_path, "b", {"y": 2, "x": 1}, 1, 0.2)
    write_record(tmp_path, "c", {"x": 3}, 0, 0.3)
    found = seeds.values_over_seeds(tmp_path, "some", "method", "wtalc")
    assert found.loc[seeds.configuration({"x": 1, "y": 2})].tolist() == pytest.approx([10, 20])
    assert len(found) == 2 and found.isna().sum().sum() == 1


def test_a_record_that_is_there_twice_is_refused(tmp_path):
    for name in "ab":
        write_record(tmp_path, name, {"x": 1}, 0, 0.1)
    with pytest.raises(WorkbookError, match="two records of one configuration"):
        seeds.values_over_seeds(tmp_path, "some", "method", "wtalc")


def test_no_records_is_an_error(tmp_path):
    with pytest.raises(WorkbookError, match="no records of method on some"):
        seeds.values_over_seeds(tmp_path, "some", "method", "wtalc")


@pytest.mark.parametrize("dataset", ["simulated", "hapt"])
def test_the_committed_records_hold_facnet_with_five_seeds(dataset):
    found = seeds.values_over_seeds(RESULTS, dataset, "facnet", "wtalc")
    assert (
        list(found.columns) == [0, 1, 2, 3, 4]
        and found.loc[seeds.configuration(asdict(facnet.QUICK))].notna().all()
    )


def test_tables_say_what_a_choice_adds():
    last = pd.DataFrame([[10.0, 12.0, 11.0, 14.0, 13.0]])
    best = last.add([1.0, 0.0, 0.0, 2.0, 2.0])
    assert seeds.best_of_five({"a": last.loc[0]}).loc["a", ["best of 5", "inflation"]].tolist() == [
        "14.0",
        "+2.0",
    ]
    row = seeds.choices_on_test({"a": last}, {"a": best}).loc["a"]
    assert [
        row[name].split()[0] for name in ("best seed", "best epoch", "best seed and epoch")
    ] == ["+2.0", "+1.0", "+4.0"]
    compared = seeds.paired({"a": (best.loc[0], last.loc[0])}).loc["a"]
    assert compared["difference"] == "+1.0" and compared["n"] == 5
