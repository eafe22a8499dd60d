"""Data sets of a user's own: layouts of feature files, tables as spreadsheets write them, and what
is refused with nothing written.
"""

import os
import shlex
import shutil
import unicodedata
import warnings

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tests.own_samples import LABELS, values, write_folder, write_labels, write_segments
from wtal_core.data import own_data, stored
from wtal_core.data.feature_spec import SPEC_FILE, FeatureSpec, read_spec, write_spec
from wtal_core.data.manifests import dataset_names, load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.data.own_data import add, features_of
from wtal_core.data.own_split import split_by_seed
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.protocols import PROTOCOLS
from wtal_core.reading.text_tables import read_rows
from wtal_core.timebase import Timebase

GRID = Timebase(25.0, 16.0)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "my features é")


def refused(root, folder, *words, **options):
    """One line with these words, and nothing written."""
    with pytest.raises(WorkbookError) as error:
        add("own", folder, GRID, **options)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not root.exists()


def test_a_folder_becomes_a_data_set_that_every_opener_finds(root, folder):
    added = add("own", folder, GRID)
    assert added.manifest == root / "own" / "own.yaml"
    assert "own" in dataset_names() and load_manifest("own").splits["train"].videos == 6
    dataset = open_dataset("own")
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (6, 2, LABELS)
    assert {label for video in dataset.test for label in video.labels} == set(LABELS)
    np.testing.assert_array_equal(dataset.video("clip 3").features["features"], values(3))
    assert dataset.timebase == GRID and len(dataset.segments) == 8
    assert [finding.status for finding in verify("own")] == ["ok"] * 4
    assert open_dataset("own", root).fingerprint == dataset.fingerprint


def test_the_same_data_elsewhere_are_the_same_and_a_label_makes_a_difference(root, folder):
    add("own", folder, GRID)
    before = open_dataset("own").fingerprint
    moved = folder.with_name("moved")
    shutil.copytree(folder, moved)
    text = (moved / "labels.csv").read_text().replace(",", ";").replace("\n", "\r\n")
    (moved / "labels.csv").write_bytes(text.encode())
    add("own", moved, GRID, replace=True)
    assert open_dataset("own").fingerprint == before
    with (moved / "labels.csv").open("a") as file:
        file.write("clip 0;Throw\r\n")
    assert open_dataset("own").fingerprint != before


def test_only_headers_are_read(root, folder, monkeypatch):
    def read(array):
        raise AssertionError(f"{array.path} was read")

    monkeypatch.setattr(stored.StoredArray, "read", read)
    assert len(add("own", folder, GRID).survey.features) == 8


def _npz(path, rgb, flow):
    np.savez(path.with_suffix(".npz"), rgb=rgb, flow=flow)


def _pt(path, rgb, flow):
    torch.save({"rgb": torch.tensor(rgb), "flow": torch.tensor(flow)}, path.with_suffix(".pt"))


def _safetensors(path, rgb, flow):
    save_file({"rgb": rgb, "flow": flow}, path.with_suffix(".safetensors"))


def _hdf5(path, rgb, flow):
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["rgb"] = rgb
        file["flow"] = flow


def _one_hdf5(path, rgb, flow):
    with h5py.File(path.with_name("all.h5"), "a") as file:
        file[f"{path.name}/rgb"] = rgb
        file[f"{path.name}/flow"] = flow


def _folders(path, rgb, flow):
    for stream, features in (("rgb", rgb), ("flow", flow)):
        (path.parent / stream).mkdir(exist_ok=True)
        np.save(path.parent / stream / f"{path.name}.npy", features)


def _endings(path, rgb, flow):
    np.save(path.with_name(f"{path.name}_rgb.npy"), rgb)
    np.save(path.with_name(f"{path.name}_flow.npy"), flow)


