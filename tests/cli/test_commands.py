"""The command `wtal`: exit status 0 all well, 1 a check failed, 2 bad input; bad input in one clear
line.
"""

import json

import pandas as pd
import pytest

from tests.data_samples import REAL, needs_real_data
from tests.places import ROOT
from wtal_core import __version__
from wtal_core.cli import main
from wtal_core.report import predictions
from wtal_core.workbook import predictions as judged


@pytest.fixture
def wtal(capsys):
    """Runs the command; returns (exit status, standard output, lines of standard error)."""

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        with pytest.raises(SystemExit) as exit_:
            main(list(arguments))
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def files(tmp_path):
    """Ground truth of one video, and detections that find both of its instances and one more."""
    truth = pd.DataFrame(
        {
            "video": ["v1", "v1"],
            "label": ["run", "jump"],
            "t_start": [1.0, 7.0],
            "t_end": [4.0, 9.0],
        }
    )
    found = pd.DataFrame(
        {
            "video": ["v1"] * 3,
            "label": ["run", "jump", "run"],
            "t_start": [1.0, 7.0, 20.0],
            "t_end": [4.0, 9.0, 22.0],
            "score": [0.9, 0.8, 0.1],
        }
    )
    paths = tmp_path / "truth.parquet", tmp_path / "found.parquet"
    for table, path in zip((truth, found), paths, strict=True):
        table.to_parquet(path, index=False)
    return [str(path) for path in paths]


def assert_bad_input(answer, *words: str) -> None:
    """Status 2, nothing printed, one line on standard error that holds these words."""
    status, out, err = answer
    assert (status, out, len(err)) == (2, "", 1), answer
    assert err[0].startswith("wtal: ")
    for word in words:
        assert word in err[0]


def test_list_names_the_artifacts(wtal):
    status, out, err = wtal("list", "--results", str(ROOT / "results"))
    assert status == 0 and not err
    (line,) = [line for line in out.splitlines() if line.startswith("ten/table3 ")]
    assert line.split()[-4:] == ["4", "0", "0", "0"]
    *_, last, _, apart = out.splitlines()
    assert "261 printed rows" in last and sum(map(int, last.split()[-4:])) == 261
    assert "backtal/table10" in apart and "ten/table3" not in apart


def test_list_tells_the_rows_of_a_table_with_their_reasons(wtal):
    results = str(ROOT / "results")
    status, out, err = wtal("list", "--rows", "backtal/table3", "--results", results)
    assert status == 0 and not err
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["backtal/table3"] * 3
    (line,) = [line for line in out.splitlines() if "SSN [28]" in line]
    assert "quoted" in line and "fully supervised" in line


def test_list_refuses_a_table_that_is_not_there(wtal):
    results = str(ROOT / "results")
    answer = wtal("list", "--rows", "facnet/table99", "--results", results)
    assert_bad_input(answer, "'facnet/table99'", "facnet/table1")


def test_list_without_tables_names_the_artifacts_alone(wtal, tmp_path):
    status, out, err = wtal("list", "--results", str(tmp_path))
    assert status == 0 and len(err) == 1 and "printed rows are not counted" in err[0]
    assert "facnet/table3" in out and "computed" not in out


def test_data_list_names_the_data_sets_and_their_origin(wtal):
    status, out, err = wtal("data", "list")
    assert status == 0 and not err
    for name in ("simulated", "hapt", "salads50", "thumos14"):
        assert name in out


