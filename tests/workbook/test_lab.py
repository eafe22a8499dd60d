"""`wtal lab` opens a notebook of the workbook in JupyterLab."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.places import ROOT
from wtal_core.cli import extras, main
from wtal_core.errors import WorkbookError
from wtal_core.workbook import lab


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("start_here", "start_here.ipynb"),
        ("facnet/method", "facnet/method.ipynb"),
        ("facnet/table3", "facnet/table3_branches.ipynb"),
        ("notebooks/facnet/table3_branches.ipynb", "facnet/table3_branches.ipynb"),
        ("ladder", "ladder.ipynb"),
    ],
)
def test_a_notebook_has_several_names(name, file):
    assert lab.path_of(name) == ROOT / "notebooks" / file


def test_a_name_that_no_notebook_has_is_refused_with_one_that_there_is():
    with pytest.raises(WorkbookError, match="did you mean `wtal lab facnet/method`"):
        lab.path_of("facnet/methd")
    with pytest.raises(WorkbookError, match="start_here links to every notebook"):
        lab.path_of("../../etc/passwd")


def test_what_is_started_opens_the_notebook_and_ends_with_its_status():
    started = []
    assert lab.start("start_here", lambda command: started.append(command) or 3) == 3
    assert started[0][:3] == [sys.executable, "-m", "jupyterlab"]
    assert started[0][-1] == str(ROOT / "notebooks" / "start_here.ipynb")


def test_without_jupyterlab_one_line_says_how_to_install_it(monkeypatch, capsys):
    def found(module):
        return None if module == "jupyterlab" else True

    monkeypatch.setattr(extras, "find_spec", found)
    with pytest.raises(SystemExit) as ended:
        main(["lab"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wtal: this command needs jupyterlab") and "-m pip install" in line


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_jupyterlab_serves_the_notebook(tmp_path):
    """The real program, without a browser; ended by its own process group."""
    port = free_port()
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=t"]
    server = subprocess.Popen(
        [*lab.command(lab.path_of("start_here")), *options],
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/api/contents/notebooks/start_here.ipynb?content=0&token=t"
    try:
        assert b"start_here.ipynb" in answered(address)
    finally:
        server.kill()
        server.wait()


def answered(address: str, patience: float = 60.0) -> bytes:
    """What a server answers, once it is there."""
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)
