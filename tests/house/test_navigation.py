"""Every notebook says where to go from it, and every page of docs/ knows every notebook."""

import re
from itertools import pairwise

import nbformat
import pytest

from tests.places import ROOT
from wtal_core.papers.manifests import known_methods
from wtal_core.workbook import navigation, reading_time
from wtal_core.workbook.artifacts import FOLDER, Notebook
from wtal_core.workbook.cells import PARAMETERS, folded

EVERY = navigation.notebooks()
LINK = re.compile(r"\]\(([^)#]+)\)")
REMEDY = "`make navigation` writes it"
# | [title](../notebooks/place.ipynb) | aim | minutes to read | to run |
ROW = re.compile(r"^\| \[[^|]+\]\(\.\./notebooks/([^)]+)\) \| ([^|]{20,}) \| (\d+) \| ([^|]+) \|$")


def read(notebook: Notebook) -> nbformat.NotebookNode:
    return nbformat.read(notebook.path, 4)


def names(offenders: list[Notebook]) -> list[str]:
    return [notebook.path.relative_to(FOLDER).as_posix() for notebook in offenders]


def test_the_last_cell_of_every_notebook_says_where_to_go():
    def keeps(notebook):
        last = read(notebook).cells[-1]
        tagged = last.metadata == {"tags": [navigation.TAG]} and last.id == navigation.TAG
        return tagged and last.source == navigation.navigation(notebook, EVERY)

    assert names([n for n in EVERY if not keeps(n)]) == [], REMEDY


def test_no_other_cell_does():
    tagged = {
        name: [navigation.TAG in cell.metadata.get("tags", []) for cell in read(notebook).cells]
        for name, notebook in zip(names(EVERY), EVERY, strict=True)
    }
    assert [name for name, cells in tagged.items() if sum(cells) != 1] == [], REMEDY


def test_the_cell_of_parameters_is_folded():
    def keeps(notebook):
        cells = [c for c in read(notebook).cells if PARAMETERS in c.metadata.get("tags", [])]
        return all(cell.metadata == folded() for cell in cells)

    assert names([n for n in EVERY if not keeps(n)]) == [], REMEDY


def test_every_link_leads_to_a_file():
    broken = [
        f"{notebook.artifact}: {link}"
        for notebook in EVERY
        for link in LINK.findall(navigation.navigation(notebook, EVERY))
        if not (notebook.path.parent / link).is_file()
    ]
    assert broken == []


def test_the_entrance_reaches_every_notebook():
    (entrance,) = [notebook for notebook in EVERY if notebook.path.stem == navigation.ENTRANCE]
    links = LINK.findall(navigation.navigation(entrance, EVERY))
    reached = {(entrance.path.parent / link).resolve() for link in links}
    assert names([n for n in EVERY if n.path not in reached | {entrance.path}]) == []


def test_every_notebook_reaches_the_entrance_its_method_and_its_results():
    for notebook in EVERY:
        links = LINK.findall(navigation.navigation(notebook, EVERY))
        reached = {(notebook.path.parent / link).resolve() for link in links}
        if notebook.path.stem != navigation.ENTRANCE:
            assert FOLDER / f"{navigation.ENTRANCE}.ipynb" in reached
        if notebook.path.parent.name in navigation.PAPERS:
            assert notebook.path.parent / "method.ipynb" in reached
        assert set(navigation.results_of(notebook.artifact).values()) <= reached
        assert ROOT / "docs" / "glossary.md" in reached


def test_next_and_before_are_one_chain():
    """Whoever follows "next" from the first notebook sees each once."""
    for before, after in pairwise(EVERY):
        assert f"* **Next:** [{after.title}](" in navigation.navigation(before, EVERY)
        assert f"* **Before:** [{before.title}](" in navigation.navigation(after, EVERY)


def test_the_learning_path_lists_every_notebook_with_aim_and_time():
    page = (ROOT / "docs" / "learning_path.md").read_text()
    rows = [match for line in page.splitlines() if (match := ROW.match(line))]
    assert sorted(row[1] for row in rows) == sorted(names(EVERY))


def test_a_notebook_takes_as_long_as_the_learning_path_says():
    """The minutes have one source, the tables of the page; what is stated elsewhere is the same."""
    page = (ROOT / "docs" / "learning_path.md").read_text()
    minutes = {row[2]: row[3] for row in reading_time.ROW.finditer(page)}
    ways = [(way[2], way[3]) for way in reading_time.WAY.finditer(page)]
    for name, notebook in zip(names(EVERY), EVERY, strict=True):
        ways += [
            (name, said[2]) for said in reading_time.STATED.finditer(notebook.path.read_text())
        ]
    assert len(ways) >= 18
    assert [way for way in ways if minutes[way[0]] != way[1]] == [], REMEDY


def test_the_minutes_are_what_the_rule_of_the_page_gives():
    """To one step: what a notebook shows may have changed a little since."""
    page = (ROOT / "docs" / "learning_path.md").read_text()
    minutes = {row[2]: int(row[3]) for row in reading_time.ROW.finditer(page)}
    rule = reading_time.estimates(EVERY)
    assert minutes.keys() == rule.keys()
    far = [name for name in rule if abs(rule[name] - minutes[name]) > reading_time.STEP]
    assert far == [], REMEDY


def test_the_glossary_explains_thirty_words_each_once():
    page = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert len(words) == len(set(words)) >= 30


@pytest.mark.parametrize("name", ["chapter_zero.ipynb", "start_here.ipynb"])
def test_first_notebooks_end_with_five_folded_answers(name):
    cells = nbformat.read(FOLDER / name, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    questions = re.search(r"^## Five questions\n.*?(?=^## |\Z)", text, re.M | re.S)[0]
    assert questions.count("<details>") == questions.count("</details>") == 5


def test_furnishing_changes_nothing_else_and_only_once(tmp_path, monkeypatch):
    copy = Notebook(EVERY[1].artifact, tmp_path / EVERY[1].path.name)
    copy.path.write_bytes(EVERY[1].path.read_bytes())
    before = read(copy)
    monkeypatch.setattr(navigation, "navigation", lambda notebook, every: "another text")
    assert navigation.furnish(copy, EVERY)
    assert not navigation.furnish(copy, EVERY)
    after = read(copy)
    assert after.cells[-1].source == "another text"
    kept = [cell for cell in before.cells if navigation.TAG not in cell.metadata.get("tags", [])]
    assert [c.source for c in after.cells[:-1]] == [c.source for c in kept]
    assert [c.id for c in after.cells[:-1]] == [c.id for c in kept]
    assert [c.get("outputs") for c in after.cells[:-1]] == [c.get("outputs") for c in kept]


def test_the_bibliography_has_every_method_with_its_paper():
    page = (ROOT / "docs" / "bibliography.md").read_text()
    rows = re.findall(
        r"^\| \*\*([^*]+)\*\*[^|]* \| [^|]+: \*[^|]+\* \| [^|]*\d{4}[^|]* \|", page, re.M
    )
    listed = {"TEN" if name == "TEN + BGES" else name for name in rows}
    assert set(known_methods()) <= listed
