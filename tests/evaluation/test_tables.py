"""Detections and ground truth to disk and back, and files that cannot be used."""

import json

import pandas as pd
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.tables import (
    read_detections,
    read_ground_truth,
    with_lists,
    write_detections,
    write_ground_truth,
)
from wtal_core.timebase import Timebase

DETECTIONS = pd.DataFrame(
    {
        "video": ["b", "b", "a"],
        "label": ["X", "Y", "X"],
        "t_start": [0.1, 1.0, 2.5],
        "t_end": [1 / 3, 1.0, 9.75],
        "score": [0.5, -1.25, 1e-17],
    }
)
SEGMENTS = DETECTIONS.drop(columns="score")
TRUTH = GroundTruth(
    SEGMENTS,
    ("b", "a", "empty"),
    ("Y", "X", "Z"),
    timebase=Timebase(30.0, 8.0, 1.0),
    blocked=("a",),
    ambiguous=SEGMENTS.iloc[:1].assign(label="Ambiguous"),
)


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_detections_come_back_exactly(tmp_path, ending):
    write_detections(DETECTIONS, tmp_path / f"found.{ending}")
    pd.testing.assert_frame_equal(read_detections(tmp_path / f"found.{ending}"), DETECTIONS)
    assert [path.name for path in tmp_path.iterdir()] == [f"found.{ending}"]


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_no_detections_come_back(tmp_path, ending):
    write_detections(DETECTIONS.iloc[:0], tmp_path / f"found.{ending}")
    pd.testing.assert_frame_equal(
        read_detections(tmp_path / f"found.{ending}"), DETECTIONS.iloc[:0]
    )


@pytest.mark.parametrize("ending", ["json", "parquet"])
@pytest.mark.parametrize("ambiguous", [0, 1])
def test_ground_truth_comes_back_exactly(tmp_path, ending, ambiguous):
    truth = GroundTruth(**{**vars(TRUTH), "ambiguous": TRUTH.ambiguous.iloc[:ambiguous]})
    write_ground_truth(truth, tmp_path / f"truth.{ending}")
    found = read_ground_truth(tmp_path / f"truth.{ending}")
    assert (found.videos, found.classes, found.blocked, found.timebase) == (
        truth.videos,
        truth.classes,
        truth.blocked,
        truth.timebase,
    )
    pd.testing.assert_frame_equal(found.segments, truth.segments)
    pd.testing.assert_frame_equal(found.ambiguous, truth.ambiguous)


