"""The rules that committed notebooks keep, so that papermill and nbval can be trusted with them."""

import ast
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
import pytest

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.models import method, method_names
from wtal_core.workbook import artifacts, execution, reproduce
from wtal_core.workbook.cells import folded
from wtal_core.workbook.navigation import TAG

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("**/*.ipynb"))
ARTIFACTS = [n for n in NOTEBOOKS if artifacts.NAME.fullmatch(n.stem)]
PARAMETERS = {"dataset", "profile", "seeds", "device", "store", "jobs"}
FORBIDDEN = (
    "clear_output",
    "display_id",
    "from rich",
    "import rich",
    "widgets.Output",
    "%matplotlib",
    "sys.exit",
)
UNLINKED = {"idea", "swap"}  # worlds of ours; their method page links the paper
EXPECTED = {
    "facnet": {
        "idea",
        "method",
        "swap",
        *(f"table{n}" for n in range(1, 6)),
        *(f"figure{n}" for n in (1, 4, 5, 6, 7, 8)),
    },
    "backtal": {
        "idea",
        "method",
        "starts",
        *(f"table{n}" for n in range(1, 14)),
        *(f"figure{n}" for n in (2, 4, 5, 7, 8, 9, 10)),
    },
    "ten": {
        "idea",
        "method",
        "gradients",
        "starts",
        *(f"table{n}" for n in range(1, 7)),
        *(f"figure{n}" for n in (4, 5)),
    },
    "gaufuse": {
        "idea",
        "method",
        "linpro",
        "rskp",
        *(f"table{n}" for n in range(1, 6)),
        *(f"figure{n}" for n in (3, 4)),
    },
}


def place(artifact: str) -> tuple[bool, bool, int, str]:
    """Tables by number, then figures by number, then the other notebooks by name."""
    short, number = artifact.split("/")[1], re.search(r"\d+", artifact)
    return number is None, short.startswith("figure"), int(number[0]) if number else 0, short


def name(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def code(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def offenders(keeps: Callable[[Path, nbformat.NotebookNode], bool], paths=NOTEBOOKS) -> list[str]:
    """The notebooks that do not keep a rule."""
    return [name(path) for path in paths if not keeps(path, nbformat.read(path, 4))]


def test_every_promised_notebook_is_there():
    for paper, names in EXPECTED.items():
        promised = sorted((f"{paper}/{name}" for name in names), key=place)
        assert [notebook.artifact for notebook in artifacts.find_notebooks((paper,))] == promised
    tools = {"protocols", "reported_numbers", "diagnose", "real_fusion", "your_own_videos"}
    assert {
        "chapter_zero",
        "start_here",
        "simulated_data",
        "calibration",
        "ladder",
        "predictions",
        *tools,
    } <= {p.stem for p in FOLDER.glob("*.ipynb")}


def test_all_are_executed_in_order_and_without_error():
    def keeps(path, book):
        counts = [cell.execution_count for cell in code(book)]
        kinds = {output.output_type for cell in code(book) for output in cell.outputs}
        return counts == list(range(1, len(counts) + 1)) and "error" not in kinds

    assert offenders(keeps) == []


def test_all_show_something():
    assert offenders(lambda _, book: sum(len(cell.outputs) for cell in code(book)) >= 3) == []


def test_parameters_are_one_cell_of_typed_literals_with_help():
    def keeps(path, book):
        tagged = [cell for cell in code(book) if "parameters" in cell.metadata.get("tags", [])]
        if not tagged:
            return path not in ARTIFACTS
        statements = ast.parse(tagged[0].source).body
        literal = all(
            isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Constant)
            for statement in statements
        )
        given = papermill.inspect_notebook(str(path))
        complete = path not in ARTIFACTS or set(given) == PARAMETERS
        return len(tagged) == 1 and literal and complete and all(p["help"] for p in given.values())

    assert offenders(keeps) == []


def test_metadata_is_clean():
    def keeps(path, book):
        extra = set(book.metadata) - {"kernelspec", "language_info"}
        cells = all(
            set(cell.metadata) <= {"tags"} or cell.metadata == folded() for cell in book.cells
        )
        return not extra and cells and book.metadata.kernelspec.name == "python3"

    assert offenders(keeps) == []


def test_cells_are_few_and_short():
    """Imports do not count: a cell of them is as long as it must be. Nor does the last cell, which
    `make navigation` writes.
    """

    def keeps(path, book):
        sources = [cell.source for cell in code(book)]
        statements = [
            [line for line in source.splitlines() if not line.startswith(("import ", "from "))]
            for source in sources
        ]
        written = [cell for cell in book.cells if TAG not in cell.metadata.get("tags", [])]
        return 12 <= len(written) <= 40 and all(len(lines) <= 15 for lines in statements)

    assert offenders(keeps) == []


def test_functions_of_more_than_five_lines_live_in_the_core():
    def keeps(path, book):
        trees = [ast.parse(cell.source) for cell in code(book)]
        functions = [n for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef)]
        return all(node.end_lineno - node.lineno < 5 for node in functions)

    assert offenders(keeps) == []


