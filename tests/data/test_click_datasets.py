"""BEOID, GTEA, ActivityNet 1.2 and HACS open with made-up features; annotations are the published
ones where they are there.
"""

import json

import numpy as np
import pytest

from tests.data.test_thumos14 import few_channels
from tests.data_samples import REAL, needs_real_data, objects, write_annotations
from wtal_core.data import beoid
from wtal_core.data.annotations import read_activitynet_json, segments_without_length
from wtal_core.data.manifests import Counts, load_manifest
from wtal_core.data.opening import VIDEO_DATA, open_dataset
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError

LENGTHS = {"beoid": (15, 1, 0, 8), "gtea": (8, 1, 0, 4)}  # of write_annotations' durations


def write_sfnet(root, name="beoid"):
    """A tiny folder in SF-Net's layout: annotations, clicks of two annotators, features of 2
    streams x 1024.
    """
    folder = root / name
    arrays = write_annotations(
        folder, subset=np.array(["training"] * 2 + ["validation"] * 2, dtype="S10")
    )
    arrays = arrays.rename(folder / f"{name.upper()}-Annotations")
    (arrays / "single_frames").mkdir()
    for number, second in ((1, 1.5), (3, 3.5)):
        (arrays / f"single_frames/{name.upper()}{number}.txt").write_text(
            f"video_validation_0000001,{second},Diving\r\n\r\nvideo_test_0000004,0.1,Diving\r\n"
        )
    write_features(folder, name)
    return folder


def write_features(folder, name, bad=None):
    generator = np.random.default_rng(0)
    rows = [generator.random((length, 2048), dtype=np.float32) for length in LENGTHS[name]]
    np.save(
        folder / f"{name.upper()}-I3D-JOINTFeatures.npy",
        objects(rows if bad is None else [*rows[:3], bad]),
    )
    return rows


@pytest.mark.parametrize("name, fps", [("beoid", 30), ("gtea", 15)])
def test_sfnets_layout(tmp_path, name, fps):
    folder = write_sfnet(tmp_path, name)
    dataset = open_dataset(name, tmp_path)
    assert [video.length for video in (*dataset.train, *dataset.test)] == list(LENGTHS[name])
    assert (len(dataset.train), len(dataset.test), dataset.streams, dataset.feature_size()) == (
        2,
        2,
        ("rgb", "flow"),
        1024,
    )
    row = write_features(folder, name)[0]
    np.testing.assert_array_equal(dataset.train[0].features["flow"], row[:, 1024:])
    assert (
        dataset.timebase.snippet_seconds == 16 / fps and dataset.default_protocol == "activitynet"
    )
    assert dataset.clicks["action"].values.tolist() == [
        ["video_validation_0000001", "Diving", 1.5, 1],
        ["video_validation_0000001", "Diving", 3.5, 3],
    ]
    assert (
        set(dataset.clicks["background"]["video"]) == {video.id for video in dataset.train}
        and dataset.origin == "real"
    )


def test_fingerprint_follows_features_and_clicks(tmp_path):
    folder = write_sfnet(tmp_path)
    first = open_dataset("beoid", tmp_path).fingerprint
    assert open_dataset("beoid", tmp_path).fingerprint == first
    (folder / "BEOID-Annotations/single_frames/BEOID2.txt").write_text(
        "video_validation_0000001,1.0,Diving\n"
    )
    assert open_dataset("beoid", tmp_path).fingerprint != first


def test_what_is_missing_or_wrong_is_named(tmp_path):
    with pytest.raises(WorkbookError, match="gtea: the folder of annotations is missing"):
        open_dataset("gtea", tmp_path)
    folder = write_sfnet(tmp_path)
    write_features(folder, "beoid", bad=np.ones((3, 100), np.float32))
    with pytest.raises(
        WorkbookError,
        match=r"beoid: features of video video_test_0000270 have shape \(3, 100\).*verify beoid",
    ):
        open_dataset("beoid", tmp_path)
    (folder / "BEOID-I3D-JOINTFeatures.npy").unlink()
    with pytest.raises(WorkbookError, match=r"beoid: no features in .*BEOID-I3D-JOINTFeatures"):
        open_dataset("beoid", tmp_path)


