"""The side of the foreground, from lines of the ledger: numbers by hand."""

import dataclasses
import math

import pytest

from tests.results_samples import record, results
from wtal_core.errors import WorkbookError
from wtal_core.report import foreground


def with_aucs(rows):
    """Results of average mAP 10 times the seed: (AUCs or None, total loss) of each seed."""
    sample = results({row: [(0.0, 0.0, 0.0)] * len(seeds) for row, seeds in rows.items()})
    records = {}
    for row, seeds in rows.items():
        records[row] = []
        for seed, (aucs, loss) in enumerate(seeds):
            known = record(seed / 10, seed / 10, seed / 10)
            known.line["objective"] = {"met": True, "total": loss}
            known.line["id"] = "some"
            if aucs is not None:
                known.line["foreground_auc"] = aucs
            records[row].append(known)
    return dataclasses.replace(sample, records=records)


TWO_ROWS = {
    "full": [([0.9, 0.8], 1.0), ([0.1, 0.7], 1.5), ([0.4, 0.6], 2.0)],
    "plain": [([0.6, 0.7], 1.0), (None, 1.0), ([0.5, 0.9], 1.0)],
}


def test_one_line_per_row_seed_and_stream_that_is_known():
    runs = foreground.per_run(with_aucs(TWO_ROWS), ("rgb", "flow"))
    assert len(runs) == 6 + 4
    second = runs[(runs["row"] == "full") & (runs["seed"] == 1)]
    assert second["stream"].tolist() == ["rgb", "flow"] and second["auc"].tolist() == [0.1, 0.7]
    assert second["map"].tolist() == pytest.approx([10, 10]) and set(second["loss"]) == {1.5}


def test_the_median_of_each_stream_over_the_seeds_that_are_known():
    table = foreground.per_stream(with_aucs(TWO_ROWS), ("rgb", "flow"))
    assert table.loc["full"].tolist() == ["0.40 (0.10 to 0.90)", "0.70 (0.60 to 0.80)"]
    assert table.loc["plain", "rgb"] == "0.55 (0.50 to 0.60)"


def test_a_row_that_nobody_knows_has_dashes():
    table = foreground.per_stream(with_aucs({"old": [(None, 1.0)]}), ("rgb", "flow"))
    assert table.loc["old"].tolist() == ["–", "–"]


def test_how_many_have_changed_sides_and_what_the_loss_says():
    table = foreground.sides(foreground.per_run(with_aucs(TWO_ROWS), ("rgb", "flow")))
    full = table.loc["full"]
    assert [full["median"], full["least"], full["greatest"]] == ["0.65", "0.10", "0.90"]
    assert full["below .5"] == "2 of 6" and full["below .2"] == "1 of 6"
    # seeds 1 and 2 have changed sides: (1.5 + 2) / 2 - 1
    assert full["loss, changed − others"] == "+0.750" and full["average mAP (%)"] == "10.0"
    # .5 itself has not
    assert table.loc["plain", "below .5"] == "0 of 4"
    assert table.loc["plain", "loss, changed − others"] == "–"


def test_the_difference_of_losses_needs_both_kinds_of_seeds():
    runs = foreground.per_run(with_aucs({"all": [([0.1, 0.2], 1.0)]}), ("rgb", "flow"))
    assert math.isnan(foreground.loss_of_changing_sides(runs))


def test_every_seed_is_one_line():
    table = foreground.per_seed(foreground.per_run(with_aucs(TWO_ROWS), ("rgb", "flow")))
    assert table.loc[("full", 2)].tolist() == ["0.40", "0.60", "20.0", "2.000"] and len(table) == 5


def test_another_number_of_streams_is_refused():
    with pytest.raises(WorkbookError, match="AUC of 2 streams, the data set has 1 \\(rgb\\)"):
        foreground.per_run(with_aucs(TWO_ROWS), ("rgb",))
