"""The commit that a line names: of the checkout, else what the environment says, else a version."""

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.runs import provenance

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copied(monkeypatch):
    """The package as a copy without its git folder sees itself."""
    monkeypatch.setattr(provenance, "_git", lambda *_: None)
    provenance.code.cache_clear()
    yield monkeypatch
    provenance.code.cache_clear()


@pytest.mark.parametrize("end, dirty", [("", False), ("-dirty", True)])
def test_a_copy_without_git_is_told_its_commit(copied, end, dirty):
    copied.setenv(provenance.COMMIT, COMMIT + end)
    assert provenance.code() == {"commit": COMMIT, "dirty": dirty}


@pytest.mark.parametrize("told", ["", "HEAD", COMMIT[:12], f"{COMMIT}-clean", f"{COMMIT}\n"])
def test_something_that_is_no_commit_is_refused(copied, told):
    copied.setenv(provenance.COMMIT, told)
    with pytest.raises(WorkbookError, match=r"WTAL_COMMIT is .*git rev-parse HEAD"):
        provenance.code()


def test_nobody_told_it_is_the_version_of_the_package(copied):
    copied.delenv(provenance.COMMIT, raising=False)
    assert provenance.code()["commit"].startswith("package ")


def test_a_checkout_says_its_own_commit_whatever_it_is_told(monkeypatch):
    answers = {"rev-parse": "f" * 40, "status": " M wtal_core/packed.py"}
    monkeypatch.setattr(provenance, "_git", lambda command, *_: answers[command])
    monkeypatch.setenv(provenance.COMMIT, COMMIT)
    provenance.code.cache_clear()
    assert provenance.code() == {"commit": "f" * 40, "dirty": True}
    provenance.code.cache_clear()
