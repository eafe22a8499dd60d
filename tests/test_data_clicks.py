"""Simulated clicks lie where they should; published ones are read."""

import numpy as np
import pandas as pd
import pytest
from data_samples import REAL, needs_real_data
from hypothesis import given
from hypothesis import strategies as st

from wtal_core.data.clicks import read_action_clicks, read_background_clicks, simulate_clicks
from wtal_core.errors import WorkbookError


def frame(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"]).astype({"t_start": float, "t_end": float})


SEGMENTS = frame(("b", "dive", 5, 6), ("b", "put", 1, 2), ("b", "put", 1.5, 3), ("a", "dive", 0, 4), ("c", "put", 2, 2))
DURATIONS = {"a": 4.0, "b": 8.0, "c": 9.0, "d": 3.0}


def test_one_action_click_an_instance():
    clicks = simulate_clicks(SEGMENTS, DURATIONS, "action", 0)
    assert clicks["video"].tolist() == ["a", "b", "b", "b"]       # the instance without length gets none
    merged = SEGMENTS.merge(clicks, on=["video", "label"])
    assert ((merged["t"] >= merged["t_start"]) & (merged["t"] < merged["t_end"])).sum() >= 4


def test_one_background_click_a_gap():
    clicks = simulate_clicks(SEGMENTS, DURATIONS, "background", 0)
    assert clicks[["video", "label"]].values.tolist() == [["b", "background"]] and 3 < clicks["t"].iloc[0] < 5


def test_seed_decides():
    first, again, other = (simulate_clicks(SEGMENTS, DURATIONS, "action", seed) for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)


def test_uniform_inside_the_instance():
    segments = frame(*[(f"v{i}", "dive", 10, 20) for i in range(2000)])
    times = simulate_clicks(segments, {f"v{i}": 30.0 for i in range(2000)}, "action", 0)["t"]
    assert np.abs(np.histogram(times, bins=5, range=(10, 20))[0] - 400).max() < 80


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 10)), min_size=1, max_size=10))
def test_background_clicks_meet_no_instance(spans):
    segments = frame(*[("v", "dive", start, start + length) for start, length in spans])
    for t in simulate_clicks(segments, {"v": 100.0}, "background", 3)["t"]:
        assert not ((segments["t_start"] < t) & (t < segments["t_end"])).any()


def test_no_segments_give_no_clicks():
    assert list(simulate_clicks(frame(), DURATIONS, "action", 0).columns) == ["video", "label", "t"]


def test_bad_input():
    with pytest.raises(WorkbookError, match="'action' or 'background'"):
        simulate_clicks(SEGMENTS, DURATIONS, "start", 0)
    with pytest.raises(WorkbookError, match="video c has segments but no duration"):
        simulate_clicks(SEGMENTS, {"a": 1.0, "b": 1.0}, "action", 0)


def test_bad_click_line_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("v,1.0,dive\nv,soon,dive\n")
    with pytest.raises(WorkbookError, match="'v,soon,dive'"):
        read_action_clicks(tmp_path / "a.txt")


@needs_real_data
def test_published_counts():
    actions = [len(read_action_clicks(REAL / f"thumos14/action_clicks/THUMOS{i}.txt")) for i in (1, 2, 3, 4)]
    name = "thumos14/background_clicks/THUMOS14_Background-Click-Annotation_A{}.txt"
    backgrounds = [len(read_background_clicks(REAL / name.format(i))) for i in (1, 2, 3)]
    assert actions == [2980, 2920, 3014, 2986] and backgrounds == [2264, 2323, 2344]
