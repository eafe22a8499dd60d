"""`wtal diagnose` end to end: files that are not ours, several methods, bad input, and the notebook
on a file.
"""

import json

import nbformat
import pytest

from tests.data_samples import REAL, needs_real_data
from tests.diagnosis_samples import case
from wtal_core import cli
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import read_cases
from wtal_core.evaluation.tables import write_detections, write_ground_truth
from wtal_core.workbook.artifacts import FOLDER
from wtal_core.workbook.execution import execute

STPN = REAL / "stpn"


@pytest.fixture
def files(tmp_path):
    one = case()
    write_ground_truth(one.ground_truth, tmp_path / "gt.json")
    write_detections(one.detections, tmp_path / "a.json")
    write_detections(one.detections.iloc[:3], tmp_path / "b.parquet")
    return tmp_path


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["diagnose", *map(str, arguments)])
    return stopped.value.code


def with_durations(path, seconds) -> None:
    content = json.loads((path / "gt.json").read_text())
    for video, entry in content["database"].items():
        entry["duration"] = seconds.get(video)
    (path / "gt.json").write_text(json.dumps(content))


def test_several_methods_stand_in_one_page(files, capsys):
    assert (
        run(
            files / "gt.json",
            files / "a.json",
            files / "b.parquet",
            "--out",
            files / "out",
            "--names",
            "Mine",
            "Yours",
        )
        == 0
    )
    numbers = json.loads((files / "out" / "diagnosis.json").read_text())
    assert (
        list(numbers) == ["Mine", "Yours"]
        and numbers["Yours"]["counts"]["detections: detections in the file"] == 3
    )
    assert (
        "a.json, SHA-256" in numbers["Mine"]["source"]
        and str(files) not in (files / "out" / "index.html").read_text()
    )
    assert "index.html" in capsys.readouterr().out


def test_coverage_needs_durations(files):
    run(files / "gt.json", files / "a.json", "--out", files / "without")
    with_durations(files, {"v1": 100, "v2": "100.0"})
    run(files / "gt.json", files / "a.json", "--out", files / "with")
    assert json.loads((files / "without" / "diagnosis.json").read_text())["a"]["left_out"] == [
        "coverage"
    ]
    for folder, expected in (
        ("without", {"length", "instances"}),
        ("with", {"coverage", "length", "instances"}),
    ):
        numbers = json.loads((files / folder / "diagnosis.json").read_text())["a"]
        assert {row["characteristic"] for row in numbers["sensitivity"]} == expected


def test_names_are_taken_literally(files):
    assert (
        run(
            files / "gt.json",
            files / "a.json",
            "--out",
            files / "out",
            "--names",
            r"$\bad{$",
            "--title",
            "a $ b $_{",
        )
        == 0
    )
    assert r"$\bad{$" in (files / "out" / "index.html").read_text()


def test_instances_of_unknown_coverage_are_counted(files, capsys):
    with_durations(files, {"v1": 100.0})
    run(files / "gt.json", files / "a.json", "--out", files / "out")
    numbers = json.loads((files / "out" / "diagnosis.json").read_text())["a"]
    assert (
        numbers["counts"]["diagnosis: instances without a bucket of coverage"] == 2
        and numbers["left_out"] == []
    )
    assert "--title" in capsys.readouterr().out


