"""The workbook as others install it: a wheel, in another environment, away from the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.places import ROOT

# A module of this name ends the search: what an installation without the extras says
WITHOUT_EXTRAS = """
import sys

LEFT_OUT = {"torch", "safetensors", "sklearn", "papermill", "nbformat", "ipykernel", "IPython"}


class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if name in LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, LeftOut())
"""
TRUTH = {"v1": [("run", 1, 4), ("jump", 7, 9)]}
SEGMENTS = [{"label": label, "segment": [start, end]} for label, start, end in TRUTH["v1"]]

pytestmark = pytest.mark.slow


class Installed:
    """An environment that holds the wheel, and what it needs from the one that runs the tests."""

    def __init__(self, folder: Path, wheel: Path):
        self.user = folder / "user"
        self.user.mkdir()
        self.python = folder / "environment" / "bin" / "python"
        create = [sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")]
        subprocess.run(create, check=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = folder / "environment" / "lib" / version / "site-packages"
        # the wheel's own package comes first, then those that it needs
        (self.packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)

    def wtal(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        hidden = ("PYTHONPATH", "WTAL_DATA")
        environment = {k: v for k, v in os.environ.items() if k not in hidden}
        return subprocess.run(
            [str(self.python.with_name("wtal")), *arguments],
            cwd=self.user,
            env=environment,
            capture_output=True,
            text=True,
        )

    def leave_out_extras(self) -> None:
        (self.packages / "without_extras.py").write_text(WITHOUT_EXTRAS)
        (self.packages / "without_extras.pth").write_text("import without_extras\n")

    def have_extras(self) -> None:
        (self.packages / "without_extras.pth").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    return Installed(folder, wheel)


@pytest.fixture
def base(installed):
    """Without any extra: neither torch nor Jupyter."""
    installed.leave_out_extras()
    yield installed
    installed.have_extras()


@pytest.fixture
def files(installed):
    truth = {"database": {"v1": {"subset": "test", "annotations": SEGMENTS}}}
    scored = [{**segment, "score": 0.9} for segment in SEGMENTS]
    (installed.user / "truth.json").write_text(json.dumps(truth))
    (installed.user / "found.json").write_text(json.dumps({"results": {"v1": scored}}))
    return ["truth.json", "found.json"]


def test_it_is_the_wheel_that_runs(base):
    command = [str(base.python), "-c", "import wtal_core; print(wtal_core.__file__)"]
    place = subprocess.run(command, cwd=base.user, capture_output=True, text=True, env={})
    assert Path(place.stdout.strip()).is_relative_to(base.packages)
    assert (base.packages / "wtal_core" / "py.typed").is_file()
    assert list(base.packages.glob("*.dist-info/licenses/LICENSE"))


def test_version_and_lists(base):
    assert base.wtal("--version").stdout.startswith("wtal 0.")
    assert "facnet/table3" in base.wtal("list").stdout
    assert "salads50" in base.wtal("data", "list").stdout


def test_scoring_and_diagnosing_need_no_extra(base, files):
    scored = base.wtal("evaluate", *files, "--protocol", "all")
    assert scored.returncode == 0 and "100.00" in scored.stdout, scored.stderr
    diagnosed = base.wtal("diagnose", *files, "--title", "hand-made", "--out", "pages")
    assert diagnosed.returncode == 0, diagnosed.stderr
    assert (base.user / "pages" / "index.html").is_file()


@pytest.mark.parametrize("command", [("reproduce", "facnet/table4"), ("notebooks", "a.ipynb")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(base, command):
    outcome = base.wtal(*command)
    (line,) = outcome.stderr.splitlines()
    assert outcome.returncode == 2 and not outcome.stdout
    assert "[notebooks]" in line and f"{base.python} -m pip install" in line
    assert "torch==" in line and "'papermill>=" in line
    assert not (base.user / "results").exists()


def test_a_new_method_needs_a_folder(base):
    outcome = base.wtal("new", "method", "mine")
    assert outcome.returncode == 2 and "--folder" in outcome.stderr
    assert base.wtal("new", "method", "mine", "--folder", ".").returncode == 0
    assert (base.user / "mine.py").is_file()


def test_reproduce_writes_into_the_users_folder(installed):
    """Figure 7 of BackTAL needs no training: it draws statistics that come with the wheel."""
    before = sorted((installed.packages / "wtal_core").rglob("*.[!p]*"))
    outcome = installed.wtal("reproduce", "backtal/figure7", "--seeds", "1")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    written = installed.user / "results" / "simulated-2" / "backtal"
    assert (written / "figure7_click_positions.ipynb").is_file()
    assert sorted((installed.packages / "wtal_core").rglob("*.[!p]*")) == before
