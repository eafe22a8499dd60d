"""From a folder of features to a trained, exported, re-loaded model, in commands."""

import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from tests.cli.test_commands import assert_bad_input, wtal  # noqa: F401  a fixture
from tests.own_samples import write_folder
from tests.places import ROOT
from wtal_core.cli import own
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger, files
from wtal_core.runs.run import Run
from wtal_core.runs.settings import with_settings
from wtal_core.study.session import open_session

METHODS = ("topk_mil", "facnet", "basnet")
PATIENCE = 120  # seconds; the process imports what it needs first
VERIFY = own.verify_in_background
BRIEF = ("--set", "schedule.epochs=2", "--device", "cpu")


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """Data and results in folders of the test's own, and behaviours without their micro-runs."""
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WTAL_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "verify_in_background", lambda *arguments: None)
    monkeypatch.setattr(sweep.behaviour, "stamp", lambda name: f"{name}-1")
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-1")
    sweep._opened.cache_clear()
    yield
    sweep._opened.cache_clear()


def add(wtal, folder, name="own"):  # noqa: F811
    return wtal("data", "add", name, str(folder), "--fps", "25", "--stride", "16")


def run_in(out: str) -> str:
    return re.search(r"run ([0-9a-f]{16})", out).group(1)


def records(tmp_path):
    ledger = Ledger(tmp_path / "results")
    return [r for path in files(ledger.root) for r in ledger.newest("own", path.stem)]


@pytest.mark.parametrize("name", METHODS)
def test_three_commands_from_features_to_a_model_that_is_taken_anywhere(wtal, tmp_path, name):  # noqa: F811
    folder = write_folder(tmp_path / "my features é")
    status, out, _ = add(wtal, folder)
    assert status == 0 and "6 for training, 2 for testing" in out
    words = (*BRIEF, "--set", "class_ratio=0.0") if name == "topk_mil" else BRIEF
    status, out, _ = wtal("train", name, "--data", "own", *words)
    assert status == 0 and "activitynet" in out
    run = run_in(out)
    assert wtal("detect", run[:8], "--out", "before.json", "--device", "cpu")[0] == 0
    assert wtal("export", run, "--out", "model", "--device", "cpu")[0] == 0
    files = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert files == ["README.md", "model.json", "model.safetensors"]
    status, out, _ = wtal("detect", "model", "--data", "own", "--out", "after.json")
    assert status == 0 and "2 videos" in out
    before = (tmp_path / "before.json").read_bytes()
    assert (tmp_path / "after.json").read_bytes() == before
    if name != "facnet":  # which finds nothing yet after two epochs
        assert json.loads(before)["results"]


