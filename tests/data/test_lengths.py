"""Features whose T does not belong to the durations are noticed, and the likely cause is named."""

import json

import numpy as np
import pytest

from tests.data.test_feature_layouts import (
    FOLDERS,
    SECONDS,
    SUBSETS,
    values_of,
    write_json,
    write_npy,
    write_streams,
)
from wtal_core.data.lengths import check_lengths
from wtal_core.data.opening import open_dataset
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError
from wtal_core.timebase import Timebase

RNG = np.random.default_rng(0)
DURATIONS = dict(enumerate(np.exp(5 + 0.7 * RNG.standard_normal(300)).tolist()))
DURATIONS = {str(video): seconds for video, seconds in DURATIONS.items()}


def lengths_at(factor):
    return {video: int(factor * seconds * 25 / 16) for video, seconds in DURATIONS.items()}


@pytest.mark.parametrize(
    "factor, words",
    [
        (1 / 20, "the median T is 1/20 of the expected: likely only one snippet in 20 is there"),
        (1 / 8, "1/8 of the expected: likely only one snippet in 8 is there (a stride of 128"),
        (30 / 25, "1.2 of the expected: likely frames were extracted at 30 per second, not at 25"),
        (24 / 25, "likely frames were extracted at 24 per second, not at 25"),
        (10 / 25, "likely frames were extracted at 10 per second, not at 25"),
        (2, "likely the stride is 8 frames, not 16"),
        (16, "likely the stride is 1 frames, not 16"),
        (0.37, "no usual frame rate or stride explains it"),
    ],
)
def test_factors_are_named(factor, words):
    check = check_lengths(lengths_at(factor), DURATIONS, Timebase())
    assert check.is_another_timebase
    assert words in check.words()


def test_25_against_30_frames_for_a_grid_of_30():
    check = check_lengths(lengths_at(1), DURATIONS, Timebase(30.0, 16.0))
    assert check.is_another_timebase
    assert "likely frames were extracted at 25 per second, not at 30" in check.words()


@pytest.mark.parametrize("change", [0, 1, -1, 3, -2])
def test_a_few_snippets_more_or_less_are_tolerated(change):
    lengths = {video: length + change for video, length in lengths_at(1).items()}
    check = check_lengths(lengths, DURATIONS, Timebase())
    assert not check.is_another_timebase and not check.misfits


def test_one_truncated_video_is_named_and_no_other_time_base():
    lengths = lengths_at(1) | {"7": 3}
    check = check_lengths(lengths, DURATIONS, Timebase())
    assert not check.is_another_timebase
    assert [misfit.video for misfit in check.misfits] == ["7"]
    assert "1 of 300 videos do not fit their durations: 7 has T = 3, expected" in check.words()


def test_videos_without_duration_and_no_videos_at_all():
    check = check_lengths({"a": 5}, {"a": float("nan")}, Timebase())
    assert check.compared == 0 and not check.misfits and not check.is_another_timebase
    assert not check_lengths({}, {}, Timebase()).is_another_timebase
    empty = check_lengths({"a": 0}, {"a": 100.0}, Timebase())
    assert empty.is_another_timebase and "the arrays are empty" in empty.words()


def write_hacs(root, factor=1.0, write=write_npy):
    folder = write_json(root / "hacs", "hacs")
    for video, subset in FOLDERS.items():
        array = values_of(video, seconds=factor * SECONDS[video])
        write(folder, video, SUBSETS[subset], array)
    return folder


def statuses(root, name="hacs"):
    return {finding.file: finding for finding in verify(name, root)}


def test_another_time_base_does_not_open(tmp_path):
    """Unless it is stated: then times follow it."""
    folder = write_hacs(tmp_path, 2.0)
    with pytest.raises(WorkbookError, match=r"3 of 3 videos .*a has T = 100, expected 50 .*"):
        open_dataset("hacs", tmp_path)
    finding = statuses(tmp_path)["opening"]
    assert finding.status == "wrong length" and finding.needed
    assert "likely the stride is 8 frames, not 16" in finding.found
    first = folder / "timebase.yaml"
    first.write_text("fps: 25\nstride: 8\n")
    dataset = open_dataset("hacs", tmp_path)
    assert dataset.timebase.snippet_seconds == 8 / 25
    assert statuses(tmp_path)["length"].status == "ok"
    for text in ("fps: 25\n", "fps: x\nstride: 8\n", "fps: 0\nstride: 8\n", "- a\n", ": :"):
        first.write_text(text)
        with pytest.raises(WorkbookError, match=r"timebase\.yaml"):
            open_dataset("hacs", tmp_path)


