"""The timeline viewer: its controls, what it says, and cases without signals."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tests.diagnosis_samples import case
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.pictures.diagnosis_figures import OUTCOME_COLOURS
from wtal_core.pictures.error_timeline import View, error_timeline, summary_of
from wtal_core.widgets.viewer import timeline_viewer


def test_it_opens_on_the_first_video_with_its_first_class():
    viewer = timeline_viewer(case())
    assert (viewer.view.video, viewer.view.label, viewer.view.window) == ("v1", "A", (0.0, 100.0))
    assert bytes(viewer.picture.value).startswith(b"\x89PNG")
    assert (
        "4 detections shown" in viewer.summary.value
        and "1 double detection" in viewer.summary.value
    )


def test_an_entry_of_the_list_opens_its_video_and_marks_the_error():
    viewer = timeline_viewer(case())
    lines = [text for text, _ in viewer.errors.options]
    assert "not found" not in lines[1] and lines[-1].startswith("not found: A in v2")
    viewer.errors.value = viewer.worst.index[viewer.worst["row"] == 6][0]
    assert (viewer.view.video, viewer.view.label, viewer.view.marked) == ("v2", "B", 6)
    assert viewer.view.window == (0.0, 93.0)
    viewer.errors.value = len(viewer.worst)
    assert viewer.view.marked is None and viewer.view.video == "v2"


def entries(viewer):
    return [text for text, number in viewer.errors.options if number >= 0]


def test_the_list_shows_what_each_error_costs():
    viewer = timeline_viewer(case())
    first = viewer.worst.iloc[0]
    assert entries(viewer)[0].startswith(f"−{100 * first['cost']:.3f} {first['outcome']}: ")
    assert len(entries(viewer)) == 6 + 3


def test_the_list_is_filtered_by_kind_class_and_video():
    viewer = timeline_viewer(case())
    viewer.kinds.value = "background"
    assert len(entries(viewer)) == 2 and all("background" in line for line in entries(viewer))
    viewer.search.value = "V2"
    assert len(entries(viewer)) == 1
    viewer.errors.value = 0
    assert (viewer.view.video, viewer.view.marked) == ("v2", 6)
    viewer.kinds.value, viewer.search.value, viewer.classes.value = "not found", "", "A"
    assert entries(viewer) == ["not found: A in v2, 5.0 to 15.0 s, best tIoU 0.00"]
    viewer.kinds.value = "wrong label"
    assert viewer.errors.options == (("no error is of this kind, class and video", -1),)


def test_another_class_has_its_own_threshold_range():
    viewer = timeline_viewer(case())
    viewer.labels.value = "B"
    curve = viewer.case.activation["v1"][:, 1]
    assert (viewer.threshold.min, viewer.threshold.max) == (curve.min(), curve.max())
    assert viewer.view.threshold == viewer.threshold.value


def test_nothing_stays_chosen_where_another_video_or_class_is():
    viewer = timeline_viewer(case())
    for control, value in ((viewer.videos, "v1"), (viewer.labels, "A"), (viewer.window, (5, 9))):
        viewer.errors.value = 1
        chosen = viewer.view
        control.value = value if control.value != value else {"v1": "v2", "A": "B"}[value]
        assert viewer.errors.value == -1
        assert control is viewer.window or viewer.view.marked is None
        viewer.errors.value = 1  # the same entry leads there again
        assert viewer.view == chosen


def test_the_window_stays_wide_enough_to_show_something():
    viewer = timeline_viewer(case())
    viewer.window.value = (40.0, 40.1)
    assert viewer.view.window == (40.0, 41.0)
    viewer.window.value = (100.0, 100.0)
    assert viewer.view.window == (99.0, 100.0)


def test_every_method_can_be_looked_at_in_the_same_place():
    few = replace(case("Yours"), detections=case().detections.iloc[:2])
    viewer = timeline_viewer([case("Mine"), few])
    viewer.labels.value, viewer.window.value = "B", (5.0, 20.0)
    viewer.methods.value = "Yours"
    assert (viewer.view.video, viewer.view.label, viewer.view.window) == ("v1", "B", (5.0, 20.0))
    assert len(viewer.worst) == 1 and len(entries(viewer)) == 1 + 3
    assert repr(viewer).startswith("[timeline viewer: 3 videos of Mine, Yours;")
    with pytest.raises(WorkbookError, match="not scored on the same videos"):
        other = replace(few, ground_truth=replace(few.ground_truth, videos=("v1", "v2")))
        timeline_viewer([case(), other])


def test_what_is_not_drawn_is_counted():
    viewer = timeline_viewer(case())
    viewer.shown.value = 1
    assert viewer.summary.value.endswith("; 3 more of lower score or outside of the window")


def test_a_marked_detection_has_a_frame():
    viewer = timeline_viewer(case())
    figure = error_timeline(viewer.case, viewer.found, View("v1", "A", marked=3))
    framed = [c for c in figure.axes[-1].collections if np.any(c.get_linewidth() == 2)]
    assert len(framed) == 1


def test_a_higher_threshold_cuts_other_proposals():
    viewer = timeline_viewer(case())
    curve = viewer.case.activation["v1"][:, 0]
    assert (viewer.threshold.min, viewer.threshold.max) == (curve.min(), curve.max())
    before = viewer.picture.value, viewer.summary.value
    viewer.threshold.value = curve.max() - 1e-9
    assert viewer.picture.value != before[0] and viewer.summary.value.startswith(
        "A in v1: 1 proposals"
    )


def test_each_control_draws_once(monkeypatch):
    viewer = timeline_viewer(case())
    drawn = []
    monkeypatch.setattr(
        "wtal_core.widgets.viewer.error_timeline",
        lambda *_: drawn.append(1) or error_timeline(viewer.case, viewer.found, viewer.view),
    )
    viewer.videos.value = "v2"
    viewer.labels.value = "B"
    viewer.shown.value = 1
    viewer.window.value = (10.0, 20.0)
    assert len(drawn) == 4


def test_detections_from_a_file_have_no_threshold():
    viewer = timeline_viewer(case(signals=False))
    assert viewer.threshold.layout.display == "none" and viewer.view.threshold is None
    assert "proposals" not in viewer.summary.value
    assert len(error_timeline(viewer.case, viewer.found, viewer.view).axes) == 1


def test_a_video_without_instances_and_detections_can_be_shown():
    viewer = timeline_viewer(case())
    viewer.videos.value = "v3"
    assert viewer.labels.options == ("A", "B") and viewer.summary.value.endswith(
        "0 detections shown"
    )
    plain = timeline_viewer(case(signals=False))
    plain.videos.value = "v3"
    assert plain.view.video == "v3"


def test_detections_beyond_the_window_are_not_shown():
    viewer = timeline_viewer(case())
    one, found = viewer.case, viewer.found
    assert "4 detections" in summary_of(one, found, View("v1", "A"))
    assert "1 detections" in summary_of(one, found, View("v1", "A", window=(60.0, 100.0)))
    assert "2 detections" in summary_of(one, found, View("v1", "A", shown=2))


def test_outcomes_are_drawn_in_their_colours():
    viewer = timeline_viewer(case())
    figure = error_timeline(viewer.case, viewer.found, View("v1", "A"))
    drawn = {
        round(-path.vertices[0, 1]): to_hex(c.get_facecolor()[0])
        for c in figure.axes[-1].collections
        for path in c.get_paths()
    }
    here = viewer.found[
        (viewer.found["video"] == "v1") & (viewer.found["label"] == "A")
    ].sort_values("score", ascending=False)
    below = len(drawn) - len(here)  # rows of the ground truth and the other classes come first
    assert [drawn[k] for k in sorted(drawn)[below:]] == [
        OUTCOME_COLOURS[outcome] for outcome in here["outcome"]
    ]


def test_nothing_to_show_is_an_error():
    one = case()
    empty = replace(
        one, ground_truth=GroundTruth(one.ground_truth.segments.iloc[:0], (), ("A", "B"))
    )
    with pytest.raises(WorkbookError, match="lists no video"):
        timeline_viewer(empty)


def test_where_no_widget_can_be_shown_it_is_a_line():
    assert (
        repr(timeline_viewer(case()))
        == "[timeline viewer: 3 videos of Mine; run this cell to use it]"
    )
