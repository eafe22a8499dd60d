"""From videos to a folder of features that `wtal data add` takes as it is."""

import json
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from tests.cli.test_commands import assert_bad_input, wtal  # noqa: F401  a fixture
from tests.video_samples import MeanColours, drawn, number_of, write_sound, write_video
from tests.videos.test_decoding import unusable
from wtal_core.cli import own
from wtal_core.data.feature_spec import FeatureSpec, read_spec
from wtal_core.data.opening import open_dataset
from wtal_core.errors import WorkbookError
from wtal_core.videos import extraction
from wtal_core.videos.extraction import extract
from wtal_core.videos.folder import GrowingFeatures

MEAN_COLOURS = ("--backbone", "tests.video_samples:MeanColours")


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def no_check_in_the_background(monkeypatch):
    """Which would outlive the test."""
    monkeypatch.setattr(own, "verify_in_background", lambda *arguments: None)


@pytest.fixture
def folder(tmp_path):
    """Three clips of different lengths, and other things."""
    clips = tmp_path / "clips"
    for name, frames in (("one.mp4", 30), ("two.mkv", 45), ("three.avi", 61)):
        codec = "mpeg4" if name.endswith("avi") else "libx264"
        write_video(clips / name, frames, codec=codec)
    (clips / "notes.txt").write_text("by hand")
    (clips / ".hidden.mp4").write_bytes(b"")
    return clips


