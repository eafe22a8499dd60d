"""The timeline page in a real browser with real video files: what a click, a key and a filter do,
and that marks go the whole round into a training.

Runs where Chromium and PyAV are there. WTAL_SCREENSHOTS names a folder to keep screenshots in.
"""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.browser import keep, needs_browser, until
from tests.cli.test_commands import wtal  # noqa: F401  a fixture
from tests.cli.test_own_features import at_home  # noqa: F401  a fixture
from tests.own_samples import write_folder
from tests.timeline_samples import ENDING, HOSTILE, ODD, judged_timeline, write_clip
from wtal_core.data.opening import open_dataset
from wtal_core.pages.timeline_page import find_videos, write_timeline
from wtal_core.runs import sweep

pytestmark = [*needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of two videos; the file of one lies in a folder beside it."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "clips").mkdir()
    write_clip(folder / "clips" / f"{ODD}.webm")
    files = find_videos(folder / "clips", [ODD, "b"])
    write_timeline(judged_timeline(), folder / "page.html", files)
    return folder


def video(page) -> dict:
    """What the player does now."""
    return page.evaluate(
        "(({currentTime, paused, readyState, duration}) => "
        "({currentTime, paused, readyState, duration}))(document.querySelector('video'))"
    )


def ready(page):
    until(page, "document.querySelector('video').readyState >= 2")
    return page


def names(page) -> list[str]:
    return page.locator(".stage .name").all_text_contents()


def status(page) -> str:
    return page.locator(".status").inner_text()


def test_a_click_on_a_detection_plays_it_and_stops_at_its_end(open_page, folder):
    page = ready(open_page(folder / "page.html"))
    assert video(page)["duration"] == pytest.approx(8, abs=0.2)
    page.evaluate(
        "() => { window.played = []; const video = document.querySelector('video');"
        " video.addEventListener('play', () => window.played.push(video.currentTime)); }"
    )
    # by score: 0 is Jump, 2 to 3.8 s
    page.locator("[data-detection='0'] .hit").click()
    until(page, "window.played.length === 1")
    assert page.evaluate("window.played[0]") == pytest.approx(2, abs=0.3)
    assert status(page) == "Jump, 2 s to 3.8 s, score 0.9, true positive"
    until(
        page, "document.querySelector('video').paused && !document.querySelector('video').seeking"
    )
    assert video(page)["currentTime"] == pytest.approx(3.8, abs=0.05)
    assert page.locator("[data-detection].selected").count() == 1


def test_keys_move_the_video_and_choose_detections(open_page, folder):
    page = ready(open_page(folder / "page.html"))
    for key, second in (("n", 1.0), ("n", 2.0), ("n", 5.2), ("n", 6.0), ("n", 1.0), ("p", 6.0)):
        page.keyboard.press(key)
        assert video(page)["currentTime"] == pytest.approx(second, abs=0.01)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    assert video(page)["currentTime"] == pytest.approx(6.9, abs=0.01)
    page.keyboard.press("Space")
    until(page, "!document.querySelector('video').paused")
    page.keyboard.press("Space")
    until(page, "document.querySelector('video').paused")
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    until(page, "!document.querySelector('video').paused")


def test_zoom_pan_and_a_click_on_the_axis(open_page, folder):
    page = ready(open_page(folder / "page.html"))
    assert "0 – 8 of 8 s" in page.locator(".span").inner_text().replace(".0", "")
    box = page.locator(".ruler").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    assert video(page)["currentTime"] == pytest.approx(4, abs=0.05)
    page.keyboard.press("+")
    until(page, "document.querySelector('.span').textContent.startsWith('2.0 – 6.0')")
    lane = page.locator(".lane").first.bounding_box()
    y = lane["y"] + 8
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, y, steps=4)
    page.mouse.up()
    until(page, "document.querySelector('.span').textContent.startsWith('3.0 – 7.0')")
    page.keyboard.press("0")
    until(page, "document.querySelector('.span').textContent.startsWith('0.0 – 8.0')")


def test_filters_by_score_kind_and_class(open_page, folder):
    page = open_page(folder / "page.html")
    bars = page.locator("[data-detection]")
    assert bars.count() == 4
    page.locator(".score input").fill("0.5")
    until(page, "document.querySelectorAll('[data-detection]').length === 2")
    assert "(2 of 4)" in page.locator(".score output").inner_text()
    page.locator(".kinds").get_by_text("true positive").click()
    until(page, "document.querySelectorAll('[data-detection]').length === 0")
    page.locator(".kinds").get_by_text("true positive").click()
    page.locator(".classes summary").click()
    page.locator(".classes").get_by_label("Jump").uncheck()
    until(page, "document.querySelectorAll('[data-detection]').length === 1")
    assert "Jump" not in names(page)


