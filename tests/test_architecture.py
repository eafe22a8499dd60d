"""The order of the house: who may import whom, how long things may get, and what is never unpickled."""

import ast
import statistics
from pathlib import Path

import pytest

from wtal_core.source import PACKAGE, file_of, imports

ROOT = PACKAGE.parent
CORE = sorted(PACKAGE.glob("**/*.py"))
PYTHON = sorted([*CORE, *(ROOT / "tests").glob("*.py"), *(ROOT / "benchmarks").glob("**/*.py")])
GROUND = {"errors", "segments", "timebase"}
# part -> the parts that it may import, besides itself: downwards only
ORDER = {
    "cli": {"report", "runs", "evaluation", "data", *GROUND},
    "report": {"runs", "evaluation", "localization", "data", *GROUND},
    "runs": {"models", "evaluation", "data", "packed", "source", *GROUND},
    "models": {"losses", "localization", "packed", *GROUND},
    "losses": {"packed", *GROUND},
    "localization": {*GROUND},
    "evaluation": {"data", *GROUND},
    "data": {*GROUND},
    "packed": set(), "source": set(), "errors": set(), "segments": set(), "timebase": set(), "__init__": set()}
RECORDS = {"runs/__init__.py", "runs/results.py", "runs/store.py"}                  # all that `report` may know of runs
TRAINING = {"runs/train.py", "runs/sweep.py"}
PICTURES = {"matplotlib", "seaborn", "plotly", "ipywidgets", "IPython"}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def part(path: Path) -> str:
    """"models" of `models/facnet.py`, "packed" of `packed.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[Path]:
    """The files of the core that a file imports; of a package and a module in it only the module."""
    return {file for module in imports(path) if (file := file_of(module)) and file != PACKAGE / "__init__.py"}


def reached(path: Path) -> set[str]:
    """The files of the core that come with a file."""
    done, waiting = set(), [path]
    while waiting:
        file = waiting.pop()
        if file not in done:
            done.add(file)
            waiting.extend(imported(file))
    return {name(file) for file in done}


def third_party(path: Path) -> set[str]:
    """Top names of all modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and number of lines of each function, decorators left out."""
    return [(f"{name(path)}:{node.name}", node.end_lineno - node.lineno + 1) for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", CORE, ids=name)
def test_imports_go_downwards_only(path):
    allowed = {*ORDER[part(path)], part(path)}
    assert not {name(file) for file in imported(path) if part(file) not in allowed}


def test_a_report_reads_records_and_never_trains():
    for path in (p for p in CORE if part(p) == "report"):
        assert {name(file) for file in imported(path) if part(file) == "runs"} <= RECORDS
        assert not reached(path) & TRAINING, name(path)


def test_only_reports_draw():
    for path in (p for p in CORE if part(p) != "report"):
        assert not third_party(path) & PICTURES, name(path)
    for path in (p for p in CORE if part(p) in ("models", "losses", "localization", "evaluation", "data")):
        assert not any(file.startswith("report/") for file in reached(path)), name(path)


def test_seconds_and_snippets_are_converted_in_one_place():
    """Nothing else reckons with fps and stride; the cutting of recordings into bags counts raw samples, not snippets."""
    for path in (p for p in CORE if name(p) not in ("timebase.py", "data/bags.py")):
        reckoned = {inner.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.BinOp)
                    for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
        assert not reckoned & {"fps", "stride"}, name(path)


def test_every_part_has_a_place_in_the_order():
    assert {part(path) for path in CORE} <= set(ORDER)
    for upper, lower in ((a, b) for a in ORDER for b in ORDER[a]):
        assert upper not in ORDER[lower], f"{upper} and {lower} may not import each other"


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_files_and_functions_are_short(path):
    assert len(path.read_text().splitlines()) <= 300
    assert [(where, lines) for where, lines in functions(path) if lines > 40] == []
    assert path.name != "utils.py"


def test_the_median_function_is_short():
    assert statistics.median(lines for path in CORE for _, lines in functions(path)) <= 10


@pytest.mark.parametrize("path", [*CORE, *(ROOT / "benchmarks").glob("**/*.py")], ids=name)
def test_nothing_untrusted_is_unpickled(path):
    for call in calls(path):
        constants = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
        assert constants.get("allow_pickle") is not True
        assert constants.get("weights_only") is not False
        if ast.unparse(call.func) == "torch.load":
            assert constants.get("weights_only") is True
    if name(path) != "data/restricted_pickle.py":
        assert not third_party(path) & {"pickle", "joblib", "dill", "cloudpickle", "shelve"}


def test_committed_notebooks_unpickle_nothing():
    text = "".join(path.read_text() for path in (ROOT / "notebooks").glob("**/*.ipynb"))
    assert "allow_pickle=True" not in text and "weights_only=False" not in text
