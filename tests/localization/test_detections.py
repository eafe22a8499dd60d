"""The table of detections and the ambiguity filter."""

import numpy as np
import pandas as pd

from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.timebase import Timebase

TIMEBASE = Timebase()


def test_table_is_in_seconds_by_video_then_class_then_decreasing_score():
    table = to_table(
        np.array([1, 0, 0, 0]),
        np.array([0, 1, 0, 1]),
        np.array([0.0, 1.0, 2.0, 3.0]),
        np.array([4.0, 5.0, 6.5, 7.0]),
        np.array([0.1, 0.2, 0.3, 0.4]),
        ["b", "a"],
        ("x", "y"),
        TIMEBASE,
    )
    assert list(table.columns) == ["video", "label", "t_start", "t_end", "score"]
    assert table[["video", "label"]].to_numpy().tolist() == [
        ["b", "x"],
        ["b", "y"],
        ["b", "y"],
        ["a", "x"],
    ]
    np.testing.assert_allclose(table["t_start"], [1.28, 1.92, 0.64, 0.0])
    np.testing.assert_allclose(table["t_end"], [4.16, 4.48, 3.2, 2.56])
    assert table["score"].tolist() == [0.3, 0.4, 0.2, 0.1]


def test_equal_scores_stay_in_order():
    zeros = np.zeros(3, dtype=np.int64)
    table = to_table(
        zeros,
        zeros,
        np.array([5.0, 1.0, 3.0]),
        np.full(3, 9.0),
        np.ones(3),
        ["v"],
        ["c"],
        Timebase(1.0, 1.0),
    )
    assert table["t_start"].tolist() == [5, 1, 3]


def test_empty_table_has_the_right_types():
    none = np.zeros(0)
    table = to_table(none.astype(int), none.astype(int), none, none, none, [], [], TIMEBASE)
    assert len(table) == 0
    assert [str(t) for t in table.dtypes] == ["str", "str", "float64", "float64", "float64"]


def kept(video, start, end, *ambiguous):
    frame = pd.DataFrame(list(ambiguous), columns=["video", "t_start", "t_end"])
    return drop_ambiguous(
        np.array(video, dtype=np.int64),
        np.array(start, dtype=float),
        np.array(end, dtype=float),
        frame,
        ["a", "b"],
        TIMEBASE,
    ).tolist()


def test_what_shares_a_snippet_goes_and_what_touches_stays():
    assert kept([0, 0, 0, 1], [0, 4, 6, 4], [4, 7, 9, 7], ("a", 4 * 0.64, 6 * 0.64)) == [0, 2, 3]


def test_ambiguous_intervals_are_rounded_and_detections_truncated():
    assert kept([0], [0], [4.9], ("a", 3.6 * 0.64, 6 * 0.64)) == [0]  # [0, 4) and [4, 6)
    assert kept([0], [0], [4.9], ("a", 3.4 * 0.64, 6 * 0.64)) == []  # [0, 4) and [3, 6)
    assert kept([0], [0], [5 - 1e-12], ("a", 4 * 0.64, 6 * 0.64)) == []  # 5 up to rounding error


def test_unknown_videos_and_no_intervals_are_passed_over():
    assert kept([0, 1], [0, 0], [9, 9], ("c", 0.0, 5.0)) == [0, 1]
    assert kept([0, 1], [0, 0], [9, 9]) == [0, 1]
    assert kept([], [], [], ("a", 0.0, 5.0)) == []
