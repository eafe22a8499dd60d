"""Notebooks as programs: what is none is refused, a dead kernel is one error, equal runs leave
equal files, and no process outlives the command.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from unittest.mock import MagicMock

import nbformat
import psutil
import pytest
from papermill.iorw import LocalHandler

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.runs.ledger import Ledger
from wtal_core.workbook import execution, reproduce
from wtal_core.workbook.artifacts import Notebook
from wtal_core.workbook.cells import notebook_from

HEAD = "%% markdown\n# A notebook\n\n%% parameters\nnumber = 1\n\n"
SOON = 2  # seconds, on a quiet machine, as docs/trust.md promises
QUIET_START = 0.02  # seconds in which a quiet machine starts Python
LEAST = 8  # seconds that are waited at least: one look says little
PATIENCE = 180  # seconds; both workers and the kernel import torch first


def write(path, *cells):
    path.write_text(notebook_from(HEAD + "".join(f"%% code\n{cell}\n\n" for cell in cells)))
    return path


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no Jupyter notebook"),
        (b"[1]", "is no Jupyter notebook"),
        (b'{"a": 1}', "is no Jupyter notebook"),
        (b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "is no Jupyter"),
        (b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "tag parameters"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (None, "there is no such file"),
    ],
)
def test_what_is_no_notebook_of_the_workbook_is_refused(tmp_path, content, reason):
    path = tmp_path / "a.ipynb"
    if content is not None:
        path.write_bytes(content)
    before = files_in(tmp_path)
    with pytest.raises(WorkbookError, match=reason) as refused:
        execution.refresh_all([path])
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
    assert files_in(tmp_path) == before


def test_a_notebook_of_another_language_is_refused(tmp_path):
    path = write(tmp_path / "a.ipynb")
    content = json.loads(path.read_text())
    content["metadata"]["kernelspec"]["language"] = "R"
    path.write_text(json.dumps(content))
    with pytest.raises(WorkbookError, match="is a notebook of R"):
        execution.refresh_all([path])


@pytest.mark.parametrize("drop", [("language",), ("language", "language_info"), ("all",)])
def test_a_notebook_that_does_not_say_its_language_is_pythons(tmp_path, drop):
    path = write(tmp_path / "a.ipynb", "print(number)")
    content = json.loads(path.read_text())
    content["metadata"].pop("language_info" if "language_info" in drop else "", None)
    content["metadata"]["kernelspec"].pop("language")
    if drop == ("all",):
        content["metadata"] = {}
    path.write_text(json.dumps(content))
    execution.check_parameters(path, {"number": 2})
    if drop == ("all",):
        execution.execute(path, tmp_path / "b.ipynb", {"number": 2}, progress=False)
        assert "2\\n" in (tmp_path / "b.ipynb").read_text()


def test_a_linked_notebook_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    target = write(tmp_path / "far" / "a.ipynb", "print(number)")
    (tmp_path / "a.ipynb").symlink_to(target)
    execution.refresh(tmp_path / "a.ipynb")
    assert (tmp_path / "a.ipynb").is_symlink() and "1\\n" in target.read_text()


def test_a_dead_kernel_is_one_error_and_leaves_nothing(tmp_path):
    path = write(tmp_path / "a.ipynb", "import os\nos._exit(1)")
    with pytest.raises(WorkbookError, match=r"^the kernel died \(out of memory\?\)"):
        execution.execute(path, tmp_path / "out" / "b.ipynb", {}, progress=False)
    assert files_in(tmp_path / "out") == []


def test_what_papermill_saves_after_an_interruption_is_gone(tmp_path, monkeypatch):
    """Its thread outlives the command's for a moment, and saves the notebook a last time."""
    path = write(tmp_path / "a.ipynb", "print(number)")
    interrupted, threads, said = threading.Event(), [], []

    def saves_late(notebook, output, parameters, **options):
        interrupted.wait(PATIENCE)
        try:
            LocalHandler().write("{}", output)
        except FileNotFoundError as error:
            said.append(str(error))

    class Interrupted(threading.Thread):
        def join(self, timeout=None):
            threads.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(execution.papermill, "execute_notebook", saves_late)
    monkeypatch.setattr(execution.threading, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        execution.execute(path, tmp_path / "out" / "b.ipynb", {}, progress=False)
    interrupted.set()
    (thread,) = threads
    super(Interrupted, thread).join(PATIENCE)
    assert files_in(tmp_path / "out") == [] and len(said) == 1


def test_two_commands_may_write_one_notebook(tmp_path, monkeypatch):
    """The second begins while the first is at work, and a folder of the user's stays."""
    path, output = write(tmp_path / "a.ipynb", "print(number)"), tmp_path / "out" / "b.ipynb"
    mine = tmp_path / "out" / "b.partial" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("kept")
    in_kernel = execution._in_kernel

    def begins_another(notebook, partial, parameters, progress):
        monkeypatch.setattr(execution, "_in_kernel", in_kernel)
        partial.write_text("{}")
        execution.execute(path, output, {"number": 2}, progress=False)
        assert partial.read_text() == "{}"
        in_kernel(notebook, partial, parameters, progress)

    monkeypatch.setattr(execution, "_in_kernel", begins_another)
    execution.execute(path, output, {"number": 3}, progress=False)
    assert "3\\n" in output.read_text() and mine.read_text() == "kept"
    assert files_in(tmp_path / "out") == ["b.ipynb", "b.partial"]


def test_after_a_dead_kernel_the_next_artifact_runs(tmp_path, monkeypatch):
    home = tmp_path / "notebooks"
    home.mkdir()
    bodies = {"dead": "import os\nos._exit(1)", "fine": "print(number)"}
    notebooks = [Notebook(f"a/{n}", write(home / f"{n}.ipynb", c)) for n, c in bodies.items()]
    monkeypatch.setattr(reproduce, "find_notebooks", lambda wanted=(): notebooks)
    monkeypatch.setattr(reproduce, "check_parameters", lambda path, given: None)
    monkeypatch.setattr(reproduce, "at_home", lambda notebook, given: given)
    monkeypatch.setattr(reproduce, "open_session", MagicMock())
    monkeypatch.setattr(reproduce, "_check_scorable", lambda dataset: None)
    monkeypatch.setattr(
        reproduce,
        "execute",
        lambda path, output, given: execution.execute(path, output, {}, progress=False),
    )
    said = []
    failures = reproduce.reproduce(
        ("a",), tmp_path / "results", {"dataset": "simulated"}, said.append
    )
    assert failures == 1
    (line,) = [line for line in said if "FAILED" in line]
    assert "a/dead FAILED: the kernel died (out of memory?)" in line and "\n" not in line
    assert files_in(tmp_path / "results" / "simulated" / "a") == ["fine.ipynb"]
    assert (tmp_path / "results" / "README.md").exists()


def test_executed_twice_a_notebook_is_equal_byte_for_byte(tmp_path, monkeypatch):
    """However the kernel cuts what is printed, and whatever name papermill draws."""
    cell = "import sys, time\nprint('a', flush=True)\ntime.sleep({})\nprint('b', file=sys.stderr)\n"
    source = write(tmp_path / "a.ipynb", cell.format("0.5 * number") + "print('c')")
    execution.execute(source, tmp_path / "first.ipynb", {"number": 1}, progress=False)
    (tmp_path / "first.ipynb").rename(tmp_path / "kept")
    execution.execute(source, tmp_path / "first.ipynb", {"number": 1}, progress=False)
    assert (tmp_path / "first.ipynb").read_bytes() == (tmp_path / "kept").read_bytes()
    printed = json.loads((tmp_path / "kept").read_text())["cells"][-1]["outputs"]
    assert [output["text"] for output in printed] == [["a\n", "c\n"]]


@pytest.fixture
def command(tmp_path):
    """The command, in the middle of two runs at a time; with all processes that it has started."""
    results = tmp_path / "results"
    cell = f"from tests.runs.killed import LONG, work\nwork({str(results)!r}, 2, LONG)"
    notebook = write(tmp_path / "a.ipynb", cell)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workbook.stopped", str(notebook), str(tmp_path / "b.ipynb")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=ROOT,
    )
    started = []
    try:
        end = time.monotonic() + PATIENCE
        while len(list(results.glob(".work/*/checkpoint.pt"))) < 2:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.1)
        started += psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 4  # kernel, two workers, the helper that starts them
        yield process, started
    finally:
        for child in [process, *(child for child in started if child.is_running())]:
            child.kill()
        process.wait()
        process.stderr.close()