def test_nothing_is_used_that_nbval_cannot_compare():
    """A semicolon at the end hides an output from Jupyter and not from nbval."""

    def keeps(path, book):
        sources = [cell.source for cell in code(book)]
        shown = not any(source.rstrip().endswith(";") for source in sources)
        return shown and not any(word in source for source in sources for word in FORBIDDEN)

    assert offenders(keeps) == []


def test_outputs_name_no_machine_and_no_address_and_are_small():
    def keeps(path, book):
        outputs = [output for cell in code(book) for output in cell.outputs]
        texts = [{**(output.get("data") or output), "image/png": ""} for output in outputs]
        words = re.sub(r"base64,[A-Za-z0-9+/=]+", "", json.dumps(texts))
        private = re.search(r"0x[0-9a-f]{6,}|/home/|/root/|/work/|/tmp/", words)
        return not private and path.stat().st_size < 1_500_000

    assert offenders(keeps) == []


def test_artifacts_have_the_skeleton():
    parts = (
        "paper's claim",
        "**Cost.**",
        "## The idea",
        "## What differs from paper and code",
        "## Exercises",
    )

    def keeps(path, book):
        text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
        return all(part in text for part in parts)

    assert offenders(keeps, ARTIFACTS) == []


def test_artifacts_end_with_what_they_say():
    """A heading, and below it one call that makes the words from verdicts or numbers."""

    def keeps(path, book):
        headings = [
            number
            for number, cell in enumerate(book.cells)
            if cell.source.startswith("## What it says here")
        ]
        if len(headings) != 1:
            return False
        said = book.cells[headings[0] + 1]
        words = [text for output in said.outputs for text in output.get("data", {})]
        calls = any(line.startswith("conclusions.") for line in said.source.splitlines())
        after = "".join(cell.source for cell in book.cells[headings[0] + 2 :])
        return calls and "text/markdown" in words and "## Exercises" in after

    assert offenders(keeps, ARTIFACTS) == []


def exercises(book: nbformat.NotebookNode) -> list[str]:
    """The exercises of a notebook, each with its solution."""
    text = "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    sections = re.findall(r"^## Exercises.*?(?=^## |\Z)", text, re.M | re.S)
    return [
        part
        for section in sections
        for part in re.split(r"^\*\*\d+\.\*\* ", section, flags=re.M)[1:]
    ]


def headed(book: nbformat.NotebookNode) -> bool:
    """Whether a notebook has a section of exercises."""
    return any(re.search(r"^#+ Exercise", cell.source, re.M) for cell in book.cells)


def test_exercises_have_a_time_and_a_folded_solution():
    form = re.compile(
        r"\(\d+ min, (change one argument|move a slider|read|work out)\) .+?\n\n"
        r"<details><summary>Solution</summary>\n\n.+?\n\n</details>\s*",
        re.S,
    )

    def keeps(path, book):
        asked = exercises(book)
        solved = all(form.fullmatch(exercise) for exercise in asked)
        return solved and (len(asked) >= 2 or (path not in ARTIFACTS and not headed(book)))

    assert offenders(keeps) == []


ANSWERED = re.compile(r"answered\(|\bassert\b|\bprint\(")
OTHER_TRAININGS = {"your_own_videos"}  # whose every exercise asks for another training of its own