def contents(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_features_are_those_of_the_frames_that_were_drawn(folder, tmp_path):
    extracted = extract(folder, MeanColours(), tmp_path / "out")
    assert list(extracted.videos) == ["one", "three", "two"]
    assert [path.name for path in extracted.left_alone] == ["notes.txt"]
    rows = np.load(tmp_path / "out" / "three.npy")
    assert rows.shape == (15, 4) and rows.dtype == np.float32  # 61 frames: 15 snippets and a rest
    for snippet, row in enumerate(rows):
        window = [drawn(number).mean() for number in range(4 * snippet, 4 * snippet + 4)]
        assert row[:3] == pytest.approx(np.mean(window), abs=4)


def test_the_folder_states_how_its_features_were_made(folder, tmp_path):
    out = tmp_path / "out"
    extracted = extract(folder, MeanColours(), out)
    spec = read_spec(out)
    assert spec == extracted.spec
    assert (spec.backbone, spec.weights) == ("mean-colours", "mean colours, 1")
    assert (spec.fps, spec.stride, spec.window, spec.pixels) == (25.0, 4, 4, 32)
    assert spec.decoder.startswith("PyAV ")
    lines = (out / "durations.csv").read_text().splitlines()
    assert lines[0].startswith("video,duration,")
    assert re.match(r"three,2\.440,three\.avi,\d+-[0-9a-f]{16},15,61,61,0,$", lines[2])


def test_data_add_reads_the_folder_as_it_is(folder, tmp_path, wtal):  # noqa: F811
    out = tmp_path / "out"
    (folder / "labels.csv").write_text("video,label\none,a\ntwo.mkv,a\nthree,a\n")
    code, said, _ = wtal("features", str(folder), "--out", str(out), *MEAN_COLOURS)
    assert code == 0
    add = re.search(r"next: `wtal (data add) NAME (.+)`", said)
    code, said, _ = wtal(*add[1].split(), "own", *add[2].split())
    assert code == 0
    assert "time base: 25 frames per second, stride 4" in said
    assert "durations: 3 stated" in said
    assert "left alone" not in said
    dataset = open_dataset("own")
    videos = {video.id: video for video in (*dataset.train, *dataset.test)}
    assert set(videos) == {"one", "two", "three"}
    stored = np.load(out / "two.npy")
    np.testing.assert_array_equal(videos["two"].features["features"], stored)


def test_a_time_base_that_contradicts_the_folder_is_refused(folder, tmp_path, wtal):  # noqa: F811
    out = tmp_path / "out"
    extract(folder, MeanColours(), out)
    (out / "labels.csv").write_text("video,label\none,a\ntwo,a\nthree,a\n")
    result = wtal("data", "add", "own", str(out), "--fps", "30")
    assert_bad_input(result, "--fps 30", "states 25", "leave --fps out")
    (out / "features.json").write_text('{"fps": "x"}')
    assert_bad_input(wtal("data", "add", "own", str(out)), "features.json", "state --fps")
    (out / "features.json").unlink()
    assert_bad_input(wtal("data", "add", "own", str(out)), "--fps and --stride")


def test_folders_train_and_test_are_kept(tmp_path, wtal):  # noqa: F811
    clips = tmp_path / "clips"
    for place in ("train/a.mp4", "train/b.mp4", "Test/c.mp4"):
        write_video(clips / place, 20)
    out = tmp_path / "out"
    extract(clips, MeanColours(), out)
    (out / "labels.csv").write_text("video,label\na,x\nb,x\nc,x\n")
    code, said, _ = wtal("data", "add", "own", str(out))
    assert code == 0 and "2 for training, 1 for testing, by folders" in said


class Interrupted(MeanColours):
    """Stops in the second video, before its second batch."""

    calls = 0

    def features(self, windows):
        self.calls += 1
        if self.calls == 5:
            raise KeyboardInterrupt
        return super().features(windows)


def test_what_goes_on_after_a_stop_equals_what_never_stopped(folder, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    extract(folder, MeanColours(), whole)
    with pytest.raises(KeyboardInterrupt):
        extract(folder, Interrupted(), stopped)
    half = contents(stopped)
    assert not any("partial" in name or "lock" in name for name in half)
    assert set(half) < set(contents(whole))
    again = extract(folder, MeanColours(), stopped)
    assert contents(stopped) == contents(whole)
    assert again.kept == ("one",)
    assert extract(folder, MeanColours(), stopped).videos == {}


def test_without_any_video_that_can_be_used_nothing_is_written(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.mp4").write_bytes(b"no video")
    with pytest.raises(WorkbookError, match=r"none of 2 videos can be used, such as .*one\.mp4"):
        extract(folder, MeanColours(), tmp_path / "out", incomplete=True)
    assert not (tmp_path / "out").exists()


def test_a_table_that_was_cut_off_is_mended(folder, tmp_path):
    out = tmp_path / "out"
    extract(folder, MeanColours(), out)
    whole = contents(out)
    table = out / "durations.csv"
    table.write_bytes(whole["durations.csv"][:-5])
    assert list(extract(folder, MeanColours(), out).videos) == ["two"]
    assert contents(out) == whole


def test_a_video_that_has_changed_is_read_again(folder, tmp_path):
    out = tmp_path / "out"
    extract(folder, MeanColours(), out)
    write_video(folder / "one.mp4", 50)
    again = extract(folder, MeanColours(), out)
    assert list(again.videos) == ["one"] and again.anew == ("one",)
    assert len(np.load(out / "one.npy")) == 13  # 50 frames, a last half snippet included
    table = (out / "durations.csv").read_text()
    assert table.count("one,") == 1 and "one,2.000," in table


def test_features_that_were_made_in_another_way_are_not_mixed(folder, tmp_path):
    class Coarse(MeanColours):
        stride = 8

    out = tmp_path / "out"
    extract(folder, MeanColours(), out)
    before = contents(out)
    with pytest.raises(WorkbookError, match=r"stride 4 there, 8 now.*another --out"):
        extract(folder, Coarse(), out)
    with pytest.raises(WorkbookError, match="crop 'whole' there, 'fit' now"):
        extract(folder, MeanColours(), out, crop="fit")
    assert contents(out) == before
    (out / "features.json").unlink()
    with pytest.raises(WorkbookError, match=r"features without features\.json"):
        extract(folder, MeanColours(), out)


def test_a_table_of_another_kind_is_refused(folder, tmp_path):
    out = tmp_path / "out"
    extract(folder, MeanColours(), out)
    for content in (b"video;duration\none;2\n", b"\xff\xfe\x00", b'video,mark\n"one,2\n'):
        (out / "durations.csv").write_bytes(content)
        with pytest.raises(WorkbookError, match=r"durations\.csv is not the table.*another --out"):
            extract(folder, MeanColours(), out)
        assert (out / "durations.csv").read_bytes() == content


def test_a_video_of_five_hours(tmp_path):
    """One frame per minute, sampled four times per minute: a snippet is 16 s long."""

    class Seldom(MeanColours):
        fps = 0.25

    path = write_video(tmp_path / "long.mp4", [60.0 * k for k in range(301)])
    report = extract(path, Seldom(), tmp_path / "out").videos["long"]
    assert (report.decoded, report.notes()) == (301, [])
    assert report.seconds == pytest.approx(5 * 3600 + 60, abs=61)
    rows = np.load(tmp_path / "out" / "long.npy")
    assert len(rows) == pytest.approx(report.seconds / 16, abs=1)
    for minute in (0, 20, 252):  # every fourth begins with a snippet
        assert rows[15 * minute // 4, 0] == pytest.approx(drawn(minute).mean(), abs=4)


def test_two_processes_do_not_write_into_one_folder(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with (
        FileLock(out / ".lock"),
        pytest.raises(WorkbookError, match="another process writes features"),
    ):
        extract(folder, MeanColours(), out)


def test_a_folder_with_files_that_are_no_videos(tmp_path, wtal):  # noqa: F811
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    files = unusable(clips)
    bad = sum(path.is_file() for path in files.values())
    arguments = ("features", str(clips), "--out", str(out), *MEAN_COLOURS)
    assert_bad_input(wtal(*arguments), f"and {bad - 3} more", "--incomplete")
    assert not out.exists()
    code, said, beside = wtal(*arguments, "--incomplete")
    assert code == 0 and "features of 1 videos" in said
    assert sum(line.startswith("left out ") for line in beside) == bad
    assert {name for name in contents(out) if name.endswith(".npy")} == {"good.npy"}


def test_each_file_that_is_no_video_is_refused_in_one_line(tmp_path, wtal):  # noqa: F811
    clips = tmp_path / "clips"
    clips.mkdir()
    for path in unusable(clips).values():
        result = wtal("features", str(path), "--out", str(tmp_path / "out"), *MEAN_COLOURS)
        assert_bad_input(result, str(path))
    assert not (tmp_path / "out").exists()


def test_a_video_that_breaks_off_is_told(tmp_path, wtal):  # noqa: F811
    whole = write_video(tmp_path / "whole.mkv", 200)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = tmp_path / "out"
    code, _, beside = wtal("features", str(broken), "--out", str(out), *MEAN_COLOURS)
    assert code == 0
    assert re.search(r"broken: breaks off after \d\.\d\d s of 8\.00 s", beside[0])
    seconds = float((out / "durations.csv").read_text().splitlines()[1].split(",")[1])
    assert len(np.load(out / "broken.npy")) == pytest.approx(seconds * 25 / 4, abs=0.51)


def test_two_videos_of_one_name_are_refused(tmp_path, wtal):  # noqa: F811
    for place in ("a/clip.mp4", "b/clip.mkv"):
        write_video(tmp_path / "clips" / place, 5)
    result = wtal("features", str(tmp_path / "clips"), "--out", str(tmp_path / "out"))
    assert_bad_input(result, "two videos are called 'clip'", "clip.mp4", "clip.mkv", "rename one")
    assert not (tmp_path / "out").exists()


def test_names_with_spaces_and_of_other_alphabets(tmp_path):
    name = unicodedata.normalize("NFD", "Übung am Fluß, 跳")
    write_video(tmp_path / "my clips" / f"{name}.MP4", 20, container="mp4")
    out = tmp_path / "aus gabe"
    extract(tmp_path / "my clips", MeanColours(), out)
    composed = unicodedata.normalize("NFC", name)
    assert (out / f"{composed}.npy").is_file()
    (out / "labels.csv").write_text(f'video,label\n"{composed}",x\n', encoding="utf-8")
    assert f'"{composed}",0.800' in (out / "durations.csv").read_text("utf-8")


def test_places_that_cannot_be_are_refused(folder, tmp_path, wtal):  # noqa: F811
    missing = tmp_path / "nowhere"
    result = wtal("features", str(missing), "--out", str(tmp_path / "out"))
    assert_bad_input(result, str(missing), "name a video file")
    empty = tmp_path / "empty"
    empty.mkdir()
    result = wtal("features", str(empty), "--out", str(tmp_path / "out"))
    assert_bad_input(result, str(empty), "holds no videos")
    file = tmp_path / "file"
    file.write_text("")
    result = wtal("features", str(folder), "--out", str(file), *MEAN_COLOURS)
    assert_bad_input(result, "--out", "is a file")


def test_a_backbone_that_gives_nonsense_leaves_nothing(folder, tmp_path):
    class NotFinite(MeanColours):
        def features(self, windows):
            return {"features": np.full((len(windows), 4), np.nan, dtype=np.float32)}

    class TooWide(MeanColours):
        def features(self, windows):
            return {"features": np.zeros((len(windows), 5), dtype=np.float32)}

    class Failing(MeanColours):
        def features(self, windows):
            raise ZeroDivisionError

    for backbone, error, words in (
        (NotFinite(), WorkbookError, "not finite"),
        (TooWide(), WorkbookError, "its streams say"),
        (Failing(), ZeroDivisionError, None),
    ):
        out = tmp_path / type(backbone).__name__
        with pytest.raises(error, match=words):
            extract(folder, backbone, out)
        assert not out.exists()


def test_the_decoder_is_only_a_little_ahead(folder, tmp_path, monkeypatch):
    """Batches that wait for the backbone are bounded, however long a video is."""
    ready = []
    taken = []
    batches_of = extraction.batches_of

    def counted(windows, size):
        for batch in batches_of(windows, size):
            ready.append(len(batch))
            yield batch

    class Slow(MeanColours):
        batch = 1

        def features(self, windows):
            taken.append(len(ready))
            return super().features(windows)

    monkeypatch.setattr(extraction, "batches_of", counted)
    extract(folder, Slow(), tmp_path / "out")
    ahead = np.array(taken) - np.arange(1, len(taken) + 1)
    assert len(taken) == len(ready) > 20
    assert ahead.max() <= extraction.AHEAD + 1


def test_a_full_disk_leaves_nothing_half_written(folder, tmp_path, monkeypatch):
    def full(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GrowingFeatures, "add", full)
    with pytest.raises(OSError, match="No space"):
        extract(folder, MeanColours(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sound_beside_the_pictures_changes_nothing(tmp_path):
    write_video(tmp_path / "a.mp4", 30)
    write_video(tmp_path / "b.mp4", 30, sound_seconds=1.2)
    for name in "ab":
        extract(tmp_path / f"{name}.mp4", MeanColours(), tmp_path / "out")
    a, b = (np.load(tmp_path / "out" / f"{name}.npy") for name in "ab")
    np.testing.assert_allclose(a, b, atol=0.5)
    assert write_sound(tmp_path / "c.mp4").is_file()
    assert number_of(drawn(77)) == 77


def test_a_spec_is_checked(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    extracted = extraction.spec_of(MeanColours())
    content = dict(vars(extracted))
    for key, value in (
        ("fps", -1),
        ("crop", "round"),
        ("stride", 0),
        ("streams", "x"),
        ("fps", 1e9),
    ):
        (folder / "features.json").write_text(json.dumps({**content, key: value}))
        with pytest.raises(WorkbookError, match=r"features\.json"):
            read_spec(folder)
    (folder / "features.json").write_text(json.dumps(content))
    assert isinstance(read_spec(folder), FeatureSpec)
    shutil.rmtree(folder)
    assert read_spec(folder) is None
