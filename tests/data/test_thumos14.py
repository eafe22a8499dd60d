"""THUMOS14 from each layout of features, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from tests.data_samples import (
    REAL,
    TEST,
    VIDEOS,
    needs_real_data,
    video_features,
    write_annotations,
    write_joint,
    write_per_video,
)
from wtal_core.data import thumos14
from wtal_core.data.features import check_features, common_length, to_grid
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.data.thumos14 import open_thumos14, thumos14_without_features
from wtal_core.errors import WorkbookError


@pytest.fixture
def root(tmp_path):
    write_annotations(tmp_path)
    return tmp_path


def assert_content(dataset):
    for video, expected in zip(VIDEOS, video_features(), strict=True):
        features = dataset.video(video).features
        assert tuple(features) == ("rgb", "flow")
        np.testing.assert_array_equal(np.concatenate(list(features.values()), axis=1), expected)


@pytest.mark.parametrize("place", [".", "Thumos14reduced"])
def test_joint_file(root, place):
    (root / place).mkdir(exist_ok=True)
    write_joint(root / place)
    dataset = open_thumos14(root)
    assert_content(dataset)
    assert [video.length for video in (*dataset.train, *dataset.test)] == [12, 1, 0, 7]
    assert (
        dataset.test[1].labels == ()
        and dataset.origin == "real"
        and dataset.default_protocol == "wtalc"
    )
    assert (
        dataset.timebase.snippet_seconds == 0.64
        and len(dataset.ambiguous) == 1
        and dataset.feature_size() == 1024
    )


def test_one_file_a_video_and_stream(root):
    write_per_video(root)
    assert_content(open_thumos14(root))


def test_left_out_videos_may_lack_features(root):
    write_per_video(root, videos=[video for video in VIDEOS if video != "video_test_0000270"])
    dataset = open_thumos14(root)
    assert [video.id for video in dataset.test] == [
        TEST[0]
    ] and dataset.default_protocol == "activitynet"
    assert "video_test_0000270" not in set(dataset.segments["video"])


def write_npz(root, **arrays_of):
    for video, array in zip(VIDEOS, video_features(), strict=True):
        folder = root / ("val" if "validation" in video else "test")
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{video}.npz", **{key: make(array) for key, make in arrays_of.items()})


@pytest.mark.parametrize(
    "arrays_of",
    [
        {
            "feat_spa": lambda x: x[:, :1024].T,
            "feat_tem": lambda x: x[:, 1024:].T,
            "vid_name": lambda x: np.array("v"),
        },
        {"rgb": lambda x: x[:, :1024], "flow": lambda x: x[:, 1024:]},
        {"feature": lambda x: x},
    ],
)
def test_npz_files(root, arrays_of):
    write_npz(root, **arrays_of)
    assert_content(open_thumos14(root))


def test_npz_with_other_keys(root):
    write_npz(root, something=lambda x: x)
    with pytest.raises(
        WorkbookError, match=r"holds \['something'\] of video .*, expected feat_spa"
    ):
        open_thumos14(root)


def test_rescaled_features_come_back_to_the_grid(root):
    write_joint(root, video_features((30, 30, 30, 30)))
    dataset = open_thumos14(root)
    assert [video.length for video in (*dataset.train, *dataset.test)] == [
        12,
        1,
        1,
        7,
    ]  # duration * 25 / 16
    assert "rescaled to 30 snippets" in dataset.title


def test_to_grid_keeps_a_line_and_is_identity_at_equal_length():
    line = np.arange(20.0)[:, None] + 0.5
    np.testing.assert_allclose(to_grid(line, 40)[1:-1, 0], np.arange(0.75, 19.5, 0.5), rtol=1e-6)
    np.testing.assert_allclose(to_grid(line, 20), line)
    assert to_grid(line, 0).shape == (0, 1)
    assert common_length({"a": {"rgb": line}, "b": {"rgb": line[:3]}, "c": {"rgb": line}}) is None


def test_origin_file_overrides(root):
    write_joint(root)
    (root / "origin.yaml").write_text(
        "origin: simulated features, real annotations\nname: thumos14-simulated\n"
    )
    dataset = open_thumos14(root)
    assert (dataset.origin, dataset.name) == (
        "simulated features, real annotations",
        "thumos14-simulated",
    )
    (root / "origin.yaml").write_text("title: X\n")
    with pytest.raises(WorkbookError, match=r"origin\.yaml"):
        open_thumos14(root)


def test_fingerprint_follows_the_content(root):
    write_joint(root)
    first = open_thumos14(root).fingerprint
    assert open_thumos14(root).fingerprint == first
    features = video_features()
    features[0][3, 5] += 1
    write_joint(root, features)
    assert open_thumos14(root).fingerprint != first


def test_missing_features_say_what_was_looked_for(root):
    with pytest.raises(
        WorkbookError,
        match=r"JOINTFeatures\.npy.*BackTAL|JOINTFeatures\.npy.*wtal data verify thumos14",
    ):
        open_thumos14(root)
    assert thumos14_without_features(root).find(root) is None


def test_missing_video_is_named(root):
    write_per_video(root, videos=[video for video in VIDEOS if video != VIDEOS[1]])
    with pytest.raises(WorkbookError, match=f"1 of 3 videos are missing in .*: {VIDEOS[1]}$"):
        open_thumos14(root)


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.full((3, 2048), np.nan, np.float32), "NaN"),
        (np.full((3, 2048), np.inf), "infinite"),
        (np.ones((3, 1024), np.float32), r"shape \(3, 1024\), expected \(T, 2048\)"),
        (np.ones(2048), r"shape \(2048,\)"),
        (["text"], "not an array of numbers"),
    ],
)
def test_bad_features_name_the_video(root, bad, message):
    write_joint(root, [*video_features()[:2], bad, video_features()[3]])
    with pytest.raises(WorkbookError, match=message) as caught:
        open_thumos14(root)
    assert VIDEOS[2] in str(caught.value) and "\n" not in str(caught.value)


def test_features_and_annotations_of_different_lists(root):
    write_joint(root, video_features()[:3])
    with pytest.raises(WorkbookError, match="different lists of videos"):
        open_thumos14(root)


def test_training_video_without_label(root):
    from tests.data_samples import objects

    write_annotations(root, labels_all=objects([["Diving"], [], ["Diving"], []]))
    write_joint(root)
    with pytest.raises(WorkbookError, match=f"{VIDEOS[1]} has no label"):
        open_thumos14(root)


def test_a_video_name_leads_to_no_file_outside(root):
    """Not even to one that is there and would fit."""
    write_per_video(root)
    outside = root.parent / "outside"
    for stream in ("rgb", "flow"):
        (outside / stream).mkdir(parents=True, exist_ok=True)
        np.save(outside / stream / "x.npy", video_features()[0][:, :1024])
    name = "../../../../outside/rgb/x"
    assert (root / "features/train/rgb" / f"{name}.npy").exists()
    write_annotations(root, videoname=np.array([name, *VIDEOS[1:]], dtype="S40"))
    with pytest.raises(WorkbookError, match=r"1 of 3 videos are missing.*outside/rgb/x"):
        open_thumos14(root)


def test_a_linked_file_outside_is_refused(root):
    write_per_video(root)
    path = root / "features/train/rgb" / f"{VIDEOS[0]}.npy"
    path.rename(root.parent / "elsewhere.npy")
    path.symlink_to(root.parent / "elsewhere.npy")
    with pytest.raises(WorkbookError, match="leads out of"):
        open_thumos14(root)


def test_integer_features_become_float32():
    assert check_features(np.ones((2, 4), np.int16), 4, "v").dtype == np.float32


def test_published_clicks_are_read(root):
    write_joint(root)
    (root / "action_clicks").mkdir()
    (root / "action_clicks/THUMOS1.txt").write_text(
        f"{VIDEOS[0]},1.25,Diving\n\nmisspelt,2.0,Diving\n"
    )
    clicks = open_thumos14(root).clicks["action"]
    assert clicks.to_dict("records") == [
        {"video": VIDEOS[0], "label": "Diving", "t": 1.25, "annotator": 1}
    ]


def few_channels(monkeypatch, module, name, channels=2):
    """The manifest with so few channels that features of all videos are small."""
    manifest = replace(load_manifest(name), feature_size=channels)
    monkeypatch.setattr(module, "load_manifest", lambda _: manifest)
    return manifest


@needs_real_data
def test_real_annotations_with_made_features(tmp_path, monkeypatch):
    """The full lists: 200 and 212 videos, clicks of all annotators, two probes."""
    manifest = few_channels(monkeypatch, thumos14, "thumos14")
    for name in ("Thumos14reduced-Annotations", "action_clicks", "background_clicks"):
        (tmp_path / "thumos14").mkdir(exist_ok=True)
        (tmp_path / "thumos14" / name).symlink_to(REAL / "thumos14" / name)
    durations = thumos14_without_features(tmp_path / "thumos14").annotations.videos["duration"]
    lengths = manifest.timebase().snippets(durations.to_numpy()).astype(int)
    write_joint(tmp_path / "thumos14", [np.ones((length, 4), np.float32) for length in lengths])
    (tmp_path / "thumos14/origin.yaml").write_text("origin: simulated features, real annotations\n")
    dataset = open_dataset("thumos14", tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (200, 212)
    assert (len(dataset.segments_of("train")), len(dataset.segments_of("test"))) == (3007, 3358)
    assert {
        kind: clicks["annotator"].value_counts(sort=False).to_dict()
        for kind, clicks in dataset.clicks.items()
    } == {"action": {1: 2980, 2: 2919, 3: 3014, 4: 2986}, "background": {1: 2264, 2: 2323, 3: 2344}}
    assert (
        dataset.left_out == {"activitynet": ("video_test_0000270", "video_test_0001496")}
        and len(dataset.probes) == 2
    )
