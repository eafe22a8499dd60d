"""What a timeline says, as tables and as JSON, and the page that is written of it."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.timeline_samples import (
    CLASSES,
    COLUMNS,
    DETECTIONS,
    ENDING,
    HOSTILE,
    ODD,
    judged_timeline,
)
from wtal_core.errors import WorkbookError
from wtal_core.pages import timeline as made
from wtal_core.pages.timeline import Timeline, content_of
from wtal_core.pages.timeline_page import find_videos, page_content, write_timeline
from wtal_core.timebase import Timebase


def detections(rows=DETECTIONS) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*COLUMNS, "score"])


def levels(text: str) -> list[int]:
    return list(base64.b64decode(text))


def test_rows_are_numbers_of_names_that_stand_once():
    content = content_of(judged_timeline())
    assert content["classes"] == [*CLASSES, "not a class of the truth", "background"]
    odd, other = content["videos"]
    assert (odd["name"], other["name"], odd["duration"]) == (ODD, "b", 8.0)
    kinds = [kind["name"] for kind in content["kinds"]]
    assert kinds[:1] == ["true positive"]
    # best-scored first; the class that the truth does not know is not judged, but drawn
    assert odd["detections"] == [
        [0, 2.0, 3.8, 0.9, 0],
        [1, 5.2, 6.9, 0.7, 0],
        [3, 1.0, 2.0, 0.4, -1],
        [0, 6.0, 7.5, 0.2, kinds.index("confusion")],
    ]
    assert odd["truth"] == [[0, 2.0, 4.0, 1], [1, 5.0, 7.0, 1]]
    assert other["truth"] == [[0, 1.0, 3.0, 0]]


def test_signals_are_on_their_own_scale_in_a_byte():
    values = np.array([[0.0, -1.0], [0.5, 1.0], [1.0, np.nan]])
    timeline = Timeline(
        "t",
        detections([]).astype({name: float for name in ("t_start", "t_end", "score")}),
        activation={"v": values},
        attention={"v": np.ones(3)},
        classes=("A", "B"),
        timebase=Timebase(10.0, 5.0),
    )
    (video,) = content_of(timeline)["videos"]
    attention, first, second = video["signals"]
    assert (attention["class"], first["class"], second["class"]) == (-1, 0, 1)
    assert (first["from"], first["step"], first["until"]) == (0.0, 0.5, 1.5)
    assert levels(first["largest"]) == [0, 128, 255] and first["least"] is None
    assert (second["low"], second["high"]) == (-1.0, 1.0)
    assert levels(second["largest"]) == [0, 255, 0] and levels(attention["largest"]) == [0, 0, 0]
    assert video["duration"] == 1.5 and not video["is_stated"]


def test_long_signals_keep_their_peaks_and_the_page_its_size(monkeypatch):
    monkeypatch.setattr(made, "MOST_BINS", 100)
    values = np.zeros((28_125, 1))  # five hours of snippets of 0.64 s
    values[12_345] = 1.0
    values[20_000] = -1.0
    timeline = Timeline("t", detections(), activation={"v": values}, classes=("A",))
    signal = next(v for v in content_of(timeline)["videos"] if v["name"] == "v")["signals"][0]
    largest, least = levels(signal["largest"]), levels(signal["least"])
    assert len(largest) == len(least) == 100 and signal["step"] == pytest.approx(282 * 0.64)
    assert largest.count(255) == 1 and largest[12_345 // 282] == 255
    assert least.count(0) == 1 and least[20_000 // 282] == 0


def test_many_signals_share_the_room_of_a_page():
    rng = np.random.default_rng(0)
    activation = {f"v{i}": rng.random((7000, 200), dtype=np.float32) for i in range(20)}
    timeline = Timeline(
        "t", detections(), activation=activation, classes=[f"c{i}" for i in range(200)]
    )
    page = json.dumps(content_of(timeline))
    assert len(page) < 20e6


def test_of_too_many_signals_those_of_the_videos_own_classes_stay(monkeypatch):
    monkeypatch.setattr(made, "MOST_SIGNALS", 5)
    content = content_of(judged_timeline())
    odd, other = content["videos"]
    assert [signal["class"] for signal in odd["signals"]] == [-1, 0, 1]
    assert [signal["class"] for signal in other["signals"]] == [-1, 0]
    assert "the classes of each video alone" in content["notes"][-1]


def test_detections_beyond_what_can_be_looked_at_are_counted(monkeypatch):
    monkeypatch.setattr(made, "MOST_DETECTIONS", 2)
    odd, _ = content_of(judged_timeline())["videos"]
    assert [row[3] for row in odd["detections"]] == [0.9, 0.7] and odd["left_out"] == 2


def test_infinite_scores_pass_through_json():
    rows = [("v", "A", 0.0, 1.0, np.inf), ("v", "A", 2.0, 3.0, 0.5), ("v", "A", 3.0, 4.0, -np.inf)]
    content = content_of(Timeline("t", detections(rows)))
    assert [row[3] for row in content["videos"][0]["detections"]] == ["Infinity", 0.5, "-Infinity"]
    assert content["scores"] == [0.5, 0.5]
    json.dumps(content, allow_nan=False)


def test_names_cannot_leave_the_script_element(tmp_path):
    path = write_timeline(judged_timeline(), tmp_path / "new folder" / "page.html")
    text = path.read_text(encoding="utf-8")
    assert HOSTILE not in text and ENDING not in text
    assert text.count("<script") == 2 == text.count("</script>")
    content = re.search(r'id="timeline-content">(.*?)</script>', text)[1]
    assert json.loads(content)["classes"][1:3] == [HOSTILE, ENDING]
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text


def test_files_are_named_by_a_path_relative_to_the_page(tmp_path):
    folder = tmp_path / "clips" / "more"
    folder.mkdir(parents=True)
    (folder / f"{ODD}.webm").write_bytes(b"x")
    (tmp_path / "clips" / "v_b.mp4").write_bytes(b"x")
    (tmp_path / "clips" / "b.txt").write_bytes(b"x")
    files = find_videos(tmp_path / "clips", [ODD, "b", "../b", "c"])
    assert files == {ODD: folder / f"{ODD}.webm", "b": tmp_path / "clips" / "v_b.mp4"}
    content = page_content(judged_timeline(), tmp_path / "pages", files)
    odd, other = content["videos"]
    assert odd["address"] == "./../clips/more/a%20clip%2C%20%C3%BC%20%231%3F.webm"
    assert other["address"] == "./../clips/v_b.mp4"
    embedded = page_content(judged_timeline(), tmp_path, {"b": files["b"]}, embed=True)
    assert [v["address"] for v in embedded["videos"]] == [None, "data:video/mp4;base64,eA=="]


def test_what_cannot_be_shown_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "clips" / "other").mkdir(parents=True)
    for name in ("b.mp4", "other/b.webm"):
        (tmp_path / "clips" / name).write_bytes(b"x")
    with pytest.raises(WorkbookError, match="are both called after video 'b'"):
        find_videos(tmp_path / "clips", ["b"])
    with pytest.raises(WorkbookError, match="is no folder"):
        find_videos(tmp_path / "nothing", ["b"])
    with pytest.raises(WorkbookError, match="is no file"):
        write_timeline(judged_timeline(), tmp_path / "page.html", {"b": Path("nothing.mp4")})
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(WorkbookError, match="2 classes"):
        Timeline("t", detections(), activation={"v": np.zeros((3, 1))}, classes=("A", "B"))
    with pytest.raises(WorkbookError, match="'t' is missing"):
        Timeline("t", detections(), clicks=pd.DataFrame({"video": ["v"], "label": ["A"]}))