@pytest.mark.parametrize(
    "write",
    [_npz, _pt, _safetensors, _hdf5, _one_hdf5, _folders, _endings],
    ids=lambda f: f.__name__,
)
def test_two_streams_in_any_layout(root, tmp_path, write):
    folder = tmp_path / "features"
    folder.mkdir()
    for i in range(8):
        write(folder / f"clip {i}", values(i), values(i)[:-1] + 1)  # one snippet more in rgb
    write_labels(folder)
    add("own", folder, GRID)
    dataset = open_dataset("own")
    assert dataset.streams == ("rgb", "flow")
    features = dataset.video("clip 5").features
    np.testing.assert_array_equal(features["rgb"], values(5)[:-1])
    np.testing.assert_array_equal(features["flow"], values(5)[:-1] + 1)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors", ".hdf5"])
def test_one_array_per_video_and_turned_ones(root, tmp_path, suffix):
    folder = tmp_path / "features"
    folder.mkdir()
    for i in range(8):
        path = folder / f"clip {i}{suffix}"
        turned = np.ascontiguousarray(values(i).T)
        if suffix == ".npy":
            np.save(path, turned)
        elif suffix == ".npz":
            np.savez(path, anything=turned)
        elif suffix == ".pt":
            torch.save(torch.tensor(turned), path)
        elif suffix == ".safetensors":
            save_file({"anything": turned}, path)
        else:
            with h5py.File(path, "w") as file:
                file["feature"] = turned
    write_labels(folder)
    add("own", folder, GRID)
    features = open_dataset("own").video("clip 5").features
    np.testing.assert_array_equal(features["features"], values(5))


def test_folders_train_and_test_give_the_split(root, folder):
    for i in range(8):
        side = folder / ("test" if i < 3 else "training")
        side.mkdir(exist_ok=True)
        (folder / f"clip {i}.npy").rename(side / f"clip {i}.npy")
    assert add("own", folder, GRID).test == ("clip 0", "clip 1", "clip 2")


def test_split_csv_decides_and_its_test_videos_need_no_label(root, folder):
    lines = [f"clip {i},{'test' if i > 5 else 'train'}" for i in range(8)]
    (folder / "split.csv").write_text("\n".join(["video,split", *lines]))
    write_labels(folder, videos=6)
    assert add("own", folder, GRID).test == ("clip 6", "clip 7")
    assert open_dataset("own").video("clip 7").labels == ()


def test_test_videos_without_segments_are_left_out_of_scores(root, folder):
    write_segments(folder, videos=7)
    added = add("own", folder, GRID, seed=3, test_share=0.5)
    dataset = open_dataset("own")
    bare = tuple(video for video in added.test if video == "clip 7")
    assert bare == ("clip 7",) and "1 of 4 test videos have no segments" in dataset.title
    assert dataset.left_out == dict.fromkeys(own_data.PROTOCOLS, bare)
    assert set(own_data.PROTOCOLS) == set(PROTOCOLS)


def test_clicks_and_durations(root, folder):
    (folder / "clicks.csv").write_text("video,label,t\nclip 0,Jump,4\nclip 0,background,1.5\n")
    rows = [f"clip {i},{(20 + i) * 0.64}" for i in range(8)]
    (folder / "durations.csv").write_text("\n".join(["video,duration", *rows]))
    added = add("own", folder, GRID)
    assert "8 stated" in "\n".join(added.lines())
    clicks = open_dataset("own").clicks
    assert clicks["action"].values.tolist() == [["clip 0", "Jump", 4.0]]
    assert clicks["background"].values.tolist() == [["clip 0", "background", 1.5]]


def test_another_frame_rate_is_refused_with_its_cause(root, folder):
    rows = [f"clip {i},{(20 + i) * 0.64 * 8}" for i in range(8)]
    (folder / "durations.csv").write_text("\n".join(["video,duration", *rows]))
    refused(root, folder, "8 of 8 videos do not fit", "1/8", "--fps")


def test_times_in_frames_are_refused_and_a_late_one_is_counted(root, folder):
    lines = [f"clip {i},{LABELS[i % 2]},{125},{250}" for i in range(8)]
    head = "video,label,t_start,t_end"
    (folder / "segments.csv").write_text("\n".join([head, *lines]))
    refused(root, folder, "8 of 8 segments", "frames, not seconds")
    (folder / "segments.csv").write_text(f"{head}\nclip 0,Jump,1,2\nclip 1,Throw,1,20\n")
    lines = "\n".join(add("own", folder, GRID).lines())
    assert "1 of 2 segments end after their video, such as 20 s in clip 1" in lines


