"""Chapter zero: the drawn world is what the text says of it, and its figures show it."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from wtal_core.data import drawn_videos
from wtal_core.data.drawn_videos import FOLLOWED, TIMEBASE, DrawnVideo, Piece
from wtal_core.errors import WorkbookError
from wtal_core.localization.proposals import ProposalRule
from wtal_core.pages import chapter_zero as moving
from wtal_core.pictures import chapter_zero as drawings
from wtal_core.pictures import teaching


@pytest.fixture(scope="module")
def data():
    return drawn_videos.drawn_dataset()


@pytest.fixture(scope="module")
def hopping(data):
    return drawn_videos.activation(data, data.test[0])[:, 0]


@pytest.fixture(scope="module")
def truth(data):
    rows = data.segments[data.segments["video"] == FOLLOWED.id]
    return rows[rows["label"] == "hopping"].reset_index(drop=True)


@pytest.fixture(scope="module")
def ranks(truth):
    """Four detections by hand: right, wrong, right, and one that comes too late."""
    detections = truth.assign(score=[4.0, 2.0, 1.0])
    wrong = truth.iloc[:1].assign(t_start=20.0, t_end=25.0, score=3.0)
    return teaching.ranked(
        pd.concat([detections, wrong], ignore_index=True), truth.iloc[[0, 1, 2]], 0.5
    )


def test_the_same_world_every_time(data):
    again = drawn_videos.drawn_dataset()
    for video, other in zip(data.train + data.test, again.train + again.test, strict=True):
        for stream in data.streams:
            assert np.array_equal(video.features[stream], other.features[stream])


def test_labels_are_the_classes_of_the_pieces():
    assert FOLLOWED.labels == ("hopping", "waving")
    assert DrawnVideo("x", 8.0, (Piece("walking", 1.0, 2.0),)).labels == ()


def test_features_have_one_row_per_snippet_and_one_column_per_quantity(data):
    for stream, names in drawn_videos.QUANTITIES.items():
        shape = data.test[0].features[stream].shape
        assert shape == (FOLLOWED.seconds / TIMEBASE.seconds(1.0), len(names))


def test_the_scene_has_the_largest_weight_and_is_not_the_action(data, hopping):
    """What the text says: the trampoline without hopping lies above the background."""
    weights = drawn_videos.weights_from_labels(data)[2]
    assert drawings.NAMES[int(weights[:, 0].argmax())] == "trampoline in view"
    seconds = TIMEBASE.seconds(np.arange(len(hopping)))
    scene = hopping[(seconds >= 7.5) & (seconds < 10)]
    background = hopping[seconds < 7]
    weak = hopping[(seconds >= 40.5) & (seconds < 45)]
    assert scene.min() > background.max() and weak.mean() < scene.mean()


def test_no_threshold_finds_all_three(hopping, truth):
    """Neither do those that the slider has."""
    for threshold in np.arange(-0.5, 6, 0.25):
        cut = teaching.cut_at(hopping, float(threshold), TIMEBASE)
        assert sum(moving._best(truth, cut) >= 0.5) < 3


def test_the_ruler_measures(truth):
    figure = moving.measuring((10.0, 15.0), [5.0, 10.0, 12.0], [3.0, 5.0, 10.0])
    assert figure.readout[3 * 1 + 1] == "5 s shared ÷ 5 s taken = tIoU 1.00"
    assert figure.readout[3 * 0 + 2] == "5 s shared ÷ 10 s taken = tIoU 0.50"
    assert figure.readout[0] == "0 s shared ÷ 8 s taken = tIoU 0.00"
    drawn = drawings.ruler((10.0, 15.0), [(12.0, 20.0)])
    assert drawn.axes[0].get_title(loc="left") == "3 s shared ÷ 10 s taken = tIoU 0.30"
    plt.close(drawn)


def test_the_area_grows_by_true_positives_only(ranks, truth):
    figure = moving.growing(ranks, truth, 48.0, "x")
    areas = [line.split("area so far ")[1] for line in figure.readout]
    assert areas == ["33 %", "33 %", "56 %", "83 %"]
    assert [line.split(": ")[1].split(".")[0] for line in figure.readout] == [
        "true positive",
        "false positive",
        "true positive",
        "true positive",
    ]


def test_the_envelope_is_the_best_precision_here_or_later(ranks):
    assert teaching.envelope(ranks).tolist() == [1.0, 0.75, 0.75, 0.75]
    assert len(teaching.envelope(ranks.iloc[:0])) == 0


def test_a_slider_that_starts_nowhere_is_refused(hopping, truth):
    with pytest.raises(WorkbookError, match="start at one"):
        moving.cutting(hopping, [0.0, 1.0], truth, TIMEBASE, 0.5, "x")


def test_every_drawing_is_drawn(data, hopping, truth, ranks):
    video = data.test[0]
    rule = ProposalRule((0.5, 1.5), 2, 0.25, 1.0, 1.0)
    sequences = drawn_videos.activation(data, video)
    figures = [
        drawings.film(FOLLOWED, [1.0, 12.0], "x"),
        drawings.snippet(FOLLOWED, video, 3, TIMEBASE),
        drawings.features(data, video, "x"),
        drawings.activations(data, video, sequences, "x"),
        drawings.cuts(hopping, rule, truth, TIMEBASE, "x"),
        drawings.growth(ranks, len(truth), (1, 2, 4), "x"),
    ]
    lanes = [label.get_text() for label in figures[4].axes[1].get_yticklabels()]
    assert lanes == ["truth", "above θ = 0.5", "above θ = 1.5"]
    titles = [axes.get_title() for axes in figures[5].axes[:3]]
    assert titles[1] == "2: false; precision 1/2, recall 1/3"
    for figure in figures:
        figure.canvas.draw()
        plt.close(figure)


def test_a_pose_is_of_its_time():
    hop = dataclasses.replace(FOLLOWED, pieces=(Piece("hopping", 0.0, 4.0),), trampolines=())
    heights = [drawn_videos.pose(hop, second / 10).height for second in range(40)]
    assert max(heights) > 0.95 and min(heights) < 0.1
    assert drawn_videos.pose(FOLLOWED, 8.0).trampoline
    assert not drawn_videos.pose(FOLLOWED, 42.0).trampoline