def test_several_thresholds_and_the_buckets_of_activitynet(files):
    run(
        files / "gt.json",
        files / "a.json",
        "--out",
        files / "out",
        "--tious",
        "0.5:0.05:0.95",
        "--benchmark",
        "activitynet",
    )
    numbers = json.loads((files / "out" / "diagnosis.json").read_text())["a"]
    assert len(numbers["outcomes"]) == 10 and list(numbers["mAP"])[-1] == "0.95"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gt.json"], "give at least one file"),
        (["gt.json", "a.json", "b.parquet", "--names", "Mine"], "a different name for each"),
        (["gt.json", "a.json", "a.json"], "a different name for each"),
        (["gt.json", "a.json", "--names", "_a"], "cannot stand in a figure"),
        (["gt.json", "a.json", "--names", " "], "cannot stand in a figure"),
        (["gt.json", *["a.json"] * 8, "--names", *"abcdefgh"], "at most 7 methods"),
        (["gt.json", "none.json"], "there is no such file"),
        (["none.json", "a.json"], "there is no such file"),
        (["gt.json", "a.json", "--tious", "0"], "0"),
        (["gt.json", "a.json", "--tious", "half"], "half"),
        (["gt.json", "a.json", "--durations", "a.json"], "'database'"),
        (["gt.json", "a.json", "--subset", "train"], "no video of subset 'train'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(files, capsys, arguments, message):
    options = [files / one if one.endswith((".json", ".parquet")) else one for one in arguments]
    assert run(*options, "--out", files / "out") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("wtal: ") and message in lines[-1]
    assert not (files / "out").exists()


def test_a_duration_that_is_none_is_refused(files, capsys):
    with_durations(files, {"v1": -3.0})
    assert run(files / "gt.json", files / "a.json", "--out", files / "out") == 2
    assert "video v1 has the duration '-3.0'" in capsys.readouterr().err


def test_names_default_to_the_files(files):
    assert [
        one.name for one in read_cases(files / "gt.json", [files / "a.json", files / "b.parquet"])
    ] == ["a", "b"]
    with pytest.raises(WorkbookError, match="0 detections files"):
        read_cases(files / "gt.json", [])


def test_a_parquet_ground_truth_has_no_durations(files):
    write_ground_truth(case().ground_truth, files / "gt.parquet")
    (one,) = read_cases(files / "gt.parquet", [files / "a.json"])
    assert one.durations == {} and one.traits()["coverage"].isna().all()


def committed_and_fresh(dataset, fresh):
    committed = FOLDER.parent / "results" / dataset / "diagnosis"
    assert {p.name for p in committed.iterdir()} <= {p.name for p in fresh.iterdir()}
    numbers = json.loads((fresh / "diagnosis.json").read_text())
    return json.loads((committed / "diagnosis.json").read_text()), numbers


@needs_real_data
def test_the_committed_detectors_on_thumos14_are_what_the_command_writes(tmp_path):
    durations = REAL / "thumos14" / "backtal_gt_thumos14.json"
    run(
        STPN / "gt.json",
        STPN / "results.json",
        REAL / "autoloc" / "autoloc_thumos14_test.parquet",
        REAL / "co2net" / "detections_test.json",
        "--names",
        "STPN",
        "AutoLoc",
        "CO2-Net",
        "--title",
        "THUMOS14 test, 210 videos (real data)",
        "--durations",
        durations,
        "--out",
        tmp_path,
    )
    committed, numbers = committed_and_fresh("thumos14/detectors", tmp_path)
    assert numbers == committed
    assert numbers["STPN"]["error_shares"]["background"] == pytest.approx(0.5122, abs=1e-4)
    gains = {name: 100 * numbers[name]["impact"]["background"] for name in numbers}
    assert gains == pytest.approx({"STPN": 2.98, "AutoLoc": 7.78, "CO2-Net": 4.52}, abs=0.005)


@needs_real_data
def test_the_committed_detector_on_activitynet_is_what_the_command_writes(tmp_path):
    autoloc = REAL / "autoloc"
    run(
        autoloc / "autoloc_activitynet12_gt.json",
        autoloc / "autoloc_activitynet12_val.parquet",
        "--names",
        "AutoLoc",
        "--title",
        "ActivityNet 1.2 validation, 2304 videos (real data)",
        "--benchmark",
        "activitynet",
        "--out",
        tmp_path,
    )
    committed, numbers = committed_and_fresh("activitynet1.2/autoloc", tmp_path)
    assert numbers == committed
    assert numbers["AutoLoc"]["average_mAP"] == pytest.approx(16.04, abs=0.005)


@needs_real_data
@pytest.mark.filterwarnings("default")
def test_the_notebook_opens_on_a_file(tmp_path):
    execute(
        FOLDER / "diagnose.ipynb",
        tmp_path / "stpn.ipynb",
        {
            "detections": str((STPN / "results.json").resolve()),
            "ground_truth": str((STPN / "gt.json").resolve()),
            "name": "STPN",
            "title": "THUMOS14 test (real data)",
        },
        progress=False,
    )
    text = json.dumps(nbformat.read(tmp_path / "stpn.ipynb", 4))
    assert "210 videos of STPN" in text and "17.7" in text