def entry(subset, *spans, duration=32.0):
    return {
        "subset": subset,
        "duration": duration,
        "annotations": [{"label": "Dodgeball", "segment": list(s)} for s in spans],
    }


def write_backtal(root, name, length=100):
    """Three videos with segments and one without, as the JSON and the .npz files have them."""
    files = {"activitynet1.2": "activity_net.v1-2.min.json", "hacs": "HACS_segments_v1.1.1.json"}
    folder = root / name
    folder.mkdir()
    database = {
        "-a_1": entry("training", [4.0, 8.0], [20.0, 24.0], duration="32.0"),
        "b": entry("training", [0.0, 64.0], duration=64.0),
        "c": entry("validation", [1.0, 2.0], [5.0, 5.0]),
        "d": entry("testing"),
    }
    (folder / files[name]).write_text(json.dumps({"database": database}))
    for subset, videos in (("training", ("-a_1", "b")), ("validation", ("c",))):
        (folder / subset).mkdir()
        for video in videos:
            write_npz(folder, subset, video, length)
    return folder


def write_npz(folder, subset, video, length):
    ramp = np.tile(np.arange(length, dtype=np.float32), (1024, 1))
    np.savez(
        folder / subset / f"v_{video}.npz",
        feat_spa=ramp,
        feat_tem=-ramp,
        cls_label=np.ones(3),
        vid_name=np.array(video),
    )


@pytest.mark.parametrize("name", ["activitynet1.2", "hacs"])
def test_backtals_layout(tmp_path, name):
    write_backtal(tmp_path, name)
    dataset = open_dataset(name, tmp_path)
    assert [video.id for video in (*dataset.train, *dataset.test)] == [
        "-a_1",
        "b",
        "c",
    ] and dataset.classes == ("Dodgeball",)
    assert [video.length for video in (*dataset.train, *dataset.test)] == [
        50,
        100,
        50,
    ]  # seconds * 25 / 16
    assert "rescaled to 100 snippets" in dataset.title and dataset.name == name
    np.testing.assert_allclose(dataset.train[0].features["rgb"][:, 5], np.arange(0.5, 100, 2))
    np.testing.assert_allclose(dataset.train[1].features["flow"][:, 0], -np.arange(100.0))
    assert (
        dataset.clicks["background"].groupby("video").size().to_dict() == {"-a_1": 3}
        and len(dataset.clicks["action"]) == 3
    )
    assert len(dataset.segments_of("test")) == 2


def test_features_of_their_own_lengths_are_kept(tmp_path):
    folder = write_backtal(tmp_path, "activitynet1.2")
    write_npz(folder, "training", "-a_1", 49)
    write_npz(folder, "validation", "c", 51)
    dataset = open_dataset("activitynet1.2", tmp_path)
    assert [video.length for video in (*dataset.train, *dataset.test)] == [49, 100, 51]
    assert dataset.title == "ActivityNet 1.2" and dataset.train[0].as_stored is None


def test_videos_that_vanished_are_counted(tmp_path):
    folder = write_backtal(tmp_path, "hacs")
    first = open_dataset("hacs", tmp_path).fingerprint
    for subset, video in (("training", "-a_1"), ("validation", "c")):
        write_npz(folder, subset, video, 50)
    (folder / "training/v_b.npz").unlink()
    dataset = open_dataset("hacs", tmp_path)
    assert "features of 1 of 2 training and 1 of 1 test videos" in dataset.title
    assert [video.id for video in dataset.train] == ["-a_1"]
    assert "b" not in set(dataset.segments["video"]) and dataset.fingerprint != first
    (folder / "validation/v_c.npz").unlink()
    with pytest.raises(WorkbookError, match=r"hacs: no features of test videos in .*verify hacs"):
        open_dataset("hacs", tmp_path)


def test_bad_npz_names_its_data_set(tmp_path):
    folder = write_backtal(tmp_path, "hacs")
    np.savez(
        folder / "training/v_b.npz",
        feat_spa=np.ones((1024, 5)),
        feat_tem=np.full((1024, 5), np.nan),
    )
    with pytest.raises(WorkbookError, match=r"hacs: features of video b \(flow\) hold NaN"):
        open_dataset("hacs", tmp_path)
    (folder / "training/v_b.npz").write_bytes(b"PK")
    with pytest.raises(WorkbookError, match="damaged"):
        open_dataset("hacs", tmp_path)