def test_exercises_are_followed_by_a_cell_that_computes_their_answers():
    """Numbers in solutions go stale; a cell that computes them does not."""

    def keeps(path, book):
        places = [i for i, cell in enumerate(book.cells) if "## Exercises" in cell.source]
        if not places or path.stem in OTHER_TRAININGS:
            return True
        following = book.cells[places[0] + 1]
        return following.cell_type == "code" and bool(ANSWERED.search(following.source))

    assert offenders(keeps) == []


BY_HAND = re.compile(r"\(\d+ min, (change|move)")


def test_half_of_the_exercises_take_one_argument_or_a_slider():
    asked = [text for path in NOTEBOOKS for text in exercises(nbformat.read(path, 4))]
    by_hand = [text for text in asked if BY_HAND.match(text)]
    assert len(asked) > 150 and 2 * len(by_hand) >= len(asked)


def test_so_do_half_of_those_of_every_method():
    def keeps(path, book):
        asked = exercises(book)
        return 2 * sum(bool(BY_HAND.match(exercise)) for exercise in asked) >= len(asked) >= 3

    methods = [path for path in NOTEBOOKS if path.stem in ("method", "rskp")]
    assert len(methods) == 5 and offenders(keeps, methods) == []


def test_arguments_that_exercises_name_are_fields():
    """What an exercise says to change can be changed."""
    fields = {
        name
        for method_name in method_names()
        for config in method(method_name).profiles.values()
        for part in (config, *vars(config).values())
        if dataclasses.is_dataclass(part)
        for name in (field.name for field in dataclasses.fields(part))
    }
    unknown = {
        f"{name(path)}: {argument}"
        for path in ARTIFACTS
        for text in exercises(nbformat.read(path, 4))
        for call in re.findall(r"replace\([\w.]+(?:\([\w.\"]*\))?, ([^`]*)\)`", text)
        for argument in re.findall(r"(\w+)=", call)
        if argument not in fields
    }
    assert unknown == set()


