"""The order of the house: who may import whom, how long things get, what is never unpickled.

Each rule is one test, and names every place that breaks it.
"""

import ast
import statistics
from pathlib import Path

from tests.house.imports import file_of, imports
from tests.places import ROOT
from wtal_core.data.paths import PACKAGE

CORE = sorted(PACKAGE.glob("**/*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("**/*.py"))
PYTHON = sorted([*CORE, *(ROOT / "tests").glob("**/*.py"), *BENCHMARKS])
GROUND = {"checks", "errors", "ragged", "reading", "segments", "timebase"}
# part -> the parts that it may import, besides itself: downwards only
ORDER = {
    "cli": {
        "workbook",
        "pages",
        "pictures",
        "report",
        "study",
        "runs",
        "videos",
        "evaluation",
        "data",
        *GROUND,
    },
    "api": {"runs", "models", "data", *GROUND},
    "workbook": {"study", "report", "papers", "runs", "models", "evaluation", "data", *GROUND},
    "widgets": {
        "pages",
        "pictures",
        "report",
        "models",
        "localization",
        "evaluation",
        "data",
        "packed",
        *GROUND,
    },
    "pages": {"pictures", "report", "papers", "runs", "evaluation", "data", *GROUND},
    "pictures": {"report", "papers", "runs", "evaluation", "localization", "data", *GROUND},
    "report": {"papers", "runs", "evaluation", *GROUND},
    "papers": {"evaluation", "data", *GROUND},
    "study": {"runs", "models", "losses", "localization", "evaluation", "data", "packed", *GROUND},
    "runs": {"models", "evaluation", "data", "packed", *GROUND},
    "models": {"losses", "localization", "packed", *GROUND},
    "losses": {"packed", *GROUND},
    "localization": {*GROUND},
    "evaluation": {"data", *GROUND},
    "videos": {"data", *GROUND},
    "data": {*GROUND},
    "packed": set(),
    "checks": {"errors"},
    "errors": set(),
    "ragged": set(),
    "reading": {"errors"},
    "segments": {"ragged"},
    "timebase": {"errors"},
    "__init__": {"api", "pages", "study", "models", "evaluation", "data", *GROUND},  # lazily
    "__main__": {"cli"},
}
READS_RESULTS = {"report", "pages", "pictures", "widgets", "papers"}
# all that these parts may know of runs
RECORDS = {"runs/__init__.py", "runs/results.py", "runs/ledger.py"}
TRAINING = {"runs/train.py", "runs/sweep.py"}
DRAWING_PARTS = {"pages", "pictures", "widgets"}
DRAWING_LIBRARIES = {"matplotlib", "seaborn", "plotly", "ipywidgets", "IPython"}
# the restricted reader, and one that names the error of torch's own
NAME_PICKLE = {"data/restricted_pickle.py", "reading/tensors.py"}
PICKLING_LIBRARIES = {"pickle", "joblib", "dill", "cloudpickle", "shelve"}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def part(path: Path) -> str:
    """ "models" of `models/facnet.py`, "packed" of `packed.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[Path]:
    """The files of the core that a file imports; of a package and its module only the module."""
    files = {file_of(module) for module in imports(path)}
    return {file for file in files if file and file != PACKAGE / "__init__.py"}


def reached(path: Path) -> set[str]:
    """The files of the core that come with a file."""
    done: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in done:
            done.add(file)
            waiting.extend(imported(file))
    return {name(file) for file in done}


def third_party(path: Path) -> set[str]:
    """Top names of all modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def function_lengths(path: Path) -> dict[str, int]:
    """Lines of each function, decorators left out."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {f"{name(path)}:{f.name}": f.end_lineno - f.lineno + 1 for f in functions}


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_every_part_has_a_place_in_the_order():
    assert {part(path) for path in CORE} <= set(ORDER)
    both_ways = [(a, b) for a in ORDER for b in ORDER[a] if a in ORDER[b]]
    assert both_ways == []


def test_imports_go_downwards_only():
    upwards = [
        f"{name(path)} imports {name(file)}"
        for path in CORE
        for file in sorted(imported(path))
        if part(file) not in {*ORDER[part(path)], part(path)}
    ]
    assert upwards == []


def test_a_report_reads_records_and_never_trains():
    offenders = []
    for path in CORE:
        if part(path) not in READS_RESULTS:
            continue
        known = {name(file) for file in imported(path) if part(file) == "runs"}
        if not known <= RECORDS or reached(path) & TRAINING:
            offenders.append(name(path))
    assert offenders == []


def test_only_pages_pictures_and_widgets_draw():
    offenders = []
    for path in CORE:
        drawn = part(path) not in DRAWING_PARTS and third_party(path) & DRAWING_LIBRARIES
        below = part(path) in ("models", "losses", "localization", "evaluation", "data")
        drags_in = below and {file.split("/")[0] for file in reached(path)} & DRAWING_PARTS
        if drawn or drags_in:
            offenders.append(name(path))
    assert offenders == []


def test_seconds_and_snippets_are_converted_in_one_place():
    """Nothing else reckons with fps and stride; bags count raw samples, not snippets."""
    offenders = []
    for path in CORE:
        if name(path) in ("timebase.py", "data/bags.py"):
            continue
        sums = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.BinOp)]
        inner = [n for node in sums for n in ast.walk(node) if isinstance(n, ast.Attribute)]
        if {attribute.attr for attribute in inner} & {"fps", "stride"}:
            offenders.append(name(path))
    assert offenders == []


def test_functions_are_short():
    """Statements per function are limited by the linter; this limits lines."""
    lengths = {where: lines for path in CORE for where, lines in function_lengths(path).items()}
    assert {where: lines for where, lines in lengths.items() if lines > 80} == {}
    assert statistics.median(lengths.values()) <= 14


def test_no_file_is_a_drawer_of_odds_and_ends():
    assert [name(path) for path in PYTHON if path.stem in ("utils", "helpers", "misc")] == []


def test_nothing_untrusted_is_unpickled():
    offenders = []
    for path in [*CORE, *BENCHMARKS]:
        for call in calls(path):
            constants = {
                keyword.arg: keyword.value.value
                for keyword in call.keywords
                if isinstance(keyword.value, ast.Constant)
            }
            loads = ast.unparse(call.func) == "torch.load"
            if (
                constants.get("allow_pickle") is True
                or constants.get("weights_only") is False
                or (loads and constants.get("weights_only") is not True)
            ):
                offenders.append(f"{name(path)}:{call.lineno}")
        if name(path) not in NAME_PICKLE and third_party(path) & PICKLING_LIBRARIES:
            offenders.append(name(path))
    assert offenders == []


def test_committed_notebooks_unpickle_nothing():
    text = "".join(path.read_text() for path in (ROOT / "notebooks").glob("**/*.ipynb"))
    assert "allow_pickle=True" not in text
    assert "weights_only=False" not in text
