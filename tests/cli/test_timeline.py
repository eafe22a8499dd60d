"""`wtal timeline`: what it reads, what it writes, and what it refuses in one line."""

import json
import re

import numpy as np
import pytest

from tests.cli.test_commands import assert_bad_input, wtal  # noqa: F401  a fixture
from wtal_core.evaluation.signals import Signals, read_signals, write_signals
from wtal_core.timebase import Timebase

TRUTH = "video,label,t_start,t_end,duration\nv1,Jump,1,4,20\nv2,Throw,2,6,20\n"
FOUND = "video,label,t_start,t_end,score\nv1,Jump,1,3.5,0.9\nv1,Throw,9,11,0.4\nv2,Swim,1,2,0.3\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with detections, truth and a file called as a video."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found.csv").write_text(FOUND)
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "v_v1.mp4").write_bytes(b"x")
    return tmp_path


def content(path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="timeline-content">(.*?)</script>', text)[1])


def test_detections_alone(wtal, place):  # noqa: F811
    status, out, err = wtal("timeline", "found.csv", "--out", "page.html")
    assert (status, err) == (0, []) and "3 detections in 2 videos" in out
    page = content(place / "page.html")
    assert page["title"] == "found" and page["kinds"] == []
    assert page["classes"] == ["Jump", "Swim", "Throw", "background"]
    assert page["videos"][0]["detections"] == [[0, 1, 3.5, 0.9, -1], [2, 9, 11, 0.4, -1]]


def test_beside_truth_files_marks_and_signals(wtal, place):  # noqa: F811
    signals = Signals(("Jump", "Throw"), Timebase(), {"v1": np.ones((30, 2))}, {"v1": np.ones(30)})
    write_signals(signals, place / "seen.npz")
    (place / "clicks.csv").write_text("video;label;t\nv1;Jump;2,5\n")
    (place / "segments.csv").write_text("video,label,t_start,t_end\nv2,Throw,2,6\n")
    status, out, _ = wtal(
        *("timeline", "found.csv", "--truth", "truth.csv", "--videos", "clips"),
        *("--signals", "seen.npz", "--clicks", "clicks.csv", "--segments", "segments.csv"),
        *("--out", "pages/page.html", "--title", "Mine"),
    )
    assert status == 0 and "1 of 2 videos have a file in clips" in out
    first, second = content(place / "pages" / "page.html")["videos"]
    assert first["address"] == "./../clips/v_v1.mp4" and second["address"] is None
    assert [row[4] for row in first["detections"]] == [0, 5] and first["duration"] == 20
    assert second["detections"] == [[2, 1, 2, 0.3, -1]]  # a class that the truth does not know
    assert (first["clicks"], second["segments"]) == ([[0, 2.5]], [[1, 2, 6]])
    assert [signal["class"] for signal in first["signals"]] == [-1, 0, 1]


def test_proposals_without_labels_are_shown(wtal, place):  # noqa: F811
    (place / "bare.csv").write_text("video,t_start,t_end,score\nv1,1,2,0.5\n")
    assert wtal("timeline", "bare.csv")[0] == 0
    assert content(place / "timeline.html")["classes"] == ["proposal", "background"]


def test_a_folder_with_other_names_is_told(wtal, place):  # noqa: F811
    (place / "clips" / "v_v1.mp4").rename(place / "clips" / "holiday.mp4")
    status, out, err = wtal("timeline", "found.csv", "--videos", "clips")
    assert status == 0 and "0 of 2 videos have a file" in out and "is called 'v1'" in err[0]


def test_bad_input_is_one_line_and_writes_nothing(wtal, place):  # noqa: F811
    before = sorted(place.rglob("*"))
    assert_bad_input(wtal("timeline", "truth.csv", "--out", "clips"), "is a folder")
    assert_bad_input(wtal("timeline", "found.csv", "--videos", "nothing"), "is no folder")
    assert_bad_input(wtal("timeline", "found.csv", "--signals", "nothing.npz"), "is no file")
    assert_bad_input(wtal("timeline", "found.csv", "--signals", "found.csv"), "found.csv")
    assert_bad_input(wtal("timeline", "found.csv", "--clicks", "truth.csv"), "no column 't'")
    assert sorted(place.rglob("*")) == before


def test_signals_are_read_as_they_were_written(place):
    rng = np.random.default_rng(0)
    activation = {"a/b": rng.random((4, 2), np.float32), "c": rng.random((3, 2), np.float32)}
    signals = Signals(("Jump", "é"), Timebase(30.0, 8.0, 4.0), activation, {"c": np.zeros(3)})
    write_signals(signals, place / "seen.npz")
    again = read_signals(place / "seen.npz")
    assert (again.classes, again.timebase) == (signals.classes, signals.timebase)
    assert set(again.activation) == {"a/b", "c"} and set(again.attention) == {"c"}
    np.testing.assert_array_equal(again.activation["a/b"], activation["a/b"])


def test_signals_of_other_shapes_are_refused(wtal, place):  # noqa: F811
    arrays = {"classes": np.array(["A"]), "timebase": np.array([25.0, 16.0, 0.0])}
    for name, values in (("v/activation", np.zeros((3, 2))), ("v/attention", np.zeros((3, 1)))):
        np.savez(place / "seen.npz", **arrays, **{name: values})
        assert_bad_input(wtal("timeline", "found.csv", "--signals", "seen.npz"), name, "1 classes")
    np.savez(place / "seen.npz", classes=np.array(["A"]))
    assert_bad_input(wtal("timeline", "found.csv", "--signals", "seen.npz"), "no `timebase`")
