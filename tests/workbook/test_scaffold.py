"""`wtal new` writes scaffolds that work: the method trains, the notebook keeps the rules."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from tests.house import test_notebooks as rules
from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.workbook import execution
from wtal_core.workbook.scaffold import write_method, write_notebook

TRAINS = """
from dataclasses import replace
import wtal_core
from tests.tiny_dataset import tiny_dataset

method = wtal_core.method("colada")
schedule = replace(method.profiles["quick"].schedule, epochs=30, batch_size=4)
config = method.configure(method.profiles["quick"], schedule=schedule)
trained = wtal_core.train("colada", tiny_dataset(), config)
losses = [entry["total"] for entry in trained.history]
assert len(losses) == 30 and losses[-1] < losses[0] / 2, losses
assert len(trained.detections["last"]) > 0
print(trained.scores["last"]["wtalc"].average)
"""


def run(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what a checkout needs to write and train a method."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("wtal_core", "data_manifests", "tests"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "golden")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.slow
def test_a_new_method_is_found_and_trains(checkout):
    written = run(checkout, "-m", "wtal_core", "new", "method", "colada")
    assert written.returncode == 0, written.stderr
    assert (checkout / "wtal_core" / "models" / "colada.py").is_file()
    trained = run(checkout, "-c", TRAINS)
    assert trained.returncode == 0, trained.stderr
    assert 0.05 < float(trained.stdout) <= 1


def test_a_new_method_is_laid_out_as_the_others(tmp_path):
    path = write_method("a_method_of_mine", tmp_path)
    for rule in (["check"], ["format", "--check"]):
        command = ["ruff", *rule, "--quiet", "--config", str(ROOT / "pyproject.toml"), str(path)]
        outcome = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, cwd=tmp_path
        )
        assert outcome.returncode == 0, outcome.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_new_notebook_runs_and_keeps_the_rules(tmp_path, monkeypatch):
    path = write_notebook("facnet/table9_fractions", tmp_path)
    executed = tmp_path / "facnet" / "executed.ipynb"
    own = {"store": str(tmp_path / "results"), "seeds": 2, "jobs": 2}
    execution.execute(path, executed, own, progress=False)
    book = nbformat.read(executed, 4)
    # as `wtal notebooks` would leave it: without the cell of other parameters
    book.cells = [c for c in book.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    for number, cell in enumerate(rules.code(book), 1):
        cell.execution_count = number
    nbformat.write(book, path)
    executed.unlink()
    monkeypatch.setattr(rules, "FOLDER", tmp_path)
    every_rule = [name for name in vars(rules) if name.startswith(("test_all_", "test_artifacts_"))]
    every_rule += [
        "test_parameters_are_one_cell_of_typed_literals_with_help",
        "test_metadata_is_clean",
        "test_cells_are_few_and_short",
        "test_functions_of_more_than_five_lines_live_in_the_core",
        "test_nothing_is_used_that_nbval_cannot_compare",
        "test_outputs_name_no_machine_and_no_address_and_are_small",
    ]
    monkeypatch.setattr(rules, "ARTIFACTS", [path])
    monkeypatch.setattr(rules.offenders, "__defaults__", ([path],))
    for name in every_rule:
        getattr(rules, name)()
    assert len(every_rule) == 11
    assert (tmp_path / "results" / "simulated-2" / "facnet" / "table9.csv").is_file()


@pytest.mark.parametrize("name", ["", "Mine", "9lives", "my-method", "../mine", "class", "method"])
def test_a_name_that_no_module_can_have(tmp_path, name):
    with pytest.raises(WorkbookError, match="cannot name a method"):
        write_method(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "facnet", "facnet/table1", "facnet/list1_a", "../a/table1_b"])
def test_a_name_that_is_no_table(tmp_path, name):
    with pytest.raises(WorkbookError, match="names no table or figure"):
        write_notebook(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced(tmp_path):
    path = write_method("mine", tmp_path)
    path.write_text("my work")
    with pytest.raises(WorkbookError, match="exists"):
        write_method("mine", tmp_path)
    write_notebook("facnet/table9_a", tmp_path)
    with pytest.raises(WorkbookError, match=r"has a notebook: .*table9_a"):
        write_notebook("facnet/table9_b", tmp_path)
    assert path.read_text() == "my work"
    assert len(list(tmp_path.rglob("*.*"))) == 2


def test_methods_of_the_workbook_keep_their_names(tmp_path):
    with pytest.raises(WorkbookError, match="exists"):
        write_method("facnet")
