"""Timeline statistics on segments whose values are known by hand, and the committed file of
THUMOS14's.
"""

import numpy as np
import pandas as pd
import pytest

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.data.grid import inside
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.pictures import simulated

SEGMENTS = pd.DataFrame(
    [
        ("a", "run", 4.0, 6.0),
        ("a", "jump", 1.0, 3.0),
        ("a", "run", 5.0, 7.0),
        ("b", "run", 0.0, 8.0),
    ],
    columns=SEGMENT_COLUMNS,
)
DURATIONS = pd.Series({"a": 10.0, "b": 16.0, "c": 5.0})


def test_statistics_by_hand():
    found = simulated.timeline_statistics(SEGMENTS, DURATIONS)
    assert found["videos"] == 3 and found["instances"] == 4 and found["length median (s)"] == 2
    assert found["gap median (s)"] == 0 and found["share of gaps ≤ 0"] == 0.5  # gaps 1 and -1
    assert found["coverage (mean share)"] == pytest.approx(
        (0.5 + 0.5 + 0) / 3
    )  # overlap counts once
    assert found["lead-in (mean share)"] == pytest.approx(0.05) and found[
        "lead-out (mean share)"
    ] == pytest.approx(0.4)


def test_an_instance_inside_of_another_adds_no_coverage():
    nested = pd.DataFrame(
        [("a", "run", 0.0, 5.0), ("a", "run", 1.0, 2.0), ("a", "run", 3.0, 4.0)],
        columns=SEGMENT_COLUMNS,
    )
    assert (
        simulated.timeline_statistics(nested, pd.Series({"a": 10.0}))["coverage (mean share)"]
        == 0.5
    )


def test_class_fits_are_log_normal_and_gaps_have_a_floor():
    length_median, deviation, gap_median, _ = simulated.class_timelines(SEGMENTS)["run"]
    assert length_median == pytest.approx((2 * 2 * 8) ** (1 / 3)) and deviation == pytest.approx(
        np.log([2, 2, 8]).std()
    )
    assert gap_median == pytest.approx(simulated.SHORTEST_GAP)


def test_a_class_without_gaps_has_none():
    assert np.isnan(simulated.class_timelines(SEGMENTS)["jump"][2:]).all()


def test_every_value_is_in_a_bin():
    shares = simulated.bin_shares(SEGMENTS, DURATIONS)
    assert set(shares) == set(simulated.BINS)
    assert all(
        share.sum() == pytest.approx(1) and len(share) == len(simulated.BINS[name]) - 1
        for name, share in shares.items()
    )


def test_the_committed_statistics_are_whole():
    table = simulated.real_statistics("statistic")
    assert (
        table.loc["instances", "THUMOS14 train"] == 3007
        and table.loc["instances", "THUMOS14 test"] == 3358
    )
    assert table.notna().all().all() and len(simulated.real_statistics("timeline")) == 20
    shares = simulated.real_statistics("share")
    for quantity, rows in shares.groupby("quantity"):
        assert np.allclose(rows["low"], simulated.BINS[quantity][:-1])
        assert np.allclose(rows.drop(columns=["quantity", "low", "high"]).sum(), 1, atol=1e-4)


def test_constants_table_leaves_no_constant_out():
    table = simulated.constants_table()
    constants = set(load_manifest("simulated-2").simulator)
    assert set(table.index) == constants - {"seed", "timelines", "cosines"}
    origin = table["set from"].to_dict()
    assert origin["lead_in"] == "THUMOS14's annotations"
    assert origin["gain_log_deviation"] == "a published STPN"
    assert origin["autocorrelation"] == "unknown, never tuned"
    assert origin["scene"] == "calibrated"


def test_constants_of_a_variant_are_its_own():
    assert (
        simulated.constants_table("simulated-2-scene-high").loc["scene_in_background", "value"]
        == 0.75
    )


def test_the_class_is_seen_along_its_direction():
    data = open_dataset("simulated-2")
    video = data.probes[0]
    label = data.video(video).labels[0]
    along = simulated.projections(data, video, "flow", label)["class"]
    truth = inside(data, video)
    assert along[truth].mean() > along[~truth].mean() + along.std()


def test_divers_are_alike():
    table = simulated.nearest_classes(2)
    assert list(table.index) == ["CricketBowling and CricketShot", "CliffDiving and Diving"]
    assert table.loc["CliffDiving and Diving"].to_list() == [0.675, 0.707]
