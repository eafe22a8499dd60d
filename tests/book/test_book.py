"""The book: what its sources become, and a small one that is built and looked at.

`make book book-check` does the same with the whole.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from playwright.sync_api import sync_playwright

from book import check, formulas, listings, pages, settings
from book.sources import ROOT, Sources

METHOD = "notebooks/facnet/method.ipynb"
CLICK_TOOL = "notebooks/backtal/method.ipynb"
TABLE = "notebooks/facnet/table3_branches.ipynb"
DOCUMENTS = (
    "README.md",
    "docs/layout.md",
    "docs/commands.md",
    "notebooks/start_here.ipynb",
    METHOD,
    TABLE,
)
BUILD = "import sys; from pathlib import Path; from book.__main__ import build; "
HOSTED = (
    "from book import settings; settings.citation()['repository-code'] = 'https://github.com/a/b'; "
)


browser = pytest.mark.skipif(
    not any(map(shutil.which, check.CHROMIUM)),
    reason="Chromium is not installed; `apt-get install chromium`",
)


def built(folder, documents, before=""):
    """A book of some documents; Sphinx's warnings are errors."""
    code = f"{before}{BUILD}sys.exit(build(Path({str(folder)!r}), {documents!r}, jobs=1))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return built(tmp_path_factory.mktemp("book") / "book", DOCUMENTS)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The sources of a book of one notebook."""
    folder = tmp_path_factory.mktemp("sources")
    sources = Sources(folder, (METHOD,))
    sources.write()
    return folder


def cells(folder, notebook):
    return json.loads((folder / notebook).read_text())["cells"]


@pytest.mark.slow
def test_every_link_of_a_book_leads_somewhere(book):
    offences, count, links = check.broken(book)
    assert offences == []
    assert count > len(DOCUMENTS) and links > 100


@pytest.mark.slow
@browser
def test_a_browser_has_nothing_to_say(book):
    assert check.complaints(book, (METHOD.replace("ipynb", "html"), "papers/facnet.html")) == []


SEEN = """() => {
  const width = (chosen) => document.querySelector(chosen).getBoundingClientRect().width;
  const code = [...document.querySelectorAll("div.cell_input pre")];
  return {
    page: document.documentElement.scrollWidth,
    article: width(".bd-article"),
    sketch: width('div.cell_output > img[src$=".svg"]'),
    cut: code.filter((block) => block.scrollWidth > block.clientWidth + 1).length,
    bar: getComputedStyle(document.querySelector(".wtal-table"), "::-webkit-scrollbar").height,
  };
}"""


@pytest.mark.slow
@browser
def test_code_is_whole_sketches_can_be_read_and_the_page_fits(book):
    executable = next(filter(None, map(shutil.which, check.CHROMIUM)))
    page = (book / METHOD).with_suffix(".html").as_uri()
    seen = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=check.QUIET)
        for width in (1200, 400):
            tab = chromium.new_page(viewport={"width": width, "height": 900})
            tab.goto(page)
            seen[width] = tab.evaluate(SEEN)
        chromium.close()
    assert {width: page["page"] for width, page in seen.items()} == {1200: 1200, 400: 400}
    assert seen[1200]["article"] > 780
    assert seen[1200]["cut"] == seen[400]["cut"] == 0
    assert seen[400]["sketch"] > 700 and seen[400]["bar"] != "auto"


@pytest.mark.slow
def test_a_page_has_formulas_folded_cells_and_links_to_lines(book):
    page = (book / METHOD).with_suffix(".html").read_text()
    assert page.count("<math ") > 40 and "MathJax" not in page and "\\frac" in page
    assert page.count("Parameters: show") == page.count("Imports: show") == 1
    line = listings.definitions()["facnet.localize"].partition("#")[2]
    assert f'code/wtal_core/models/facnet.py.html#{line}"' in page
    assert f'id="{line}"' in (book / "code/wtal_core/models/facnet.py.html").read_text()
    assert "mybinder" not in page


@pytest.mark.slow
def test_the_notebook_that_is_downloaded_is_the_committed_one(book):
    assert (book / "_sources" / METHOD).read_bytes() == (ROOT / METHOD).read_bytes()


