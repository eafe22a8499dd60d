"""Frames by their times: what was drawn, when it is shown, however the file stores it."""

import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video_samples import (
    HEIGHT,
    SIDE,
    WIDTH,
    drawn,
    number_of,
    turn_clockwise,
    write_sound,
    write_video,
)
from wtal_core.errors import WorkbookError
from wtal_core.videos.decoding import frames_of, probe
from wtal_core.videos.windows import windows_of


def numbers(path: Path, fps: float):
    frames = frames_of(path, fps)
    return [number_of(picture) for picture in frames], frames.report


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.mpg", "mpeg2video"),
        ("a.ts", "libx264"),
    ],
)
@pytest.mark.parametrize("fps", [25.0, 12.5, 50.0, 16.0])
def test_a_constant_rate_is_sampled_at_any_other(tmp_path, name, codec, fps):
    path = write_video(tmp_path / name, 30, codec=codec)
    got, report = numbers(path, fps)
    times = np.arange(len(got)) / fps
    assert got == [int(number) for number in np.floor(times * 25 + 1e-6)]
    assert report.decoded == 30
    assert report.seconds == pytest.approx(1.2, abs=2e-3)
    assert report.sampled == len(got) == np.ceil(1.2 * fps - 1e-6)
    assert report.notes() == []


def test_every_picture_is_the_one_that_was_drawn(tmp_path):
    path = write_video(tmp_path / "a.mp4", 20)
    for number, picture in enumerate(frames_of(path, 25.0)):
        assert picture.shape == (HEIGHT, WIDTH, 3) and picture.dtype == np.uint8
        difference = picture.astype(int) - drawn(number)
        assert np.abs(difference).mean() < 4  # what the encoder loses


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_a_variable_rate_goes_by_the_times_of_the_frames(tmp_path, name):
    rng = np.random.default_rng(0)
    gaps = rng.choice([0.02, 0.04, 0.033, 0.1, 0.7], 40)
    times = np.round(np.concatenate([[0], np.cumsum(gaps)]), 3)
    path = write_video(
        tmp_path / name, list(times), codec="libvpx" if name == "a.webm" else "libx264"
    )
    got, report = numbers(path, 10.0)
    grid = np.arange(len(got)) / 10
    assert got == [int(np.searchsorted(times, time + 1e-3, "right") - 1) for time in grid]
    assert report.decoded == len(times)
    assert len(got) >= np.ceil(times[-1] * 10)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_video_is_upright(tmp_path, quarters):
    """A mark in the upper left corner moves clockwise with every quarter."""

    def marked(number):
        picture = np.full((HEIGHT, WIDTH, 3), 30, dtype=np.uint8)
        picture[:SIDE, :SIDE] = 230
        return picture

    path = write_video(tmp_path / "a.mp4", 3, pictures=marked)
    turn_clockwise(path, quarters)
    frames = frames_of(path, 25.0)
    picture = next(iter(frames))
    assert picture.shape[:2] == ((WIDTH, HEIGHT) if quarters % 2 else (HEIGHT, WIDTH))
    corners = {
        1: picture[:SIDE, -SIDE:],
        2: picture[-SIDE:, -SIDE:],
        3: picture[-SIDE:, :SIDE],
    }
    assert corners[quarters].mean() > 200
    assert (picture > 128).mean() == pytest.approx(SIDE**2 / (HEIGHT * WIDTH), abs=0.02)
    assert frames.report.rotation == {1: 270, 2: 180, 3: 90}[quarters]


def test_sound_is_not_needed_and_does_not_move_the_pictures(tmp_path):
    silent, _ = numbers(write_video(tmp_path / "a.mp4", 20), 25.0)
    with_sound, report = numbers(write_video(tmp_path / "b.mp4", 20, sound_seconds=2.0), 25.0)
    assert silent == with_sound == list(range(20))
    assert report.notes() == []  # longer sound is no missing picture


def test_pictures_that_begin_after_the_sound_keep_their_times(tmp_path):
    times = [1 + k / 25 for k in range(10)]
    got, report = numbers(write_video(tmp_path / "a.mkv", times, sound_seconds=1.4), 25.0)
    assert got == [0] * 25 + list(range(10))
    assert report.seconds == pytest.approx(1.4, abs=2e-3)


def test_pixels_that_are_not_square(tmp_path):
    path = write_video(tmp_path / "a.mp4", 2, aspect=Fraction(2, 1))
    assert next(iter(frames_of(path, 25.0))).shape == (HEIGHT, 2 * WIDTH, 3)


@pytest.mark.parametrize("crop", ["centre", "whole", "fit"])
def test_a_frame_becomes_a_square(tmp_path, crop):
    path = write_video(tmp_path / "a.mp4", 1, pictures=lambda number: drawn(0b11111001))
    picture = next(iter(frames_of(path, 25.0, 48, crop)))
    assert picture.shape == (48, 48, 3)
    is_white = (picture.mean(-1) > 128).astype(int)
    fields = np.array([[1, 0, 0, 1], [1, 1, 1, 1]])
    if crop == "whole":
        assert is_white[12::24, 6::12].tolist() == fields.tolist()
    elif crop == "centre":
        assert is_white[12::24, 12::24].tolist() == fields[:, 1:3].tolist()
    else:
        assert not is_white[:11].any() and not is_white[-11:].any()
        assert is_white[18:32:12, 6::12].tolist() == fields.tolist()


