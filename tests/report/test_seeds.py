"""Values over seeds from committed records, without a data set."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.models import facnet
from wtal_core.report import seeds
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import differences

RESULTS = ROOT / "results"


def write_run(
    root: Path, config: dict, seed: int, average: float, behaviour="facnet-1", data="1"
) -> None:
    metrics = {
        rule: {"wtalc": {"tious": [0.5], "map": [average + gain], "average": average + gain}}
        for rule, gain in (("last", 0.0), ("best", 0.01))
    }
    line = {"dataset": "some", "data": data, "method": "facnet", "config": config, "seed": seed}
    line["id"] = json.dumps([config, seed, data], sort_keys=True)
    Ledger(root).append(line | {"metrics": metrics, "by": {"behaviour": behaviour}}, {})


def test_one_row_per_configuration_and_one_column_per_seed(tmp_path):
    write_run(tmp_path, {"x": 1, "y": 2}, 0, 0.1)
    write_run(tmp_path, {"y": 2, "x": 1}, 1, 0.2)
    write_run(tmp_path, {"x": 3}, 0, 0.3)
    values = seeds.values_over_seeds(tmp_path, "some", "facnet", "wtalc")
    assert values.loc[seeds.configuration({"x": 1, "y": 2})].tolist() == pytest.approx([10, 20])
    assert len(values) == 2 and values.isna().sum().sum() == 1


def test_of_several_behaviours_the_newest_counts(tmp_path):
    write_run(tmp_path, {"x": 1}, 0, 0.1)
    write_run(tmp_path, {"x": 1}, 0, 0.2, behaviour="facnet-2")
    assert seeds.values_over_seeds(tmp_path, "some", "facnet", "wtalc").iloc[0, 0] == 20


def test_runs_on_two_states_of_the_data_are_refused(tmp_path):
    for data in "12":
        write_run(tmp_path, {"x": 1}, 0, 0.1, data=data)
    with pytest.raises(WorkbookError, match="two runs of one configuration and seed of facnet"):
        seeds.values_over_seeds(tmp_path, "some", "facnet", "wtalc")


def test_no_records_is_an_error(tmp_path):
    with pytest.raises(WorkbookError, match="no records of method on some"):
        seeds.values_over_seeds(tmp_path, "some", "method", "wtalc")


@pytest.mark.parametrize("dataset", ["simulated-2", "shrec21"])
def test_the_committed_records_hold_facnet_with_five_seeds(dataset):
    found = seeds.values_over_seeds(RESULTS, dataset, "facnet", "wtalc")
    full = seeds.configuration(differences(facnet.METHOD.profiles["quick"]))
    assert list(found.columns) == [0, 1, 2, 3, 4]
    assert found.loc[full].notna().all()


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
    more = pd.concat([last, pd.DataFrame([[0.0, 90.0, 0.0, 0.0, 0.0]], index=[7])])
    beside = seeds.choices_on_test({"a": more, "b": last}, {"a": more, "b": best})
    assert beside.loc["a", "configurations"] == beside.loc["b", "configurations"] == 1
    assert beside.loc["a", "best seed"].startswith("+2.0")
    compared = seeds.paired({"a": (best.loc[0], last.loc[0])}).loc["a"]
    assert compared["difference"] == "+1.0" and compared["n"] == 5
