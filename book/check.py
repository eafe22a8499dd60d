"""`python -m book.check FOLDER`: every link of the book, and its pages in a real browser.

Nothing may lead nowhere, nothing may be fetched from another host, no picture may be without words,
no page may complain in the console or be wider than the window.
"""

import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import TimeoutError as TooLate

Theme = Literal["light", "dark"]

# pixels, with the theme that is looked at
WIDTHS: dict[int, Theme] = {1400: "light", 400: "dark"}
PATIENCE = 30_000  # milliseconds that a search may take
PAGES = (
    "index.html",
    "notebooks/start_here.html",
    "notebooks/diagnose.html",
    "notebooks/facnet/method.html",
    "notebooks/facnet/table3_branches.html",
    "notebooks/ten/gradients.html",
    "papers/facnet.html",
    "docs/findings.html",
    "docs/commands.html",
    "results/README.html",
    "results/simulated-2/facnet/table3.html",
    "code/wtal_core/models/facnet.py.html",
)
FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
IN_HEAD_ONLY = {"canonical", "next", "prev", "index", "search", "author", "copyright"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


class Page(HTMLParser):
    """A page's anchors, the addresses that it names, (address, whether it is fetched), and those of
    its pictures that have no words.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.addresses: list[tuple[str, bool]] = []
        self.wordless: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := values.get(key))}
        address = values.get(FETCHED.get(tag, "href" if tag == "a" else ""))
        if address:
            fetched = tag in FETCHED and values.get("rel") not in IN_HEAD_ONLY
            self.addresses.append((address, fetched))
        if tag == "img" and not _is_words(values.get("alt")):
            self.wordless.append((address or "")[:80])


def broken(folder: Path) -> tuple[list[str], int, int]:
    """Links that lead nowhere or are fetched from elsewhere, how many pages and how many links."""
    pages = {path: Page(path) for path in sorted(folder.glob("**/*.html")) if _is_page(path)}
    offences, links = [], 0
    for path, page in pages.items():
        for address, fetched in page.addresses:
            links += 1
            if problem := _problem(folder, path, address, fetched, pages):
                offences.append(f"{path.relative_to(folder)}: {address}: {problem}")
        offences += [
            f"{path.relative_to(folder)}: {picture}: no words" for picture in page.wordless
        ]
    return offences, len(pages), links


def _is_words(alt: str | None) -> bool:
    """A file's name, which tools write where they know no words, is none."""
    name = (alt or "").strip().lower()
    return bool(name) and not name.endswith((".png", ".svg")) and "no description has" not in name


def _problem(
    folder: Path, path: Path, address: str, fetched: bool, pages: dict[Path, Page]
) -> str | None:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        elsewhere = fetched and parts.scheme != "data"
        return "fetched from elsewhere" if elsewhere or parts.scheme == "file" else None
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(folder):
        return "outside the book"
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    lacks = anchor and target in pages and anchor not in pages[target].anchors
    return "no such place on the page" if lacks else None


def _is_page(path: Path) -> bool:
    """Whether it is read: not a template, nor a file that is offered for download."""
    return not {"_static", "_downloads", "_sources"} & set(path.parts)


def complaints(folder: Path, pages: tuple[str, ...] = PAGES) -> list[str]:
    """What a browser says against the pages, at each width. Pages that are not there are left out.

    Raises OSError where there is no Chromium.
    """
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        raise OSError("Chromium is not installed; `apt-get install chromium`")
    present = [page for page in pages if (folder / page).is_file()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        told = [
            f"{page} at {width} px, {theme}: {complaint}"
            for width, theme in WIDTHS.items()
            for page in present
            for complaint in _looked_at(browser, folder / page, width, theme)
        ]
        told += _searched(browser, folder)
        browser.close()
    return told


def _looked_at(browser: Browser, path: Path, width: int, theme: Theme) -> Iterator[str]:
    """The complaints of one page."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    told: list[str] = []
    tab.on("console", lambda m: told.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda r: told.append(f"asks {r.url}") if not _inside(r.url) else None)
    tab.on("requestfailed", lambda request: told.append(f"did not get {request.url}"))
    tab.goto(path.as_uri(), wait_until="load")
    used = tab.evaluate("document.documentElement.scrollWidth")
    if used > width:
        told.append(f"is {used} px wide")
    shown = tab.evaluate("document.documentElement.dataset.theme")
    if shown != theme:
        told.append(f"shows the theme {shown}")
    tab.close()
    yield from told


def _searched(browser: Browser, folder: Path) -> Iterator[str]:
    """The search must find something without a server."""
    tab = browser.new_page()
    tab.goto((folder / "search.html").as_uri() + "?q=attention")
    try:
        tab.wait_for_selector("#search-results li a", timeout=PATIENCE)
    except TooLate:
        yield "search.html: finds nothing"
    tab.close()


def _inside(address: str) -> bool:
    return urlsplit(address).scheme in ("file", "data", "blob")


def main(folder: Path) -> int:
    """Exit status 0, or 1 where anything is wrong; 2 where there is no book."""
    if not (folder / "index.html").is_file():
        print(f"{folder} holds no book; `make book` builds it", file=sys.stderr)
        return 2
    offences, pages, links = broken(folder)
    print(f"{pages} pages, {links} links, {len(offences)} of them broken")
    offences += [f"{page}: is not there" for page in PAGES if not (folder / page).is_file()]
    offences += complaints(folder)
    print("\n".join(offences) or f"{len(PAGES)} pages at {len(WIDTHS)} widths: nothing to say")
    return int(bool(offences))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/book").resolve()))
