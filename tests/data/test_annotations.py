"""Annotation readers: counts as published, and bad files named."""

import json

import numpy as np
import pytest

from tests.data_samples import REAL, needs_real_data, objects, write_annotations
from wtal_core.data.annotations import (
    read_activitynet_json,
    read_ambiguous,
    read_bsn,
    read_wtalc,
    segments_without_length,
)
from wtal_core.errors import WorkbookError

WTALC = {
    "thumos14/Thumos14reduced": (20, {"validation": (200, 3007), "test": (212, 3358)}, 99),
    "beoid/BEOID": (34, {"training": (46, 594), "validation": (12, 148)}, 0),
    "gtea/GTEA": (7, {"training": (21, 367), "validation": (7, 130)}, 0),
}
JSON = {
    "thumos14/basnet_gt.json": (20, {"train": (200, 3007), "test": (210, 3311)}),
    "thumos14/backtal_gt_thumos14.json": (20, {"val": (200, 3003), "test": (210, 3311)}),
    "thumos14/sfnet_th14_groundtruth.json": (20, {"validation": (200, 3007), "test": (212, 3358)}),
    "thumos14/detad/thumos14_test_extra_characteristics.json": (20, {"testing": (212, 3358)}),
    "activitynet1.2/activity_net.v1-2.min.json": (
        100,
        {"training": (4819, 7151), "validation": (2383, 3582), "testing": (2480, 0)},
    ),
    "beoid/beoid_groundtruth.json": (34, {"training": (46, 594), "validation": (12, 148)}),
    "gtea/gtea_groundtruth.json": (7, {"training": (21, 367), "validation": (7, 130)}),
    "stpn/gt.json": (20, {"test": (210, 3311)}),
}


@needs_real_data
@pytest.mark.parametrize("name", WTALC)
def test_wtalc_counts(name):
    classes, counts, ambiguous = WTALC[name]
    annotations = read_wtalc(REAL / f"{name}-Annotations")
    assert (len(annotations.classes), len(annotations.ambiguous)) == (classes, ambiguous)
    assert {subset: annotations.counts(subset) for subset in counts} == counts


@needs_real_data
@pytest.mark.parametrize("name", JSON)
def test_json_counts(name):
    classes, counts = JSON[name]
    annotations = read_activitynet_json(REAL / name)
    assert len(annotations.classes) == classes
    assert {subset: annotations.counts(subset) for subset in counts} == counts


@needs_real_data
def test_labels_are_labels_all():
    """They differ from the classes of the segments in 8 training and 20 test videos; one test video
    has none.
    """
    annotations = read_wtalc(REAL / "thumos14/Thumos14reduced-Annotations")
    classes = annotations.segments.groupby("video")["label"].agg(set)
    videos = annotations.videos
    differ = videos[[set(row.labels) != classes[row.video] for row in videos.itertuples()]]
    assert differ["subset"].value_counts().to_dict() == {"test": 20, "validation": 8}
    assert videos[videos["labels"].str.len() == 0]["video"].tolist() == ["video_test_0000270"]


@needs_real_data
def test_wtalc_agrees_with_the_official_files():
    segments = read_wtalc(REAL / "thumos14/Thumos14reduced-Annotations").segments
    ours = sorted(
        zip(
            segments["label"],
            segments["video"],
            segments["t_start"],
            segments["t_end"],
            strict=True,
        )
    )
    official = []
    for path in (REAL / "thumos14/official").glob("annotations_*/*.txt"):
        name = path.stem.rsplit("_", 1)[0]
        lines = [] if name in ("Ambiguous", "readme") else path.read_text().splitlines()
        official += [(name, line.split()[0], *map(float, line.split()[1:])) for line in lines]
    assert ours == sorted(official)


@needs_real_data
def test_activitynet13_counts():
    annotations = read_bsn(REAL / "activitynet1.3")
    assert {
        subset: annotations.counts(subset) for subset in ("training", "validation", "testing")
    } == {"training": (9649, 14859), "validation": (4728, 7293), "testing": (4851, 0)}
    assert (len(annotations.classes), len(segments_without_length(annotations.segments))) == (
        200,
        12,
    )


