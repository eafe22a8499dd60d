"""Committed provenance is never rewritten: what a line says of who computed it stays for ever."""

import json
import subprocess

import pytest

from tests.places import ROOT
from wtal_core.errors import WorkbookError
from wtal_core.runs import check, ledger

RESULTS = ROOT / "results"


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
    )


def test_no_committed_provenance_is_rewritten():
    """Against the last commit, and against its parent: a clean clone shows the last one's work."""
    if git(ROOT, "rev-parse", "HEAD").returncode:
        pytest.skip("not in a git checkout: nothing to compare with")
    commits = ["HEAD"]
    if git(ROOT, "rev-parse", "HEAD^").returncode == 0:
        commits.append("HEAD^")
    for commit in commits:
        assert check.rewritten(RESULTS, commit) == []


def test_all_committed_lines_are_whole_and_have_histories():
    assert sum(row["runs"] for row in check.census(RESULTS)) > 0


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with a results folder of one run."""
    folder = tmp_path / "results" / "simulated" / "runs"
    folder.mkdir(parents=True)
    line = {"id": "0" * 16, "dataset": "simulated", "data": "1", "method": "facnet", "config": {}}
    line |= {
        "fold": 0,
        "seed": 0,
        "seconds": 1.0,
        "metrics": {},
        "by": {"behaviour": "facnet-1", "commit": "abc", "environment": {}},
    }
    path = folder / "facnet.jsonl"
    ledger.write(path, [ledger.sealed(line)])
    for arguments in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"),
    ):
        assert git(tmp_path, *arguments).returncode == 0
    return path


def test_a_rewritten_provenance_is_named_even_with_a_fresh_seal(checkout):
    results = checkout.parents[2]
    assert check.rewritten(results) == []
    line = json.loads(checkout.read_text())
    line["by"]["commit"] = "def"
    ledger.write(checkout, [ledger.sealed(line)])
    (offence,) = check.rewritten(results)
    assert f"provenance of run {'0' * 16}.facnet-1 is not what HEAD says" in offence


def test_lines_may_be_added_and_whole_runs_deleted(checkout):
    results = checkout.parents[2]
    line = json.loads(checkout.read_text()) | {"id": "1" * 16}
    ledger.write(checkout, [ledger.sealed(line)])
    assert check.rewritten(results) == []


def test_outside_a_checkout_there_is_nothing_to_compare_with(tmp_path):
    folder = tmp_path / "simulated" / "runs"
    folder.mkdir(parents=True)
    (folder / "facnet.jsonl").write_text("")
    with pytest.raises(WorkbookError, match="is in no git checkout"):
        check.rewritten(tmp_path)
