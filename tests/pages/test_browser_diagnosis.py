"""The page of a diagnosis in a real browser: sorting, filtering, from an error to its place in the
timeline and to the second of its video, by mouse and by keys.

Runs where Chromium and PyAV are there. WTAL_SCREENSHOTS names a folder to keep screenshots in.
"""

from dataclasses import replace

import pandas as pd
import pytest

from tests.browser import keep, needs_browser, until
from tests.timeline_samples import HOSTILE, ODD, case, write_clip
from wtal_core.pages.diagnosis_page import findings, write_page
from wtal_core.pages.timeline_page import find_videos

pytestmark = [*needs_browser, pytest.mark.slow]
WRONG = [
    (ODD, "Jump", 4.5, 5.0, 0.95),
    (ODD, HOSTILE, 5.1, 7.2, 0.65),
    ("b", "Jump", 1.0, 3.0, 0.9),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two methods; one video has a file, beside the page's folder."""
    home = tmp_path_factory.mktemp("page")
    clips = home / "clips"
    clips.mkdir()
    write_clip(clips / f"{ODD}.webm")
    mine = case()
    more = pd.DataFrame(WRONG, columns=mine.detections.columns)
    yours = replace(mine, name="Yours", detections=more, activation={}, attention={})
    files = find_videos(clips, mine.ground_truth.videos)
    write_page([findings(mine), findings(yours)], home / "out", files)
    return home / "out" / "index.html"


@pytest.fixture
def page(open_page, path):
    return open_page(path)


def column(page, root: str, number: int) -> list[str]:
    return page.locator(f"{root} tbody tr td:nth-child({number})").all_inner_texts()


def lines(page) -> list[str]:
    return page.locator(".errors tbody td:nth-child(1) .word").all_text_contents()


def test_a_header_sorts_by_click_and_by_key(page):
    header = page.locator("#class-table th", has_text="class").first
    assert column(page, "#class-table", 2) == sorted(
        column(page, "#class-table", 2), key=float, reverse=True
    )
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    names = column(page, "#class-table", 1)
    assert HOSTILE in names and len(names) == 2
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert column(page, "#class-table", 1) == names[::-1]


def test_errors_are_sorted_by_cost_and_filtered(page):
    costs = [text for text in column(page, ".errors", 3) if text != "–"]
    assert costs == sorted(costs, key=float, reverse=True) and float(costs[0]) > 0
    assert column(page, ".errors", 3)[-1] == "–"  # what was not found has no cost
    every = len(lines(page))
    page.locator("#error-list .kinds").get_by_text("background").click()
    assert "background" not in lines(page) and 0 < len(lines(page)) < every
    page.locator("input[type=search]").fill("B")
    assert set(page.locator(".errors td.wide:nth-child(5)").all_text_contents()) == {"b"}
    page.get_by_role("button", name="Show all").click()
    page.locator("#error-list select").nth(1).select_option(label="Yours")
    assert set(column(page, ".errors", 4)) == {"Yours"}
    assert "error" in page.locator("#error-list [role=status]").inner_text()


def test_scores_of_a_column_have_as_many_digits(page):
    scores = page.locator(".errors td.wide:nth-child(7)").all_text_contents()
    told = [text for text in scores if text != "–"]
    assert len(set(told)) > 1 and {len(text.partition(".")[2]) for text in told} == {3}


def test_an_error_opens_in_the_timeline_and_nothing_stays_marked(page):
    line = page.locator(".errors tbody tr", has_text="4.5").first
    line.locator("a").first.click()
    until(page, "document.querySelectorAll('.asked').length === 1")
    status = page.locator("#timeline .status")
    assert status.inner_text() == "Jump, 4.5 s to 5 s, score 0.95, background, by Yours"
    assert line.get_attribute("aria-current") == "true"
    assert page.locator(".method-name").all_text_contents() == ["Mine", "Yours"] * 2
    page.locator(".video-choice").select_option(index=1)
    until(page, "document.querySelectorAll('.asked').length === 0")
    assert page.locator(".errors [aria-current]").count() == 0
    line.locator("a").first.click()  # the same one again
    until(page, "document.querySelectorAll('.asked').length === 1")
    assert line.get_attribute("aria-current") == "true"


def test_arrow_keys_go_through_the_list_and_enter_opens(page):
    links = page.locator(".errors td a[href^='#']")
    links.first.focus()
    page.keyboard.press("ArrowDown")
    assert links.nth(1).evaluate("one => one === document.activeElement")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.asked').length === 1")
    assert page.locator(".errors tr[aria-current]").count() == 1
    address = page.evaluate("location.hash")
    page.go_back()
    assert page.evaluate("location.hash") == "" != address


def test_a_link_leads_to_the_second_of_the_file(page):
    line = page.locator(".errors tbody tr", has_text="4.5").first
    address = line.locator("a.file").get_attribute("href")
    assert address == "./../clips/a%20clip%2C%20%C3%BC%20%231%3F.webm#t=4.5,5"
    resolved = line.locator("a.file").evaluate("one => one.href")
    assert resolved.startswith("file:///") and "/clips/a%20clip" in resolved
    # of the video without a file there is no link
    of_odd = page.locator(".errors td.wide:nth-child(5)").all_text_contents().count(ODD)
    assert page.locator(".errors a.file").count() == of_odd < len(lines(page))


def test_methods_stand_side_by_side_with_intervals(page):
    table = page.locator("#paired-table tbody tr")
    assert table.count() == 1 and table.locator("th").inner_text() == "Yours"
    assert "mAP minus that of Mine" in page.locator("#paired-table").inner_text()
    there = table.locator("td").first.inner_text().split("\n")
    page.locator("#paired-table select").select_option(label="Yours")
    assert table.locator("th").inner_text() == "Mine"
    back = table.locator("td").first.inner_text().split("\n")
    turned = {"+": "−", "−": "+"}
    mark = there[0].lstrip("▲▼ ")
    assert back[0].lstrip("▲▼ ") == turned[mark[0]] + mark[1:]
    page.locator("#confusion-matrix select").select_option(label="Yours")
    assert page.locator("#confusion-matrix tbody tr").count() == 3
    page.locator("#curve-figure select").select_option(label=HOSTILE)
    assert page.locator("#curve-figure .legend li").count() == 2
    assert page.locator("#curve-figure svg.plot path.curve").count() == 2


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_nothing_runs_out_of_the_page(open_page, path, width, scheme):
    page = open_page(path, width, scheme)
    page.locator(".errors td a").first.click()
    until(page, "document.querySelectorAll('.asked').length === 1")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]
    assert page.locator(".errors td.wide").first.is_visible() == (width == 1200)
    keep(page, f"diagnosis_{width}_{scheme}")


def test_it_prints_without_controls(open_page, path):
    page = open_page(path, 1200, "dark")
    page.emulate_media(media="print")
    assert page.locator("main :is(.filters, .toolbar button, nav):visible").count() == 0
    assert page.locator(".errors tbody tr").last.is_visible()
    assert page.locator(".stage svg").is_visible()
    assert len(page.pdf(format="A4")) > 10_000
