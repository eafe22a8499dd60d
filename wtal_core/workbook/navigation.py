"""How one walks from notebook to notebook: the order of all, and the last cell of each.

`make navigation` writes that cell into every committed notebook, and folds the cell of parameters.
"""

import os
import re
from pathlib import Path

import nbformat

from wtal_core.data.paths import CHECKOUT, COMMITTED
from wtal_core.report.findings import DATASETS, paper_name, place_in
from wtal_core.study.own_parameters import artifact_of
from wtal_core.workbook import reading_time
from wtal_core.workbook.artifacts import FOLDER, Notebook, find_notebooks
from wtal_core.workbook.cells import PARAMETERS, folded

# notebooks of no paper, in this order; those that are not named here come after
FIRST_STEPS = (
    "chapter_zero",
    "start_here",
    "simulated_data",
    "protocols",
    "diagnose",
    "ladder",
    "predictions",
    "unknowns",
    "calibration",
    "reported_numbers",
    "real_fusion",
    "your_own_videos",
)
ENTRANCE = "start_here"
PAPERS = ("facnet", "backtal", "ten", "gaufuse")  # in the order of the README
FIRST_OF_PAPER = ("idea", "method", "rskp")  # notebooks of a paper that come before its tables
HUBS = ("idea", "method")  # which lead down to the others of their paper
TAG = "navigation"
HEADING = "## Where to go from here"
PAGES = {
    "what every word means": "docs/glossary.md",
    "all notebooks with aim and time": "docs/learning_path.md",
    "the papers": "docs/bibliography.md",
}


def notebooks() -> list[Notebook]:
    """All, in the order of reading: those of no paper, then paper by paper, then the others."""
    general = [Notebook(artifact_of(path), path) for path in sorted(FOLDER.glob("*.ipynb"))]
    general.sort(key=lambda notebook: place_in(notebook.path.stem, FIRST_STEPS))
    ordered = general + [notebook for paper in PAPERS for notebook in of_paper(paper)]
    folders = sorted({path.parent.name for path in FOLDER.glob("*/*.ipynb")} - set(PAPERS))
    for folder in folders:
        paths = sorted((FOLDER / folder).glob("*.ipynb"))
        ordered += [Notebook(artifact_of(path), path) for path in paths]
    return ordered


def of_paper(paper: str) -> list[Notebook]:
    """The idea and the method, then tables, figures and the others."""
    if not any((FOLDER / paper).glob("*.ipynb")):
        return []
    return sorted(
        find_notebooks((paper,)),
        key=lambda notebook: place_in(notebook.path.stem, FIRST_OF_PAPER),
    )


def results_of(artifact: str) -> dict[str, Path]:
    """Data set -> page of committed results of an artifact such as "facnet/table3"."""
    files = sorted(COMMITTED.glob(f"*/{artifact}.md"))
    pages = {path.parent.parent.name: path for path in files}
    names = sorted(pages, key=lambda name: place_in(name, DATASETS))
    return {name: pages[name] for name in names}


def navigation(notebook: Notebook, every: list[Notebook]) -> str:
    """The text of the last cell of a notebook. every: `notebooks()`."""
    here = [other.path for other in every].index(notebook.path)
    lines = [f"* **Up:** {_up(notebook, every)}."] if notebook.path.stem != ENTRANCE else []
    if here > 0:
        lines.append(f"* **Before:** {_titled(every[here - 1], notebook)}.")
    if here + 1 < len(every):
        lines.append(f"* **Next:** {_titled(every[here + 1], notebook)}.")
    lines += [f"* **Down, {line}." for line in _down(notebook, every)]
    lines.append(f"* **Method:** {_methods(notebook, every)}.")
    lines.append(f"* **Results:** {_results(notebook)}.")
    looked_up = [_link(text, _of_checkout(page), notebook) for text, page in PAGES.items()]
    lines.append(f"* **To look up:** {', '.join(looked_up)}.")
    return "\n".join([HEADING, "", *lines])


def _up(notebook: Notebook, every: list[Notebook]) -> str:
    """The entrance, and the method of the notebook's paper."""
    links = [_titled(other, notebook) for other in every if other.path.stem == ENTRANCE]
    if notebook.path.stem not in HUBS:
        links += [_titled(method, notebook) for method in _named("method", notebook, every)]
    return ", ".join(links)