@pytest.mark.slow
def test_with_an_address_a_notebook_opens_in_binder(tmp_path):
    page = (built(tmp_path / "book", ("README.md", METHOD), HOSTED) / METHOD).with_suffix(".html")
    address = "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/notebooks/facnet/method.ipynb"
    assert address in page.read_text()
    colab = "https://colab.research.google.com/github/a/b/blob/main/notebooks/facnet/method.ipynb"
    assert colab in page.read_text()


def test_cells_that_only_set_up_are_folded(copies):
    folded = [
        "".join(cell["source"])
        for cell in cells(copies, METHOD)
        if "hide-input" in cell["metadata"].get("tags", [])
    ]
    assert len(folded) == 2
    assert folded[0].startswith("dataset: str") and folded[1].startswith("from dataclasses")


def test_a_widget_gives_way_to_a_line_and_its_still_stays(tmp_path):
    Sources(tmp_path, (CLICK_TOOL,)).write()
    outputs = [o for cell in cells(tmp_path, CLICK_TOOL) for o in cell.get("outputs", [])]
    kinds = [set(output.get("data", {})) for output in outputs]
    assert not any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)
    committed = json.loads((ROOT / CLICK_TOOL).read_text())["cells"]
    pictures = [o for cell in committed for o in cell.get("outputs", []) if "image/png" in str(o)]
    assert sum("image/png" in kind for kind in kinds) == len(pictures) > 0
    told = [output for output in outputs if "moves in JupyterLab only" in str(output)]
    assert len(told) == str(committed).count("widget-view+json") > 0


def test_links_that_leave_the_book_name_the_file(copies):
    sources = Sources(copies, (METHOD,))
    text = (
        "[a](table3_branches.ipynb) [b](method.ipynb#x) [c](../../wtal_core/packed.py) [d](no.md)"
    )
    assert sources.relinked(text, METHOD) == (
        "[a](repo:notebooks/facnet/table3_branches.ipynb) [b](method.ipynb#x) "
        "[c](repo:wtal_core/packed.py) [d](no.md)"
    )


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("wtal_core/packed.py", "wtal_core/packed.py"),
        ("models/facnet.py", "wtal_core/models/facnet.py"),
        ("wtal_core.runs.train", "wtal_core/runs/train.py"),
        ("wtal data list", "docs/commands.md#wtal-data-list"),
        ("wtal evaluate a.json b.json", "docs/commands.md#wtal-evaluate"),
        ("wtal nonsense", None),
        ("rule", None),
        ("../setup.py", None),
    ],
)
def test_words_in_code_type_lead_to_what_they_mean(words, where):
    assert listings.meant(words, {"wtal-data-list", "wtal-evaluate"}) == where


def test_a_name_leads_to_its_line():
    path, _, line = listings.meant("facnet.localize(activation, scene)", set()).partition("#L")
    assert (ROOT / path).read_text().splitlines()[int(line) - 1].startswith("def localize(")


def texts(formula):
    """(tag, text) of the elements of a formula that have text."""
    tree = ElementTree.fromstring(formulas.mathml(formula, block=False))
    return [(e.tag.split("}")[1], e.text) for e in tree.iter() if e.text]


def test_letters_of_other_alphabets_are_those_of_unicode():
    assert [text for _, text in texts(r"\mathcal{L}\mathbb{E}\mathcal{T}")] == ["ℒ", "𝔼", "𝒯"]


def test_names_of_functions_have_room():
    def room(formula):
        return formulas.mathml(formula, block=False).count("mspace")

    assert room(r"\log p") == 1
    assert room(r"\log(p)") == 0
    assert room(r"\delta\log p") == 2


def test_a_formula_keeps_its_text_for_readers_without_eyes():
    assert r'alttext="a&lt;\frac{1}{2}"' in formulas.mathml(r"a<\frac{1}{2}", block=True)


