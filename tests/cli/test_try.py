"""`wtal try`: from drawn clips to a page, and what is refused before anything is written."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.browser import keep, needs_browser, until
from tests.cli.test_commands import assert_bad_input, wtal  # noqa: F401  a fixture
from wtal_core.cli.try_folder import check_owner
from wtal_core.runs import sweep

pytest.importorskip("av")
pytest.importorskip("cv2")
pytestmark = pytest.mark.slow  # drawing and encoding the clips takes seconds

BRIEF = ("--set", "schedule.epochs=2", "--device", "cpu")


class Brightness:
    """A backbone that computes next to nothing: mean colours, and how much they change."""

    name, fps, window, stride, pixels, crop, batch = "brightness", 5.0, 2, 2, 16, "whole", 64
    streams = {"features": 6}  # noqa: RUF012

    def fingerprint(self):
        return "1"

    def features(self, windows):
        import numpy as np

        colours = windows.mean((2, 3)).astype(np.float32) / 255
        return {"features": np.concatenate([colours[:, 0], np.abs(np.ptp(colours, 1))], 1)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    from wtal_core.videos.drawn_clips import draw_clips

    return draw_clips(tmp_path_factory.mktemp("drawn") / "my clips é", count=6, seconds=11.5)


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """Data and results in folders of the test's own, and behaviours without their micro-runs."""
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WTAL_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep.behaviour, "stamp", lambda name: f"{name}-1")
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-1")
    sweep._opened.cache_clear()
    yield
    sweep._opened.cache_clear()


def tried(wtal, videos, labels=None, *words):  # noqa: F811
    given = ("--backbone", f"{__name__}:Brightness", *BRIEF, *words)
    return wtal("try", str(videos), "--labels", str(labels or videos / "labels.csv"), *given)


def table(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(["video,label", *lines, ""]), encoding="utf-8")
    return path


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_from_clips_to_a_page_that_plays_them(wtal, clips, tmp_path):  # noqa: F811
    status, out, _ = tried(wtal, clips)
    assert status == 0, out
    steps = [line for line in out.splitlines() if re.match(r"\d/5 ", line)]
    assert len(steps) == 5 and "6 videos of 3 classes" in out and "3 to train on" in out
    assert "average mAP" in out
    out_folder = tmp_path / "my-clips-try"
    page = (out_folder / "timeline.html").read_text(encoding="utf-8")
    assert "clip%201.mp4" in page
    content = json.loads(
        re.search(r'id="timeline-content"[^>]*>(.*?)</script>', page, re.S).group(1)
    )
    assert len(content["videos"]) == 6 and all(video["signals"] for video in content["videos"])
    assert all(video["truth"] for video in content["videos"])
    assert json.loads((out_folder / "detections.json").read_text())["version"] is not None


@needs_browser[0]
@needs_browser[1]
@pytest.mark.parametrize("width", [1400, 400])
def test_a_browser_plays_a_clip_in_its_page(wtal, clips, open_page, tmp_path, width):  # noqa: F811
    assert tried(wtal, clips)[0] == 0
    page = open_page(tmp_path / "my-clips-try" / "timeline.html", width)
    until(page, "document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(11.5, abs=0.3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelector('video').play()")
    until(page, "document.querySelector('video').currentTime > 0.3")
    keep(page, f"try_{width}")


def test_given_again_it_goes_on_and_after_new_labels_it_trains_again(wtal, clips, tmp_path):  # noqa: F811
    labels = table(tmp_path, *(clips / "labels.csv").read_text().splitlines()[1:])
    _, first, _ = tried(wtal, clips, labels)
    features = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    _, again, err = tried(wtal, clips, labels)
    assert "0 videos read, 6 were there already" in again and not err
    run = re.compile(r"run ([0-9a-f]{16})")
    assert run.search(again).group(1) == run.search(first).group(1)
    table(tmp_path, *(clips / "labels.csv").read_text().splitlines()[1:], "clip 1,Bounce")
    sweep._opened.cache_clear()  # as another process, which a further command is
    status, other, _ = tried(wtal, clips, labels)
    assert status == 0 and run.search(other).group(1) != run.search(first).group(1)
    assert features == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}


