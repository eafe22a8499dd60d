"""Every layout of features, for every data set, gives the same values; large sets are not read when
they are opened.

Features are invented, annotations published ones where they are there, of a few videos.
"""

import json

import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL, needs_real_data, objects, write_annotations
from wtal_core import packed
from wtal_core.data import features as features_module
from wtal_core.data import fingerprint as fingerprint_module
from wtal_core.data.annotations import read_activitynet_json, read_bsn
from wtal_core.data.availability import features_line
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.opening import open_dataset
from wtal_core.data.stored import Stored
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError
from wtal_core.models.shared.inputs import Inputs
from wtal_core.runs.inputs import resident

SUBSETS = {"training": "train", "validation": "test"}
SECONDS = {"a": 32.0, "b": 64.5, "c": 20.0}
FOLDERS = {"a": "training", "b": "training", "c": "validation"}
JSON = {
    "activitynet1.2": "activity_net.v1-2.min.json",
    "activitynet1.3": "activity_net.v1-3.min.json",
    "hacs": "HACS_segments_v1.1.1.json",
}


def write_json(folder, name):
    """Two training videos, a validation video, and a test video without annotations."""
    folder.mkdir(exist_ok=True)
    database = {
        video: {
            "subset": FOLDERS[video],
            "duration": str(seconds),
            "annotations": [{"label": "Dodgeball", "segment": [1.0, 2.0 + i]}],
        }
        for i, (video, seconds) in enumerate(SECONDS.items())
    }
    database["d"] = {"subset": "testing", "duration": "9.0", "annotations": []}
    (folder / JSON[name]).write_text(json.dumps({"database": database}))
    return folder


def values_of(video, seconds=None):
    """`[T, 2048]`, T as the duration has it at 25 frames a second and stride 16."""
    length = int((SECONDS[video] if seconds is None else seconds) * 25 / 16)
    number = sum(map(ord, video))
    return np.random.default_rng(number).random((length, 2048), dtype=np.float32)


def write_npy(folder, video, side, array):
    (folder / side).mkdir(parents=True, exist_ok=True)
    np.save(folder / side / f"v_{video}.npy", array)


def write_streams(folder, video, side, array):
    for stream, part in (("rgb", array[:, :1024]), ("flow", array[:, 1024:])):
        (folder / side / stream).mkdir(parents=True, exist_ok=True)
        np.save(folder / side / stream / f"{video}.npy", part)


def write_backtal(folder, video, side, array):
    (folder / side).mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / side / f"v_{video}.npz",
        feat_spa=array[:, :1024].T,
        feat_tem=array[:, 1024:].T,
        vid_name=np.array(video),
    )


def write_flat(folder, video, side, array):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{video}.npz", feature=array)


def write_hdf5(folder, video, side, array):
    h5py = pytest.importorskip("h5py")
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / f"{side}.h5", "a") as file:
        file[f"v_{video}"] = array


def write_hdf5_groups(folder, video, side, array):
    h5py = pytest.importorskip("h5py")
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "all.hdf5", "a") as file:
        file[f"{video}/rgb"] = array[:, :1024]
        file[f"{video}/flow"] = array[:, 1024:]


WRITERS = [write_npy, write_streams, write_backtal, write_flat, write_hdf5, write_hdf5_groups]


def write_all(root, name, write, side_of=SUBSETS):
    folder = write_json(root / name, name)
    for video, subset in FOLDERS.items():
        write(folder / "features", video, side_of[subset], values_of(video))
    return folder


def assert_values(dataset):
    for video in (*dataset.train, *dataset.test):
        joined = np.concatenate([video.features[stream] for stream in dataset.streams], axis=1)
        np.testing.assert_array_equal(joined, values_of(video.id))
        assert joined.dtype == np.float32
        assert video.length == len(joined)


