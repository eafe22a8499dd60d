"""The rules that committed notebooks keep, so that papermill and nbval can be trusted with them."""

import ast
import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.runs import notebooks, reproduce

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("**/*.ipynb"))
ARTIFACTS = [n for n in NOTEBOOKS if notebooks.NAME.fullmatch(n.stem)]
FORBIDDEN = ("clear_output", "display_id", "from rich", "import rich", "widgets.Output", "%matplotlib", "sys.exit")
EXPECTED = {"facnet": {"method", *(f"table{n}" for n in range(1, 5)), *(f"figure{n}" for n in (1, 4, 5, 6, 7, 8))},
            "backtal": {"method", *(f"table{n}" for n in range(1, 14)), *(f"figure{n}" for n in (2, 4, 5, 7, 8, 9, 10))},
            "ten": {"method", "gradients", *(f"table{n}" for n in range(1, 7)), *(f"figure{n}" for n in (4, 5))},
            "gaufuse": {"method", "linpro", *(f"table{n}" for n in range(1, 6)), *(f"figure{n}" for n in (3, 4))}}


def place(artifact: str) -> tuple[bool, bool, int, str]:
    """Tables by number, then figures by number, then the other notebooks by name."""
    short, number = artifact.split("/")[1], re.search(r"\d+", artifact)
    return number is None, short.startswith("figure"), int(number[0]) if number else 0, short


def name(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def code(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=name)
def path(request) -> Path:
    return request.param


@pytest.fixture
def book(path) -> nbformat.NotebookNode:
    return nbformat.read(path, 4)


def test_every_promised_notebook_is_there():
    for paper, names in EXPECTED.items():
        promised = sorted((f"{paper}/{name}" for name in names), key=place)
        assert [notebook.artifact for notebook in notebooks.find_notebooks((paper,))] == promised
    tools = {"protocols", "reported_numbers", "diagnose"}
    assert {"start_here", "simulated_data", *tools} <= {p.stem for p in FOLDER.glob("*.ipynb")}


def test_is_executed_in_order_and_without_error(book):
    assert [cell.execution_count for cell in code(book)] == list(range(1, len(code(book)) + 1))
    assert not [o for cell in code(book) for o in cell.outputs if o.output_type == "error"]


def test_shows_something(book):
    assert sum(len(cell.outputs) for cell in code(book)) >= 3


def test_has_one_parameters_cell_of_literals(path, book):
    tagged = [cell for cell in code(book) if "parameters" in cell.metadata.get("tags", [])]
    if path not in ARTIFACTS and not tagged:
        return
    assert len(tagged) == 1
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Constant), "a literal with a type"
    given = papermill.inspect_notebook(str(path))
    assert path not in ARTIFACTS or set(given) == {"dataset", "profile", "seeds", "device", "store", "jobs"}
    assert all(entry["help"] for entry in given.values())


def test_metadata_is_clean(book):
    assert set(book.metadata) <= {"kernelspec", "language_info"} and book.metadata.kernelspec.name == "python3"
    assert all(set(cell.metadata) <= {"tags"} for cell in book.cells)


def test_cells_are_few_and_short(book):
    assert 12 <= len(book.cells) <= 40
    assert not [cell.source for cell in code(book) if len(cell.source.splitlines()) > 15]
    for cell in code(book):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 5, f"move {node.name} to the core"


def test_uses_nothing_that_nbval_cannot_compare(book):
    assert not [word for cell in code(book) for word in FORBIDDEN if word in cell.source]


def test_outputs_name_no_machine_and_no_address(path):
    outputs = [o for cell in json.loads(path.read_text())["cells"] for o in cell.get("outputs", [])]
    text = json.dumps([{k: v for k, v in (o.get("data") or o).items() if k != "image/png"} for o in outputs])
    assert not re.search(r"0x[0-9a-f]{6,}|/home/|/root/|/work/|/tmp/", text)
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize("path", ARTIFACTS, ids=name)
def test_artifact_has_the_skeleton(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    for part in ("paper's claim", "**Cost.**", "## The idea", "## What differs from paper and code", "## Exercises"):
        assert part in text


@pytest.mark.parametrize("path", ARTIFACTS, ids=name)
def test_artifact_states_where_its_numbers_are_from(path):
    text = path.read_text()
    assert "(simulated data)" in text or "eported" in text


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(WorkbookError, match="no parameter 'sedes'"):
        notebooks.execute(ARTIFACTS[0], tmp_path / "out.ipynb", {"sedes": 5})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), (1, 2), {1: 2}, Path("x")])
def test_parameters_that_json_would_change_are_refused(value):
    with pytest.raises(WorkbookError, match="not a plain JSON value"):
        notebooks.check_parameters(ARTIFACTS[0], {"dataset": value})


def test_unknown_artifact_is_refused():
    with pytest.raises(WorkbookError, match="unknown artifact 'facnet/table9'"):
        notebooks.find_notebooks(("facnet/table9",))


def write_notebook(path: Path, *sources: str) -> None:
    first = nbformat.v4.new_code_cell("".join(f'{p}: str = ""  # x\n' for p in ("dataset", "profile", "device", "store"))
                                      + "seeds: int = 1  # x\njobs: int = 1  # x", metadata={"tags": ["parameters"]})
    cells = [nbformat.v4.new_markdown_cell("# A title"), first, *map(nbformat.v4.new_code_cell, sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@pytest.mark.filterwarnings("default")
def test_a_failure_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    paper = tmp_path / "notebooks" / "paper"
    paper.mkdir(parents=True)
    write_notebook(paper / "table1_bad.ipynb", "raise ValueError('broken here')", "1")
    write_notebook(paper / "table2_good.ipynb", "print(dataset)")
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    said: list[str] = []
    parameters = {"dataset": "simulated", "profile": "quick", "seeds": 1, "device": "cpu", "jobs": 1}
    assert reproduce.reproduce((), tmp_path / "results", parameters, said.append) == 1
    folder = tmp_path / "results" / "simulated" / "paper"
    assert sorted(p.name for p in folder.iterdir()) == ["table1_bad.failed.ipynb", "table2_good.ipynb"]
    assert any("FAILED" in line and "broken here" in line for line in said) and said[-1] == "failed: paper/table1"
    assert (tmp_path / "results" / "README.md").exists()