def test_a_foreign_file_with_numbers_as_text_and_a_subset(tmp_path):
    path = tmp_path / "gt.json"
    path.write_text(
        json.dumps(
            {
                "database": {
                    "1": {
                        "subset": "test",
                        "duration": 4,
                        "annotations": [{"label": "X", "segment": ["1.5", "2"]}],
                    },
                    "2": {"subset": "training", "annotations": [{"label": "W", "segment": [0, 1]}]},
                    "3": {"subset": "test", "annotations": []},
                }
            }
        )
    )
    truth = read_ground_truth(path, "test")
    assert truth.videos == ("1", "3") and truth.classes == ("W", "X")
    assert truth.segments.to_dict("list") == {
        "video": ["1"],
        "label": ["X"],
        "t_start": [1.5],
        "t_end": [2.0],
    }
    assert len(read_ground_truth(path, "all").segments) == 2
    with pytest.raises(WorkbookError, match="holds the subsets test, training; name one"):
        read_ground_truth(path)
    with pytest.raises(WorkbookError, match="no video of subset 'val'"):
        read_ground_truth(path, "val")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"results": {"v": [{"label": "X"', "not complete JSON"),
        ("[]", "key 'results' with an object is missing"),
        ('{"result": {}}', "key 'results'"),
        ('{"results": {"v": {"label": "X"}}}', "video v holds"),
        ('{"results": {"v": null}}', "video v holds None"),
        (
            '{"results": {"v": [{"label": "X", "segment": [0, 1], "score": 1}, {"label": "X"}]}}',
            "entry 1 of video v",
        ),
        (
            '{"results": {"v": [{"label": "X", "segment": [0, 1, 2], "score": 1}]}}',
            "entry 0 of video v",
        ),
        (
            '{"results": {"v": [{"label": "X", "segment": [0, 1], "score": "much"}]}}',
            "entry 0 of video v",
        ),
        ('{"results": {"v": [{"label": 3, "segment": [0, 1], "score": 1}]}}', "entry 0 of video v"),
        (
            '{"results": {"v": [{"label": "X", "segment": [2, 1], "score": 1}]}}',
            "ends before it starts",
        ),
        (
            '{"results": {"v": [{"label": "X", "segment": [0, 1], "score": NaN}]}}',
            "has the score NaN",
        ),
    ],
)
def test_bad_detection_files_are_named(tmp_path, text, message):
    path = tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(WorkbookError, match=message) as caught:
        read_detections(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"database": {"v": {"subset": "test"}}}', "video v: the key 'annotations' with a list"),
        ('{"database": {"v": {"annotations": []}}, "timebase": 3}', "'timebase' hold fps"),
        (
            '{"database": {"v": {"annotations": []}}, "ambiguous": [["v", 1]]}',
            "'ambiguous' must be a list",
        ),
        ('{"database": {"v": 3}}', "video v: the key 'annotations'"),
        (
            '{"database": {"v": {"annotations": []}}, "ambiguous": [["v", "Ambiguous", 0, 1e13]]}',
            "beyond 1e\\+12 seconds",
        ),
        (
            '{"database": {"v": {"annotations": []}}, "timebase": {"fps": 1e999}}',
            "the timebase needs fps",
        ),
        (
            '{"database": {"v": {"annotations": []}}, "videos": ["v", 3]}',
            "'videos' is .*expected a list of names",
        ),
        (
            '{"database": {"v": {"annotations": []}}, "classes": {"run": 1}}',
            "'classes' is .*expected a list of names",
        ),
        (
            '{"database": {"v": {"annotations": [{"label": "X", "segment": 3}]}}}',
            "entry 0 of video v",
        ),
    ],
)
def test_bad_ground_truth_files_are_named(tmp_path, text, message):
    path = tmp_path / "gt.json"
    path.write_text(text)
    with pytest.raises(WorkbookError, match=message):
        read_ground_truth(path)


def test_bad_parquet_files_are_named(tmp_path):
    path = tmp_path / "found.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(WorkbookError, match="not a whole Parquet file"):
        read_detections(path)
    DETECTIONS.drop(columns="t_end").assign(colour="red").to_parquet(path)
    with pytest.raises(WorkbookError, match=r"has the columns .*colour; expected video"):
        read_detections(path)
    with pytest.raises(WorkbookError, match="expected video, label, t_start, t_end"):
        read_ground_truth(path)


def test_missing_files_and_unknown_kinds_are_named(tmp_path):
    for name, message in (
        ("x.json", "no such file"),
        ("x.parquet", "no such file"),
        ("x.csv", "no such file"),
    ):
        with pytest.raises(WorkbookError, match=message):
            read_detections(tmp_path / name)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "found.json"
    write_detections(DETECTIONS, path)
    before = path.read_bytes()
    with pytest.raises(WorkbookError, match="score NaN"):
        write_detections(DETECTIONS.assign(score=float("nan")), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_lists_from_other_files(tmp_path):
    ambiguous, blocked = tmp_path / "Ambiguous_test.txt", tmp_path / "blocked.json"
    ambiguous.write_text("b 1 2.5\n\nother 3 4\n")
    blocked.write_text('["b", "other", "b"]')
    plain = GroundTruth(SEGMENTS, TRUTH.videos, TRUTH.classes, blocked=("a",))
    assert with_lists(plain) is plain
    truth = with_lists(plain, ambiguous, blocked)
    assert truth.blocked == ("a", "b", "other")
    assert truth.ambiguous[["video", "t_start", "t_end"]].values.tolist() == [
        ["b", 1.0, 2.5],
        ["other", 3.0, 4.0],
    ]
    with pytest.raises(WorkbookError, match="has 1 ambiguous intervals already"):
        with_lists(TRUTH, ambiguous)
    ambiguous.write_text("other 3 4")
    with pytest.raises(
        WorkbookError, match="not one video is in the ground truth; it names 'b', this file 'other'"
    ):
        with_lists(plain, ambiguous)
