"""What `import wtal_core` offers, and what it does not drag in."""

import subprocess
import sys

import pytest

import wtal_core

HEAVY = ("torch", "sklearn", "papermill", "IPython", "matplotlib", "pandas")
QUICK = f"""
import sys
import wtal_core
assert not set({HEAVY}) & set(sys.modules), sorted(sys.modules)
assert set(wtal_core.__all__) <= set(dir(wtal_core))
wtal_core.evaluate, wtal_core.findings, wtal_core.read_cases, wtal_core.open_dataset
assert not {{"torch", "sklearn", "papermill", "IPython"}} & set(sys.modules), "torch came along"
"""


def test_importing_is_quick_and_scoring_needs_no_torch():
    outcome = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr


def test_every_public_name_is_there():
    assert set(wtal_core.HOMES) | {"__version__"} == set(wtal_core.__all__)
    for name in wtal_core.__all__:
        assert getattr(wtal_core, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        wtal_core.nothing  # noqa: B018