def test_a_model_needs_neither_ledger_nor_data_set(wtal, tmp_path, monkeypatch):  # noqa: F811
    folder = write_folder(tmp_path / "features")
    add(wtal, folder)
    run = run_in(wtal("train", "basnet", "--data", "own", *BRIEF)[1])
    wtal("export", run, "--out", "model")
    wtal("detect", run, "--videos", "all", "--out", "before.json")
    monkeypatch.setenv("WTAL_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("WTAL_RESULTS", str(tmp_path / "nothing"))
    for table in ("labels.csv", "segments.csv"):
        (folder / table).unlink()
    status, out, err = wtal("detect", "model", "--data", "features", "--out", "after.json")
    assert status == 0 and "8 videos" in out and not err
    assert (tmp_path / "after.json").read_bytes() == (tmp_path / "before.json").read_bytes()
    *options, out = ("--data", "features", "--stride", "8", "--out", "half.json")
    status, _, err = wtal("detect", "model", *options, out)
    assert status == 0 and "snippets of 0.64 s" in err[0] and "0.32 s" in err[0]


def test_video_labels_alone_are_enough(wtal, tmp_path):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features", segments=False))
    for name in METHODS:
        status, out, _ = wtal("train", name, "--data", "own", *BRIEF)
        assert status == 0 and "no mAP, because no test video has segments" in out
        assert wtal("detect", run_in(out), "--out", f"{name}.json")[0] == 0
    for record in records(tmp_path):
        assert record.line["unscored"] == "no test video has segments"
        assert record.line["metrics"]["last"]["activitynet"]["average"] is None
        assert record.average_map("activitynet") != record.average_map("activitynet")
        assert record.best_epoch == 1 and "average_map" not in record.history[-1]
        assert record.weights("best").read_bytes() == record.weights("last").read_bytes()
    assert len(records(tmp_path)) == 3
    status, _, _ = wtal("export", run_in(out), "--out", "model")
    assert status == 0 and "none, because" in (tmp_path / "model" / "README.md").read_text()


def test_a_session_without_segments_has_values_that_are_no_numbers(tmp_path, wtal):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features", segments=False))
    session = open_session("facnet/table1", "own", seeds=1, store=str(tmp_path / "results"))
    config = with_settings(session.base("basnet"), ["schedule.epochs=2"])
    results = session.run("basnet", {"BaS-Net": config})
    assert results.values().isna().all(axis=None)
    assert session.trained("basnet", config).detections is not None


def test_no_table_is_begun_without_segments(wtal, tmp_path):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features", segments=False))
    answer = wtal("reproduce", "facnet/table1", "--dataset", "own", "--results", "results")
    assert_bad_input(answer, "no segments of test videos")
    assert not list(tmp_path.glob("results/*"))


def test_methods_that_count_instances_say_that_they_need_segments(wtal, tmp_path):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features", segments=False))
    answer = wtal("train", "c3net", "--data", "own", "--set", "schedule.epochs=2")
    assert_bad_input(answer, "no segments of training videos")
    assert_bad_input(wtal("train", "sfnet", "--data", "own"), "no action clicks")
    words = ("--set", "schedule.epochs=2", "--set", "schedule.labels=segments")
    assert_bad_input(wtal("train", "facnet", "--data", "own", *words), "schedule.labels=video")
    assert not (tmp_path / "results").exists()


def test_missing_clicks_are_asked_for_by_the_table_that_they_belong_into(wtal, tmp_path):  # noqa: F811
    folder = write_folder(tmp_path / "features")
    add(wtal, folder)
    asked = ("no action clicks", str(folder / "clicks.csv"), "video,label,t", "such as basnet")
    assert_bad_input(wtal("train", "sfnet", "--data", "own"), *asked)
    answer = wtal("train", "backtal", "--data", "own")
    assert_bad_input(answer, "no background clicks", "the label is background")
    (folder / "clicks.csv").write_text("video,label,t\nclip 0,Jump,4\n")
    sweep._opened.cache_clear()  # as another process, which a further command is
    status, _, err = wtal("train", "sfnet", "--data", "own", *BRIEF)
    assert status == 0, err


def test_the_word_none_is_a_choice_where_it_is_one(wtal, tmp_path):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features"))
    words = ("--set", "inputs.clicks=none")
    assert_bad_input(wtal("train", "sfnet", "--data", "own", *words), "labels='video'")
    base = method("sfnet").profiles["quick"]
    for given in (("inputs.clicks=none", "labels=video"), ("labels=video", "inputs.clicks=None")):
        assert with_settings(base, given).inputs.clicks == "none"
    assert with_settings(base, ["inputs.length=none"]).inputs.length is None
    with pytest.raises(WorkbookError, match=r"inputs\.clicks is 'both'"):
        with_settings(base, ["inputs.clicks=both", "labels=video"])


def test_commands_are_printed_with_all_that_they_need(wtal, tmp_path):  # noqa: F811
    folder = write_folder(tmp_path / "features")
    words = ("data", "add", "own", str(folder), "--fps", "25", "--stride", "16")
    _, out, _ = wtal(*words, "--root", "my data", "--check", "later")
    assert "`wtal data verify own --root 'my data'`" in out
    assert wtal("data", "verify", "own", "--root", "my data")[0] == 0
    np.save(folder / "clip 8.npy", np.load(folder / "clip 7.npy"))
    with (folder / "labels.csv").open("a") as file:
        file.write("clip 8,Jump\n")
    _, out, _ = wtal("data", "verify", "own", "--root", "my data")
    (again,) = re.findall(r"^next: `wtal (.* --replace)`$", out, re.M)
    assert wtal(*shlex.split(again))[0] == 0
    assert wtal("data", "verify", "own", "--root", "my data")[0] == 0
    add(wtal, folder)
    _, out, _ = wtal("train", "basnet", "--data", "own", "--results", "my results", *BRIEF)
    run = run_in(out)
    assert f"next: `wtal detect {run} --results 'my results'`, `wtal export {run} --re" in out
    _, out, _ = wtal("export", run, "--results", "my results", "--out", "my model")
    assert "`wtal detect 'my model' --data FEATURES`" in out


def test_videos_of_a_side_are_refused_for_a_folder(wtal, tmp_path):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features"))
    wtal("export", run_in(wtal("train", "basnet", "--data", "own", *BRIEF)[1]), "--out", "model")
    words = ("detect", "model", "--data", "features", "--videos")
    for side in ("train", "test"):
        assert_bad_input(wtal(*words, side), f"--videos {side}", "is a folder of features")
    assert not (tmp_path / "detections.json").exists()
    assert "in 8 videos" in wtal(*words, "all")[1]
    assert "in 6 videos" in wtal("detect", "model", "--data", "own", "--videos", "train")[1]


def test_what_is_refused_in_one_line(wtal, tmp_path):  # noqa: F811
    folder = write_folder(tmp_path / "features")
    add(wtal, folder)
    assert_bad_input(wtal("train", "nothing", "--data", "own"), "'nothing'", "facnet")
    assert_bad_input(wtal("train", "facnet", "--data", "nothing"), "'nothing'", "own")
    for words in ("dropuot=0.3", "dropout", "schedule=2", "schedule.epoch=2", "dropout.x=1"):
        assert_bad_input(
            wtal("train", "facnet", "--data", "own", "--set", words), words.split("=")[0]
        )
    assert_bad_input(wtal("train", "facnet", "--data", "own", "--set", "dropout=2"), "[0, 1)")
    assert not (tmp_path / "results").exists()
    assert_bad_input(wtal("detect", "0123abcd"), "neither a run")
    assert_bad_input(wtal("export", "features"), "neither a run")
    assert_bad_input(wtal("detect", "features", "--data", "own"), "no model.json")
    assert_bad_input(add(wtal, folder), "--replace")
    assert_bad_input(add(wtal, tmp_path / "nowhere", "other"), "is no folder")


def test_a_model_that_was_tampered_with(wtal, tmp_path):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features"))
    run = run_in(wtal("train", "basnet", "--data", "own", *BRIEF)[1])
    wtal("export", run, "--out", "model")
    description = tmp_path / "model" / "model.json"
    whole = json.loads(description.read_text())
    for change, words in (
        ({"method": "../../evil"}, "unknown method"),
        ({"config": {"dropout": 7}}, "[0, 1)"),
        ({"config": {"nothing": 7}}, "'nothing'"),
        ({"classes": []}, "classes"),
        ({"classes": ["Jump"]}, "weights"),
        ({"feature_size": 17}, "features of the same kind"),
        ({"format": 2}, "format 2"),
        ({"fps": "fast"}, "fps"),
    ):
        description.write_text(json.dumps({**whole, **change}))
        assert_bad_input(wtal("detect", "model", "--data", "own"), words)
    description.write_text(json.dumps(whole))
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    assert_bad_input(wtal("detect", "model", "--data", "own"), "model.safetensors", "damaged")
    assert not (tmp_path / "detections.json").exists()


def test_equal_settings_are_one_run(tmp_path, wtal):  # noqa: F811
    add(wtal, write_folder(tmp_path / "features"))
    base = method("facnet").profiles["quick"]
    runs = [Run("facnet", with_settings(base, [f"dropout={v}"]), "own", 0) for v in ("0", "0.0")]
    assert runs[0].identity("x") == runs[1].identity("x")
    assert with_settings(base, ["taus=[1, 2]"]).taus == (1, 2)
    assert with_settings(base, ["background=false"]).background is False
    assert with_settings(base, ["overlap=iou"]) == replace(base, overlap="iou")


@pytest.mark.parametrize(("damage", "words"), [(False, "4 of 4 fine"), (True, "not finite")])
def test_all_values_are_read_in_the_background(wtal, tmp_path, monkeypatch, damage, words):  # noqa: F811
    """By a process of its own, which a user need not wait for."""
    started = []
    monkeypatch.setattr(own, "verify_in_background", lambda *all_: started.append(VERIFY(*all_)))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = write_folder(tmp_path / "features")
    if damage:
        np.save(folder / "clip 0.npy", np.full((20, 16), np.nan))
    status, out, _ = add(wtal, folder)
    report = tmp_path / "data" / "own" / own.REPORT
    assert status == 0 and str(report) in out
    (process,) = started
    assert process.wait(PATIENCE) == int(damage)
    assert words in report.read_text()


def test_values_may_be_read_at_once_or_not(wtal, tmp_path):  # noqa: F811
    folder = write_folder(tmp_path / "features")
    words = ("data", "add", "own", str(folder), "--fps", "25", "--stride", "16", "--replace")
    assert "own: 4 of 4 fine" in wtal(*words, "--check", "now")[1]
    status, out, _ = wtal(*words, "--check", "later")
    assert status == 0 and "`wtal data verify own` reads all" in out and "fine" not in out
    assert wtal("data", "verify", "own", "--out", "seen.txt")[0] == 0
    assert (tmp_path / "seen.txt").read_text().endswith("own: 4 of 4 fine\n")
    assert_bad_input(wtal("data", "verify", "own", "--out", "no/seen.txt"), "no/seen.txt")
    np.save(folder / "clip 0.npy", np.full((20, 16), np.nan))
    assert wtal(*words, "--check", "now")[0] == 1


def test_the_worked_example_of_the_documentation(wtal, tmp_path):  # noqa: F811
    """Its commands as they stand there, on its labels."""
    page = (ROOT / "docs" / "data.md").read_text().split("## Your own data")[1]
    blocks = [block.strip() for block in re.findall(r"```\n(.*?)```", page, re.DOTALL)]
    folder = write_folder(tmp_path / "features", segments=False, videos=4)
    (folder / "labels.csv").write_text(blocks[1])
    run = ""
    for line in blocks[0].splitlines():
        words = [run if word == "RUN" else word for word in line.split()[1:]]
        status, out, _ = wtal(*words, *(BRIEF if words[0] == "train" else ()))
        assert status == 0, line
        if words[0] == "train":
            run = run_in(out)
    assert set(json.loads((tmp_path / "detections.json").read_text())["results"]) <= {
        f"clip {i}" for i in range(4)
    }