def soon():
    """Two seconds, or on a busy machine as many times more as it takes longer to start Python."""
    starts = 3
    begin = time.monotonic()
    for _ in range(starts):
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    return max(LEAST, SOON * (time.monotonic() - begin) / starts / QUIET_START)


def left_after(started, seconds):
    return psutil.wait_procs(started, timeout=seconds)[1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
)
def test_no_process_outlives_the_command(command, tmp_path, number, status):
    process, started = command
    seconds = soon()
    process.send_signal(number)
    begin = time.monotonic()
    assert process.wait(seconds) == status
    assert left_after(started, max(0, seconds - (time.monotonic() - begin))) == []
    said = process.stderr.read()
    if number != signal.SIGKILL:
        assert "wtal: interrupted; the same command goes on" in said
        assert files_in(tmp_path) == ["a.ipynb", "results"]
    assert "Traceback" not in said
    # resumable: each run has a whole checkpoint
    for checkpoint in (tmp_path / "results").glob(".work/*/checkpoint.pt"):
        assert epochs_done(checkpoint) >= 1
    assert Ledger(tmp_path / "results").records("simulated", "facnet") == []


def epochs_done(checkpoint):
    import torch

    return torch.load(checkpoint, weights_only=True)["epoch"]


TIDYING = """
import time
from wtal_core.cli import entry, main

def tidies_slowly() -> int:
    '''Wait.'''
    try:
        print("begun", flush=True)
        time.sleep(600)
    finally:
        print("tidying", flush=True)
        time.sleep(600)
    return 0

entry.COMMANDS["tidies"] = tidies_slowly
main(["tidies"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_the_command_at_once(second):
    command = [sys.executable, "-c", TIDYING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "tidying\n"
            process.send_signal(second)
            assert process.wait(PATIENCE) == 128 + second  # else it sleeps for longer
        finally:
            process.kill()


@pytest.mark.parametrize("kind", ["image/png", "image/svg+xml"])
def test_cleaning_keeps_the_words_of_a_picture_and_drops_all_else(tmp_path, kind):
    data = {kind: "aGVsbG8=", "text/plain": "[figure: a caption]"}
    words = {"alt": "a caption", "width": 961}
    output = nbformat.v4.new_output(
        "display_data", data, metadata={kind: words, "papermill": {"secret": 1}}
    )
    cell = nbformat.v4.new_code_cell("1", outputs=[output], execution_count=1)
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    execution.clean(path)
    assert nbformat.read(path, 4).cells[0].outputs[0].metadata == {kind: words}