@pytest.mark.parametrize("at_once", [0, 2**40])
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", JSON)
def test_layouts(tmp_path, monkeypatch, name, write, at_once):
    """All of them for one data set, two for the others, which share the code."""
    if name != "hacs" and write not in (write_npy, write_backtal):
        pytest.skip("shown for hacs")
    monkeypatch.setattr(features_module, "AT_ONCE", at_once)
    write_all(tmp_path, name, write)
    dataset = open_dataset(name, tmp_path)
    assert [video.id for video in dataset.train] == ["a", "b"]
    assert [video.id for video in dataset.test] == ["c"]
    assert isinstance(dataset.train[0].features, Stored) == (at_once == 0)
    assert "of" not in dataset.title and dataset.classes == ("Dodgeball",)
    assert dataset.feature_size() == 1024 and dataset.timebase.snippet_seconds == 0.64
    assert_values(dataset)


@pytest.mark.parametrize("sides", [{"training": "training", "validation": "val"}, SUBSETS])
def test_folders_may_be_called_by_side_or_subset(tmp_path, sides):
    write_all(tmp_path, "activitynet1.3", write_npy, sides)
    assert_values(open_dataset("activitynet1.3", tmp_path))


def test_thumos14_in_one_file_per_video(tmp_path):
    """ACM-Net's layout, and HDF5, of the data set that has others."""
    folder = tmp_path / "thumos14"
    annotations = write_annotations(folder)
    names = [name.decode() for name in np.load(annotations / "videoname.npy")]
    arrays = [np.full((length, 2048), length, np.float32) for length in (12, 1, 0, 7)]
    for name, array in zip(names, arrays, strict=True):
        side = "train" if "validation" in name else "test"
        write_npy(folder, name, side, array)
        (folder / side / f"v_{name}.npy").rename(folder / side / f"{name}.npy")
    dataset = open_dataset("thumos14", tmp_path)
    assert [v.length for v in (*dataset.train, *dataset.test)] == [12, 1, 0, 7]
    assert (dataset.train[0].features["flow"] == 12).all()


def write_wtalc(root, order="bca", extra=()):
    """W-TALC's folder of arrays and joint file; its names are not the ids, its addresses are."""
    folder = root / "activitynet1.2"
    arrays = folder / "ActivityNet1.2-Annotations"
    arrays.mkdir(parents=True)
    videos = list(order)
    count = len(videos)
    content = {
        "videoname": np.array([f"video_{i}" for i in range(count)], dtype="S10"),
        "url": np.array([f"https://www.youtube.com/watch?v={v}" for v in videos], dtype="S50"),
        "subset": np.array([FOLDERS[video] for video in videos], dtype="S10"),
        "duration": np.array([SECONDS[video] for video in videos]),
        "classlist": np.array(["Dodgeball"], dtype="S10"),
        "labels_all": objects([["Dodgeball"]] * count),
        "labels": objects([["Dodgeball"]] * count),
        "segments": objects([[[1.0, 2.0]]] * count),
    }
    for name, array in content.items():
        np.save(arrays / f"{name}.npy", array)
    rows = [values_of(video) for video in videos]
    np.save(folder / "ActivityNet1.2-I3D-JOINTFeatures.npy", objects([*rows, *extra]))
    return folder


def test_activitynet12_in_wtalcs_joint_layout(tmp_path):
    write_wtalc(tmp_path)
    dataset = open_dataset("activitynet1.2", tmp_path)
    assert [video.id for video in dataset.train] == ["b", "a"] and dataset.test[0].id == "c"
    assert set(dataset.segments["video"]) == {"a", "b", "c"}
    assert_values(dataset)


def test_the_joint_file_is_never_unpickled_freely(tmp_path):
    """A pickle that would run a command is refused."""

    class Harmful:
        def __reduce__(self):
            return print, ("this must not run",)

    folder = write_wtalc(tmp_path)
    np.save(
        folder / "ActivityNet1.2-I3D-JOINTFeatures.npy",
        objects([Harmful(), values_of("c"), values_of("a")]),
    )
    with pytest.raises(WorkbookError, match=r"names the global (__builtin__|builtins)\.print"):
        open_dataset("activitynet1.2", tmp_path)