def test_an_unknown_artifact(wtal, tmp_path):
    assert_bad_input(
        wtal("reproduce", "facnet/table99", "--results", str(tmp_path)),
        "'facnet/table99'",
        "facnet/table3",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("reproduce", "facnet/table3", "--dataset", "nothing"),
        ("data", "verify", "nothing"),
        ("data", "fetch", "nothing"),
    ],
)
def test_an_unknown_data_set(wtal, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert_bad_input(wtal(*arguments), "'nothing'", "simulated")


def test_predictions_are_printed_and_a_failed_one_is_no_error(wtal, tmp_path, monkeypatch):
    registered = predictions.read_registered(judged.REGISTERED)
    value = {"A1": 0.42, "A2a": 0.5}

    def evaluated(session):
        assert (session.dataset.name, session.profile) == ("simulated-2", "quick")
        assert session.seeds == (0, 1, 2, 3, 4) and session.store.roots == (tmp_path,)
        chosen = [p for p in registered.predictions if p.id in value]
        return [predictions.Outcome(p, {"": value[p.id]}, "points", "by hand") for p in chosen]

    monkeypatch.setattr(judged, "evaluated", evaluated)
    status, out, err = wtal("predictions", "--results", str(tmp_path), "--device", "cpu")
    assert status == 0 and not err
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert lines["A1"] == ["A1", "0.42", "≤", "1", "points", "pass", "held-out", "by", "hand"]
    assert lines["A2a"] == ["A2a", "0.5", "≥", "0.8", "points", "FAIL", "held-out", "by", "hand"]
    assert lines["held-out"] == ["held-out", "1", "1", "0"]
    assert lines["calibrated"] == ["calibrated", "0", "0", "0"]


def test_an_unknown_protocol(wtal, files):
    assert_bad_input(wtal("evaluate", *files, "--protocol", "nothing"), "'nothing'", "wtalc")


def test_a_missing_file(wtal, files, tmp_path):
    missing = str(tmp_path / "missing.json")
    assert_bad_input(wtal("evaluate", missing, files[1]), missing)
    assert_bad_input(wtal("evaluate", files[0], missing), missing)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [(".json", "{"), (".json", "[]"), (".parquet", "no table"), (".txt", "v1 1 2")],
)
def test_a_file_that_is_no_table(wtal, files, tmp_path, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_text(content)
    assert_bad_input(wtal("evaluate", files[0], str(path)), path.name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "a", "b", "--nothing", "1"),
        ("nothing",),
        ("data", "nothing"),
        ("reproduce", "--seeds", "three"),
        ("reproduce", "--profile", "nothing"),
    ],
)
def test_an_unknown_option_or_command(wtal, arguments):
    status, out, err = wtal(*arguments)
    assert (status, out) == (2, "")
    assert err and not any("Traceback" in line for line in err)


@pytest.mark.parametrize(
    "arguments", [("--help",), ("data", "--help"), ("results", "--help"), ("evaluate", "--help")]
)
def test_help_is_not_an_error(wtal, arguments):
    status, out, err = wtal(*arguments)
    assert status == 0 and "usage" in out.lower() and not err


def test_help_lists_every_command_of_every_group(wtal):
    _, out, _ = wtal("--help")
    for words in ("evaluate", "data verify", "results check", "new method", "statistics clicks"):
        assert f"  {words} " in out


def test_the_version(wtal):
    assert wtal("--version") == (0, f"wtal {__version__}\n", [])


def test_no_command_is_bad_input_and_shows_the_list(wtal):
    status, out, err = wtal()
    assert (status, out) == (2, "") and any("data verify" in line for line in err)


def test_statistics_need_their_files(wtal, tmp_path):
    for command in (("clicks",), ("timelines",)):
        answer = wtal("statistics", *command, "--root", str(tmp_path), "--results", str(tmp_path))
        assert_bad_input(answer, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_evaluate_prints_a_table_with_its_protocol(wtal, files):
    status, out, err = wtal("evaluate", *files)
    assert status == 0 and not err
    assert "100.00" in out and "protocol activitynet" in out


def test_evaluate_prints_json(wtal, files):
    status, out, _ = wtal("evaluate", *files, "--protocol", "wtalc", "--json")
    content = json.loads(out)
    assert status == 0 and content["protocol"] == "wtalc"
    assert list(content["mAP"]) == [f"0.{i}0" for i in range(1, 8)]
    assert content["average"] == pytest.approx(sum(content["mAP"].values()) / 7, abs=1e-3)


@needs_real_data
def test_verify_fails_where_features_are_missing(wtal):
    status, out, err = wtal("data", "verify", "thumos14", "--root", str(REAL))
    assert status == 1 and not err
    assert "missing" in out and "needed and not fine" in out


def test_verify_fails_in_an_empty_folder(wtal, tmp_path):
    status, out, _ = wtal("data", "verify", "hapt", "--root", str(tmp_path))
    assert status == 1 and "hapt: 0 of" in out


def test_the_embedded_data_set_needs_no_files(wtal, tmp_path):
    assert wtal("data", "verify", "simulated", "--root", str(tmp_path))[0] == 0


def test_the_regime_of_data_sets(wtal, tmp_path):
    status, out, err = wtal("data", "regime", "--root", str(tmp_path))
    (line,) = [line for line in out.splitlines() if line.startswith("simulated ")]
    assert status == 0 and line.split()[1:5] == ["80", "0.265", "1.10", "0.25"]
    assert len(err) == 1 and err[0].startswith("not here: ") and "thumos14, " in err[0]
    assert_bad_input(
        wtal("data", "regime", "shrec21", "--root", str(tmp_path)), "wtal data fetch shrec21"
    )


def test_results_check_needs_a_folder(wtal, tmp_path):
    missing = str(tmp_path / "missing")
    assert_bad_input(wtal("results", "check", "--results", missing), missing)


def test_results_check_names_a_damaged_line(wtal, tmp_path):
    path = tmp_path / "simulated" / "runs" / "facnet.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"id": ')
    result = wtal("results", "check", "--results", str(tmp_path))
    assert_bad_input(result, "facnet.jsonl, line 1 is damaged or cut off")
