"""Records as tables of numbers, by one metric or another."""

from dataclasses import replace

import pytest

from tests.results_samples import record, results
from wtal_core.errors import WorkbookError
from wtal_core.runs.results import Results

TWO = {"a": [(0.6, 0.4, 0.2), (0.5, 0.3, 0.1)], "b": [(0.7, 0.5, 0.0), (0.6, 0.5, 0.4)]}


def test_without_tious_the_metric_is_the_protocols_average():
    found = results(TWO)
    assert found.metric == "average mAP"
    assert found.values().loc["a"].tolist() == pytest.approx([40, 30])
    assert list(found.values().columns) == [0, 1]


def test_one_tiou_is_its_map_by_either_selection_rule():
    found = results(TWO).measured(0.5)
    assert found.metric == "mAP@0.5"
    assert found.values().loc["b"].tolist() == pytest.approx([50, 50])
    assert found.values(rule="best").loc["b"].tolist() == pytest.approx([51, 51])


def test_several_tious_are_averaged():
    found = results(TWO).measured(0.3, 0.5)
    assert found.metric == "average mAP@0.3:0.5"
    assert found.values().loc["a"].tolist() == pytest.approx([50, 40])


def test_a_metric_leaves_the_results_as_they_were():
    found = results(TWO)
    assert found.measured(0.5).measured() == found != found.measured(0.5)


def test_the_protocol_of_the_metric_is_read_and_named():
    other = record(0.2, 0.1, 0.0, protocol="activitynet").line["metrics"]
    found = results(TWO)
    for one in (r for rows in found.records.values() for r in rows):
        for rule in ("last", "best"):
            one.line["metrics"][rule] |= other[rule]
    chosen = found.measured(0.5, protocol="activitynet")
    assert chosen.values().loc["a"].tolist() == pytest.approx([10, 10])
    assert "protocol activitynet" in chosen.provenance() and "protocol wtalc" in found.provenance()


def test_a_tiou_that_no_record_holds_is_named():
    with pytest.raises(
        WorkbookError, match=r"no mAP@0.95 by protocol wtalc; choose of 0.3, 0.5, 0.7"
    ):
        results(TWO).measured(0.95).values()


def test_provenance_counts_folds_and_names_the_rule():
    found = results(TWO)
    assert found.provenance("best") == (
        "Tiny (simulated data), protocol wtalc, 2 seeds, best epoch on the test set, profile quick"
    )
    printed = replace(found, profile="printed").provenance()
    assert printed.endswith("profile printed (the paper's form also in rows called code)")
    for number, one in enumerate(found.records["a"]):
        one.line["fold"] = number
    assert (
        "2 seeds, 2 folds, last epoch"
        in replace(found, records={"a": found.records["a"]}).provenance()
    )


def of_behaviour(name, behaviour):
    sample = record(0.3, 0.2, 0.1)
    sample.line["method"] = name
    sample.line["by"]["behaviour"] = behaviour
    return sample


def test_runs_that_todays_code_did_not_compute_are_told_for_every_method():
    rows = {
        "a": [of_behaviour("facnet", "facnet-1"), of_behaviour("facnet", "facnet-2")],
        "b": [of_behaviour("ten", "unknown"), of_behaviour("ten", "ten-1")],
    }
    plain = results({"a": TWO["a"]})
    mixed = replace(plain, records=rows, current={"facnet": "facnet-2", "ten": "ten-1"})
    assert mixed.validity() == (
        "; 1 of 4 runs from before the ledger; STALE: 1 of 4 runs of behaviour facnet-1"
    )
    assert mixed.provenance().endswith(mixed.validity())
    assert plain.validity() == ""
    read = replace(plain, retrained=1)
    told = "runs read a network that was trained again and came out otherwise"
    assert read.validity() == f"; 1 of 2 {told}"
    more = replace(results({"c": TWO["a"]}), retrained=1)
    assert Results.joined([read, more]).validity() == f"; 2 of 4 {told}"