def test_counts_of_the_manifests():
    assert load_manifest("activitynet1.2").splits == {
        "train": Counts(4819, 7151),
        "validation": Counts(2383, 3582),
        "test": Counts(2480, 0),
    }
    assert load_manifest("beoid").splits == {"train": Counts(46, 594), "test": Counts(12, 148)}
    assert load_manifest("gtea").splits == {"train": Counts(21, 367), "test": Counts(7, 130)}
    assert load_manifest("hacs").splits["train"] == Counts(37613, None)
    assert [
        load_manifest(name).classes for name in ("activitynet1.2", "hacs", "beoid", "gtea")
    ] == [100, 200, 34, 7]


def test_unknown_numbers_of_instances_are_not_compared(tmp_path):
    write_backtal(tmp_path, "hacs")
    found = {finding.file: finding for finding in verify("hacs", tmp_path)}
    train = found["counts of train"]
    assert (
        train.status == "wrong counts"
        and train.expected == "37613 videos, an unknown number of instances"
    )
    assert train.found == "2 videos, 3 instances" and found["features (npz)"].status == "ok"


@needs_real_data
@pytest.mark.parametrize(
    "name, missing",
    [
        ("beoid", {"features"}),
        ("gtea", {"features"}),
        ("activitynet1.2", {"features"}),
        ("activitynet1.3", {"features"}),
    ],
)
def test_real_annotations_are_right_and_features_missing(name, missing):
    findings = verify(name, REAL)
    assert {finding.file for finding in findings if finding.status != "ok"} == missing
    splits = [split for split in load_manifest(name).splits if not split.startswith("official")]
    assert sum(finding.file.startswith("counts of") for finding in findings) == len(splits)


@needs_real_data
@pytest.mark.parametrize("name", ["beoid", "gtea"])
def test_real_annotations_with_made_features(tmp_path, name, monkeypatch):
    manifest = few_channels(monkeypatch, beoid, name)
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name.upper()}-Annotations").symlink_to(
        REAL / name / f"{name.upper()}-Annotations"
    )
    durations = VIDEO_DATA[name](tmp_path / name).annotations.videos["duration"].to_numpy()
    lengths = manifest.timebase().snippets(durations).astype(int)
    np.save(
        tmp_path / name / f"{name.upper()}-I3D-JOINTFeatures.npy",
        objects([np.ones((length, 4), np.float32) for length in lengths]),
    )
    dataset = open_dataset(name, tmp_path)
    for side, split in load_manifest(name).splits.items():
        assert Counts(len(getattr(dataset, side)), len(dataset.segments_of(side))) == split
    assert (
        len(dataset.classes) == load_manifest(name).classes
        and dataset.clicks["action"]["annotator"].nunique() == 4
    )


@needs_real_data
def test_real_activitynet():
    annotations = read_activitynet_json(REAL / "activitynet1.2/activity_net.v1-2.min.json")
    assert len(annotations.videos) == 9682 and annotations.classes == tuple(
        sorted(annotations.classes)
    )
    validation = set(annotations.of_subset("validation")["video"])
    empty = segments_without_length(annotations.segments)
    assert (len(empty), int(empty["video"].isin(validation).sum())) == (10, 3)


@needs_real_data
def test_real_background_of_activitynet():
    """341 of 4819 training videos have no background segment longer than half a second."""
    from wtal_core.data.click_statistics import background_segments

    annotations = read_activitynet_json(REAL / "activitynet1.2/activity_net.v1-2.min.json")
    durations = annotations.of_subset("training").set_index("video")["duration"]
    found = background_segments(
        annotations.segments[annotations.segments["video"].isin(durations.index)], durations
    )
    found = found[found["t_end"] - found["t_start"] > 0.5]
    assert (
        len(durations) - found["video"].nunique() == 341
        and round(len(found) / len(durations), 2) == 2.15
    )
