"""What Sphinx reads: copies of the committed notebooks, docs and results, made fit for a book.

The copies lie as the originals do, so that their relative links hold. A link to any other file of
the repository becomes `repo:PATH`, which `book/listings.py` turns into the page of that file.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

from book import pages
from wtal_core.report.findings import all_judged
from wtal_core.workbook.artifacts import Notebook

Cell = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    "notebooks/**/*.ipynb",
    "results/README.md",
    "results/*/*/*.md",
)
PICTURES = ("docs/**/*.png", "results/**/*.png")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
# where a document lies in the book, if not where it lies in the repository
MOVED = {"README.md": "index.md"}
WIDGET = "application/vnd.jupyter.widget-view+json"
NEEDS_PYTHON = "*This one moves in JupyterLab only. {link}*"


class Sources:
    """Writes the sources of the book into a folder."""

    def __init__(self, folder: Path, only: tuple[str, ...] = ()) -> None:
        """only: names of the documents to take, such as "notebooks/facnet/method.ipynb"; none is
        all. What the chosen ones link to besides is left out of the book, links and all.
        """
        self.folder = folder
        every = sorted({path for pattern in DOCUMENTS for path in _tracked(pattern)})
        self.known = {name(path) for path in every}
        self.documents = [path for path in every if not only or name(path) in only]
        self.taken = {name(path) for path in self.documents}

    def write(self) -> None:
        """All of them. Raises OSError where the folder cannot be written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in self.documents:
            text = path.read_text(encoding="utf-8")
            place = name(path)
            made = (
                self._notebook(text, place) if path.suffix == ".ipynb" else self._page(text, place)
            )
            self._put(MOVED.get(place, place), made)
        for path in (path for pattern in PICTURES for path in _tracked(pattern)):
            target = self.folder / name(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for place, text in pages.all_pages(self.chapters(), list(all_judged(ROOT / "results"))):
            self._put(place, self.relinked(text, place))

    def chapters(self) -> list[Notebook]:
        """The notebooks that are in the book."""
        return [notebook for notebook in pages.notebooks() if name(notebook.path) in self.taken]

    def _put(self, place: str, text: str) -> None:
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _page(self, text: str, place: str) -> str:
        """A Markdown file; the front page and the index of results also say what lies below."""
        text = self.relinked(text, place)
        if place == "README.md":
            return pages.front(text, self.chapters(), self.taken)
        if place == "results/README.md":
            return text + pages.toctree(self._below("results"))
        if place.startswith("results/"):
            return pages.result(text, place)
        return text

    def _below(self, folder: str) -> list[str]:
        """The documents of a folder of the book but for its own README."""
        below = {place for place in self.taken if place.startswith(f"{folder}/")}
        return sorted(below - {f"{folder}/README.md"}, key=pages.results_in_order)

    def _notebook(self, text: str, place: str) -> str:
        content = json.loads(text)
        cells = [self._cell(cell, place) for cell in content["cells"]]
        links = self.relinked(pages.links_of(place), place)
        below_title = {"cell_type": "markdown", "id": "places", "metadata": {}, "source": links}
        content["cells"] = [*cells[:1], below_title, *cells[1:]]
        return json.dumps(content)

    def _cell(self, cell: Cell, place: str) -> Cell:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            return {**cell, "source": self.relinked(source, place)}
        outputs = [self._output(output, place) for output in cell.get("outputs", [])]
        words = _words_of_pictures(outputs)
        if kind := _set_up(cell, source):
            prompt = {"code_prompt_show": f"{kind}: show", "code_prompt_hide": f"{kind}: hide"}
            metadata = {"tags": ["hide-input"], "mystnb": prompt}
            return {**cell, "outputs": outputs, "metadata": metadata}
        metadata = {**cell["metadata"], **words}
        return {**cell, "outputs": outputs, "metadata": metadata}

    def _output(self, output: Cell, place: str) -> Cell:
        """Without the widget, which needs a kernel: its picture, or a line that says so."""
        data = output.get("data", {})
        shown = {kind: value for kind, value in data.items() if kind != WIDGET}
        if WIDGET in data and set(shown) <= {"text/plain"}:
            link = self.relinked("[How to run it.](/running.md)", place)
            return {
                "output_type": "display_data",
                "metadata": {},
                "data": {"text/markdown": NEEDS_PYTHON.format(link=link)},
            }
        if "text/markdown" in shown:
            shown["text/markdown"] = self.relinked("".join(shown["text/markdown"]), place)
        return {**output, "data": shown} if data else output

    def relinked(self, text: str, place: str) -> str:
        """A text whose links lead to documents of the book where there are such."""

        def target(match: re.Match[str]) -> str:
            anchor = match[2] or ""
            path = normpath(join(f"/{dirname(place)}", match[1])).lstrip("/")
            if (index := f"{path}/README.md") in self.known:
                path = index
            file = ROOT / path
            if path in self.taken or file.suffix == ".png" or not file.exists():
                moved = MOVED.get(path)
                return f"/{moved}{anchor}" if moved else match[0]
            return f"repo:{path}{anchor}"

        return LINK.sub(target, text)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tracked(pattern: str) -> Iterator[Path]:
    """Files of a pattern, without what other tools leave beside them."""
    for path in ROOT.glob(pattern):
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            yield path


def _words_of_pictures(outputs: list[Cell]) -> Cell:
    """For MyST: the alternative texts that the pictures of a cell bear; it knows one per cell."""
    kinds = ("image/png", "image/svg+xml")
    words = [
        output.get("metadata", {}).get(kind, {}).get("alt") for output in outputs for kind in kinds
    ]
    told = [alt for alt in words if alt]
    return {"mystnb": {"image": {"alt": " Next: ".join(told)}}} if told else {}


def _set_up(cell: Cell, source: str) -> str | None:
    """What a cell that only sets up is called; None of any other cell."""
    if "parameters" in cell["metadata"].get("tags", []):
        return "Parameters"
    lines = source.splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    return "Imports" if 2 * len(imports) > len(lines) else None
