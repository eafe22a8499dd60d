"""Names of a file are text on every page and lead nowhere, whatever they hold."""

import json

import ipywidgets
import pytest

from tests.browser import CHROMIUM, until
from tests.diagnosis_samples import case
from wtal_core.cli import main
from wtal_core.widgets.viewer import timeline_viewer

VIDEOS = (
    "<script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 2'>",
    '"><svg onload="window.broken = 3">',
    "{{ 7 * 7 }}",
    "a$\\frac{$b",
    "../../x",
    "/tmp/x",
    "CON",
    "v" * 255,
)
LABELS = ("</td><script>window.broken = 4</script>", "<b>Jump</b>", "$\\alpha_{")
METHODS = ("<i>mine</i>", "yours $^{")


def truth() -> dict:
    database = {}
    for number, video in enumerate(VIDEOS):
        segment = [10, 20 + number]
        annotation = {"label": LABELS[number % len(LABELS)], "segment": segment}
        database[video] = {"subset": "test", "duration": 100.0, "annotations": [annotation]}
    return {"database": database}


def detections(shift: float) -> dict:
    results = {}
    for number, video in enumerate(VIDEOS):
        label = LABELS[(number // 2) % len(LABELS)]
        near = {"label": label, "segment": [10 + shift, 20 + number], "score": 0.9 - 0.05 * number}
        results[video] = [near, {"label": LABELS[0], "segment": [60, 70], "score": 0.3}]
    return {"results": results}


def status(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return exit_.value.code


def everything(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Ground truth and detections of two methods, deep in folders where nothing else lies; and what
    their diagnosis has written.
    """
    home = tmp_path_factory.mktemp("above") / "a" / "b"
    home.mkdir(parents=True)
    for name, content in (("gt", truth()), ("one", detections(0.5)), ("two", detections(4))):
        (home / f"{name}.json").write_text(json.dumps(content))
    files = [home / f"{name}.json" for name in ("gt", "one", "two")]
    options = ("--names", *METHODS, "--out", home / "out", "--title", "<h1>t</h1>")
    assert status("diagnose", *files, *options) == 0
    return home


def test_no_command_writes_outside_its_folder(home):
    above = home.parents[1]
    before = everything(above)
    pictures = ("profile", "shares", "impact", "sensitivity", "missed")
    pages = {"index.html", "diagnosis.json"}
    assert everything(home / "out") == pages | {f"{name}.png" for name in pictures}
    for name in ("t.json", "t.csv", "t.parquet", "t.json.gz"):
        assert status("convert", home / "one.json", home / name) == 0
        assert status("evaluate", home / "gt.json", home / name) == 0
        assert everything(above) - before == {f"a/b/{name}"}
        (home / name).unlink()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.filterwarnings("default")
def test_in_a_browser_names_are_text(home, open_page):
    """In every table, list, filter, figure and title that they reach; and in the timeline."""
    page = open_page(home / "out" / "index.html")
    for line in page.locator(".errors tbody tr").all()[:6]:
        line.locator("a").first.click()
    until(page, "document.querySelector('.status').textContent.length > 0")
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    for select in page.locator("main select:visible").all():
        for number in range(select.locator("option").count()):
            select.select_option(index=number)
    page.locator("input[type=search]").fill(VIDEOS[0])
    text = page.locator("body").inner_text()
    values = page.locator("option").evaluate_all("all => all.map((one) => one.textContent)")
    assert page.evaluate("window.broken") is None
    assert page.locator("script").count() == 2  # the content and the page's own
    assert page.locator("main :is(i, h1, img:not([src^='data:image/png']))").count() == 0
    assert "Jump" not in page.locator("main b").all_inner_texts()
    assert page.locator("h1").all_inner_texts() == ["Error diagnosis"]
    assert page.title() == "<h1>t</h1>: error diagnosis"
    for name in (*METHODS, *LABELS, VIDEOS[0]):
        assert name in text, name
    assert set(LABELS) <= set(values) and any(value.startswith(VIDEOS[2]) for value in values)


def test_the_viewer_shows_names_as_text():
    """Options of lists and a label are text in a browser; no widget of it takes markup."""
    waiting = [timeline_viewer(case())]
    kinds = set()
    while waiting:
        widget = waiting.pop()
        kinds.add(type(widget))
        waiting += getattr(widget, "children", ())
        assert not getattr(widget, "description_allow_html", False)
    markup = {ipywidgets.HTML, ipywidgets.HTMLMath, ipywidgets.Output}
    assert ipywidgets.Select in kinds and not kinds & markup
