"""Figures that step in a real browser, as static pages: what dragging and keys do, and what hostile
names do not.

Runs where Chromium is there. WTAL_SCREENSHOTS names a folder to keep screenshots in.
"""

import os
from pathlib import Path

import pytest

from tests.browser import needs_browser, note_complaints
from tests.step_samples import ENDING, HOSTILE, LEVELS, step_figure
from wtal_core.pages.step_figure import SCRIPT, as_html, content_of
from wtal_core.widgets.step_figure import JOINT

pytestmark = [*needs_browser, pytest.mark.slow]
HEAD = (
    '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark">'
)


@pytest.fixture
def open_figure(browser, tmp_path):
    """Opens two figures on a page; whatever the browser complains of fails the test in the end."""
    complaints, pages = [], []
    file = tmp_path / "page.html"
    file.write_text(f"{HEAD}<body>{as_html(step_figure())}{as_html(step_figure())}</body>")

    def opened(width: int = 1200, scheme: str = "light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        note_complaints(page, complaints, lambda url: url.startswith("file:"))
        page.goto(file.as_uri())
        page.locator(".wtal-steps svg[role=img]").nth(1).wait_for()
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []


def paths(page, words: str) -> list[str]:
    """What the paths of these classes of the first figure draw."""
    first = page.locator(".wtal-steps").first.locator("svg[role=img]")
    return first.locator(f"path{words}").evaluate_all("all => all.map(p => p.getAttribute('d'))")


def axes(page) -> list[tuple[str, str | None, str | None]]:
    """Every number and name of the first figure's axes, with its place."""
    texts = page.locator(".wtal-steps").first.locator("svg[role=img] text")
    return texts.evaluate_all(
        "all => all.map(t => [t.textContent, t.getAttribute('x'), t.getAttribute('y')])"
    )


def drag(page, slider: int, share: float) -> None:
    """Take the thumb of the first figure's slider and move it to this share of the track."""
    box = page.locator(".wtal-steps").first.locator("input").nth(slider).bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, middle, steps=5)
    page.mouse.up()


def test_dragging_draws_the_state_of_the_position_on_the_same_axes(open_figure):
    page = open_figure()
    before = {"axes": axes(page), "level": paths(page, ".levels"), "curve": paths(page, ".steps")}
    boxes = paths(page, ".boxes")
    drag(page, 0, 1.0)
    assert axes(page) == before["axes"] and paths(page, ".steps") == before["curve"]
    assert paths(page, ".levels") != before["level"] and paths(page, ".boxes") != boxes
    # a box per snippet above the last level
    assert "".join(paths(page, ".boxes")).count("Z") == 2
    # what it was is still there, dashed
    assert before["level"][0] in paths(page, ".ghost") and "".join(boxes) in paths(page, ".ghost")
    assert page.locator(".now").first.inner_text().endswith(": 0.75 by one")
    assert page.locator(".other").first.inner_text().endswith(": 0.5 by one")
    assert page.locator(".now").nth(1).inner_text().endswith(": 0.5 by one")  # the other figure


def test_every_position_of_both_sliders_draws_its_own_state(open_figure):
    page = open_figure()
    sliders = page.locator(".wtal-steps").first.locator("input")
    heights, bars = set(), set()
    for place in range(len(LEVELS)):
        for way in range(2):
            sliders.nth(0).fill(str(place))
            sliders.nth(1).fill(str(way))
            heights.add(paths(page, ".levels")[0])
            bars.add(paths(page, ".bars")[0])
            (level,) = heights - (heights - {paths(page, ".levels")[0]})
            # the panel is 90 pixels high, from 19 on
            assert float(level.split(" ")[1].split("H")[0]) == pytest.approx(
                19 + 90 * (1 - LEVELS[place]), abs=0.2
            )
    assert len(heights) == 3
    assert len(bars) == 4  # 0.1 (i - j): 0 at two of the six positions, 0.1 at two


def test_keys_move_a_slider_and_a_button_keeps_the_position(open_figure):
    page = open_figure()
    slider = page.locator(".wtal-steps").first.locator("input").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "0.75"
    kept = paths(page, ".levels")[0]
    page.get_by_role("button", name="compare with this").first.click()
    assert not any(paths(page, ".ghost"))
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0.25"
    assert kept in paths(page, ".ghost")
    page.get_by_role("button", name="back to the start").first.click()
    assert slider.get_attribute("aria-valuetext") == "0.5" and not any(paths(page, ".ghost"))


def test_names_are_text_and_nothing_of_them_runs(open_figure):
    page = open_figure()
    drag(page, 0, 0.0)
    assert page.evaluate("window.broken") is None
    assert page.locator(".wtal-steps img").count() == 0
    texts = page.locator(".wtal-steps").first.inner_text()
    assert HOSTILE in texts and any(ENDING in text for text, _, _ in axes(page))
    assert page.get_by_role("img", name=HOSTILE).count() == 2


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_it_fits_into_the_window_and_is_drawn_in_its_scheme(open_figure, width, scheme):
    page = open_figure(width, scheme)
    drag(page, 0, 1.0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = page.locator(".wtal-steps svg[role=img]").first.evaluate(
        "svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    )
    assert size == pytest.approx(1, abs=0.01)  # letters are as large as they are said to be
    colour = page.locator(".wtal-steps").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert colour == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 28)")
    if place := os.environ.get("WTAL_SCREENSHOTS"):
        page.screenshot(path=Path(place) / f"steps-{width}.png", full_page=True)


def test_on_paper_it_is_light_and_has_no_buttons(open_figure):
    page = open_figure(800, "dark")
    page.emulate_media(media="print")
    figure = page.locator(".wtal-steps").first
    assert not figure.locator("button").first.is_visible()
    assert figure.locator("output").first.inner_text() == "0.5"
    colour = figure.evaluate("e => getComputedStyle(e).backgroundColor")
    assert colour == "rgb(255, 255, 255)"


def test_as_a_widget_it_draws_the_same_and_tells_its_places(open_figure):
    page = open_figure()
    script = (SCRIPT.read_text() + JOINT.read_text()).replace("export default { render };", "")
    page.evaluate(
        "([script, content]) => { const model = { get: () => content, saved: [],"
        " set(name, value) { this[name] = value; },"
        " save_changes() { this.saved.push(this.places); } };"
        " const el = document.createElement('div'); el.id = 'widget'; document.body.append(el);"
        " window.model = model;"
        " new Function('model', 'el', `${script}; render({ model, el });`)(model, el); }",
        [script, content_of(step_figure())],
    )
    drawn = page.locator("#widget svg[role=img] path.boxes")
    assert drawn.evaluate_all("all => all.map(p => p.getAttribute('d'))") == paths(page, ".boxes")
    page.locator("#widget input").first.fill("2")
    assert page.evaluate("window.model.saved") == [[2, 0]]