def test_a_video_that_breaks_off_ends_where_it_can_be_read(tmp_path):
    whole = write_video(tmp_path / "whole.mkv", 200)
    content = whole.read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(content[: len(content) * 6 // 10])
    got, report = numbers(broken, 25.0)
    assert 60 < len(got) < 180
    assert got == list(range(len(got)))
    assert report.notes()[0] == f"breaks off after {report.seconds:.2f} s of 8.00 s"


def test_damage_in_the_middle_leaves_the_times_of_the_rest(tmp_path):
    path = write_video(tmp_path / "a.ts", 200, codec="mpeg2video")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    frames = frames_of(path, 25.0)
    got = [number_of(picture) for picture in frames]
    assert got[:50] == list(range(50))
    assert got[-50:] == list(range(150, 200))
    assert frames.report.seconds == pytest.approx(8.0, abs=2e-3)


def test_one_frame_is_a_video(tmp_path):
    got, report = numbers(write_video(tmp_path / "a.mp4", 1), 25.0)
    assert got == [0]
    assert report.seconds == pytest.approx(0.04, abs=2e-3)


def unusable(folder: Path) -> dict[str, Path]:
    """Files that are no videos, by what is wrong with them."""
    video = write_video(folder / "good.mp4", 20).read_bytes()
    texts = {
        "text": b"video,label\nclip,jump\n",
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n",
        "list": b"ffconcat version 1.0\nfile good.mp4\n",
        "index lost": video[: len(video) * 6 // 10],
        "nothing": b"",
        "noise": np.random.default_rng(0).bytes(5000),
    }
    files = {}
    for what, content in texts.items():
        files[what] = folder / f"{what}.mp4"
        files[what].write_bytes(content)
    files["sound"] = write_sound(folder / "sound.mp4")
    with av.open(str(folder / "no frames.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.height, stream.width = 48, 96
        stream.pix_fmt = "yuv420p"
        file.start_encoding()
    files["no frames"] = folder / "no frames.mkv"
    files["a folder"] = folder / "folder.mp4"
    files["a folder"].mkdir()
    files["missing"] = folder / "missing.mp4"
    return files


def test_what_is_no_video_is_refused_in_one_line(tmp_path):
    words = {"sound": "only sound", "nothing": "0 bytes", "missing": "is missing"}
    words |= {"index lost": "index at its end is cut off", "no frames": "no frame"}
    for what, path in unusable(tmp_path).items():
        for read in (lambda path: list(frames_of(path, 25.0)), probe):
            with pytest.raises(WorkbookError) as refusal:
                read(path)
            line = str(refusal.value)
            assert "\n" not in line and str(path) in line
            assert words.get(what, "") in line


def test_the_ending_of_a_name_does_not_matter(tmp_path):
    path = write_video(tmp_path / "a.mp4", 10)
    wrong = path.rename(tmp_path / "a.avi")
    assert numbers(wrong, 25.0)[0] == list(range(10))


@pytest.mark.parametrize(
    "name", ["über café 100%.mp4", "a:b.mp4", "-x.mp4", "%03d.mp4", "日本 語.mp4"]
)
def test_any_name_is_opened_as_a_file(tmp_path, name):
    assert numbers(write_video(tmp_path / "a.mp4", 5).rename(tmp_path / name), 25.0)[0] == [
        *range(5)
    ]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")]
)
def test_damaged_bytes_are_read_or_refused(tmp_path, name, codec):
    content = write_video(tmp_path / name, 20, codec=codec).read_bytes()
    damaged = tmp_path / f"damaged {name}"
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(40):
        changed = np.frombuffer(content, dtype=np.uint8).copy()
        places = rng.integers(len(changed), size=rng.integers(1, 30))
        changed[places] = rng.integers(256, size=len(places))
        damaged.write_bytes(changed.tobytes())
        frames = frames_of(damaged, 25.0, 32)
        try:
            pictures = list(frames)
        except WorkbookError as refusal:
            assert str(damaged) in str(refusal)
            refusals += 1
        else:
            assert len(pictures) == frames.report.sampled >= 1
    assert 0 < refusals < 40


def in_memory() -> int:
    """Bytes that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_memory_does_not_grow_with_the_length(tmp_path):
    """1,000 frames of 128 x 128 are 49 MB; what is held stays below a third of them."""
    path = write_video(
        tmp_path / "long.avi",
        1000,
        codec="mpeg4",
        pictures=lambda number: np.full((64, 64, 3), number % 256, dtype=np.uint8),
    )
    windows = windows_of(frames_of(path, 25.0, 128), 16, 16)
    for _ in range(20):
        next(windows)
    before = in_memory()
    tracemalloc.start()
    number = 20 + sum(1 for _ in windows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert number == 62 or number == 63
    assert peak < 10e6
    assert in_memory() - before < 15e6
