"""Error types against the published tool, against plain loops, and by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain import diagnosis as plain
from tests.evaluation.test_golden import CASES, detections, ground_truth, read_case
from tests.evaluation.test_mean_average_precision import BASE, CLASSES, problems, table
from tests.places import GOLDEN_FOLDER
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.error_types import (
    OUTCOMES,
    RULES,
    assign,
    background_error_share,
    outcomes,
)
from wtal_core.evaluation.ground_truth import GroundTruth

HAND = json.loads((GOLDEN_FOLDER / "diagnosis" / "detad_hand.json").read_text())
OF_DETAD = dict(
    zip(
        (
            "True Positive",
            "Double Detection Err",
            "Wrong Label Err",
            "Localization Err",
            "Confusion Err",
            "Background Err",
        ),
        OUTCOMES,
        strict=True,
    )
)
# v1 and v3 have no instances, v4 sometimes: a video without any comes before, between and after
# those with some.
RENAMED = {"v1": "v2", "v2": "v4", "v3": "v3", "vX": "v1"}


def hand_truth() -> GroundTruth:
    database = HAND["ground_truth"]["database"]
    rows = [
        (video, one["label"], *one["segment"])
        for video, entry in database.items()
        for one in entry["annotations"]
    ]
    return GroundTruth(table(rows), tuple(database), ("A", "B"))


def hand_detections(name: str) -> pd.DataFrame:
    rows = [
        tuple(one[key] for key in ("video", "label", "t0", "t1", "score"))
        for one in HAND["cases"][name]["predictions"]
    ]
    return table(rows, "score")


@pytest.mark.parametrize(("as_published", "key"), [(False, "intended"), (True, "peer")])
@pytest.mark.parametrize("name", HAND["cases"])
def test_agrees_with_the_published_tool_by_hand(name, as_published, key):
    found = outcomes(hand_truth(), hand_detections(name), 0.5, as_published).sort_values("row")
    assert found["outcome"].tolist() == [
        OF_DETAD[one[key]] for one in HAND["cases"][name]["predictions"]
    ]


def test_a_row_tells_which_instance_is_nearest_and_which_was_taken():
    found = outcomes(hand_truth(), hand_detections("with_videos_without_gt"))
    assert found["label"].tolist() == ["A"] * 8 + ["B"] * 6
    assert all(scores.is_monotonic_decreasing for _, scores in found.groupby("label")["score"])
    by_row = found.set_index("row")
    assert sorted(by_row.index) == list(range(14))
    assert by_row["matched"].tolist() == [
        by_row.loc[row, "nearest"] if outcome == "true positive" else -1
        for row, outcome in by_row["outcome"].items()
    ]
    nearest, overlap = by_row["nearest"], by_row["overlap"]
    assert [nearest[row] for row in (0, 2, 5, 6, 8, 10, 12)] == [
        0,
        0,
        0,
        2,
        4,
        -1,
        -1,
    ]  # 5 meets none: the first listed
    assert [overlap[row] for row in (0, 2, 5, 6, 8, 10, 12)] == pytest.approx(
        [0.9, 0.95, 0, 0.95, 0.375, 0, 0]
    )
    given_columns = ["video", "label", "t_start", "t_end", "score"]
    pd.testing.assert_frame_equal(
        by_row[given_columns].sort_index(),
        hand_detections("with_videos_without_gt"),
        check_names=False,
        check_index_type=False,
    )


@given(
    problem=problems(),
    level=st.sampled_from([0.05, 0.1, 0.3, 0.5, 1.0]),
    g=st.sampled_from([math.inf, 10, 1, 0.5, 1.7]),
    as_published=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_equal_the_plain_form(problem, level, g, as_published):
    rows, found_rows, _, blocked = problem
    segments, found = table(rows), table(found_rows, "score")
    segments["video"], found["video"] = segments["video"].map(RENAMED), found["video"].map(RENAMED)
    truth = GroundTruth(
        segments,
        ("v2", "v3", "v4"),
        CLASSES,
        timebase=BASE,
        blocked=tuple(RENAMED.get(one, one) for one in blocked),
    )
    _, kept, expected = plain.named(truth, found, RULES, level, g, as_published)
    assigned = assign(truth, found, np.array([level]), g, as_published)
    within = assigned.within
    assert [OUTCOMES[code] for code in assigned.code[0, within]] == [
        outcome for _, outcome in expected
    ]
    np.testing.assert_array_equal(
        found["score"].to_numpy()[assigned.prepared.row[within]], [one[4] for one in kept]
    )
    taken = dict(
        zip(assigned.matches.detection.tolist(), assigned.matches.instance.tolist(), strict=True)
    )
    assert [taken.get(number) for number in np.flatnonzero(within).tolist()] == [
        instance for instance, _ in expected
    ]


IN_THREE_VIDEOS = [
    ("w", "A", 0.0, 10.0, 0.95),
    ("z", "A", 0.0, 10.0, 0.7),
    ("z", "A", 0.0, 10.0, 0.6),
    ("v", "B", 0.0, 10.0, 0.9),
    ("v", "B", 0.0, 9.0, 0.8),
    ("z", "B", 0.0, 10.0, 0.5),
]
OF_V, OF_W, MORE = ("v", "B", 0.0, 10.0), ("w", "A", 0.0, 10.0), [(20.0, 30.0), (40.0, 50.0)]


@pytest.mark.parametrize(
    ("segments", "g", "expected"),
    [
        (
            [OF_V, OF_W],
            10,
            [
                "true positive",
                "wrong label",
                "wrong label",
                "true positive",
                "double detection",
                "background",
            ],
        ),
        (
            [OF_W, OF_V],
            10,
            [
                "true positive",
                "background",
                "wrong label",
                "true positive",
                "double detection",
                "double detection",
            ],
        ),
        (
            [OF_W, OF_V, *(("w", "B", *one) for one in MORE)],
            1,
            ["true positive", "true positive", "double detection", "background"],
        ),
        (
            [OF_W, OF_V, *(("w", "A", *one) for one in MORE)],
            1,
            ["true positive", "background", "background", "true positive"],
        ),
    ],
    ids=[
        "B listed first",
        "A listed first",
        "A of z beyond the budget",
        "errors of v beyond the budget",
    ],
)
def test_the_published_tool_judges_by_v_what_it_finds_in_z(segments, g, expected):
    """z has no instance, and w has no error. The first of z, by class as listed, then by score, is
    background.
    """
    truth, found = (
        GroundTruth(table(segments), ("v", "w", "z"), ("A", "B")),
        table(IN_THREE_VIDEOS, "score"),
    )
    assigned = assign(truth, found, np.array([0.5]), g, as_published=True)
    assert [OUTCOMES[code] for code in assigned.code[0, assigned.within]] == expected
    assert [
        outcome for _, outcome in plain.named(truth, found, RULES, 0.5, g, as_published=True)[2]
    ] == expected


def test_thresholds_together_are_thresholds_one_by_one():
    case = read_case(next(path for path in CASES if path.stem == "thumos_small"))
    truth, found, tious = ground_truth(case, "activitynet"), detections(case), (0.7, 0.1, 0.5)
    found.loc[found["video"] == found["video"].iloc[400], "video"] = "video without ground truth"
    for as_published in (False, True):
        together = assign(truth, found, np.array(tious), 10, as_published)
        for level, tiou in enumerate(tious):
            alone = assign(truth, found, np.array([tiou]), 10, as_published)
            np.testing.assert_array_equal(together.code[level], alone.code[0])


@pytest.mark.parametrize(
    ("tiou", "expected"),
    [
        (
            0.05,
            ["true positive", "wrong label", "double detection"],
        ),  # below .1, reaching the threshold is enough
        (0.1, ["true positive", "wrong label", "double detection"]),
        (0.5, ["true positive", "wrong label", "double detection"]),  # the last one's tIoU is .5
        (0.8, ["true positive", "wrong label", "localization"]),
        (0.9, ["localization", "confusion", "localization"]),
    ],
)
def test_the_threshold_decides_between_the_types(tiou, expected):
    truth = GroundTruth(
        table([("v", "A", 0.0, 10.0), ("w", "B", 0.0, 1.0)]), ("v", "w"), ("A", "B")
    )
    found = table(
        [("v", "A", 0.0, 8.0, 3.0), ("v", "B", 0.0, 8.0, 2.0), ("v", "A", 0.0, 5.0, 1.0)], "score"
    )
    assert outcomes(truth, found, tiou).sort_values("row")["outcome"].tolist() == expected


def test_a_border_of_a_tenth_belongs_to_localization():
    truth = GroundTruth(table([("v", "A", 0.0, 10.0)]), ("v",), ("A",))
    found = table([("v", "A", 0.0, 1.0, 2.0), ("v", "A", 0.0, 0.99, 1.0)], "score")
    assert outcomes(truth, found)["outcome"].tolist() == ["localization", "background"]


def test_of_equal_overlaps_the_first_listed_instance_decides():
    rows = [("v", "B", 0.0, 10.0), ("v", "A", 0.0, 10.0), ("v", "A", 40.0, 41.0)]
    found = table(
        [("v", "A", 0.0, 10.0, 0.9), ("v", "A", 0.0, 10.0, 0.8), ("v", "A", 0.0, 4.0, 0.7)], "score"
    )
    one = outcomes(GroundTruth(table(rows), ("v",), ("A", "B")), found)
    other = outcomes(GroundTruth(table([rows[1], rows[0], rows[2]]), ("v",), ("A", "B")), found)
    assert one["outcome"].tolist() == ["true positive", "wrong label", "confusion"]
    assert other["outcome"].tolist() == ["true positive", "double detection", "localization"]
    assert one["nearest"].tolist() == [0, 0, 0] and one["matched"].tolist() == [1, -1, -1]


def test_zero_lengths_infinite_and_equal_scores():
    truth = GroundTruth(table([("v", "A", 5.0, 5.0), ("v", "A", 0.0, 10.0)]), ("v",), ("A",))
    found = table(
        [
            ("v", "A", 5.0, 5.0, -math.inf),
            ("v", "A", 0.0, 9.0, 1.0),
            ("v", "A", 0.0, 10.0, 1.0),
            ("v", "A", 5.0, 5.0, math.inf),
        ],
        "score",
    )
    got = outcomes(truth, found)
    assert got["row"].tolist() == [3, 1, 2, 0]  # of equal scores, the first listed first
    assert got["outcome"].tolist() == [
        "background",
        "true positive",
        "double detection",
        "background",
    ]
    assert got["matched"].tolist() == [-1, 1, -1, -1] and got["nearest"].tolist() == [1, 1, 1, 1]
    assert got["overlap"].tolist() == [0.0, 0.9, 1.0, 0.0]


def test_no_detections_have_no_outcomes():
    got = outcomes(hand_truth(), hand_detections("base").iloc[:0])
    assert len(got) == 0 and {"row", "outcome", "overlap", "nearest", "matched"} <= set(got.columns)
    assert len(outcomes(hand_truth(), hand_detections("base").iloc[:0], as_published=True)) == 0


@pytest.mark.parametrize("tiou", [0.0, -0.1, 1.01, math.nan])
def test_refuses_thresholds_outside_their_range(tiou):
    with pytest.raises(
        WorkbookError, match=r"tIoU thresholds .* give at least one, each in \(0, 1\]"
    ):
        outcomes(hand_truth(), hand_detections("base"), tiou)


def test_the_share_of_background_agrees_with_detad_on_simulated_detections():
    case = read_case(next(path for path in CASES if path.stem == "thumos_small"))
    share = background_error_share(ground_truth(case, "activitynet"), detections(case))
    assert share == pytest.approx(
        1175 / (672 + 250 + 761 + 319 + 1175)
    )  # DETAD's counts of this case, G = 10


def by_hand(rows: list[tuple], g: float = 10) -> float:
    truth = table([("v", "A", 0.0, 10.0), ("v", "B", 50.0, 60.0)])
    return background_error_share(
        GroundTruth(truth, ("v", "w"), ("A", "B")), table(rows, "score"), g
    )


def test_the_share_of_background_by_hand():
    hit, double, other_class = (
        ("v", "A", 0.0, 10.0, 0.9),
        ("v", "A", 0.0, 9.0, 0.8),
        ("v", "A", 50.0, 60.0, 0.7),
    )
    nowhere, other_video = ("v", "A", 20.0, 30.0, 0.6), ("w", "A", 0.0, 10.0, 0.5)
    assert by_hand([hit, double, other_class, nowhere, other_video]) == 0.5
    assert by_hand([hit, double, other_class, nowhere, other_video], g=3) == 0
    assert math.isnan(by_hand([hit]))
