"""The GPU's benchmark, rehearsed on the CPU at a tiny size: every section runs as it is."""

import json

import numpy as np
import pytest
import torch

from benchmarks.gpu import __main__ as script
from benchmarks.gpu import sections
from benchmarks.gpu.sections import SECTIONS, Plan
from benchmarks.gpu.training import Course, count_operations
from wtal_core.models import method, method_names
from wtal_core.packed import Resident
from wtal_core.runs.train import Trainer

NEEDS_NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


def in_this_process(name, seconds, rehearsal):
    """The rows of a section, as `in_a_process` returns them."""
    return {"rows": list(SECTIONS[name][1](Plan("cpu", seconds, rehearsal))), "failed": ""}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Exit status and files of a rehearsal."""
    folder = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "in_a_process", in_this_process)
        status = script.main(["--rehearse", "--out", str(folder)])
    return status, json.loads((folder / "gpu.json").read_text()), (folder / "gpu.md").read_text()


@pytest.mark.slow
def test_a_rehearsal_measures_every_method_in_every_section(written):
    status, report, text = written
    assert (status, script.failures(report)) == (0, [])
    assert list(report["sections"]) == list(SECTIONS)
    for name in ("trainings of THUMOS14's size", "ladder, and agreement with the CPU"):
        rows = [row for row in report["sections"][name]["rows"] if "method" in row]
        assert sorted(row["method"] for row in rows) == sorted(method_names())
        assert all(row["whole run s"] >= row["training s"] > 0 for row in rows)
    assert text.count("| facnet") == 1 + 1 + 1 + len(sections.OPTIONS)
    assert "rehearsal" in text and text.endswith("Nothing.\n")


def test_a_method_that_fails_is_a_line_and_the_next_one_goes_on():
    def measure(name, end):
        if name == "b":
            raise RuntimeError("no kernel image")
        yield {"method": name, "s": 1}

    rows = list(Plan("cpu", 0, True).each("abc", measure))
    assert [row["method"] for row in rows] == ["a", "b", "c"]
    report = {"date": "", "python": "", "rehearsal": False}
    report["sections"] = {"x": {"rows": rows, "failed": ""}}
    assert script.failures(report) == ["x, b: RuntimeError: no kernel image"]
    assert "no kernel image" in script.as_text(report) and "| c " in script.as_text(report)


def test_a_network_that_says_something_else_on_the_cpu_is_a_failure():
    section = {"rows": [{"method": "facnet", "agrees": "NO"}], "failed": ""}
    assert script.failures({"sections": {"ladder": section}}) == [
        "ladder, facnet: differs from the CPU"
    ]


def test_a_machine_that_is_taken_away_takes_only_what_is_not_finished(tmp_path, monkeypatch):
    def taken_away_after_the_first(name, seconds, rehearsal):
        if name != next(iter(SECTIONS)):
            raise KeyboardInterrupt
        return {"rows": [{"device": "kept"}], "failed": ""}

    monkeypatch.setattr(script, "in_a_process", taken_away_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        script.main(["--rehearse", "--out", str(tmp_path)])
    assert [*json.loads((tmp_path / "gpu.json").read_text())["sections"]] == [next(iter(SECTIONS))]
    assert "kept" in (tmp_path / "gpu.md").read_text()


@NEEDS_NO_GPU
def test_a_section_that_breaks_its_process_is_one_line():
    outcome = script.in_a_process("machine", 1.0, rehearsal=False)
    assert outcome["failed"].startswith("exit status 1: ") and not outcome["rows"]


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert script.main(["--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err == script.ABSENT + "\n" and not said.out and not (tmp_path / "out").exists()


def test_a_part_of_a_training_is_scaled_to_the_whole():
    course = Course(of=10, evaluations=3, steps=[1.0, 1.0], pauses=[0.5, 0.0], passes=[2.0])
    assert course.training == pytest.approx(12.5) and course.whole == pytest.approx(18.5)
    assert course.row()["of it scoring %"] == pytest.approx(32.4)


def test_operations_are_those_of_the_matrix_products():
    """Mean pooling of FAC-Net's embedding: at least its two layers, forward and backward."""
    config = method("facnet").profiles["quick"]
    data = Plan("cpu", 0, True).small
    trainer = Trainer("facnet", config, data, 0)
    snippets = sum(video.length for video in data.train)
    inner = config.embedding
    # both streams; 2 products of the first layer, 3 of the second one
    layers = 2 * 2 * snippets * (2 * data.feature_size() * inner + 3 * inner * inner)
    assert layers < count_operations(trainer) < 3 * layers


def test_fast_products_are_switched_off_again():
    before = torch.get_float32_matmul_precision()
    with pytest.raises(ValueError), sections.fast_products(True):
        assert torch.get_float32_matmul_precision() == "high"
        raise ValueError
    assert torch.get_float32_matmul_precision() == before


def test_features_kept_in_bfloat16_are_given_in_float32():
    features = [np.random.default_rng(t).random((2, t, 3), np.float32) for t in (4, 0, 7)]
    videos = Resident(features, np.eye(3, dtype=np.float32))
    exact = videos.batch([2, 0]).features
    videos.keep_as(torch.bfloat16)
    rounded = videos.batch([2, 0]).features
    assert rounded.dtype == videos.features.dtype == torch.float32
    assert torch.equal(rounded, exact.bfloat16().float()) and not torch.equal(rounded, exact)