def test_all_formulas_of_the_workbook_are_understood():
    """Raises where latex2mathml does not know a command."""
    for path in (ROOT / "notebooks").glob("*/method.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            text = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
            for formula in text.split("$$")[1::2]:
                assert "\\" not in "".join(t for _, t in texts(formulas.TAG.sub("", formula)))


def test_every_notebook_has_its_place():
    everything = {path.name for path in (ROOT / "notebooks").glob("**/*.ipynb")}
    assert {notebook.path.name for notebook in pages.notebooks()} == everything
    first = [notebook.path.stem for notebook in pages.notebooks()[:2]]
    assert first == ["chapter_zero", "start_here"]


def test_every_notebook_has_an_aim_of_its_own():
    places = {n.path.relative_to(ROOT / "notebooks").as_posix() for n in pages.notebooks()}
    assert set(pages.aims()) == places


def test_the_page_of_a_paper_tells_the_idea_of_that_paper():
    told = {}
    for paper in ("facnet", "backtal"):
        page = dict(pages.all_pages(pages.notebooks(), []))[f"papers/{paper}.md"]
        told[paper] = page.partition("/idea.ipynb)\n\n")[2].partition("\n")[0]
    assert told["facnet"] and told["backtal"] and told["facnet"] != told["backtal"]


def running():
    return dict(pages.all_pages([], []))["running.md"]


def test_without_an_address_a_line_says_why_there_are_no_buttons(monkeypatch):
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    monkeypatch.delitem(settings.citation(), "repository-code", raising=False)
    assert settings.repository() == ""
    assert "no buttons for Binder and\nColab" in running()


def test_the_address_may_be_given_for_one_build(monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://example.org/a/b/")
    assert settings.repository() == "https://example.org/a/b"
    assert "git clone --depth 1 https://example.org/a/b workbook" in running()
    monkeypatch.setenv("BOOK_REPOSITORY", "javascript:alert(1)")
    with pytest.raises(ValueError, match="it begins with https"):
        settings.repository()


def test_a_small_picture_of_a_table_is_a_picture_of_the_book(tmp_path):
    Sources(tmp_path, ("results/README.md",)).write()
    page = (tmp_path / "results/README.md").read_text()
    pictures = re.findall(r'<img src="([^"]+)" width="160" alt="[^"]+">', page)
    assert len(pictures) > 50
    assert all((tmp_path / "results" / picture).is_file() for picture in pictures)


def write_book(folder, body):
    folder.mkdir()
    (folder / "index.html").write_text(f'<html><h1 id="top">Book</h1>{body}</html>')
    return folder.resolve()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="other.html">', "no such file"),
        ('<a href="#bottom">', "no such place on the page"),
        ('<a href="../../etc">', "outside the book"),
        ('<img alt="A line" src="https://example.org/x.png">', "fetched from elsewhere"),
        ('<img src="data:,x">', "no words"),
        ('<img src="data:,x" alt="../_images/x.png">', "no words"),
        ('<img src="data:,x" alt="No description has been provided for this image">', "no words"),
        ('<script src="//example.org/x.js"></script>', "fetched from elsewhere"),
        ('<link rel="stylesheet" href="http://example.org/x.css">', "fetched from elsewhere"),
    ],
)
def test_what_the_check_finds(tmp_path, body, problem):
    offences, _, _ = check.broken(write_book(tmp_path / "book", body))
    assert len(offences) == 1 and offences[0].endswith(problem)


def test_what_the_check_lets_pass(tmp_path):
    picture = '<img alt="A line" src="data:,x">'
    body = f'<a href="https://example.org">there</a><a href="#top">up</a>{picture}'
    assert check.broken(write_book(tmp_path / "book", body)) == ([], 1, 3)


@pytest.mark.slow
@browser
def test_what_the_browser_finds(tmp_path):
    script = (
        "<script>document.documentElement.dataset.theme = 'light'; console.error('oh')</script>"
    )
    wide = '<div style="width: 3000px">wide</div>'
    folder = write_book(
        tmp_path / "book", script + wide + '<img src="http://example.invalid/x.png">'
    )
    (folder / "search.html").write_text('<ul id="search-results"><li><a href="#">x</a></li></ul>')
    told = "\n".join(check.complaints(folder, ("index.html",)))
    for complaint in ("oh", "px wide", "asks http://example.invalid", "shows the theme light"):
        assert complaint in told


@pytest.mark.slow
@browser
def test_a_search_that_finds_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "PATIENCE", 200)
    folder = write_book(tmp_path / "book", "")
    (folder / "search.html").write_text('<ul id="search-results"></ul>')
    assert check.complaints(folder, ()) == ["search.html: finds nothing"]
