"""A trained run: one training for everything that is asked, on the session's device."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.study.small_runs import (
    BACKTAL,
    GAUFUSE,
    TOPK,
    count_trainings,
    forget_working_files,
    small_session,
)
from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.models import emmil, gaufuse, method
from wtal_core.runs import ledger, sweep
from wtal_core.runs.inputs import on_grid
from wtal_core.runs.train import Trainer, activations, scene
from wtal_core.study import kept
from wtal_core.study.labelling import labelling_of
from wtal_core.study.session import open_session
from wtal_core.study.snapshots import networks_while_learning
from wtal_core.study.trained import TrainedRun, on_own_snippets

LONG = replace(BACKTAL, inputs=replace(BACKTAL.inputs, length=40))


@pytest.fixture
def session(tmp_path, monkeypatch):
    return small_session(tmp_path, monkeypatch)


def ask_everything(trained: TrainedRun) -> None:
    trained.signals("test_0")
    trained.signals("test_1")
    trained.activation_of("test_2")
    trained.case()
    assert trained.facts.top >= 0


def trained_plainly(session, name, config, seed=0) -> Trainer:
    trainer = Trainer(name, config, session.dataset, seed)
    trainer.run()
    trainer.progress.network.eval()
    return trainer


def test_a_new_run_is_trained_once_for_its_record_and_all_that_is_asked(session, monkeypatch):
    trainings = count_trainings(monkeypatch)
    ask_everything(session.trained("topk_mil", TOPK, seed=1))
    assert trainings == [("topk_mil", 1, "cpu")]


def test_a_committed_run_without_weights_is_trained_at_most_once(session, monkeypatch):
    session.trained("topk_mil", TOPK)
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    trained = session.trained("topk_mil", TOPK)
    assert trainings == []
    trained.signals("test_0")
    assert trainings == [("topk_mil", 0, "cpu")]
    ask_everything(trained)
    ask_everything(session.trained("topk_mil", TOPK))
    assert len(trainings) == 1


def test_weights_are_kept_for_other_sessions(session, monkeypatch, tmp_path):
    session.trained("topk_mil", TOPK)
    forget_working_files(tmp_path)
    first = session.trained("topk_mil", TOPK).signals("test_0")
    trainings = count_trainings(monkeypatch)
    again = small_session(tmp_path, monkeypatch).trained("topk_mil", TOPK)
    assert not any(p.requires_grad for p in again.network.parameters())
    again.signals("test_1")
    assert trainings == []
    assert again.detections.equals(session.trained("topk_mil", TOPK).detections)
    assert len(first["detections"]) == (again.detections["video"] == "test_0").sum()


def test_arrays_that_are_kept_need_no_network(session, monkeypatch):
    ask_everything(session.trained("topk_mil", TOPK))
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    monkeypatch.setattr(kept, "weights_of", None)
    ask_everything(session.trained("topk_mil", TOPK))
    assert trainings == []


def test_what_reads_another_run_s_weights_shares_its_training(session, monkeypatch):
    other = replace(GAUFUSE, test_fusion=replace(GAUFUSE.test_fusion, distribution="laplace"))
    assert gaufuse.trained_as(other) == gaufuse.trained_as(GAUFUSE) != other
    rows = [GAUFUSE, other]
    session.run("gaufuse", {str(number): config for number, config in enumerate(rows)})
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    for config in rows:
        trained = session.trained("gaufuse", config)
        ask_everything(trained)
        labelling_of(trained, "train_0")
    assert trainings == [("gaufuse", 0, "cpu")]


def test_snapshots_up_to_the_end_leave_the_weights(session, monkeypatch):
    record = session.trained("topk_mil", TOPK).record
    expected = record.detections("last")
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    trained = session.trained("topk_mil", TOPK)
    last = networks_while_learning(trained, (1, 4))[4]
    ask_everything(trained)
    assert len(trainings) == 1
    assert trained.detections.equals(expected)
    for name, value in trained.network.state_dict().items():
        assert torch.equal(last.state_dict()[name], value)


def test_it_trains_on_the_session_s_device(session, monkeypatch):
    session.trained("topk_mil", TOPK)
    forget_working_files(session.store.root)
    trained = replace(session, device="cuda").trained("topk_mil", TOPK)
    devices = []
    monkeypatch.setattr(kept, "resolve_device", lambda device: devices.append(device) or "cpu")
    kept.weights_of(trained.run, trained.record, trained.store, trained.device)
    assert devices == ["cuda"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_device_that_is_not_there_is_named(session):
    session.trained("topk_mil", TOPK)
    forget_working_files(session.store.root)
    with pytest.raises(WorkbookError, match="device cuda: no GPU is seen"):
        replace(session, device="cuda").trained("topk_mil", TOPK).signals("test_0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_everything_comes_back_as_arrays(session):
    session = replace(session, device="cuda")
    trained = session.trained("facnet", CONFIG)
    assert next(trained.network.parameters()).is_cuda
    ask_everything(trained)
    trained = session.trained("backtal", BACKTAL)
    ask_everything(trained)
    assert trained.embedding is not None
    labelling_of(session.trained("gaufuse", GAUFUSE), "train_0")


@pytest.mark.parametrize(
    ("name", "config"), [("facnet", CONFIG), ("backtal", BACKTAL), ("backtal", LONG)]
)
def test_it_says_what_a_plain_training_says(session, name, config):
    data = session.dataset
    trainer = trained_plainly(session, name, config)
    network = trainer.progress.network
    activation = activations(method(name), network, config, trainer.test_videos)
    trained = session.trained(name, config)

    assert np.array_equal(trained.activation.cas, activation.cas)
    expected = method(name).localize(activation, scene(data), config)
    assert trained.detections.equals(expected)

    with torch.no_grad():
        outputs = network(trainer.test_videos.batch([2]))
    signals = trained.signals("test_2")
    for key, value in method(name).signals(outputs).items():
        if key == "x":
            assert key not in signals
        else:
            own = on_grid(value[-1].numpy(), data.test[2].length)
            np.testing.assert_array_equal(signals[key], own)
    assert len(signals["detections"]) == (expected["video"] == "test_2").sum()


def test_activation_of_one_video_is_its_part_of_the_whole(session):
    for config in (BACKTAL, LONG):
        trained = session.trained("backtal", config)
        whole = trained.activation
        begin = sum(whole.lengths[:3])
        activation, own_scene = trained.activation_of("test_3")
        own = slice(begin, begin + whole.lengths[3])
        assert np.array_equal(activation.cas, whole.cas[:, own])
        assert np.array_equal(activation.attention, whole.attention[:, own])
        assert np.array_equal(activation.magnitude, whole.magnitude[:, own])
        assert np.array_equal(activation.scores, whole.scores[:, 3:4])
        assert own_scene.videos == ("test_3",)
        assert own_scene.lengths == (session.dataset.test[3].length,)
        # one video's detections need no other video
        table = method("backtal").localize(activation, own_scene, config)
        expected = trained.detections[trained.detections["video"] == "test_3"]
        assert table["score"].tolist() == expected["score"].tolist()


def test_values_on_the_data_set_s_own_snippets(session):
    data = session.dataset
    lengths = tuple(v.length for v in data.test)
    values = np.arange(sum(lengths), dtype=np.float64)
    assert np.array_equal(on_own_snippets(values, lengths, data), values)
    ramps = np.concatenate([np.linspace(0, 1, 40) for _ in lengths])
    back = np.split(on_own_snippets(ramps, (40,) * len(lengths), data), np.cumsum(lengths)[:-1])
    for part, length in zip(back, lengths, strict=True):
        assert len(part) == length
        assert (np.diff(part) > 0).all() and abs(part[0] + part[-1] - 1) < 1e-12


def test_an_embedding_map_is_kept(session, monkeypatch):
    first = session.trained("facnet", CONFIG).embedding_map()
    snippets = sum(v.length for v in session.dataset.test)
    assert first["points"].shape == (snippets, 2) and first["inside"].shape == (snippets,)
    assert 0 <= first["auc"][0] <= 1
    monkeypatch.setattr(kept, "weights_of", None)
    again = session.trained("facnet", CONFIG).embedding_map()
    assert np.array_equal(again["points"], first["points"])


def test_a_method_without_embedding_has_no_map(session):
    schedule = replace(emmil.QUICK.schedule, epochs=1, evaluations=1)
    config = replace(emmil.QUICK, hidden=4, schedule=schedule)
    with pytest.raises(WorkbookError, match="method emmil shows no embedding"):
        session.trained("emmil", config).embedding_map()


def test_an_unknown_video_is_named(session):
    trained = session.trained("topk_mil", TOPK)
    for question in (trained.signals, trained.activation_of):
        with pytest.raises(
            WorkbookError, match="train_0 is no test video of simulated; choose one such as test_0"
        ):
            question("train_0")


def test_damaged_weights_are_named_and_can_be_deleted(session):
    trained = session.trained("topk_mil", TOPK)
    expected = trained.signals("test_0")
    path = trained.record.weights("last")
    path.write_bytes(path.read_bytes()[:100])
    trained.record._arrays_files()[0].unlink()
    with pytest.raises(WorkbookError, match=r"weights_last.* is damaged .*; delete"):
        session.trained("topk_mil", TOPK).signals("test_0")
    path.unlink()
    again = session.trained("topk_mil", TOPK).signals("test_0")
    assert all(np.array_equal(again[name], expected[name]) for name in expected)


def test_an_interrupted_training_leaves_no_half_file(session, monkeypatch):
    trained = session.trained("topk_mil", TOPK)
    forget_working_files(session.store.root)

    def write_half(values, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(sweep, "save_file", write_half)
        trained.signals("test_0")
    assert trained.record.weights("last") is None
    assert len(trained.signals("test_0")) > 0


def test_the_ledger_s_line_stays_as_it_is(session):
    record = session.trained("topk_mil", TOPK).record
    path = session.store.root / "simulated" / "runs" / "topk_mil.jsonl"
    content = path.read_bytes()
    forget_working_files(session.store.root)
    session.trained("topk_mil", TOPK).signals("test_0")
    assert path.read_bytes() == content
    assert record.line == session.trained("topk_mil", TOPK).record.line


def test_map_is_in_percent_per_tiou(session):
    trained = session.trained("facnet", CONFIG)
    score = trained.record.line["metrics"]["last"]["wtalc"]
    assert list(trained.map) == score["tious"]
    assert list(trained.map.values()) == [100 * value for value in score["map"]]


def test_session_and_runs_hold_one_data_set():
    session = open_session("start_here")
    assert session.dataset is open_session("tools/diagnose").dataset
    run = sweep.Run("facnet", session.base("facnet"), "simulated-2", 0)
    assert sweep.dataset_of(run) is session.dataset


def test_with_folds_the_session_opens_the_first(monkeypatch):
    opened = []
    data = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: opened.append((name, fold)) or data)
    sweep.opened("salads50")
    sweep.opened("hapt")
    assert opened == [("salads50", 0), ("hapt", None)]


def test_what_another_network_says_does_not_stand_beside_what_the_record_s_said(
    session, monkeypatch, capsys
):
    """As on a processor of another kind: trained again, the run ends with another network."""
    first = session.trained("topk_mil", TOPK).signals("test_0")
    record = session.trained("topk_mil", TOPK).record
    committed = record._arrays_files()[0]
    before = committed.read_bytes()
    forget_working_files(session.store.root)
    train = kept.train

    def other_seed(run, *rest):
        return train(replace(run, seed=1), *rest)

    monkeypatch.setattr(kept, "train", other_seed)
    trained = session.trained("topk_mil", TOPK)
    assert np.array_equal(trained.signals("test_0")["s_a"], first["s_a"])
    trained.signals("test_1")
    assert "gives other numbers than run" in capsys.readouterr().err
    assert committed.read_bytes() == before
    assert not np.array_equal(trained.signals("test_0")["s_a"], first["s_a"])
    whole = trained.detections
    stored = trained.signals("test_0")["detections"]
    assert len(stored) == (whole["video"] == "test_0").sum()


def test_with_a_folder_of_its_own_for_weights_the_committed_arrays_are_seen(
    session, monkeypatch, tmp_path
):
    """As `make test` does where this machine has trained a run again, to another network."""
    first = session.trained("topk_mil", TOPK).signals("test_0")["s_a"]
    record = session.trained("topk_mil", TOPK).record
    (record.working_folder / ledger.ANOTHER_NETWORK).touch()
    record.keep_arrays("signals_test_0", {"s_a": first + 1})
    assert np.array_equal(session.trained("topk_mil", TOPK).signals("test_0")["s_a"], first + 1)
    monkeypatch.setenv("WTAL_WORK", str(tmp_path / "elsewhere"))
    assert np.array_equal(session.trained("topk_mil", TOPK).signals("test_0")["s_a"], first)
    assert not (tmp_path / "elsewhere").exists()


def test_two_results_folders_share_no_weights_on_another_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("WTAL_WORK", str(tmp_path / "elsewhere"))
    roots = [tmp_path / "one" / "results", tmp_path / "two" / "results"]
    folders = {ledger.working_folder(root, "key") for root in roots}
    assert len(folders) == 2 and all(tmp_path / "elsewhere" in path.parents for path in folders)


def test_the_disk_that_weights_go_to_is_tried_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("WTAL_WORK", str(tmp_path / "file"))
    with pytest.raises(WorkbookError, match="cannot be written"):
        ledger.Ledger(tmp_path / "results").check_writable()
