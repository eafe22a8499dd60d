"""Guards that no ordinary file touches: each of these tests fails where its guard is taken away."""

import errno
import os
import resource
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.runs.test_ledger import HISTORY, line_of
from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.data.manifests import read_manifest
from wtal_core.data.thumos14 import read_origin
from wtal_core.errors import CannotWrite, WorkbookError
from wtal_core.evaluation.files import write_whole
from wtal_core.localization import pseudo_labels
from wtal_core.localization.frame_proposals import Margin, Runs, inner_and_outer
from wtal_core.localization.linear_programme import Solutions
from wtal_core.report.artifacts import read_tables, save_table
from wtal_core.runs import ledger
from wtal_core.runs.ledger import Ledger, read, runs_file
from wtal_core.runs.train import Trainer, put_back, read_checkpoint
from wtal_core.videos import kinetics, lite0_flow


class RunsACommand:
    """Its pickle, or a YAML that names it, would make a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_checkpoint_runs_nothing(tmp_path):
    torch.save({"network": RunsACommand(tmp_path / "made")}, tmp_path / "checkpoint.pt")
    with pytest.raises(
        WorkbookError,
        match=r"checkpoint\.pt is damaged .*something else.*; delete it and run again",
    ):
        read_checkpoint(tmp_path / "checkpoint.pt", torch.device("cpu"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("backbone", ["lite0_flow", "kinetics"])
def test_weights_of_a_backbone_are_looked_at_before_pytorch_sees_them(
    tmp_path, monkeypatch, backbone
):
    """A nested tuple as a key of a dictionary ends the process that makes it."""
    nested = b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s."
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", nested)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(WorkbookError, match=r"weights\.pt holds no weights of"):
        if backbone == "kinetics":
            kinetics._state("r2plus1d_18", path, "https://example.org/weights.pt")
        else:
            lite0_flow.lite0_flow(weights=path)


def test_a_checkpoint_of_another_run_is_named(tmp_path):
    begun = Trainer("facnet", CONFIG, tiny_dataset(), 0, "cpu")
    path = tmp_path / "checkpoint.pt"
    begun.save(path)
    wider = Trainer("facnet", replace(CONFIG, embedding=16), tiny_dataset(), 0, "cpu")
    with pytest.raises(WorkbookError, match=r"checkpoint\.pt is no checkpoint of this .*delete"):
        wider.run(path)
    state = torch.load(path, weights_only=True)
    torch.save(state | {"epoch": "two"}, path)
    with pytest.raises(WorkbookError, match="number of epochs is 'two', expected a whole"):
        begun.run(path)


def test_weights_of_another_network_are_named():
    network = torch.nn.Linear(2, 2)
    for weights in ({}, {"weight": torch.ones(3, 2), "bias": torch.ones(2)}):
        with pytest.raises(WorkbookError, match="facnet: the weights that a run has kept are not"):
            put_back(network, weights, "facnet")


@pytest.mark.parametrize("read_file", [read_manifest, read_origin])
@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_yaml_runs_nothing(tmp_path, read_file, tag):
    path = tmp_path / "origin.yaml"
    path.write_text(f"name: origin\ntitle: T\norigin: {tag} ['{tmp_path / 'made'}']\n")
    with pytest.raises(WorkbookError, match=r"origin\.yaml"):
        read_file(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "CON", "a/b", "x" * 300, "a\nb", ".."])
def test_a_data_set_of_any_name_stays_in_the_results_folder(tmp_path, name):
    results = tmp_path / "results"
    with pytest.raises(WorkbookError, match="name of a data set"):
        Ledger(results).append(line_of() | {"dataset": name}, HISTORY)
    with pytest.raises(WorkbookError, match="name of a data set"):
        runs_file(results, name, "facnet")
    assert not list(tmp_path.rglob("*.jsonl"))
    (tmp_path / "origin.yaml").write_text(f"name: {name!r}\norigin: simulated\n")
    with pytest.raises(WorkbookError, match=r"origin\.yaml"):
        read_origin(tmp_path / "origin.yaml")


@pytest.mark.parametrize("key", ["../../x", "/tmp/x", "a/b"])
def test_a_run_of_any_identity_stays_in_the_working_folder(tmp_path, key):
    record = ledger.Record(line_of() | {"id": key}, (tmp_path,))
    with pytest.raises(WorkbookError, match="identity of a run"):
        record.arrays("figure")
    with pytest.raises(WorkbookError, match="identity of a run"):
        ledger.working_folder(tmp_path, key)


def test_a_file_replaced_while_the_clock_jumps_back_is_read_again(tmp_path):
    Ledger(tmp_path).append(line_of(0), HISTORY)
    path = runs_file(tmp_path, "simulated", "facnet")
    state = path.stat()
    first = read(path)
    (tmp_path / "other").mkdir()
    Ledger(tmp_path / "other").append(line_of(1), HISTORY)
    other = runs_file(tmp_path / "other", "simulated", "facnet")
    assert other.stat().st_size == state.st_size
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.replace(other, path)
    assert set(read(path)) != set(first)


@pytest.fixture
def small_disk():
    """No file may grow beyond 4 KiB while this lasts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_in_the_middle_of_a_table(tmp_path, small_disk):
    path = tmp_path / "table1.csv"
    save_table(pd.DataFrame({"n": [1]}), path, "x")
    files = {
        file: file.read_bytes() for file in tmp_path.iterdir() if file.suffix in (".csv", ".md")
    }
    large = pd.DataFrame({"n": np.arange(2000)})
    with pytest.raises(WorkbookError, match="cannot be written"):
        save_table(large, tmp_path / "table1_large.csv", "x")
    assert {file: file.read_bytes() for file in files} == files
    assert set(read_tables(path)) == {"table1"}
    assert not list(tmp_path.glob("*.partial"))