def test_a_joint_file_of_another_list_is_refused(tmp_path):
    write_wtalc(tmp_path, extra=[values_of("a")])
    with pytest.raises(WorkbookError, match="different lists of videos"):
        open_dataset("activitynet1.2", tmp_path)


def test_a_joint_file_needs_its_arrays(tmp_path):
    folder = write_wtalc(tmp_path)
    write_json(folder, "activitynet1.2")
    for path in (folder / "ActivityNet1.2-Annotations").iterdir():
        path.unlink()
    (folder / "ActivityNet1.2-Annotations").rmdir()
    with pytest.raises(WorkbookError, match="folder of annotations that belongs to the joint file"):
        open_dataset("activitynet1.2", tmp_path)


@needs_real_data
@pytest.mark.parametrize("name", ["activitynet1.2", "activitynet1.3"])
def test_published_annotations_with_made_features(tmp_path, name):
    """Six training and three validation videos have features; the title says of how many."""
    if name == "activitynet1.3":
        annotations = read_bsn(REAL / name)
        totals = "features of 6 of 9,649 training and 3 of 4,728 test videos"
    else:
        annotations = read_activitynet_json(REAL / name / JSON[name])
        totals = "features of 6 of 4,819 training and 3 of 2,383 test videos"
    (tmp_path / name).mkdir()
    for path in (REAL / name).iterdir():
        (tmp_path / name / path.name).symlink_to(path)
    videos = pd.concat(
        [annotations.of_subset("training").head(6), annotations.of_subset("validation").head(3)]
    )
    for row in videos.itertuples():
        length = int(row.duration * 25 / 16)
        video = row.video.removeprefix("v_")
        write_npy(tmp_path / name, video, SUBSETS[row.subset], np.ones((length, 2048), np.float16))
    dataset = open_dataset(name, tmp_path)
    assert dataset.title.endswith(totals)
    assert [v.id for v in (*dataset.train, *dataset.test)] == videos["video"].tolist()
    assert len(dataset.clicks["action"]) >= 6
    findings = {finding.file: finding for finding in verify(name, tmp_path)}
    assert findings["features (npy)"].status == "incomplete" and findings["features (npy)"].needed
    assert findings["values"].found == "9 videos read" and findings["length"].status == "ok"


def test_the_official_list_of_activitynet13_is_counted_as_such(tmp_path):
    write_all(tmp_path, "activitynet1.3", write_npy)
    counts = {finding.file: finding.expected for finding in verify("activitynet1.3", tmp_path)}
    assert counts["counts of official_train"].startswith("10024 videos")
    assert "counts of train" not in counts


def test_opening_reads_no_values_of_a_large_set(tmp_path, monkeypatch):
    """NaN in a file of a large set is found when the video is read, by training and by `verify`."""
    monkeypatch.setattr(features_module, "AT_ONCE", 0)
    monkeypatch.setattr(packed, "SMALL", 0)
    folder = write_all(tmp_path, "hacs", write_npy)
    bad = values_of("b")
    bad[3, 5] = np.nan
    write_npy(folder / "features", "b", "train", bad)
    dataset = open_dataset("hacs", tmp_path)
    videos = resident(dataset, "train", "cpu")
    np.testing.assert_array_equal(videos.batch([0]).features[1], values_of("a")[:, 1024:])
    with pytest.raises(WorkbookError, match=r"hacs: features of video b \(rgb\) hold NaN"):
        videos.batch([1])
    findings = {finding.file: finding for finding in verify("hacs", tmp_path)}
    assert findings["opening"].status == "ok" and findings["values"].status == "not finite"


def test_a_file_that_changes_while_it_is_in_use_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(features_module, "AT_ONCE", 0)
    folder = write_all(tmp_path, "hacs", write_npy)
    dataset = open_dataset("hacs", tmp_path)
    write_npy(folder / "features", "a", "train", values_of("a")[:-2])
    with pytest.raises(WorkbookError, match="has changed since it was opened"):
        resident(dataset, "train", "cpu").batch([0])