def write_table(folder, name, head, *lines):
    (folder / name).write_text("\n".join([head, *lines, ""]), encoding="utf-8")


def notes(folder, **options):
    return "\n".join(add("own", folder, GRID, **options).lines())


def test_segments_in_fractions_of_the_video_are_refused(root, folder):
    head = "video,label,t_start,t_end"
    lines = [f"clip {i},{LABELS[i % 2]},0.{i},0.{i + 1}" for i in range(3)]
    write_table(folder, "segments.csv", head, *lines)
    refused(root, folder, "all 3 segments", "first second", "fractions", "multiply")
    write_table(folder, "segments.csv", head, *lines[:2])
    assert "all 2 segments lie in the first second" in notes(folder)
    write_table(folder, "segments.csv", head, *lines, "clip 4,Jump,1,2")
    assert "fractions" not in notes(folder, replace=True)


def test_times_that_may_be_right_can_be_given(root, folder):
    """Some actions are at the start, and nothing happens at that of many a video."""
    segments = (folder / "segments.csv").read_text()
    starts = [f"clip {i},{LABELS[i % 2]},0,0.9" for i in range(3)]
    write_table(folder, "segments.csv", "video,label,t_start,t_end", *starts)
    refused(root, folder, "all 3 segments", "--incomplete where they are right")
    assert "all 3 segments lie in the first second" in notes(folder, incomplete=True)
    (folder / "segments.csv").write_text(segments)
    clicks = [f"clip {i},background,{0.1 * (i % 4)}" for i in range(8)]
    write_table(folder, "clicks.csv", "video,label,t", *clicks)
    assert "fractions" not in notes(folder, replace=True)
    assert len(open_dataset("own").clicks["background"]) == 8


def test_what_was_added_before_opens_with_clicks_of_other_classes(root, folder):
    add("own", folder, GRID)
    write_table(folder, "clicks.csv", "video,label,t", "clip 0,Run,3", "clip 1,Throw,3")
    assert len(open_dataset("own").clicks["action"]) == 1


def test_clicks_in_frames_are_refused_and_late_ones_are_left_out(root, folder):
    head = "video,label,t"
    write_table(folder, "clicks.csv", head, *(f"clip {i},{LABELS[i % 2]},250" for i in range(8)))
    refused(root, folder, "8 of 8 clicks lie after the end", "250 s in clip 0", "frames, not sec")
    write_table(folder, "clicks.csv", head, *(f"clip {i},{LABELS[i % 2]},0.5" for i in range(8)))
    refused(root, folder, "all 8 clicks", "fractions")
    write_table(folder, "clicks.csv", head, "clip 0,Jump,3", "clip 2,Jump,20", "clip 3,Jump,3")
    text = notes(folder)
    assert "1 of 3 clicks lie after the end of their video, such as 20 s in clip 2" in text
    assert "left out" in text and "clicks: 2 on actions" in text
    assert "1 of 2 clicks" not in text and "1 of 3 clicks are of a class" in text
    assert open_dataset("own").clicks["action"]["video"].tolist() == ["clip 0", "clip 3"]


def test_clicks_of_unknown_classes_are_refused_with_the_near_one(root, folder):
    write_table(folder, "clicks.csv", "video,label,t", "clip 0,jump,3", "clip 1,Throw,3")
    refused(root, folder, "1 of 2 clicks", "jump", "did you mean 'Jump'", "'background'")
    assert "left out, clicks.csv: 1 of 2 clicks" in notes(folder, incomplete=True)
    assert len(open_dataset("own").clicks["action"]) == 1


def test_background_clicks_may_be_written_with_a_capital(root, folder):
    write_table(folder, "clicks.csv", "video,label,t", "clip 0,Background,3", "clip 1,Throw,3")
    assert "1 clicks of the label 'Background' count as 'background'" in notes(folder)
    clicks = open_dataset("own").clicks
    assert clicks["background"]["label"].tolist() == ["background"] and len(clicks["action"]) == 1


