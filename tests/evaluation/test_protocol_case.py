"""The simulated case of the comparison of protocols, and the reader of own files."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.data.opening import open_dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocol_case import (
    EMPTY_VIDEOS,
    LEFT_OUT_VIDEOS,
    read_case,
    simulate_case,
)
from wtal_core.evaluation.protocols import ACTIVITYNET, OPENTAD, WTALC
from wtal_core.evaluation.tables import write_detections, write_ground_truth


@pytest.fixture(scope="module")
def case():
    return simulate_case(open_dataset("simulated"))


def test_the_simulated_case_is_repeatable_and_the_seed_decides_it(case):
    again, other = (simulate_case(open_dataset("simulated"), seed) for seed in (0, 1))
    pd.testing.assert_frame_equal(case.detections, again.detections)
    assert len(other.detections) != len(case.detections) or not other.detections.equals(
        case.detections
    )
    assert "simulated detections" in case.title


def test_each_detail_has_something_to_decide(case):
    counts = {
        one.id: evaluate(case.ground_truth, case.detections, one).counts
        for one in (ACTIVITYNET, OPENTAD, WTALC)
    }
    assert (
        counts["activitynet"]["tied_scores"] > 1000
        and counts["activitynet"]["instances_without_length"] == 1
    )
    assert (
        counts["wtalc"]["dropped_ambiguous"] > 50
        and counts["wtalc"]["dropped_video_without_ground_truth"] > 20
    )
    assert counts["opentad"]["instances_dropped"] > 5
    instances = case.ground_truth.segments
    assert instances["video"].nunique() == len(case.ground_truth.videos) - EMPTY_VIDEOS
    assert instances["video"].isin(case.left_out).any() and len(case.left_out) == LEFT_OUT_VIDEOS


def test_borders_are_continuous_and_inside_of_time(case):
    times = case.detections[["t_start", "t_end"]].to_numpy()
    assert (times >= 0).all() and (times[:, 1] >= times[:, 0]).all()
    assert (
        np.mean(np.abs(times * 10 - np.round(times * 10)) > 1e-6) > 0.7
    )  # annotations have one decimal


def test_own_files_come_back(case, tmp_path):
    write_ground_truth(case.ground_truth, tmp_path / "truth.json")
    write_detections(case.detections, tmp_path / "found.parquet")
    (tmp_path / "Ambiguous.txt").write_text("sim_test_0000 1.0 2.0\n")
    found = read_case(
        tmp_path / "truth.json", tmp_path / "found.parquet", tmp_path / "Ambiguous.txt"
    )
    assert found.left_out == () and "found.parquet" in found.title
    assert found.ground_truth.ambiguous[["video", "t_start", "t_end"]].to_numpy().tolist() == [
        ["sim_test_0000", 1.0, 2.0]
    ]
    given, read = (
        evaluate(one.ground_truth, one.detections, ACTIVITYNET).average for one in (case, found)
    )
    assert read == pytest.approx(given, abs=1e-12)


def test_a_list_of_ambiguous_intervals_that_is_not_there_is_an_error(case, tmp_path):
    write_ground_truth(case.ground_truth, tmp_path / "truth.json")
    write_detections(case.detections, tmp_path / "found.json")
    with pytest.raises(WorkbookError, match="no such file"):
        read_case(tmp_path / "truth.json", tmp_path / "found.json", tmp_path / "Ambiguous.txt")