def test_another_video_without_a_file_and_a_table(open_page, folder):
    page = open_page(folder / "page.html")
    page.locator(".video-choice").select_option(index=1)
    until(page, "document.querySelectorAll('[data-detection]').length === 1")
    assert not page.locator("video").is_visible()
    assert page.locator(".bar-missed").count() == 1
    page.locator(".list summary").click()
    assert page.locator(".list td").all_inner_texts()[1:] == [
        "Jump",
        "4 s",
        "5 s",
        "0.600",
        "background",
    ]
    page.locator(".list td button").click()
    assert page.locator(".clock").inner_text().startswith("4.0")


def test_frames_stand_on_the_axis_where_there_is_no_player(open_page, tmp_path):
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.new("RGB", (64, 48), (240, 180, 60)).save(stream, "JPEG")
    strip = {ODD: [(second, stream.getvalue()) for second in (0.0, 0.1, 4.0)]}
    page = open_page(write_timeline(judged_timeline(), tmp_path / "page.html", frames=strip))
    pictures, ruler = page.locator(".stage image"), page.locator(".ruler").bounding_box()
    assert pictures.count() == 2  # the second one would lie over the first
    middle = ruler["x"] + ruler["width"] / 2
    assert pictures.last.bounding_box()["x"] == pytest.approx(middle, abs=2)


def test_a_link_leads_to_its_place(open_page, folder):
    page = open_page(folder / "page.html", anchor="#video=b&start=4&end=5&label=Jump")
    assert names(page)[-1] == "Jump" and status(page).startswith("Jump, 4 s to 5 s")
    assert page.locator(".video-choice").evaluate("e => e.selectedIndex") == 1


def test_a_file_that_is_gone_is_told(open_page, tmp_path):
    clip = write_clip(tmp_path / "b.webm", seconds=1)
    write_timeline(judged_timeline(), tmp_path / "page.html", {"b": clip})
    clip.write_bytes(b"no video")
    page = open_page(tmp_path / "page.html", anchor="#video=b&start=4&end=5&label=Jump")
    page.locator(".missing").wait_for()
    assert page.locator(".missing").inner_text().startswith("b.webm cannot be played here")
    assert page.locator("[data-detection]").count() == 1


def test_an_embedded_video_plays_alone(open_page, tmp_path):
    clip = write_clip(tmp_path / "b.webm", seconds=6)
    write_timeline(judged_timeline(), tmp_path / "page.html", {"b": clip}, embed=True)
    clip.unlink()
    page = ready(open_page(tmp_path / "page.html", anchor="#video=b&start=4&end=5&label=Jump"))
    assert video(page)["currentTime"] == pytest.approx(4, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_nothing_runs_out_of_the_page(open_page, folder, width, scheme):
    page = ready(open_page(folder / "page.html", width, scheme))
    for summary in page.locator("summary").all():
        summary.click()
    page.keyboard.press("m")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    keep(page, f"timeline_{width}_{scheme}")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]


def test_names_stay_text(open_page, folder):
    page = open_page(folder / "page.html")
    assert page.title() == "Drawn clips (simulated): Mine: timeline"
    assert HOSTILE in names(page) and page.locator("img").count() == 0
    options = page.locator(".marking option").all_text_contents()
    assert options[1:3] == [HOSTILE, ENDING]
    assert page.locator("header .quiet").first.inner_text() == f"made for a test {HOSTILE}"


def test_it_prints_in_light_without_controls(open_page, folder):
    page = open_page(folder / "page.html", 1400, "dark")
    page.emulate_media(media="print")
    assert page.locator(".stage svg").is_visible() and page.locator(".legend").is_visible()
    hidden = (".filters", ".marking", "video", ".toolbar button")
    assert not any(page.locator(name).first.is_visible() for name in hidden)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('main')).color") == (
        "rgb(27, 29, 31)"
    )


def saved(page, kind: str, path: Path) -> list[list[str]]:
    with page.expect_download() as download:
        page.get_by_text(f"Save {kind}.csv").click()
    assert download.value.suggested_filename == f"{kind}.csv"
    download.value.save_as(path)
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def box(page, locator) -> dict[str, float]:
    """Where an element is; a lane that is just drawn anew has no place for a moment."""
    for _ in range(100):
        if found := locator.bounding_box():
            return found
        page.wait_for_timeout(50)
    raise AssertionError(f"{locator} is nowhere")


def at(page, seconds: float, label: str) -> tuple[float, float]:
    """Where a time is in the lane of a class, on the screen."""
    ruler = box(page, page.locator(".ruler"))
    name = box(page, page.locator(".stage .name").filter(has_text=label).first)
    return ruler["x"] + ruler["width"] * seconds / 8, name["y"] + name["height"] / 2