def test_classes_that_differ_in_capitals_or_spaces_are_told(root, folder):
    text = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(text.replace("clip 2,Jump", "clip 2,jump "))
    (folder / "segments.csv").unlink()
    assert "'Jump' and 'jump' differ in capitals" in notes(folder)
    (folder / "labels.csv").write_text(text)
    write_table(folder, "segments.csv", "video,label,t_start,t_end", "clip 0,jump,3,4")
    with pytest.raises(WorkbookError, match=r"no training video shows 'jump'; did you mean 'Jump'"):
        add("own", folder, GRID, replace=True)


def turned_folder(folder):
    """Eight arrays [16, 40]: 16 snippets of 40 values, or the other way round."""
    folder.mkdir()
    for i in range(8):
        np.save(folder / f"clip {i}.npy", np.vstack([values(i), values(i + 8)])[:40].T)
    write_labels(folder)
    return folder


def test_arrays_of_one_shape_are_read_as_durations_tell(root, tmp_path):
    folder = turned_folder(tmp_path / "features")
    assert "taken for 16 snippets (10.2 s) of 40 values; if they are 40" in notes(folder)
    write_table(folder, "durations.csv", "video,duration", *(f"clip {i},25.6" for i in range(4)))
    assert "16 x 40: 40 snippets of 16 values, as the durations" in notes(folder, replace=True)
    dataset = open_dataset("own")
    np.testing.assert_array_equal(dataset.video("clip 5").features["features"][:25], values(5))
    (folder / "durations.csv").unlink()  # what was decided stays so
    assert open_dataset("own").video("clip 5").features["features"].shape == (40, 16)
    assert features_of(folder, ("features",), 16, GRID).test[0].length == 40
    assert features_of(folder, ("features",), 40, GRID).test[0].length == 16


def test_durations_that_fit_the_rows_leave_one_shape_as_it_is(root, tmp_path):
    folder = turned_folder(tmp_path / "features")
    write_table(folder, "durations.csv", "video,duration", *(f"clip {i},10.2" for i in range(8)))
    assert "16 x 40: 16 snippets of 40 values, as the durations tell" in notes(folder)
    assert open_dataset("own").video("clip 5").length == 16


def test_features_that_have_outlived_their_video_are_named_with_the_remedy(root, folder):
    write_labels(folder, videos=7)
    write_segments(folder, videos=7)
    refused(root, folder, "clip 7", "is no video of yours any more", str(folder / "clip 7.npy"))
    assert "left alone, features of 1 videos that are not there now: clip 7" in notes(
        folder, only={f"clip {i}" for i in range(7)}
    )
    before = open_dataset("own")
    assert len(before.train) + len(before.test) == 7
    (folder / "clip 7.npy").unlink()
    assert open_dataset("own").fingerprint == before.fingerprint


def test_durations_that_lie_with_features_may_be_of_videos_that_have_gone(root, folder):
    rows = [f"clip {i},{(20 + i) * 0.64}" for i in range(8)]
    write_table(folder, "durations.csv", "video,duration", *rows)
    (folder / "clip 7.npy").unlink()
    write_labels(folder, videos=7)
    write_segments(folder, videos=7)
    refused(root, folder, "durations.csv names 1 videos without features: clip 7")
    spec = FeatureSpec("b", "w", ("features",), (16,), 25.0, 16, 16, 8, "whole", "d")
    write_spec(spec, folder)
    assert "durations: 7 stated" in notes(folder)


@pytest.mark.parametrize("has_spec", [False, True])
def test_the_command_that_takes_stock_again_does_so(root, tmp_path, folder, has_spec):
    tables = tmp_path / "my tables"
    tables.mkdir()
    for name in ("labels.csv", "segments.csv"):
        (folder / name).rename(tables / name)
    if has_spec:
        write_spec(
            FeatureSpec("b", "w", ("features",), (16,), 25.0, 16, 16, 8, "whole", "d"), folder
        )
    given = {"labels": tables / "labels.csv", "streams": ("features",), "seed": 3}
    add("own", folder, GRID, test_share=0.5, **given)
    with (tables / "labels.csv").open("a") as file:
        file.write("clip 8,Jump\n")
    np.save(folder / "clip 8.npy", values(8))
    with pytest.raises(WorkbookError) as error:
        open_dataset("own")
    words = shlex.split(str(error.value).split("`")[1])
    grid = [] if has_spec else ["--fps", "25.0", "--stride", "16.0"]
    assert words[:5] == ["wtal", "data", "add", "own", str(folder)]
    assert words[5:] == [
        *grid,
        *("--labels", str(tables / "labels.csv"), "--streams", "features"),
        *("--seed", "3", "--test-share", "0.5", "--replace"),
    ]


