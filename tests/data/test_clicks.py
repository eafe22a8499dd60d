"""Simulated clicks lie where they should; published ones are read."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_samples import REAL, needs_real_data
from wtal_core.data.clicks import (
    empty_clicks,
    read_action_clicks,
    read_annotators,
    read_background_clicks,
    simulate_clicks,
    write_background_clicks,
)
from wtal_core.errors import WorkbookError


def frame(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"]).astype(
        {"t_start": float, "t_end": float}
    )


SEGMENTS = frame(
    ("b", "dive", 5, 6),
    ("b", "put", 1, 2),
    ("b", "put", 1.5, 3),
    ("a", "dive", 0, 4),
    ("c", "put", 2, 2),
)
DURATIONS = {"a": 4.0, "b": 8.0, "c": 9.0, "d": 3.0}


def test_one_action_click_an_instance():
    clicks = simulate_clicks(SEGMENTS, DURATIONS, "action", 0)
    assert clicks["video"].tolist() == ["a", "b", "b", "b"]  # the instance without length gets none
    merged = SEGMENTS.merge(clicks, on=["video", "label"])
    assert ((merged["t"] >= merged["t_start"]) & (merged["t"] < merged["t_end"])).sum() >= 4


def test_one_background_click_a_gap():
    clicks = simulate_clicks(SEGMENTS, DURATIONS, "background", 0, edges=False)
    assert (
        clicks[["video", "label"]].values.tolist() == [["b", "background"]]
        and 3 < clicks["t"].iloc[0] < 5
    )


def test_one_background_click_a_background_segment():
    """b: [0, 1), [3, 5), [6, 8). c has one instance without length, so two. a has no background, d
    no label.
    """
    clicks = simulate_clicks(SEGMENTS, DURATIONS, "background", 0)
    times = clicks.groupby("video")["t"].agg(list).to_dict()
    assert set(times) == {"b", "c"} and set(clicks["label"]) == {"background"}
    assert [np.searchsorted([0, 1, 3, 5, 6, 8], t) for t in times["b"]] == [1, 3, 5] and times["c"][
        0
    ] < 2 < times["c"][1] < 9


def test_instances_beyond_the_end_leave_no_background_there():
    segments = frame(("v", "dive", 2, 3), ("v", "dive", 12, 14))
    clicks = simulate_clicks(segments, {"v": 10.0}, "background", 1)
    assert len(clicks) == 2 and clicks["t"].iloc[0] < 2 and 3 < clicks["t"].iloc[1] < 10
    assert len(simulate_clicks(segments, {"v": 10.0}, "background", 1, edges=False)) == 1


def test_seed_decides():
    first, again, other = (
        simulate_clicks(SEGMENTS, DURATIONS, "action", seed) for seed in (1, 1, 2)
    )
    assert first.equals(again) and not first.equals(other)


def test_uniform_inside_the_instance():
    segments = frame(*[(f"v{i}", "dive", 10, 20) for i in range(2000)])
    times = simulate_clicks(segments, {f"v{i}": 30.0 for i in range(2000)}, "action", 0)["t"]
    assert np.abs(np.histogram(times, bins=5, range=(10, 20))[0] - 400).max() < 80


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 10)), min_size=1, max_size=10))
def test_background_clicks_meet_no_instance(spans):
    segments = frame(*[("v", "dive", start, start + length) for start, length in spans])
    for edges in (True, False):
        for t in simulate_clicks(segments, {"v": 100.0}, "background", 3, edges)["t"]:
            assert not ((segments["t_start"] < t) & (t < segments["t_end"])).any()


def test_the_gaps_alone_draw_the_same_numbers_as_ever():
    """`edges=False` is how the clicks of the first records were drawn."""
    segments = frame(("v", "dive", 1, 2), ("v", "dive", 5, 6), ("v", "dive", 9, 10))
    times = simulate_clicks(segments, {"v": 20.0}, "background", 7, edges=False)["t"]
    np.testing.assert_array_equal(
        times, np.sort(np.random.default_rng(7).uniform([2.0, 6.0], [5.0, 9.0]))
    )


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


BACKGROUND = "thumos14/background_clicks/THUMOS14_Background-Click-Annotation_A{}.txt"
HEADER = "URLID,URL,TagID,Tag,Start,End,Time,State"


def test_a_file_without_header_is_refused(tmp_path):
    for text in ("", "v,v.mp4,20,background_background,1,1,1,1\n"):
        (tmp_path / "b.txt").write_text(text)
        with pytest.raises(WorkbookError, match="does not begin with the header URLID"):
            read_background_clicks(tmp_path / "b.txt")


def test_bad_background_line_is_named(tmp_path):
    for line in (
        "v,v.mp4,20,background_background,1,soon,1,1",
        "v,v.mp4,20,background_background,1",
    ):
        (tmp_path / "b.txt").write_text(f"{HEADER}\n{line}\n")
        with pytest.raises(WorkbookError, match=f"'{line}' is not a click"):
            read_background_clicks(tmp_path / "b.txt")


def test_blank_lines_spaces_and_windows_line_ends(tmp_path):
    (tmp_path / "a.txt").write_bytes(
        b"\xef\xbb\xbf v ,1.5, High Jump \r\n\r\n  \r\n\nw,2,Diving\r\n"
    )
    assert read_action_clicks(tmp_path / "a.txt").values.tolist() == [
        ["v", "High Jump", 1.5],
        ["w", "Diving", 2.0],
    ]


def test_annotators_are_numbered_as_their_files(tmp_path):
    for number, text in ((1, "v,1.5,Diving\n"), (3, "v,2.5,Diving\nw,1,Diving\n")):
        (tmp_path / f"T{number}.txt").write_text(text)
    files = {number: tmp_path / f"T{number}.txt" for number in (1, 2, 3)}
    assert read_annotators(files, "action")["annotator"].tolist() == [1, 3, 3]
    assert read_annotators({2: files[2]}, "action") is None


def background(*rows):
    return pd.DataFrame(
        [(video, "background", t, end) for video, t, end in rows],
        columns=["video", "label", "t", "t_end"],
    )


def test_written_clicks_are_the_published_format(tmp_path):
    table = background(("v_1", 79.0, 79.0), ("v_1", 21.48, 22.0))
    path = write_background_clicks(table, tmp_path / "clicks.txt")
    assert path.read_bytes() == (
        b"\xef\xbb\xbf" + HEADER.encode() + b"\nv_1,v_1.mp4,20,background_background,79,79,1,1"
        b"\nv_1,v_1.mp4,20,background_background,21.48,22,1,1"
    )
    pd.testing.assert_frame_equal(read_background_clicks(path), table)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 50)), max_size=6))
def test_every_number_survives_writing(tmp_path_factory, times):
    path = tmp_path_factory.mktemp("clicks") / "c.txt"
    table = background(*((f"v{i}", t, t + length) for i, (t, length) in enumerate(times)))
    pd.testing.assert_frame_equal(
        read_background_clicks(write_background_clicks(table, path)), table, check_dtype=bool(times)
    )


def test_no_clicks_are_written_and_read_too(tmp_path):
    found = read_background_clicks(write_background_clicks(empty_clicks(), tmp_path / "c.txt"))
    pd.testing.assert_frame_equal(found, empty_clicks())


def test_only_background_clicks_can_be_written(tmp_path):
    table = background(("v", 1.0, 1.0))
    with pytest.raises(WorkbookError, match="clicks on 'Diving' cannot be written"):
        write_background_clicks(table.assign(label="Diving"), tmp_path / "c.txt")
    with pytest.raises(WorkbookError, match="no column 'label'"):
        write_background_clicks(table.drop(columns="label"), tmp_path / "c.txt")
    assert not (tmp_path / "c.txt").exists()


@needs_real_data
def test_published_counts():
    actions = [
        len(read_action_clicks(REAL / f"thumos14/action_clicks/THUMOS{i}.txt"))
        for i in (1, 2, 3, 4)
    ]
    backgrounds = [len(read_background_clicks(REAL / BACKGROUND.format(i))) for i in (1, 2, 3)]
    assert actions == [2980, 2920, 3014, 2986] and backgrounds == [2264, 2323, 2344]


@needs_real_data
def test_published_background_clicks():
    """End differs from Start in six rows; every time is on the grid of 2 frames a second, or 0.48 s
    in six 25-fps videos.
    """
    tables = [read_background_clicks(REAL / BACKGROUND.format(i)) for i in (1, 2, 3)]
    assert [int((table["t_end"] != table["t"]).sum()) for table in tables] == [4, 0, 2]
    assert [table["video"].nunique() for table in tables] == [200, 199, 199]
    assert not any(table.duplicated(["video", "t"]).any() for table in tables)
    table = pd.concat(tables)
    off = table[(table["t"] * 2 % 1).round(6).between(1e-6, 1 - 1e-6)]
    assert (
        off["video"].nunique() <= 6
        and np.abs(off["t"] / 0.48 - (off["t"] / 0.48).round()).max() < 1e-6
    )
    assert "video_validation_0000947" not in {*tables[1]["video"], *tables[2]["video"]}


@needs_real_data
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_published_file_is_written_again_byte_for_byte(tmp_path, number):
    """But for the column Time, the round of annotation, which nobody reads."""
    path = REAL / BACKGROUND.format(number)
    written = write_background_clicks(read_background_clicks(path), tmp_path / "c.txt").read_bytes()
    assert re.sub(rb",[1246],1(?=\r?\n|$)", b",1,1", path.read_bytes()) == written


@needs_real_data
def test_published_action_labels_are_classes():
    """THUMOS3 has labels with stray spaces, THUMOS2 a misspelt video."""
    names = [
        line.split()[0]
        for line in (REAL / "thumos14/action_clicks/THUMOS4.txt")
        .read_text()
        .replace(",", " ")
        .splitlines()
        if line.strip()
    ]
    videos = set(names) | {"video_validation_0000052"}
    tables = {
        i: read_action_clicks(REAL / f"thumos14/action_clicks/THUMOS{i}.txt") for i in (1, 2, 3, 4)
    }
    assert {label for table in tables.values() for label in table["label"]} == set(
        tables[1]["label"]
    )
    assert tables[1]["label"].nunique() == 20
    assert set(tables[2]["video"]) - videos == {"ideo_validation_0000945"}
    assert [tables[i]["video"].nunique() for i in (1, 2, 3, 4)] == [200, 201, 199, 200]
