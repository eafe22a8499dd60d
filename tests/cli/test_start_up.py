"""What a command imports, which is what its start costs. Times are measured by
`python -m benchmarks.start_up`; here is only what they follow from.
"""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from tests.places import ROOT

# runs a program, and prints which modules it has loaded as the last line
PROGRAM = """
import json, sys
try:
    {program}
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""
COMMAND = "from wtal_core.cli import main; main({words!r})"
TRAINING = {"torch", "sklearn", "safetensors"}
NOTEBOOKS = {"IPython", "ipykernel", "ipywidgets", "papermill", "nbformat"}
DRAWING = {"matplotlib", "PIL", "seaborn"}


def loaded(program: str) -> set[str]:
    """The top names of all modules that a fresh interpreter has after the program."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(program=program)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> set[str]:
    """What `wtal evaluate` loads."""
    folder = tmp_path_factory.mktemp("start_up")
    truth = pd.DataFrame({"video": ["v"], "label": ["A"], "t_start": [1.0], "t_end": [2.0]})
    truth.to_csv(folder / "truth.csv", index=False)
    truth.assign(score=0.5).to_csv(folder / "found.csv", index=False)
    words = ["evaluate", str(folder / "truth.csv"), str(folder / "found.csv")]
    return loaded(COMMAND.format(words=words))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["tyro", "pandas"])
def test_a_signal_while_libraries_are_imported_is_one_line(tmp_path, module, number):
    """A module of that name sends it: one that the parser needs, one that the command needs."""
    sent = f"exec('import signal; signal.raise_signal({number:d})')"
    (tmp_path / f"{module}.py").write_text(f"{sent}\n")
    for name in ("truth", "found"):
        (tmp_path / f"{name}.csv").write_text("video,label,t_start,t_end,score\nv,A,1,2,0.5\n")
    done = subprocess.run(
        [sys.executable, "-m", "wtal_core", "evaluate", "truth.csv", "found.csv"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 128 + number
    assert done.stderr.startswith("wtal: interrupted; the same command") and not done.stdout
    assert done.stderr.count("\n") == 1


def test_a_signal_where_python_raises_nothing_ends_the_command(tmp_path):
    program = """
import signal, weakref
from wtal_core.cli.stopping import status_of
class A: pass
def work():
    a = A()
    kept = weakref.ref(a, lambda ref: signal.raise_signal(signal.SIGINT))
    del a
    return 0
raise SystemExit(status_of(work))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 130 and done.stderr.count("\n") == 1, done.stderr


def test_help_loads_the_parser_of_arguments_alone():
    others = loaded(COMMAND.format(words=["--help"])) - set(sys.stdlib_module_names)
    parser = {"tyro", "docstring_parser", "typing_extensions"}
    # what is left may be what an environment loads at every start, such as editable installs
    ours = others - loaded("pass")
    assert ours - {"wtal_core"} <= parser


def test_an_evaluation_loads_nothing_to_train_draw_or_show_notebooks(scored):
    assert "pandas" in scored
    assert not scored & (TRAINING | NOTEBOOKS | DRAWING | {"scipy", "yaml"})


def test_a_session_of_a_notebook_loads_what_only_some_need_when_they_need_it():
    names = loaded("import wtal_core.study.session, wtal_core.report.tables")
    assert "torch" in names
    assert not names & ({"sklearn", "scipy"} | DRAWING)
