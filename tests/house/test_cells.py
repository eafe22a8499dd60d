"""Cells can be read aloud: names say what a thing is, and a line does one thing."""

import ast
import re
from collections.abc import Iterator

import nbformat
import pytest

from tests.house.test_notebooks import NOTEBOOKS, code, name

FILLER = {
    *("found", "here", "made", "mine", "one", "own", "said", "shown", "taken", "these"),
    *("asked", "both", "each", "every", "given", "those", "told"),
}
INDICES = {"i", "j", "k", "_"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
MATHS = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.S)
WORDS = re.compile(r"\\(?:text|mathrm|operatorname)\{[^}]*\}|\\[A-Za-z]+")


def symbols(book: nbformat.NotebookNode) -> set[str]:
    """The letters of the formulas of a notebook: beside its formula a line may use its letter."""
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    maths = " ".join(display or inline for display, inline in MATHS.findall(text))
    return set(re.findall(r"[A-Za-z]", WORDS.sub(" ", maths)))


def bound(tree: ast.AST) -> Iterator[str]:
    """All names that a cell gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def unnamed(tree: ast.AST, letters: set[str]) -> list[str]:
    """Names that do not say what a thing is."""
    short = [n for n in bound(tree) if len(n) == 1 and n not in INDICES | letters]
    return short + [n for n in bound(tree) if n in FILLER]


def crowded(tree: ast.AST) -> list[str]:
    """What does several things in one line."""
    return [ast.unparse(node) for node in ast.walk(tree) if is_crowded(node)]


def is_crowded(node: ast.AST) -> bool:
    """A tuple of unlike things, a walrus, a comprehension in another one or of three clauses."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
        return isinstance(node.value, ast.Tuple) and not alike(node.value.elts)
    if isinstance(node, COMPREHENSIONS):
        inner = [part for part in ast.walk(node) if isinstance(part, COMPREHENSIONS)]
        clauses = sum(1 + len(generator.ifs) for generator in node.generators)
        return len(inner) > 1 or clauses > 2
    return isinstance(node, ast.NamedExpr)


def alike(values: list[ast.expr]) -> bool:
    """Whether all are of one form, and calls of one function."""
    forms = {(type(v), ast.dump(v.func) if isinstance(v, ast.Call) else "") for v in values}
    return len(forms) == 1


def offenders(judge) -> dict[str, list[str]]:
    """Notebook -> what its cells do not keep."""
    seen = {}
    for path in NOTEBOOKS:
        book = nbformat.read(path, 4)
        letters = symbols(book)
        seen[name(path)] = [
            offence for cell in code(book) for offence in judge(ast.parse(cell.source), letters)
        ]
    return {path: offences for path, offences in seen.items() if offences}


def test_names_in_cells_say_what_a_thing_is():
    assert offenders(unnamed) == {}


def test_a_line_of_a_cell_does_one_thing():
    assert offenders(lambda tree, _: crowded(tree)) == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("v = 1", ["v"]),
        ("[k for k in range(3)]", []),
        ("x = 1", []),
        ("found = [here for here in []]", ["found", "here"]),
        ("def f(one): pass", ["f", "one"]),
    ],
)
def test_filler_and_letters_are_seen(source, expected):
    assert sorted(unnamed(ast.parse(source), {"x"})) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        "rows, count = {}, 3",
        "data, close = f(1), g(2)",
        "y = {k: v for k in [1] if (v := k)}",
        "x = [[1 for i in k] for k in y]",
        "x = [1 for i in y for j in i for k in j]",
    ],
)
def test_crowded_lines_are_seen(source):
    assert crowded(ast.parse(source))


@pytest.mark.parametrize(
    "source", ["rows, lines = {}, {}", "low, high = f(x)", "x = [i for i in y if i]"]
)
def test_plain_lines_are_not(source):
    assert crowded(ast.parse(source)) == []