def _down(notebook: Notebook, every: list[Notebook]) -> list[str]:
    """From the entrance all notebooks, from a method those of its paper."""
    if notebook.path.stem == ENTRANCE:
        folders = dict.fromkeys(other.path.parent for other in every)
        return [_of_folder(folder, notebook, every) for folder in folders]
    if notebook.path.stem in HUBS and notebook.path.parent != FOLDER:
        return [_of_folder(notebook.path.parent, notebook, every)]
    return []


def _of_folder(folder: Path, notebook: Notebook, every: list[Notebook]) -> str:
    """Links to the notebooks of a folder but for the one that they stand in."""
    others = [
        other for other in every if other.path.parent == folder and other.path != notebook.path
    ]
    words = paper_name(folder.name) if folder != FOLDER else "first steps and tools"
    links = [_link(_short(other), other.path, notebook) for other in others]
    return f"{words}:** {', '.join(links)}"


def _methods(notebook: Notebook, every: list[Notebook]) -> str:
    """The method of the notebook's paper; of a notebook of no paper those of all."""
    own = _named("method", notebook, every)
    if own:
        names = {"method": "step by step", "idea": "the idea in a small world"}
        parts = [other for name in names for other in _named(name, notebook, every)]
        links = [_link(names[other.path.stem], other.path, notebook) for other in parts]
        return f"{paper_name(notebook.path.parent.name)}, {', '.join(links)}"
    methods = [other for other in every if other.path.stem == "method"]
    links = [_link(paper_name(m.path.parent.name), m.path, notebook) for m in methods]
    return ", ".join(links)


def _named(stem: str, notebook: Notebook, every: list[Notebook]) -> list[Notebook]:
    """The notebook of this name in the same paper's folder; none outside papers' folders."""
    folder = notebook.path.parent
    return [
        other
        for other in every
        if folder != FOLDER and other.path.parent == folder and other.path.stem == stem
    ]


def _results(notebook: Notebook) -> str:
    pages = results_of(notebook.artifact)
    links = [_link(dataset, page, notebook) for dataset, page in pages.items()]
    index = _link("all tables and figures", _of_checkout("results/README.md"), notebook)
    return ", ".join([*links, index])


def _titled(other: Notebook, notebook: Notebook) -> str:
    return _link(other.title, other.path, notebook)


def _link(text: str, target: Path, notebook: Notebook) -> str:
    address = Path(os.path.relpath(target, notebook.path.parent)).as_posix()
    return f"[{text}]({address})"


def _of_checkout(page: str) -> Path:
    """A page of the repository; beside the notebooks, where these are shipped without it."""
    return (CHECKOUT or FOLDER.parent) / page


def _short(notebook: Notebook) -> str:
    """ "Table 3" of `table3_branches`, "start here" of `start_here`."""
    name = notebook.artifact.split("/")[1]
    numbered = re.fullmatch(r"(table|figure)(\d+)", name)
    return f"{numbered[1].capitalize()} {numbered[2]}" if numbered else name.replace("_", " ")


def furnish(notebook: Notebook, every: list[Notebook]) -> bool:
    """Write the navigation as the last cell, and fold the cell of parameters. Nothing else of the
    file changes. Returns whether anything did.
    """
    before = notebook.path.read_text(encoding="utf-8")
    book = nbformat.reads(before, 4)
    book.cells = [cell for cell in book.cells if TAG not in cell.metadata.get("tags", [])]
    for cell in book.cells:
        if PARAMETERS in cell.metadata.get("tags", []):
            cell.metadata = nbformat.from_dict(folded())
    text = navigation(notebook, every)
    book.cells.append(nbformat.v4.new_markdown_cell(text, id=TAG, metadata={"tags": [TAG]}))
    after = nbformat.writes(book, 4) + "\n"
    if after == before:
        return False
    partial = notebook.path.with_name(notebook.path.name + ".partial")
    partial.write_text(after, encoding="utf-8")
    os.replace(partial, notebook.path)
    return True


if __name__ == "__main__":
    known = notebooks()
    changed = sum(furnish(notebook, known) for notebook in known)
    print(f"{changed} of {len(known)} notebooks changed")
    reading_time.write(_of_checkout(PAGES["all notebooks with aim and time"]), known)