SPREADSHEETS = {
    "byte-order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "windows": lambda text: text.replace("\n", "\r\n").encode(),
    "old mac": lambda text: text.replace("\n", "\r").encode(),
    "capitals": lambda text: text.replace("video,label", " Video ,LABEL").encode(),
    "endings": lambda text: text.replace("clip 1,", "clip 1.mp4,").encode(),
    "blank lines": lambda text: text.replace("\n", "\n\n").encode(),
}


@pytest.mark.parametrize("kind", SPREADSHEETS)
def test_tables_as_spreadsheets_write_them(root, folder, kind):
    path = folder / "labels.csv"
    path.write_bytes(SPREADSHEETS[kind](path.read_text()))
    assert add("own", folder, GRID).survey.labels["clip 1"] == ("Throw",)


def test_decimal_commas_and_a_label_with_a_comma(root, folder):
    (folder / "segments.csv").write_text("video;label;t_start;t_end\nclip 0;Jump;1,5;2,25\n")
    (folder / "labels.csv").write_text(
        (folder / "labels.csv").read_text() + 'clip 0,"Jump, high"\n'
    )
    data = add("own", folder, GRID).survey
    assert data.segments.values.tolist() == [["clip 0", "Jump", 1.5, 2.25]]
    assert data.labels["clip 0"] == ("Jump", "Jump, high")


def test_names_whose_accents_are_written_apart(root, folder):
    (folder / "clip 0.npy").rename(folder / f"{unicodedata.normalize('NFD', 'é')}.npy")
    path = folder / "labels.csv"
    path.write_text(path.read_text().replace("clip 0,", "é,"), encoding="utf-8")
    (folder / "segments.csv").unlink()
    assert add("own", folder, GRID).survey.labels["é"] == ("Jump",)


def test_other_things_are_left_alone_and_told(root, folder):
    (folder / "README.txt").write_text("notes")
    (folder / "old").mkdir()
    np.save(folder / "old" / "clip 0.npy", values(0))
    lines = add("own", folder, GRID).lines()
    assert "README.txt" in lines[-1] and f"old{os.sep}" in lines[-1]
    assert len(open_dataset("own").train) == 6


