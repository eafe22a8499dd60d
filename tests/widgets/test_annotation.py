"""The annotator: what is clicked is in the table, in the picture, in the file, and in what a method
is trained with.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.tiny_dataset import tiny_dataset
from wtal_core.data.click_judgement import judged
from wtal_core.data.clicks import empty_clicks, read_background_clicks, with_clicks
from wtal_core.data.dataset import Video
from wtal_core.errors import WorkbookError
from wtal_core.models.shared.inputs import Inputs
from wtal_core.pictures.figures import png
from wtal_core.runs.inputs import resident
from wtal_core.widgets.annotation import (
    NO_CLICK,
    Annotator,
    annotator,
    cost_table,
    feature_timeline,
)


@pytest.fixture
def widget() -> Annotator:
    return annotator(tiny_dataset())


def click(widget, video, *times):
    widget.videos.value = video
    for time in times:
        widget.time.value = time
        widget.here.click()


def test_clicks_are_kept_by_video_and_time(widget):
    click(widget, "train_0", 1.5, 10.0, 1.5)
    click(widget, "train_1", 0.5)
    assert widget.clicks.values.tolist() == [
        ["train_0", "background", 1.5, 1.5],
        ["train_0", "background", 10.0, 10.0],
        ["train_1", "background", 0.5, 0.5],
    ]
    assert [line for line, _ in widget.listed.options][1:] == [
        "train_0, 1.5 s",
        "train_0, 10 s",
        "train_1, 0.5 s",
    ]


def test_undo_forgets_the_last_click_and_goes_there(widget):
    click(widget, "train_0", 1.5)
    click(widget, "train_1", 3.0)
    click_free = widget.picture.value
    widget.videos.value = "train_2"
    widget.undo.click()
    assert (widget.videos.value, widget.time.value) == (
        "train_1",
        3.0,
    ) and widget.picture.value != click_free
    widget.undo.click()
    widget.undo.click()  # nothing is left: nothing happens
    assert widget.clicks.equals(empty_clicks()) and widget.listed.options == ((NO_CLICK, -1),)


def test_the_picture_is_the_static_twin(widget):
    click(widget, "train_3", 2.0, 7.5)
    assert widget.picture.value == png(
        feature_timeline(widget.dataset, "train_3", widget.clicks, 7.5)
    )
    widget.time.value = 4.0
    assert widget.picture.value == png(
        feature_timeline(widget.dataset, "train_3", widget.clicks, 4.0)
    )


def test_the_timeline_shows_lengths_of_vectors(widget):
    figure = feature_timeline(widget.dataset, "train_0", empty_clicks())
    *strips, axes = figure.axes
    assert [strip.get_ylabel() for strip in strips] == ["rgb", "flow"]
    drawn = {patch.get_label(): patch.get_data().values for patch in axes.patches}
    features = widget.dataset.train[0].features
    assert set(drawn) == {"rgb", "flow"} and axes.get_xlim() == (0, 12) and not axes.lines
    np.testing.assert_allclose(
        drawn["flow"], np.sqrt((features["flow"] ** 2).sum(axis=1)), rtol=1e-6
    )
    png(figure)


def test_the_truth_tells_right_clicks_from_wrong_ones(widget):
    dataset = widget.dataset
    (start, end) = dataset.segments.loc[
        dataset.segments["video"] == "train_0", ["t_start", "t_end"]
    ].iloc[0]
    middle = (start + end) / 2
    clicks = pd.DataFrame({"video": ["train_0"] * 2, "t": [middle, end]})
    found = judged(dataset, "train_0", clicks)
    assert found.right.tolist() == [False, True]  # a border is outside
    lengths = dataset.segments[dataset.segments["video"] == "train_0"].eval("t_end - t_start").sum()
    assert np.isclose(np.diff(found.stretches).sum(), 12.0 - lengths)
    assert found.sentence().startswith("1 of 2 clicks are in background; 1 of ")
    figure = feature_timeline(dataset, "train_0", clicks, truth=True)
    names = figure.axes[-1].get_legend_handles_labels()[1]
    assert {"background click", "click inside an action", "action"} <= set(names)
    png(figure)


def test_the_time_between_moves_is_counted_but_not_a_pause():
    moments = iter([0.0, 10.0, 500.0, 504.0])
    timed = Annotator(tiny_dataset(), costs={"borders": 300.0}, clock=lambda: next(moments))
    timed.time.value = 1.0  # the clock starts
    timed.time.value = 2.0  # 10 s later
    timed.click()  # after a pause
    timed.click()  # 4 s later
    assert timed.spent == {"train_0": 14.0}
    timed.truth.value = True
    text = timed.told.value
    assert "14 s for 0.2 minutes: 70 s per minute of video." in text and "300 for borders" in text
    timed.show("train_1")
    assert timed.truth.value is False and timed.told.value == ""


def test_costs_per_minute_become_seconds():
    table = cost_table({"clicks": 48.0, "borders": 300.0}, {"a video": 90.0})
    assert table["a video"].to_dict() == {"clicks": 72, "borders": 450}


def test_choosing_a_click_goes_to_it(widget):
    click(widget, "train_0", 1.5)
    click(widget, "train_4", 20.0)
    widget.listed.value = 0
    assert (widget.videos.value, widget.time.value) == ("train_0", 1.5) and len(widget.clicks) == 2


def test_the_slider_ends_where_the_video_ends(widget):
    widget.videos.value = "train_6"
    widget.time.value = 30.0
    assert widget.time.max == 30.0 and widget.time.value == 30.0
    widget.videos.value = "train_0"
    assert (widget.time.max, widget.time.value) == (12.0, 0.0)


def test_saved_in_the_published_format_and_taken_up_again(widget, tmp_path):
    click(widget, "train_0", 1.5, 10.0)
    path = widget.save(tmp_path / "mine.txt")
    assert b"train_0,train_0.mp4,3,background_background,1.5,1.5,1,1" in path.read_bytes()
    again = annotator(tiny_dataset(), read_background_clicks(path))
    pd.testing.assert_frame_equal(again.clicks, widget.clicks)
    click(again, "train_1", 1.0)
    assert (len(again.clicks), len(widget.clicks)) == (3, 2)


def test_trained_with(widget):
    click(widget, "train_0", 1.5)
    dataset = with_clicks(widget.dataset, widget.clicks)
    assert (
        dataset.fingerprint
        != widget.dataset.fingerprint
        != with_clicks(widget.dataset, empty_clicks()).fingerprint
    )
    found = resident(dataset, "train", "cpu", inputs=Inputs(clicks="background")).clicks
    assert found.sum() == 1 and found[1, 3] == 1
    assert widget.dataset.clicks == {} and set(dataset.clicks) == {"background"}


def test_clicks_must_be_on_training_videos(widget):
    for video, time in (("test_0", 1.0), ("train_0", -1.0), ("train_0", np.nan)):
        with pytest.raises(WorkbookError, match="is not at a time of one of its training videos"):
            with_clicks(
                widget.dataset, pd.DataFrame({"video": [video], "label": "background", "t": [time]})
            )
    with pytest.raises(WorkbookError, match="'action' or 'background'"):
        with_clicks(widget.dataset, empty_clicks(), "Background")


def test_videos_without_snippets_are_not_offered():
    empty = Video(
        "empty", {stream: np.zeros((0, 6), np.float32) for stream in ("rgb", "flow")}, ("run",)
    )
    dataset = tiny_dataset()
    assert "empty" not in annotator(replace(dataset, train=(empty, *dataset.train))).videos.options
    with pytest.raises(WorkbookError, match="nothing can be clicked"):
        annotator(replace(dataset, train=(empty,)))


def test_a_page_that_cannot_run_it_says_so(widget):
    assert repr(widget) == "[annotator: 9 videos of simulated; run this cell to click]"
