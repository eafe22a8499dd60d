"""BackTAL's and BaS-Net's localization: the authors' detections, plain loops, and every rule by
hand.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plain.frames import detect_plain
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.localization import frames as module
from wtal_core.localization.frame_proposals import Margin, find_runs, normalised
from wtal_core.localization.frames import FrameRule, frame_detections

CASES = json.loads((GOLDEN_FOLDER / "backtal_postprocess.json").read_text())["cases"]
BARE = FrameRule(
    class_threshold=0.5,
    thresholds=(0.5,),
    outer_scale=1.0,
    gamma=0.0,
    nms=1.0,
    nms_iou="iou",
    magnitude=(),
    grid=1,
)


def detect(videos, rule):
    """Rows [video, class, start, end, score] of videos given as (activations a class, scores,
    magnitude, seconds, frames).
    """
    lengths = np.array([len(magnitude) for _, _, magnitude, _, _ in videos], dtype=np.int64)
    classes = len(videos[0][1]) if videos else 2
    cas = np.array(
        [row for a, *_ in videos for row in zip(*a, strict=True)], dtype=np.float64
    ).reshape(-1, classes)
    scores = np.array([v[1] for v in videos], dtype=np.float64).reshape(-1, classes)
    magnitude = np.array([m for v in videos for m in v[2]], dtype=np.float64)
    seconds, frames = (
        np.array([v[3] for v in videos], dtype=np.float64),
        np.array([v[4] for v in videos], dtype=np.int64),
    )
    names = [str(v) for v in range(len(videos))], [str(c) for c in range(classes)]
    table = frame_detections(cas, scores, magnitude, lengths, seconds, frames, rule, *names)
    return table.assign(
        video=table["video"].astype(int), label=table["label"].astype(int)
    ).to_numpy(dtype=np.float64)


def plain(videos, rule):
    rows = [(v, *row) for v, video in enumerate(videos) for row in detect_plain(*video, rule)]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def golden(case):
    """A reference case as a video, its rule, and its detections."""
    thumos = case["dataset"] == "THUMOS14"
    rule = FrameRule(
        case["tau_cls"],
        tuple(np.arange(*case["thresholds"]).tolist()),
        float(case["outer_lambda"]),
        "exclusive",
        case["conf_gamma"],
        "probability",
        case["nms"],
        "plus_one_seconds",
        FrameRule.magnitude if thumos else (),
        None if thumos else 0.6,
        0.0 if thumos else 0.02,
    )
    magnitude = np.linalg.norm(case["feature"], axis=0).tolist()
    video = (
        case["cas_logits"][: len(case["video_prob"])],
        case["video_prob"],
        magnitude,
        case["duration"],
        case["frame_num"],
    )
    return video, rule, np.array([[int(row[0][1:]), *row[1:]] for row in case["detections"]])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['dataset']} {case['frame_num']}")
def test_detections_agree_with_the_official_code(case):
    video, rule, expected = golden(case)
    found = detect([video], rule)[:, 1:]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['dataset']} {case['frame_num']}")
def test_plain_loops_agree_with_the_official_code(case):
    video, rule, expected = golden(case)
    np.testing.assert_allclose(plain([video], rule)[:, 1:], expected, rtol=0, atol=1e-4)


# Values whose sums, normalisation and interpolation by factors of two are exact: ties are ties on
# both sides.
COARSE, EIGHTHS = (
    st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0]),
    st.integers(-4, 8).map(lambda k: k / 8),
)
LEVELS = st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5]), max_size=4).map(tuple)
SCORES = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def rows(draw, length):
    """Of a few values, or of eighths with a 0 and a 1 somewhere."""
    values = draw(
        st.lists(draw(st.sampled_from([COARSE, EIGHTHS])), min_size=length, max_size=length)
    )
    if any(8 * v % 4 for v in values):
        for place, value in zip(draw(st.permutations(range(length))), (0.0, 1.0), strict=False):
            values[place] = value
    return values


@st.composite
def videos_of_levels(draw):
    """Up to 3 videos of up to 14 snippets with two classes, on up to four frames a snippet."""
    lengths = draw(st.lists(st.integers(0, 14), max_size=3))
    return [
        (
            [draw(rows(n)), draw(rows(n))],
            [draw(SCORES), draw(SCORES)],
            draw(rows(n)),
            draw(st.sampled_from([0.75, 6.0])),
            draw(st.sampled_from([0, 1, 2, 4])) * n,
        )
        for n in lengths
    ]


@st.composite
def rules(draw):
    pick = {
        "class_threshold": SCORES,
        "thresholds": LEVELS,
        "outer_scale": st.sampled_from([0.0, 0.25, 1.0, 20.0]),
        "outer_end": st.sampled_from(["exclusive", "inclusive"]),
        "gamma": st.sampled_from([0.0, 0.5]),
        "score_class": st.sampled_from(["probability", "binarised"]),
        "nms": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        "nms_iou": st.sampled_from(["plus_one_seconds", "iou"]),
        "magnitude": LEVELS,
        "whole_video": st.sampled_from([None, 0.5]),
        "shrink": st.sampled_from([0.0, 0.02]),
        "grid": st.sampled_from(["frames", 1, 4]),
        "drop_frame0_run": st.booleans(),
        "fix_class0": st.booleans(),
        "at_least_one": st.booleans(),
        "magnitude_gamma": st.sampled_from([None, 0.0, 0.25]),
        "magnitude_share": st.sampled_from([0.0, 0.25, 1.0]),
        "magnitude_range": st.sampled_from(["video", "given"]),
        "shortest": st.integers(1, 3),
        "cas_range": st.sampled_from(["video", "given"]),
        "times": st.sampled_from(["share", "step"]),
    }
    return {name: draw(values) for name, values in pick.items()}


@given(videos_of_levels(), rules())
def test_equal_to_plain_loops_ties_included(videos, rule):
    rule = FrameRule(**rule)
    np.testing.assert_allclose(detect(videos, rule), plain(videos, rule), rtol=0, atol=1e-12)


@given(videos_of_levels(), rules(), st.sampled_from([1, 10, 40]))
def test_a_video_gives_the_same_bits_alone_and_in_chunks(videos, rule, size):
    rule = FrameRule(**rule)
    together = detect(videos, rule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FRAMES_AT_ONCE", size)
        np.testing.assert_array_equal(detect(videos, rule), together)
    for v, video in enumerate(videos):
        np.testing.assert_array_equal(
            detect([video], rule)[:, 1:], together[together[:, 0] == v, 1:]
        )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"whole_video": 0.6, "shrink": 0.02, "outer_scale": 20.0, "nms": 0.7, "magnitude": ()},
        {"grid": 24, "outer_end": "inclusive", "score_class": "binarised", "fix_class0": False},
        {"nms_iou": "iou", "grid": 1},
        {"at_least_one": True, "class_threshold": 0.5, "shortest": 2, "grid": 24, "times": "step"},
        {"magnitude_share": 0.3, "magnitude_gamma": 0.25, "gamma": 0.0, "outer_end": "inclusive"},
        {"magnitude_share": 0.3, "magnitude": (), "magnitude_range": "given", "grid": 20},
    ],
)
def test_random_videos_agree_with_plain_loops(change, seed):
    rng = np.random.default_rng(seed)
    videos = [
        (
            rng.standard_normal((3, n)).tolist(),
            rng.uniform(0, 0.6, 3).tolist(),
            rng.random(n).tolist(),
            seconds,
            frames,
        )
        for n, seconds, frames in (
            (40, 23.4, 700),
            (1, 0.7, 17),
            (0, 0.0, 0),
            (90, 3.1, 61),
            (33, 5.0, 5500),
            (8, 3.3, 1),
        )
    ]
    rule = replace(FrameRule(), **change)
    np.testing.assert_allclose(detect(videos, rule), plain(videos, rule), rtol=0, atol=1e-9)


def one(row, rule, score=1.0, magnitude=None, seconds=None):
    """Start, end and score of the detections of one class that is not the first, one second a
    snippet.
    """
    seconds = float(len(row)) if seconds is None else seconds
    return detect(
        [([[0.0] * len(row), row], [0.0, score], magnitude or [0.0] * len(row), seconds, 0)], rule
    )[:, 2:].tolist()


def test_normalisation_by_hand():
    values = normalised(
        np.array([-1.0, 1.0, 2.0, 2.0, 3.0, 4.0, -3.0, -1.0, 5.0, 5.0]), np.array([3, 3, 0, 2, 2])
    )
    assert values.tolist() == [-0.5, 0.5, 1, 0, 0.5, 1, -3, -1, 0, 0]


@pytest.mark.parametrize("row", [[-1.0, -2.0, -0.5], [0.0, 0.0], [3.0, 3.0], [2.0], []])
def test_rows_that_are_negative_or_constant_have_no_runs(row):
    assert one(row, replace(BARE, thresholds=(0.0, 0.5))) == []


def test_values_equal_to_a_threshold_are_in_and_zero_never_is():
    assert one([0.0, 0.5, 1.0, 0.4], BARE) == [[1, 3, pytest.approx(0.75 - 0.0)]]
    assert [r[:2] for r in one([0.0, 0.5, 1.0, -0.4], replace(BARE, thresholds=(0.0,)))] == [[1, 3]]


def test_outer_area_counts_frames_below_the_threshold_as_zero():
    row = [
        0.6,
        0.4,
        0.0,
        1.0,
        1.0,
        0.4,
        0.6,
        0.0,
    ]  # the run [3, 5) with margin 2: [1, 3), and 5, or 5 and 6
    margins = {"exclusive": 0.0, "inclusive": 0.6 / 4}
    for end, outer in margins.items():
        assert one(row, replace(BARE, outer_end=end))[0] == [3, 5, pytest.approx(1 - outer)]


def test_outer_area_of_magnitude_proposals_counts_all():
    row, magnitude = (
        [0.6, 0.4, 0.0, 1.0, 1.0, 0.4, 0.6, 0.0],
        [0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0],
    )
    found = one(row, replace(BARE, thresholds=(), magnitude=(0.5,)), magnitude=magnitude)
    assert found == [[3, 5, pytest.approx(1 - 0.8 / 3)]]


def test_a_share_of_the_magnitude_by_hand():
    """Of activation and magnitude, that which a run was found on is 0 below its threshold."""
    row, magnitude = [0.25, 0.75, 0.25], [0.5, 0.5, 1.0]
    rule = replace(
        BARE,
        thresholds=(0.5,),
        magnitude=(0.75,),
        magnitude_share=0.5,
        outer_scale=1.0,
        outer_end="inclusive",
        cas_range="given",
        magnitude_range="given",
        gamma=0.0,
        magnitude_gamma=0.25,
        nms=1.0,
    )
    by_class = (0.75 + 0.5) / 2 - (0.0 + 0.5 + 0.0 + 1.0) / 4
    by_magnitude = (0.25 + 1.0) / 2 - (0.75 + 0.0) / 2 + 0.25
    expected = [[2, 3, by_magnitude], [1, 2, by_class]]
    np.testing.assert_allclose(one(row, rule, magnitude=magnitude), expected)


def test_bounds_of_the_outer_area_by_hand():
    start, end, length = np.array([0, 4, 9]), np.array([1, 6, 10]), np.array([10, 10, 10])
    assert [a.tolist() for a in Margin(0.25, "exclusive").bounds(start, end, length)] == [
        [0, 3, 8],
        [1, 6, 10],
    ]
    assert [a.tolist() for a in Margin(0.25, "inclusive").bounds(start, end, length)] == [
        [0, 3, 8],
        [1, 6, 10],
    ]
    assert [a.tolist() for a in Margin(200.0, "exclusive").bounds(start, end, length)] == [
        [0, 0, 0],
        [10, 10, 10],
    ]
    assert [a.tolist() for a in Margin(1.0, "exclusive").bounds(start, end, length)] == [
        [0, 2, 8],
        [1, 7, 10],
    ]
    assert [a.tolist() for a in Margin(1.0, "inclusive").bounds(start, end, length)] == [
        [0, 2, 8],
        [2, 8, 10],
    ]


def test_frame_0_alone_is_lost_unless_another_frame_passes():
    assert one([1.0, 0.0, 0.0], BARE) == []
    assert [r[:2] for r in one([1.0, 0.0, 0.0], replace(BARE, drop_frame0_run=False))] == [[0, 1]]
    assert sorted(r[:2] for r in one([1.0, 0.0, 0.9], BARE)) == [[0, 1], [2, 3]]
    assert [r[:2] for r in one([1.0, 1.0, 0.0], BARE)] == [[0, 2]]


def test_a_video_whose_only_class_is_the_first_one_is_lost_by_the_class_0_bug():
    row = [0.0, 1.0, 0.0]
    videos = [
        ([row, row], scores, row, 3.0, 3)
        for scores in ([1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    ]
    assert detect(videos, BARE)[:, :2].tolist() == [[0, 0], [1, 0], [1, 1], [2, 1]]
    assert detect(videos, replace(BARE, fix_class0=False))[:, :2].tolist() == [
        [1, 0],
        [1, 1],
        [2, 1],
    ]


def test_class_score_is_added_as_it_is_or_as_one():
    scored = [
        one([0.0, 1.0, 0.0], replace(BARE, gamma=0.25, score_class=kind), score=0.6)[0][2]
        for kind in ("probability", "binarised")
    ]
    assert scored == pytest.approx([1.15, 1.25])


def test_short_runs_are_passed_over_but_count_in_outer_areas():
    row = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    rule = replace(BARE, shortest=2)
    assert one(row, rule) == [[3, 5, 1 - 1 / 3]]
    by_magnitude = replace(rule, thresholds=(), magnitude=(0.5,))
    assert [start for start, *_ in one(row, by_magnitude, magnitude=row)] == [3]
    assert one(row, replace(rule, shortest=3)) == []


def test_a_video_without_a_class_is_searched_for_its_best_one_if_asked():
    row = [0.0, 1.0, 1.0]
    assert one(row, BARE, score=0.1) == []
    assert one(row, replace(BARE, at_least_one=True), score=0.1) == [[1, 3, 1]]


def test_times_by_steps_round_differently():
    row = [0.0] * 5 + [1.0]
    by_share = one(row, BARE, seconds=1.0)
    by_step = one(row, replace(BARE, times="step"), seconds=1.0)
    assert by_share[0][0] == 5 / 6 and by_step[0][0] == 5 * (1 / 6) != 5 / 6


def test_the_whole_video_comes_once_and_after_its_equals():
    rule = replace(BARE, thresholds=(0.5, 1.0), whole_video=1.0, shrink=0.25)
    assert one([0.0, 0.0, 1.0, 1.0, 0.0, 0.0], rule) == [[2.5, 3.5, 1], [0, 6, 1]]
    assert one([0.0, 0.0, -1.0], rule) == []


def test_a_detection_goes_at_the_limit_itself():
    row = [0.0, 0.5, 1.0, 0.0]  # [1, 3) at 1/2 and [2, 3) at 1: true tIoU 1/2
    rule = replace(BARE, thresholds=(0.5, 1.0), outer_scale=0.0)
    assert len(one(row, replace(rule, nms=0.5))) == 1
    assert len(one(row, replace(rule, nms=np.nextafter(0.5, 1)))) == 2


def test_runs_come_by_threshold_then_sequence_then_start():
    runs = find_runs(
        np.array([1.0, 0.0, 1.0, 0.5, 1.0]), np.array([3, 0, 2]), (1.0, 0.25), drop_frame0_run=False
    )
    columns = np.column_stack((runs.level, runs.sequence, runs.start, runs.end)).tolist()
    assert columns == [
        [0, 0, 0, 1],
        [0, 0, 2, 3],
        [0, 2, 1, 2],
        [1, 0, 0, 1],
        [1, 0, 2, 3],
        [1, 2, 0, 2],
    ]


def test_what_cannot_be_used_is_named():
    video = ([[0.0], [1.0]], [0.0, 1.0], [1.0], 1.0, 1)
    with pytest.raises(WorkbookError, match="class activation is not finite"):
        detect([([[0.0], [np.nan]], *video[1:])], BARE)
    with pytest.raises(WorkbookError, match="feature magnitude"):
        frame_detections(
            np.ones((1, 1)),
            np.ones((1, 1)),
            None,
            np.array([1]),
            np.ones(1),
            np.array([1]),
            FrameRule(),
            "a",
            "b",
        )
    wrongs = (
        {"thresholds": (-0.1,)},
        {"magnitude": (np.nan,)},
        {"magnitude_share": 1.5},
        {"grid": 0},
        {"nms": 1.5},
    )
    for wrong in wrongs:
        with pytest.raises(WorkbookError, match="expected"):
            FrameRule(**wrong)