def test_a_disk_that_is_full_is_told_in_one_line(tmp_path, small_disk):
    with pytest.raises(
        CannotWrite, match=r"cannot be written \(File too large\); make room"
    ) as caught:
        write_whole(tmp_path / "a", lambda path: path.write_bytes(b"x" * 10_000))
    assert list(tmp_path.iterdir()) == [] and "\n" not in str(caught.value)
    assert caught.value.strerror == os.strerror(errno.EFBIG)


def test_labels_that_no_second_programme_gives_are_the_nearest_ones(monkeypatch):
    """Where the programme of the nearest scores fails, too, its least squares solution stands."""
    length, segments = 10, ((1.0, 4.0, 0.9), (1.0, 4.0, -0.9))  # one stretch, two scores
    columns = [np.array(column) for column in zip(*segments, strict=True)]
    rule = replace(pseudo_labels.LabelRule(), infeasible="least_squares", rows="mean")
    arguments = (np.zeros(2, np.int64), *columns, np.array([length], np.int64), rule)
    expected = pseudo_labels.pseudo_labels(*arguments).values

    original = pseudo_labels.solve
    monkeypatch.setattr(
        pseudo_labels,
        "solve",
        lambda p: Solutions(
            np.zeros_like(original(p).values), np.zeros(len(original(p).values), dtype=bool)
        ),
    )
    found = pseudo_labels.pseudo_labels(*arguments)
    assert found.infeasible.all()
    np.testing.assert_allclose(found.values, expected, atol=1e-3)


def test_negative_values_of_frames_count_as_none():
    """Of [1, -3, 1] in one run the mean is 2 / 3, not -1 / 3; outside, -4 counts as 0."""
    runs = Runs(*(np.array([value]) for value in (0, 0, 1, 4)))
    values = np.array([-4.0, 1.0, -3.0, 1.0, -4.0])
    margin = Margin(0.5, "inclusive")
    inner, outer = inner_and_outer(values, np.array([5]), runs, margin, thresholded=True)
    np.testing.assert_allclose(inner, [2 / 3])
    np.testing.assert_allclose(outer, [0.0])


def test_control_characters_of_a_name_are_written_out():
    from wtal_core.cli.refusals import visible

    assert visible("columns that are not read: lab\ufeffel") == (
        "columns that are not read: lab\\ufeffel"
    )


def test_a_row_of_a_features_table_without_its_mark_is_of_a_video_to_do_again(tmp_path):
    from wtal_core.videos import folder

    (tmp_path / folder.TABLE).write_text("video,mark\na,1-x\nb\n")
    assert folder._done(tmp_path) == {"a": "1-x", "b": ""}
