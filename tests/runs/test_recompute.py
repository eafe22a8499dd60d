"""Runs trained again: equal on one machine, told where they cannot be, stale ones appended."""

from dataclasses import replace

import pandas as pd
import pytest

from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.runs import export, recompute, sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run

RUNS = [Run("facnet", CONFIG, "simulated", seed) for seed in range(2)]


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Two finished runs on the tiny data set."""
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    monkeypatch.setattr(recompute, "open_dataset", lambda name, fold: dataset)
    ledger = Ledger(tmp_path / "results")
    sweep.ensure(RUNS, ledger)
    return ledger


def test_a_run_computed_again_on_one_machine_is_equal(ledger):
    (record,) = recompute.sample(ledger, 1)
    before = {path: path.read_bytes() for path in ledger.root.rglob("*.jsonl")}
    line = recompute.again(record)
    assert line["outcome"] == "equal" and line["difference"] == 0
    assert line["losses differ from epoch"] is None and line["same instruction set"] == "yes"
    assert {path: path.read_bytes() for path in ledger.root.rglob("*.jsonl")} == before
    assert "1 of 1 runs computed again; 1 equal in every number" in recompute.summary([line])


def test_a_sample_is_drawn_by_its_seed_and_is_no_larger_than_all(ledger):
    assert len(recompute.sample(ledger, 20)) == len(recompute.sample(ledger, None)) == 2
    drawn = [recompute.sample(ledger, 1, draw)[0].seed for draw in range(8)]
    assert drawn == [recompute.sample(ledger, 1, draw)[0].seed for draw in range(8)]
    assert set(drawn) == {0, 1}


def test_another_outcome_is_told_with_its_size_and_first_epoch(ledger):
    record = recompute.sample(ledger, None)[0]
    other = recompute.sample(ledger, None)[1]
    # the numbers of another seed, as if this run had given them
    changed = replace(record, line={**record.line, "metrics": other.line["metrics"]})
    line = recompute.again(changed)
    assert line["outcome"] == "differs"
    expected = record.average_map("wtalc") - other.average_map("wtalc")
    assert line["difference"] == pytest.approx(expected, abs=0.011)
    assert "0 equal in every number" in recompute.summary([line])


def test_data_that_are_missing_or_others_are_told(ledger, monkeypatch):
    record = recompute.sample(ledger, None)[0]
    monkeypatch.setattr(recompute, "open_dataset", lambda name, fold: tiny_dataset("tiny 2"))
    assert "another one than it was" in recompute.again(record)["outcome"]

    def refuse(name, fold):
        raise WorkbookError("the files are missing")

    monkeypatch.setattr(recompute, "open_dataset", refuse)
    line = recompute.again(record)
    assert line["outcome"] == "not computed: the files are missing"
    assert recompute.summary([line]) == "0 of 1 runs computed again."


def test_stale_runs_are_appended_and_the_older_lines_stay(ledger, monkeypatch):
    assert recompute.stale(ledger) == []
    record = recompute.sample(ledger, None)[0]
    with pytest.raises(WorkbookError, match="is of today's behaviour; there is nothing to do"):
        recompute.anew(record, ledger)
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-2")
    monkeypatch.setattr(sweep.behaviour, "stamp", lambda name: f"{name}-2")
    assert len(recompute.stale(ledger)) == 2
    assert recompute.anew(record, ledger).behaviour == "facnet-2"
    assert len(ledger.records("simulated", "facnet")) == 3


def test_an_empty_folder_is_named(tmp_path):
    for use in (lambda: recompute.sample(Ledger(tmp_path), 1), lambda: export.table(tmp_path)):
        with pytest.raises(WorkbookError, match="holds no runs; `wtal reproduce` computes some"):
            use()


def test_all_runs_are_exported_as_one_table(ledger, tmp_path):
    target = tmp_path / "runs.parquet"
    assert export.export(ledger.root, target) == 2 * 2 * 3  # runs, rules, protocols
    table = pd.read_parquet(target)
    record = recompute.sample(ledger, None)[0]
    row = table[(table["seed"] == record.seed) & (table["rule"] == "last")]
    row = row[row["protocol"] == "wtalc"]
    assert row["mAP"].item() == pytest.approx(record.average_map("wtalc"))
    assert row["mAP@0.5"].item() == pytest.approx(record.map("wtalc")[0.5])
    assert set(table["by.behaviour"]) == {"facnet-1"}
    with pytest.raises(WorkbookError, match=r"name it something\.parquet"):
        export.export(ledger.root, tmp_path / "runs.csv")
    with pytest.raises(WorkbookError, match="cannot be written"):
        export.export(ledger.root, tmp_path / "nowhere" / "runs.parquet")
