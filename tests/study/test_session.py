"""Which results a notebook writes: the committed ones with its own parameters only."""

from pathlib import Path

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.study import session as module
from wtal_core.study.own_parameters import OWN_PARAMETERS, artifact_of, own_parameters
from wtal_core.study.session import ledger_for, open_session


@pytest.fixture
def folders(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """The committed results and the user's own."""
    committed = tmp_path / "committed"
    committed.mkdir()
    monkeypatch.setattr(module, "COMMITTED", committed)
    monkeypatch.setenv("WTAL_RESULTS", str(tmp_path / "own"))
    return committed, tmp_path / "own"


def test_a_notebook_with_its_own_parameters_writes_the_committed_results(folders, capsys):
    committed, _ = folders
    assert ledger_for(OWN_PARAMETERS).roots == (committed,)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "changed", [{"seeds": 2}, {"dataset": "hapt"}, {"profile": "official"}, {"device": "cuda"}]
)
def test_with_other_parameters_it_writes_into_the_user_s_folder_and_says_so(
    folders, capsys, changed
):
    committed, own = folders
    assert ledger_for(OWN_PARAMETERS | changed).roots == (own, committed)
    told = capsys.readouterr().err
    assert f"results go to {own}" in told and "only read" in told
    assert not list(committed.iterdir())


def test_a_results_folder_that_is_named_is_the_one(folders, tmp_path, capsys):
    assert ledger_for(OWN_PARAMETERS, str(tmp_path / "mine")).roots == (tmp_path / "mine",)
    assert capsys.readouterr().err == ""


def test_files_of_a_session_with_other_parameters_lie_in_the_user_s_folder(folders):
    _, own = folders
    session = open_session("facnet/table1", seeds=2)
    assert session.path(".csv") == own / "simulated-2" / "facnet" / "table1.csv"


def test_own_parameters_are_those_of_the_committed_notebook():
    import papermill

    from wtal_core.data.paths import NOTEBOOKS

    for path in sorted(NOTEBOOKS.glob("*/*.ipynb")):
        given = papermill.inspect_notebook(str(path))
        own = own_parameters(artifact_of(path))
        assert set(own) == set(OWN_PARAMETERS)
        for name, value in own.items():
            assert given[name]["default"].strip('"') == str(value), path.name


def test_a_notebook_of_a_teaching_world_is_at_home_there(folders, capsys):
    committed, own = folders
    assert own_parameters("facnet/idea")["dataset"] == "teaching-2-context"
    session = open_session("facnet/idea", "teaching-2-context")
    assert session.store.roots == (committed,)
    assert session.on("teaching-2-plain").store is session.store
    assert session.on("teaching-2-plain").dataset.name == "teaching-2-plain"
    assert capsys.readouterr().err == ""
    assert open_session("facnet/table1", "teaching-2-context").store.roots == (own, committed)
    assert open_session("facnet/idea", "simulated").store.roots == (own, committed)
    assert "dataset=teaching-2-context" in capsys.readouterr().err


def test_an_artifact_without_a_notebook_has_the_usual_parameters():
    assert own_parameters("") == own_parameters("facnet/table99") == OWN_PARAMETERS


def test_an_unknown_way_with_stale_runs_is_refused():
    with pytest.raises(WorkbookError, match="unknown stale 'ignore'; expected use, refuse, recom"):
        open_session("facnet/table1", stale="ignore")