def marking(open_page, path: Path):
    """A page that can be corrected, with one click to go on with."""
    clicks = pd.DataFrame({"video": ["b"], "label": [HOSTILE], "t": [1.25]})
    page = open_page(write_timeline(replace(judged_timeline(), clicks=clicks), path))
    page.locator(".marking summary").click()
    page.locator(".stage .name").filter(has_text="background").wait_for()
    return page


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_marks_by_mouse(open_page, tmp_path):
    page = marking(open_page, tmp_path / "page.html")
    page.mouse.click(*at(page, 6, "Jump"))
    page.locator(".status", has_text="marked click: Jump at").wait_for()
    x, y = at(page, 1, "background")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(at(page, 1.5, "background")[0], y, steps=5)
    page.mouse.up()
    page.locator(".status", has_text="marked segment: background").wait_for()
    assert "not saved yet" in page.locator(".marking").inner_text()
    header, click, given = saved(page, "clicks", tmp_path / "clicks.csv")
    assert header == ["video", "label", "t"] and given == ["b", HOSTILE, "1.25"]
    assert click[:2] == [ODD, "Jump"] and float(click[2]) == pytest.approx(6, abs=0.02)
    header, segment = saved(page, "segments", tmp_path / "segments.csv")
    assert header == ["video", "label", "t_start", "t_end"] and segment[1] == "background"
    assert [float(cell) for cell in segment[2:]] == pytest.approx([1, 1.5], abs=0.02)
    page.locator(".marking").filter(has_not_text="not saved").wait_for()


def test_marks_by_keys_deleted_undone_and_done_again(open_page, tmp_path):
    page = marking(open_page, tmp_path / "page.html")
    press(page, "n", "n", "a")  # the second detection by time is Jump, 2 to 3.8 s
    press(page, "[", "ArrowRight", "]", "m")
    page.locator(".marks li").nth(2).wait_for()
    press(page, "Delete", "u", "u", "Shift+U", "Delete")
    page.locator(".status", has_text="choose a mark first").wait_for()
    page.locator("[data-mark]").last.click()
    press(page, "Delete")
    page.locator(".status", has_text="deleted click: Jump at 3 s").wait_for()
    page.keyboard.press("4")  # the fourth lane, background
    page.keyboard.press("m")
    assert saved(page, "clicks", tmp_path / "clicks.csv") == [
        ["video", "label", "t"],
        [ODD, "background", "3"],
        ["b", HOSTILE, "1.25"],
    ]
    assert saved(page, "segments", tmp_path / "segments.csv") == [
        ["video", "label", "t_start", "t_end"],
        [ODD, "Jump", "2", "3.8"],
        [ODD, "Jump", "2", "3"],
    ]


@pytest.mark.usefixtures("at_home")
def test_from_marks_in_the_page_to_a_training_with_them(open_page, wtal, tmp_path):  # noqa: F811
    """Video labels, detections, a correction in the page, and SF-Net trained with its clicks."""
    folder = write_folder(tmp_path / "features", segments=False)
    assert wtal("data", "add", "own", str(folder), "--fps", "25", "--stride", "16")[0] == 0
    trained = wtal("train", "basnet", "--data", "own", "--set", "schedule.epochs=1")
    run = trained[1].split("run ")[1].split(":")[0]
    out = ("--videos", "all", "--out", "found.json", "--signals", "seen.npz")
    assert wtal("detect", run, *out)[0] == 0
    assert wtal("timeline", "found.json", "--signals", "seen.npz", "--out", "page.html")[0] == 0
    page = open_page(tmp_path / "page.html")
    page.locator(".marking summary").click()
    assert page.locator(".video-choice option").count() == 8
    for number in range(8):
        page.locator(".video-choice").select_option(index=number)
        page.locator(".marking select").select_option(("Jump", "Throw")[number % 2])
        page.locator(".stage svg").focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("m")
        page.locator(".marking select").select_option("background")
        page.locator(".stage svg").focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("m")
    rows = saved(page, "clicks", folder / "clicks.csv")
    assert len(rows) == 17
    answer = wtal("data", "add", "own", str(folder), "--fps", "25", "--stride", "16", "--replace")
    assert "clicks: 8 on actions, 8 on background" in answer[1]
    clicks = open_dataset("own").clicks
    assert clicks["action"]["t"].tolist() == [4.0] * 8
    assert clicks["background"]["t"].tolist() == [3.0] * 8
    sweep._opened.cache_clear()  # each command is a process of its own
    for name in ("sfnet", "backtal"):
        answer = wtal("train", name, "--data", "own", "--set", "schedule.epochs=1")
        assert answer[0] == 0 and f": {name} on own" in answer[1], answer