def test_no_table_of_an_artifact_is_cut_or_holds_what_is_no_number():
    """Cells of committed tables: no ellipsis, no NaN, no dictionary."""
    cell = re.compile(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", re.S)
    bad = re.compile(r"…|\.\.\.|\bnan\b|^\{.*\}$", re.I)

    def keeps(path, book):
        tables = [
            "".join(output.data["text/html"])
            for part in code(book)
            for output in part.outputs
            if "text/html" in output.get("data", {})
        ]
        return not any(bad.search(text) for table in tables for text in cell.findall(table))

    assert offenders(keeps, ARTIFACTS) == []


def texts(output: nbformat.NotebookNode) -> list[str]:
    """What is read of an output: cells of tables, plain text, Markdown, what is printed."""
    data = output.get("data", {})
    cells = re.findall(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", "".join(data.get("text/html", "")), re.S)
    others = [data.get("text/plain", ""), data.get("text/markdown", ""), output.get("text", "")]
    return [*cells, *map("".join, others)]


NO_NUMBER = re.compile(r"\bnan\b|\bNaT\b|\{'[^']*':|^\{[^\n]*\}$", re.I)


def test_no_output_holds_nan_or_a_dictionary():
    def keeps(path, book):
        outputs = [output for part in code(book) for output in part.outputs]
        return not any(NO_NUMBER.search(text) for output in outputs for text in texts(output))

    assert offenders(keeps) == []


@pytest.mark.parametrize(
    ("output", "offends"),
    [
        ({"text": "by verdict: {'agrees': 159}"}, True),
        ({"data": {"text/plain": "a  NaN"}}, True),
        ({"data": {"text/html": "<td>1</td><td >nan</td>"}}, True),
        ({"data": {"text/html": '<table id="nan"><td>–</td>'}}, False),
        ({"text": "banana {0.1, 0.2}: 159"}, False),
    ],
)
def test_what_is_no_number_is_seen(output, offends):
    assert any(map(NO_NUMBER.search, texts(output))) is offends


def test_every_picture_has_words():
    """Read aloud in Jupyter and in the book; without them a page says that there are none."""

    def keeps(path, book):
        outputs = [output for part in code(book) for output in part.outputs]
        drawn = [
            output.metadata.get(kind, {}).get("alt")
            for output in outputs
            for kind in ("image/png", "image/svg+xml")
            if kind in output.get("data", {})
        ]
        return all(drawn)

    assert offenders(keeps) == []


def test_every_figure_that_steps_holds_a_small_still_with_words():
    """What is seen where no script runs, as on a page of a repository."""
    still = re.compile(r'<img alt="([^"]+)" src="(data:image/svg\+xml;base64,[^"]+)">')

    def keeps(path, book):
        pages = [
            "".join(output.data["text/html"])
            for part in code(book)
            for output in part.outputs
            if 'class="wtal-steps"' in "".join(output.get("data", {}).get("text/html", ""))
        ]
        stills = [still.findall(page) for page in pages]
        return all(len(found) == 1 and len(found[0][1]) < 40_000 for found in stills)

    assert offenders(keeps) == []


def test_artifacts_state_where_their_numbers_are_from():
    def keeps(path, book):
        return re.search("Simulated, version|; real data|eported", path.read_text())

    assert offenders(keeps, ARTIFACTS) == []


def test_notebooks_of_a_paper_link_it():
    papers = [path for path in NOTEBOOKS if path.parent != FOLDER and path.stem not in UNLINKED]

    def keeps(path, book):
        return re.search(r"\]\(https://arxiv\.org/abs/[\d.]+\)", book.cells[0].source)

    assert offenders(keeps, papers) == []


def test_a_title_names_the_data_set_of_a_paper_as_the_papers():
    def keeps(path, book):
        return not re.search(r"comparison on", book.cells[0].source.splitlines()[0])

    assert offenders(keeps) == []


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(WorkbookError, match="no parameter 'sedes'"):
        execution.execute(ARTIFACTS[0], tmp_path / "out.ipynb", {"sedes": 5})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [float("nan"), (1, 2), {1: 2}, Path("x")])
def test_parameters_that_json_would_change_are_refused(value):
    with pytest.raises(WorkbookError, match="not a plain JSON value"):
        execution.check_parameters(ARTIFACTS[0], {"dataset": value})


def test_unknown_artifact_is_refused():
    with pytest.raises(WorkbookError, match="unknown artifact 'facnet/table9'"):
        artifacts.find_notebooks(("facnet/table9",))


def test_what_a_notebook_shows_is_the_text_of_its_outputs():
    (notebook,) = artifacts.find_notebooks(("facnet/table1",))
    assert (
        "R-C3D [41]" in notebook.output_text
        and "Simulated, version 2, protocol" in notebook.output_text
    )
    assert "open_session" not in notebook.output_text and "## The idea" not in notebook.output_text


def write_notebook(path: Path, *sources: str) -> None:
    first = nbformat.v4.new_code_cell(
        "".join(f'{p}: str = ""  # x\n' for p in ("dataset", "profile", "device", "store"))
        + "seeds: int = 1  # x\njobs: int = 1  # x",
        metadata={"tags": ["parameters"]},
    )
    cells = [
        nbformat.v4.new_markdown_cell("# A title"),
        first,
        *map(nbformat.v4.new_code_cell, sources),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@pytest.mark.filterwarnings("default")
def test_a_failure_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    paper = tmp_path / "notebooks" / "paper"
    paper.mkdir(parents=True)
    write_notebook(paper / "table1_bad.ipynb", "raise ValueError('broken here')", "1")
    write_notebook(paper / "table2_good.ipynb", "print(dataset)")
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path / "notebooks")
    said: list[str] = []
    parameters = {
        "dataset": "simulated",
        "profile": "quick",
        "seeds": 1,
        "device": "cpu",
        "jobs": 1,
    }
    assert reproduce.reproduce((), tmp_path / "results", parameters, said.append) == 1
    folder = tmp_path / "results" / "simulated" / "paper"
    assert sorted(p.name for p in folder.iterdir()) == [
        "table1_bad.failed.ipynb",
        "table2_good.ipynb",
    ]
    assert (
        any("FAILED" in line and "broken here" in line for line in said)
        and said[-1] == "failed: paper/table1"
    )
    assert (tmp_path / "results" / "README.md").exists()