def test_a_stated_time_base_is_part_of_the_fingerprint(tmp_path):
    folder = write_hacs(tmp_path)
    first = open_dataset("hacs", tmp_path).fingerprint
    (folder / "timebase.yaml").write_text("fps: 25\nstride: 16\n")
    assert open_dataset("hacs", tmp_path).fingerprint != first


def test_one_truncated_file_is_counted_in_the_title_and_by_verify(tmp_path):
    folder = write_hacs(tmp_path)
    write_npy(folder, "b", "train", values_of("b")[:50])
    assert "1 of 3 videos do not fit their durations: b has T = 50, expected 101" in (
        open_dataset("hacs", tmp_path).title
    )
    finding = statuses(tmp_path)["length"]
    assert finding.status == "wrong length" and finding.needed and "within 5%" in finding.expected


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_streams_that_differ_by_one_are_cut_to_the_shorter(tmp_path, stream):
    folder = write_hacs(tmp_path, write=write_streams)
    path = folder / f"train/{stream}/a.npy"
    np.save(path, np.load(path)[:-1])
    dataset = open_dataset("hacs", tmp_path)
    assert dataset.title.endswith(", 1 video has one snippet more in one stream, which is cut off")
    assert dataset.train[0].length == 49
    for column, name in enumerate(("rgb", "flow")):
        expected = values_of("a")[:49, 1024 * column : 1024 * (column + 1)]
        np.testing.assert_array_equal(dataset.train[0].features[name], expected)
    assert statuses(tmp_path)["opening"].status == "ok"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(WorkbookError, match="video a have 50 and 48 snippets; they may differ by"):
        open_dataset("hacs", tmp_path)


def test_an_empty_folder_has_0_of_all_videos(tmp_path):
    folder = write_json(tmp_path / "hacs", "hacs")
    for subset in ("training", "validation"):
        (folder / subset).mkdir()
    finding = statuses(tmp_path)["features"]
    assert (finding.status, finding.needed) == ("missing", True)
    assert finding.found == "0 of 2 training and 0 of 1 test videos"
    np.savez(folder / "training/junk.npz", x=np.ones(3))
    assert statuses(tmp_path)["features"].found == finding.found


def test_a_part_of_the_videos_is_incomplete(tmp_path):
    folder = write_hacs(tmp_path)
    (folder / "train/v_a.npy").unlink()
    np.save(folder / "train/junk.npy", np.ones(3))
    finding = statuses(tmp_path)["features (npy)"]
    assert (finding.status, finding.needed) == ("incomplete", True)
    assert finding.found == (
        "1 of 2 training and 1 of 1 test videos; missing: a; files of no video: junk.npy"
    )


def test_a_data_set_that_does_not_open_is_never_fine(tmp_path):
    """Each fault has its status, and the command's exit status is 1."""
    from wtal_core.cli.data import verify_dataset

    folder = write_hacs(tmp_path)
    assert statuses(tmp_path)["opening"].status == "ok"
    faults = {
        "wrong shape": np.ones((50, 7), np.float32),
        "not finite": np.full((50, 2048), np.nan, np.float32),
        "damaged": np.array(["text"]),
    }
    for status, array in faults.items():
        write_npy(folder, "a", "train", array)
        assert statuses(tmp_path)["opening"].status == status
        assert verify_dataset("hacs", tmp_path) == 1
    (folder / "HACS_segments_v1.1.1.json").write_text(json.dumps({"database": []}))
    assert statuses(tmp_path)["annotations"].status == "damaged"
    (folder / "HACS_segments_v1.1.1.json").unlink()
    assert statuses(tmp_path)["annotations"].status == "missing"
    assert verify_dataset("hacs", tmp_path) == 1