@needs_real_data
def test_activitynet12_has_segments_without_length():
    annotations = read_activitynet_json(REAL / "activitynet1.2/activity_net.v1-2.min.json")
    found = segments_without_length(annotations.segments)
    assert (found["t_end"] == found["t_start"]).all() and len(found) == 10
    assert found["video"].isin(annotations.of_subset("validation")["video"]).sum() == 3


def test_small_folder(tmp_path):
    annotations = read_wtalc(write_annotations(tmp_path))
    assert annotations.counts("validation") == (2, 3) and annotations.counts("test") == (2, 2)
    assert annotations.videos["labels"].tolist() == [("Diving",), ("Shotput",), ("Diving",), ()]
    assert annotations.ambiguous["label"].tolist() == ["Ambiguous"]


SEGMENTS = [[[1.0, 2.0], [3.0, 5.0]], [[0.0, 0.5]], [[0.0, 0.2]]]


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"segments": objects([*SEGMENTS, [[2.5, 1.0]]])}, "reversed"),
        ({"segments": objects([*SEGMENTS, [[-1.0, 1.0]]])}, "negative"),
        ({"segments": objects([*SEGMENTS, [[float("nan"), 1.0]]])}, "not finite"),
        ({"segments": objects([*SEGMENTS, [["x", 1.0]]])}, "not a pair of numbers"),
        ({"segments": objects([*SEGMENTS, []])}, "1 labels for 0 segments"),
        (
            {"labels": objects([["Diving", "Diving"], ["Golf"], ["Diving"], ["Shotput"]])},
            "unknown class 'Golf'",
        ),
        (
            {"labels_all": objects([["Diving"], ["Golf"], ["Diving"], []])},
            "video_validation_0000002 has the unknown class 'Golf'",
        ),
        ({"labels_all": objects([["Diving"]])}, "labels_all.npy has 1 rows, expected 4"),
        ({"videoname": np.array(["a", "b", "a", "c"], dtype="S24")}, "video a is listed twice"),
    ],
)
def test_bad_arrays_are_named(tmp_path, changed, message):
    with pytest.raises(WorkbookError, match=message):
        read_wtalc(write_annotations(tmp_path, **changed))


def test_json_times_may_be_strings(tmp_path):
    path = tmp_path / "gt.json"
    entry = {
        "subset": "test",
        "duration": 9,
        "annotations": [{"label": "Dive", "segment": ["1.5", "2"]}],
    }
    path.write_text(
        json.dumps({"database": {"v": entry, "w": {"subset": "test", "annotations": []}}})
    )
    annotations = read_activitynet_json(path)
    assert annotations.segments.iloc[0].tolist() == ["v", "Dive", 1.5, 2.0]
    assert annotations.videos["labels"].tolist() == [("Dive",), ()]


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not valid JSON"),
        ("[]", "no `database`"),
        ('{"database": {"v": {"subset": "test"}}}', "video v lacks 'annotations'"),
        (
            '{"database": {"v": {"annotations": [{"label": "a", "segment": [1]}]}}}',
            "not a pair of numbers",
        ),
        (
            '{"database": {"v": {"annotations": [{"label": "a", "segment": [1, 2]}]}}, '
            '"activity_list": ["b"]}',
            "unknown class 'a'",
        ),
    ],
)
def test_bad_json_is_named(tmp_path, text, message):
    (tmp_path / "gt.json").write_text(text)
    with pytest.raises(WorkbookError, match=message):
        read_activitynet_json(tmp_path / "gt.json")


def test_bad_ambiguous_line(tmp_path):
    (tmp_path / "a.txt").write_text("video_test_0000004 1.0\n")
    with pytest.raises(WorkbookError, match="line 1"):
        read_ambiguous(tmp_path / "a.txt")