@pytest.mark.parametrize("at_once", [0, 2**40])
def test_rescaled_features_reach_a_network_unchanged(tmp_path, monkeypatch, at_once):
    """A method that asks for their length gets the very values; another one gets the grid."""
    monkeypatch.setattr(features_module, "AT_ONCE", at_once)
    folder = write_json(tmp_path / "activitynet1.2", "activitynet1.2")
    stored = {video: values_of(video, seconds=64) for video in SECONDS}  # 100 snippets each
    for video, subset in FOLDERS.items():
        write_backtal(folder, video, subset, stored[video])
    dataset = open_dataset("activitynet1.2", tmp_path)
    assert "rescaled to 100 snippets" in dataset.title
    assert [video.length for video in dataset.train] == [50, 100]
    batch = resident(dataset, "train", "cpu", inputs=Inputs(length=100)).batch([1, 0])
    expected = np.concatenate([stored["b"], stored["a"]])
    np.testing.assert_array_equal(batch.features[0], expected[:, :1024])
    np.testing.assert_array_equal(batch.features[1], expected[:, 1024:])
    assert resident(dataset, "train", "cpu").lengths == [50, 100]
    assert resident(dataset, "train", "cpu", inputs=Inputs(length=30)).lengths == [30, 30]


def test_hdf5_leads_to_no_other_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    folder = write_json(tmp_path / "hacs", "hacs")
    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        file["x"] = values_of("a")
    with h5py.File(folder / "features.h5", "w") as file:
        file["a"] = h5py.ExternalLink(str(tmp_path / "elsewhere.h5"), "x")
    with pytest.raises(WorkbookError, match="a is a link"):
        open_dataset("hacs", tmp_path)
    (folder / "features.h5").unlink()
    with h5py.File(folder / "features.h5", "w") as file:
        file.create_dataset(
            "a", (50, 2048), "f4", external=[(str(tmp_path / "elsewhere.h5"), 0, 409600)]
        )
    with pytest.raises(WorkbookError, match="kept in another file"):
        open_dataset("hacs", tmp_path)


def test_a_damaged_hdf5_file_is_named(tmp_path):
    pytest.importorskip("h5py")
    folder = write_json(tmp_path / "hacs", "hacs")
    (folder / "features.h5").write_bytes(b"no HDF5")
    with pytest.raises(WorkbookError, match=r"features\.h5 is damaged"):
        open_dataset("hacs", tmp_path)


def test_large_files_are_hashed_by_samples(tmp_path, monkeypatch):
    path = tmp_path / "large.npy"
    path.write_bytes(bytes(100_000))
    whole = fingerprint(tmp_path, [path])
    assert fingerprint(tmp_path, [], features=[path]) == whole
    monkeypatch.setattr(fingerprint_module, "AT_ONCE", 10)
    sampled = fingerprint(tmp_path, [], features=[path])
    assert sampled != whole and fingerprint(tmp_path, [path]) == whole
    for place in (0, 99_999):
        content = bytearray(100_000)
        content[place] = 1
        path.write_bytes(content)
        assert fingerprint(tmp_path, [], features=[path]) != sampled
    path.write_bytes(bytes(100_001))
    assert fingerprint(tmp_path, [], features=[path]) != sampled


def test_the_line_about_features_reads_none(tmp_path, monkeypatch):
    monkeypatch.setenv("WTAL_DATA", str(tmp_path))
    assert "no features here that can be read" in features_line("hacs")
    folder = write_all(tmp_path, "hacs", write_npy)
    (folder / "features/train/v_a.npy").write_bytes(b"damaged, which nobody reads here")
    line = features_line("hacs", "backtal/table3")
    assert "features of 2 of 2 training and 1 of 1 test videos are here" in line
    assert "`wtal reproduce backtal/table3 --dataset hacs --profile official`" in line