def test_what_is_refused_before_anything_is_written(wtal, clips, tmp_path):  # noqa: F811
    rows = (clips / "labels.csv").read_text().splitlines()[1:]
    tables = tmp_path / "tables"
    tables.mkdir()
    before = written(tmp_path)

    def refused(*lines, words, videos=clips):
        labels = table(tables, *lines)
        assert_bad_input(tried(wtal, videos, labels), *words)
        labels.unlink()
        assert written(tmp_path) == before

    refused(*rows, "clip 99,Slide", words=("clip 99", "without a file", "--incomplete"))
    unlabelled = [row for row in rows if not row.startswith("clip 6")]
    refused(*unlabelled, words=("clip 6", "no label", "--incomplete"))
    refused(*(f"clip {n},Slide" for n in range(1, 7)), words=("one class only", "Slide"))
    once = [f"clip {n},Only {n}" for n in range(1, 7)]
    refused(*once, words=("no label has a second video", "split.csv"))
    (tables / "split.csv").write_text(
        "video,split\n" + "".join(f"clip {n},train\n" for n in range(1, 7))
    )
    before = written(tmp_path)
    refused(*rows, words=("no test video", "split.csv"))
    (tables / "split.csv").unlink()
    before = written(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(*rows, words=("holds no videos",), videos=empty)
    refused(*rows, words=("is no folder",), videos=tmp_path / "nowhere")
    assert_bad_input(tried(wtal, clips, tables / "nothing.csv"), "is no file")
    assert_bad_input(tried(wtal, clips, None, "--method", "nothing"), "'nothing'", "facnet")
    assert_bad_input(tried(wtal, clips, None, "--method", "sfnet"), "clicks.csv", "--method")
    assert_bad_input(tried(wtal, clips, None, "--name", "hapt"), "hapt", "--name")
    assert_bad_input(tried(wtal, clips, None, "--out", str(clips / "labels.csv")), "is a file")
    assert written(tmp_path) == before


def copied(clips: Path, folder: Path) -> Path:
    shutil.copytree(clips, folder)
    (folder / "segments.csv").unlink(missing_ok=True)
    return folder


def without(name: str, labels: Path) -> None:
    rows = labels.read_text().splitlines()[1:]
    table(labels.parent, *(row for row in rows if not row.startswith(f"{name},")))


def shown_in(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    content = re.search(r'id="timeline-content"[^>]*>(.*?)</script>', text, re.S).group(1)
    return sorted(video["name"] for video in json.loads(content)["videos"])


@pytest.mark.parametrize("how", ["deleted", "damaged", "deleted with its label", "renamed"])
def test_a_video_that_goes_leaves_the_page_and_the_data_set(wtal, clips, tmp_path, how):  # noqa: F811
    own = copied(clips, tmp_path / "own")
    assert tried(wtal, own)[0] == 0
    sweep._opened.cache_clear()  # as another process, which a further command is
    more = ("--incomplete",)
    if how == "damaged":
        (own / "clip 6.mp4").write_bytes(b"x")
    elif how == "renamed":
        (own / "clip 6.mp4").rename(own / "new.mp4")
        rows = (own / "labels.csv").read_text().replace("clip 6,", "new,").splitlines()[1:]
        table(own, *rows)
        more = ()
    else:
        (own / "clip 6.mp4").unlink()
    if how == "deleted with its label":
        without("clip 6", own / "labels.csv")
        more = ()
    status, out, err = tried(wtal, own, None, *more)
    assert status == 0, err
    assert "left alone, features of 1 videos that are not there now: clip 6" in out
    known = [f"clip {n}" for n in range(1, 6)] + (["new"] if how == "renamed" else [])
    assert shown_in(tmp_path / "own-try" / "timeline.html") == known


def test_a_second_folder_of_the_same_name_is_kept_out(wtal, clips, tmp_path):  # noqa: F811
    own, other = (copied(clips, tmp_path / place / "own") for place in ("a", "b"))
    assert tried(wtal, own)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "own-try").rglob("*")}
    assert_bad_input(tried(wtal, other), str(own), str(other), "another --out and another --name")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "own-try").rglob("*")}
    (tmp_path / "link").symlink_to(own)  # another name of the same folder
    check_owner(tmp_path / "own-try", tmp_path / "link", "")
    shutil.rmtree(other)
    own.rename(other)  # which is the same folder at another place
    sweep._opened.cache_clear()
    status, out, _ = tried(wtal, other)
    assert status == 0 and "0 videos read, 6 were there already" in out


def test_a_refused_extraction_leaves_no_folder(wtal, clips, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Brightness, "streams", {"features": 5})
    status, _, err = tried(wtal, clips)
    assert status == 2 and "its streams say" in err[-1]
    assert not (tmp_path / "my-clips-try").exists()


def test_clicks_of_no_video_are_refused_before_features_are_made(wtal, clips, tmp_path):  # noqa: F811
    own = copied(clips, tmp_path / "own")
    (own / "clicks.csv").write_text("video,label,t\nclip 9,Slide,3\n")
    before = written(tmp_path)
    assert_bad_input(tried(wtal, own), "clicks.csv names 1 videos without a file: clip 9")
    (own / "clicks.csv").write_text("video,label,t\nclip 1,slide,3\n")
    assert_bad_input(tried(wtal, own), "clicks.csv", "did you mean 'Slide'")
    assert written(tmp_path) == before


def test_the_next_command_names_the_folder_of_results(wtal, clips):  # noqa: F811
    status, out, _ = tried(wtal, clips, None, "--results", "my results")
    assert status == 0 and re.search(r"`wtal export [0-9a-f]{16} --results 'my results'`", out)


def test_the_next_command_of_features_is_quoted(wtal, clips):  # noqa: F811
    words = ("--backbone", f"{__name__}:Brightness", "--device", "cpu")
    _, out, _ = wtal("features", str(clips), "--out", "my features", *words)
    (command,) = re.findall("next: `wtal (.*)`", out)
    labels = str(clips / "labels.csv")
    assert shlex.split(command) == ["data", "add", "NAME", "my features", "--labels", labels]
    assert wtal(*shlex.split(command.replace("NAME", "own")), "--check", "later")[0] == 0


def test_a_file_that_is_no_video_is_refused_or_left_out(wtal, clips, tmp_path):  # noqa: F811
    own = tmp_path / "own"
    own.mkdir()
    for path in clips.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    (own / "clip 7.mp4").write_bytes(b"nothing")
    rows = (clips / "labels.csv").read_text().splitlines()[1:]
    table(own, *rows, "clip 7,Slide")
    status, out, err = tried(wtal, own)
    assert status == 2 and len(err) == 1 and "clip 7.mp4" in err[0]
    assert not list(tmp_path.glob("own-try/*")) and not (tmp_path / "data").exists()
    status, out, _ = tried(wtal, own, None, "--incomplete")
    assert status == 0 and "left out clip 7.mp4" in out and "in 6 videos" in out