BAD_TABLES = {
    "empty": (b"", "labels.csv holds nothing"),
    "no header": (b"clip 0,Jump\n", "no column 'video'"),
    "comma in a label": (b"video,label\nclip 0,Jump, high\n", "line 2: 3 cells"),
    "no label": (b"video,label\nclip 0,\n", "line 2: has no label"),
    "quotation mark": (b'video,label\nclip 0,"Jump\n', "quotation marks"),
    "latin-1": ("video,label\nclip 0,Sprung über\n".encode("latin1"), "UTF-8"),
    "zeros": (b"video,label\n\0\0", "UTF-8"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_table_that_cannot_be_read(root, folder, kind):
    content, words = BAD_TABLES[kind]
    (folder / "labels.csv").write_bytes(content)
    refused(root, folder, words)


def test_labels_for_videos_that_are_not_there_and_the_reverse(root, folder):
    (folder / "clip 7.npy").unlink()
    refused(root, folder, "names 1 videos without features: clip 7", "--incomplete")
    (folder / "segments.csv").unlink()
    added = add("own", folder, GRID, incomplete=True)
    assert any("left out" in line and "clip 7" in line for line in added.lines())
    shutil.rmtree(root)
    write_labels(folder, videos=6)
    refused(root, folder, "1 videos have no label: clip 6", "--incomplete")
    assert len(add("own", folder, GRID, incomplete=True).train) == 4


def test_names_of_a_table_lead_nowhere(root, folder):
    np.save(folder.parent / "outside.npy", values(0))
    with (folder / "labels.csv").open("a") as file:
        file.write("../outside,Jump\n/etc/passwd,Jump\n")
    refused(root, folder, "2 videos without features: ../outside, /etc/passwd")


def test_a_link_out_of_the_folder_is_not_followed(root, folder):
    np.save(folder.parent / "outside.npy", values(0))
    (folder / "clip 0.npy").unlink()
    (folder / "clip 0.npy").symlink_to(folder.parent / "outside.npy")
    refused(root, folder, "leads out of")


def test_links_that_lead_in_a_circle(root, folder):
    (folder / "clip 0.npy").unlink()
    (folder / "clip 0.npy").symlink_to(folder / "clip 0.npy")
    refused(root, folder, "its links lead in a circle")


@pytest.mark.parametrize(
    "name",
    [
        *(f"clip 0{ending}" for ending in (".npy", ".npz", ".pt", ".safetensors", ".h5")),
        *("labels.csv", "segments.csv", "clicks.csv", "split.csv", "durations.csv"),
    ],
)
def test_a_pipe_in_the_folder_is_not_waited_for(root, folder, name):
    for path in {folder / name, *folder.glob("clip 0.*")} if "clip" in name else {folder / name}:
        path.unlink(missing_ok=True)
    os.mkfifo(folder / name)
    refused(root, folder, f"{name}: is a device or a pipe, no file")
    refused(root, folder, "is a device or a pipe", labels=folder / name)


def test_a_pipe_in_place_of_the_file_that_states_the_time_base(folder):
    os.mkfifo(folder / SPEC_FILE)
    with pytest.raises(WorkbookError, match="is a device or a pipe"):
        read_spec(folder)
    (folder / SPEC_FILE).unlink()
    assert read_spec(folder) is None
    (folder / SPEC_FILE).mkdir()
    with pytest.raises(WorkbookError, match=r"features\.json: is a folder"):
        read_spec(folder)


def test_files_of_names_that_are_no_text(root, folder):
    strange = os.fsencode(folder) + b"/clip \xff.npy"
    try:
        os.rename(folder / "clip 0.npy", strange)
    except OSError:
        pytest.skip("this disk takes text alone")
    refused(root, folder, "1 files are called by what is no name", "clip \udcff.npy")
    added = add("own", folder, GRID, incomplete=True)
    assert len(added.survey.features) == len(added.train) + len(added.test) == 7
    assert any("clip \udcff.npy" in line for line in added.lines())
    with pytest.raises(WorkbookError, match="called by what is no name"):
        features_of(folder, ("features",), 16, GRID)


def test_hdf5_files_that_hold_nothing(root, folder):
    (folder / "clip 0.npy").unlink()
    with h5py.File(folder / "clip 0.h5", "w") as file:
        file.create_group("clip 0")
    refused(root, folder, "video 'clip 0' has no array, most videos have one array")
    with h5py.File(folder / "clip 0.h5", "w") as file:
        file.create_dataset("features", dtype="f4", shape=None, data=h5py.Empty("f4"))
    refused(root, folder, "clip 0.h5: /features holds no values")


def test_a_root_that_is_a_file(folder, tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(WorkbookError, match=r"own\.yaml cannot be written \(Not a directory\)"):
        add("own", folder, GRID, root=tmp_path / "root")


@pytest.mark.parametrize(
    ("streams", "words"),
    [(("a", "a"), "names 'a' 2 times"), (("",), "is '', expected"), (("a/b",), "is 'a/b', expec")],
)
def test_names_of_streams_that_are_none(root, folder, streams, words):
    refused(root, folder, "--streams", words, streams=streams)


def test_two_videos_of_the_same_name(root, folder):
    np.savez(folder / "clip 0.npz", values(0))
    refused(root, folder, "two files of the video 'clip 0'", "clip 0.npz")


def test_files_that_are_no_features(root, folder):
    (folder / "clip 0.npy").write_bytes(b"")
    refused(root, folder, "clip 0.npy is damaged")
    np.save(folder / "clip 0.npy", values(0)[:, :8])
    refused(root, folder, "(20, 8), most have D = 16")
    np.save(folder / "clip 0.npy", values(0)[None])
    refused(root, folder, "shape (1, 20, 16)", "[T, D]")
    np.save(folder / "clip 0.npy", np.array(["text"]))
    refused(root, folder, "expected numbers")


def test_a_pickle_in_a_pt_file_is_refused(root, folder):
    (folder / "clip 0.npy").unlink()
    torch.save({"features": os.path.join}, folder / "clip 0.pt")
    refused(root, folder, "clip 0.pt is damaged")


def test_nan_is_found_by_verify_and_by_opening(root, folder):
    features = values(0)
    features[3, 3] = np.nan
    np.save(folder / "clip 0.npy", features)
    add("own", folder, GRID)
    assert verify("own")[-1].status == "not finite" and "clip 0" in verify("own")[-1].found
    with pytest.raises(WorkbookError, match="clip 0"):
        open_dataset("own")


def test_values_beyond_float32_are_found_by_verify_without_a_warning(root, folder):
    add("mine", folder, GRID)
    np.save(folder / "clip 0.npy", values(0).astype(np.float64) * 1e60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (bad,) = [finding for finding in verify("mine") if finding.status != "ok"]
    assert bad.status == "not finite" and "beyond float32" in bad.found
    np.save(folder / "clip 0.npy", values(0).astype(np.float64))
    assert {finding.status for finding in verify("mine")} == {"ok"}


def test_videos_that_came_or_went_since(root, folder):
    add("own", folder, GRID)
    np.save(folder / "clip 8.npy", values(8))
    with (folder / "labels.csv").open("a") as file:
        file.write("clip 8,Jump\n")
    with pytest.raises(WorkbookError, match=r"clip 8; `wtal data add own .* --replace`"):
        open_dataset("own")
    assert verify("own")[0].status != "ok"


def test_what_cannot_be_asked_for(root, folder, tmp_path):
    for name in ("thumos14", "../own", "a/b", "", ".."):
        with pytest.raises(WorkbookError):
            add(name, folder, GRID)
    (tmp_path / "empty").mkdir()
    refused(root, tmp_path / "empty", "holds no features")
    refused(root, tmp_path / "nothing", "is no folder")
    (folder / "labels.csv").unlink()
    (folder / "segments.csv").unlink()
    refused(root, folder, "labels.csv is missing", "video,label")
    with pytest.raises(WorkbookError, match="--fps is 0"):
        add("own", folder, Timebase(0.0, 16.0))
    assert not root.exists()


def test_it_is_written_anew_only_if_asked(root, folder):
    add("own", folder, GRID)
    with pytest.raises(WorkbookError, match="--replace"):
        add("own", folder, GRID)
    assert add("own", folder, GRID, seed=1, replace=True).test


def test_one_video_cannot_be_split(root, tmp_path):
    folder = write_folder(tmp_path / "one", videos=1)
    refused(root, folder, "1 video(s) cannot be split", "split.csv")


def test_a_split_keeps_every_label_on_both_sides_and_is_the_same_again():
    labels = {f"v{i}": ("a",) if i < 12 else ("b",) if i < 16 else ("a", "c") for i in range(18)}
    train, test = split_by_seed(labels, 0, 0.25)
    assert sorted([*train, *test]) == sorted(labels)
    for label in "abc":
        assert any(label in labels[v] for v in train) and any(label in labels[v] for v in test)
    assert len(test) == 5  # 14 a: 4, 4 b: 1, of the 2 c one, which is an a, too
    assert split_by_seed(labels, 0, 0.25) == (train, test)
    assert any(split_by_seed(labels, seed, 0.25)[1] != test for seed in (1, 2, 3))


def test_rows_know_their_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("video,t\n\na,1\nb,x\n")
    rows = read_rows(path, ("video", "t"))
    assert rows[0].seconds("t") == 1.0
    with pytest.raises(WorkbookError, match="line 4: has t 'x'"):
        rows[1].seconds("t")


def test_features_without_labels_to_detect_in(folder, tmp_path):
    dataset = features_of(folder, ("features",), 16, GRID)
    assert len(dataset.test) == 8 and not dataset.train
    with pytest.raises(WorkbookError, match="trained on features of 32"):
        features_of(folder, ("features",), 32, GRID)
