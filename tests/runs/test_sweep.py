"""Runs: repeatable, resumable, found again by key, written whole or not at all."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tiny_dataset import CONFIG, SCHEDULE, start_worker, tiny_dataset
from wtal_core.data.dataset import check_dataset
from wtal_core.errors import WorkbookError
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs import sweep
from wtal_core.runs.audit import audit
from wtal_core.runs.inputs import resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Store
from wtal_core.runs.train import Trainer, score

RUN = Run("facnet", CONFIG, "simulated", 0)


@pytest.fixture
def tiny(monkeypatch):
    """The tiny data set in place of any other."""
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    return dataset


def train(seed=0, config=CONFIG, **run):
    return Trainer("facnet", config, tiny_dataset(), seed).run(**run)


def assert_same(a, b):
    for rule in ("last", "best"):
        assert all(
            torch.equal(a.weights[rule][name], b.weights[rule][name]) for name in a.weights[rule]
        )
        assert a.detections[rule].equals(b.detections[rule])
    assert a.history == b.history
    assert a.best_epoch == b.best_epoch


def test_training_twice_gives_the_same_bits():
    assert_same(train(), train())


def test_another_seed_gives_other_weights():
    a, b = train(), train(seed=1)
    assert not torch.equal(a.weights["last"]["w_a"], b.weights["last"]["w_a"])


def test_training_learns():
    entries = train(config=replace(CONFIG, schedule=replace(SCHEDULE, epochs=25))).history
    assert entries[-1]["total"] < entries[0]["total"]
    assert entries[-1]["average_map"] > 0.2


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, stop):
    """Stops after an odd and an even epoch: before, at and after the first test-set score."""
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    first = Trainer("facnet", CONFIG, tiny_dataset(), 0)

    def interrupt(epoch, entry):
        if epoch == stop:
            first.save(checkpoint)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(on_epoch=interrupt)
    epochs = []
    resumed = Trainer("facnet", CONFIG, tiny_dataset(), 0).run(
        checkpoint, on_epoch=lambda epoch, _: epochs.append(epoch)
    )
    assert epochs == list(range(stop + 1, SCHEDULE.epochs + 1))
    assert_same(resumed, train())


def test_a_run_saves_checkpoints_on_its_way(tmp_path, monkeypatch):
    monkeypatch.setattr("wtal_core.runs.train.CHECKPOINT_SECONDS", -1.0)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    assert_same(train(checkpoint=checkpoint), train())
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]
    assert torch.load(checkpoint, weights_only=True)["epoch"] == SCHEDULE.epochs


def test_last_and_best_are_both_kept():
    trained = train(config=replace(CONFIG, schedule=replace(SCHEDULE, epochs=8, evaluations=8)))
    scores = [entry["average_map"] for entry in trained.history]
    assert trained.best_epoch == int(np.argmax(scores))  # the earlier one on a tie
    assert trained.scores["best"]["wtalc"].average == pytest.approx(max(scores))
    assert trained.scores["last"]["wtalc"].average == pytest.approx(scores[-1])
    assert set(trained.scores["last"]) == {"wtalc", "wtalc-2019", "activitynet"}
    state = trained.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in trained.weights["last"].items())


def test_of_equally_good_epochs_the_first_is_the_best(monkeypatch):
    monkeypatch.setattr(
        "wtal_core.runs.train.score", lambda *given: replace(score(*given), average=0.5)
    )
    assert train().best_epoch == 1  # scored after epochs 1 and 3


def test_labels_of_training_are_published_or_those_of_the_segments():
    dataset = tiny_dataset()
    other = dataset.segments.assign(
        label=dataset.segments["label"].where(dataset.segments["video"] != "train_1", "throw")
    )
    dataset = replace(dataset, segments=other[other["video"] != "train_2"])
    published, shown = (
        resident(dataset, "train", "cpu", of).labels for of in ("video", "segments")
    )
    assert published[:3].tolist() == np.eye(3).tolist()
    assert shown[:3].tolist() == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 0],
    ]  # a video without segments shows nothing
    assert torch.equal(published[3:], shown[3:])
    config = replace(CONFIG, schedule=replace(SCHEDULE, labels="segments"))
    trainer = Trainer("facnet", config, dataset, 0)
    assert torch.equal(trainer.train_videos.labels, shown) and np.isfinite(trainer.epoch()["total"])


def test_a_loss_that_is_not_finite_stops_the_run():
    steep = replace(CONFIG, schedule=replace(SCHEDULE, learning_rate=1e30))
    with pytest.raises(
        WorkbookError, match=r"loss of epoch 0 is nan; lower schedule\.learning_rate"
    ):
        train(config=steep)


@pytest.mark.parametrize(
    ("epochs", "evaluations"), [(100, 20), (40, 5), (7, 3), (5, 5), (3, 20), (10, 1), (10, 0)]
)
def test_the_test_set_is_scored_evenly_and_at_the_end(epochs, evaluations):
    schedule = Schedule(epochs=epochs, evaluations=evaluations)
    scored = [epoch for epoch in range(epochs) if schedule.is_evaluated(epoch)]
    assert len(scored) == max(1, min(epochs, evaluations))
    assert scored[-1] == epochs - 1
    assert len(scored) < 2 or np.ptp(np.diff(scored)) <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    dataset = tiny_dataset()
    assert check_dataset(dataset) is dataset
    dataset.test[1].features["flow"][3, 2] = bad
    with pytest.raises(WorkbookError, match="video test_1 hold NaN or infinite"):
        check_dataset(dataset)


def test_a_record_is_found_again_and_not_computed_again(tiny, tmp_path, monkeypatch):
    store = Store(tmp_path)
    (record,) = sweep.ensure([RUN], store)
    monkeypatch.setattr(sweep, "compute", None)
    (again,) = sweep.ensure([RUN], store)
    assert again.content == record.content
    assert record.average_map("wtalc") == pytest.approx(
        100 * train().scores["last"]["wtalc"].average, abs=1e-4
    )
    assert sorted(path.name for path in record.folder.parent.iterdir()) == [
        RUN.key(tiny.fingerprint)
    ]
    assert (
        record.weights("best").exists()
        and len(record.detections("last")) == record.content["detections"]["last"]
    )


def test_a_record_says_where_its_numbers_come_from(tiny, tmp_path):
    (record,) = sweep.ensure([RUN], Store(tmp_path))
    content = json.loads((record.folder / "record.json").read_text())
    assert content["run"] == json.loads(json.dumps(RUN.values(tiny.fingerprint)))
    assert (content["title"], content["origin"], content["fold"]) == ("Tiny", "simulated", None)
    assert set(content["metrics"]) == {"last", "best"}
    assert {"python", "torch", "numpy", "device"} <= set(content["environment"])
    assert len(content["history"]) == SCHEDULE.epochs and content["peak_memory_mb"] > 0


def test_several_runs_come_back_in_their_order(tiny, tmp_path):
    runs = [replace(RUN, seed=seed) for seed in (2, 0, 1)]
    sweep.ensure(runs[1:2], Store(tmp_path))
    records = sweep.ensure(runs, Store(tmp_path))
    assert [r.content["run"]["seed"] for r in records] == [2, 0, 1]


def test_processes_compute_what_one_process_computes(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "_start_worker", start_worker)
    runs = [replace(RUN, seed=seed) for seed in range(3)]
    alone, together = (
        sweep.ensure(runs, Store(tmp_path / str(jobs)), jobs=jobs) for jobs in (1, 2)
    )
    for a, b in zip(alone, together, strict=True):
        assert a.content["metrics"] == b.content["metrics"]
        assert a.content["history"] == b.content["history"]


def test_equal_values_have_equal_keys_and_others_another():
    key = RUN.key("data 1")
    assert Run("facnet", replace(CONFIG), "simulated", 0).key("data 1") == key
    assert len(key) == 16 and int(key, 16) >= 0
    steeper = replace(CONFIG, schedule=replace(SCHEDULE, learning_rate=1e-3))
    others = [
        replace(RUN, seed=1).key("data 1"),
        RUN.key("data 2"),
        replace(RUN, config=steeper).key("data 1"),
        replace(RUN, config=replace(CONFIG, delta=4.0)).key("data 1"),
        replace(RUN, dataset="hapt").key("data 1"),
    ]
    assert len({key, *others}) == 1 + len(others)


def test_a_run_refuses_a_config_of_another_method():
    with pytest.raises(WorkbookError, match="method topk_mil needs a"):
        Run("topk_mil", CONFIG, "simulated", 0)
    with pytest.raises(WorkbookError, match=r"unknown method 'nothing'; known: .*facnet"):
        Run("nothing", CONFIG, "simulated", 0)


def test_a_fold_follows_from_the_seed():
    assert [replace(RUN, dataset="salads50", seed=seed).fold for seed in range(6)] == [
        0,
        1,
        2,
        3,
        4,
        0,
    ]
    assert RUN.fold is None


def fail(folder):
    (folder / "weights_last.safetensors").write_bytes(b"half")
    raise OSError("No space left on device")


def test_a_write_that_fails_half_way_leaves_nothing_to_find(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        store.write(RUN, "0" * 16, {"metrics": {}}, fail)
    assert store.find(RUN, "0" * 16) is None
    record = store.write(RUN, "0" * 16, {"metrics": {}}, lambda folder: None)
    assert store.find(RUN, "0" * 16).content == record.content == {"metrics": {}}
    assert [path.name for path in record.folder.parent.iterdir()] == ["0" * 16]


def test_a_run_that_another_process_finished_first_is_kept(tmp_path):
    store = Store(tmp_path)
    store.write(RUN, "0" * 16, {"by": "first"}, lambda folder: None)
    store.write(RUN, "0" * 16, {"by": "second"}, lambda folder: None)
    assert store.find(RUN, "0" * 16).content == {"by": "first"}
    assert len(list(store.folder(RUN, "x").parent.iterdir())) == 1


def test_a_run_that_cannot_be_moved_into_its_place_is_not_thrown_away(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError("not allowed")

    monkeypatch.setattr("wtal_core.runs.store.os.rename", refuse)
    with pytest.raises(PermissionError):
        Store(tmp_path).write(RUN, "0" * 16, {"metrics": {}}, lambda folder: None)
    assert list(tmp_path.glob("**/*.partial/record.json"))


@pytest.mark.parametrize("content", ['{"metrics": ', "", None])
def test_a_damaged_record_is_named(tmp_path, content):
    path = Store(tmp_path).folder(RUN, "0" * 16) / "record.json"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(
        WorkbookError,
        match=r"record .*0{16}/record.json is damaged .* delete its folder and run again",
    ):
        Store(tmp_path).find(RUN, "0" * 16)
    (line,) = audit(tmp_path)
    assert (line["records"], line["damaged"]) == (1, 1)


def test_partial_folders_are_ignored(tiny, tmp_path):
    store, key = Store(tmp_path), RUN.key(tiny.fingerprint)
    for name in (f"{key}.partial", f"{key}.123.partial"):
        store.folder(RUN, name).mkdir(parents=True)
    assert store.find(RUN, key) is None
    sweep.ensure([RUN], store)
    (line,) = audit(tmp_path)
    assert line == {
        "dataset": "simulated",
        "method": "facnet",
        "records": 1,
        "damaged": 0,
        "stale": 0,
    }
    assert not store.checkpoint(RUN, key).parent.exists()


def test_arrays_are_kept_beside_a_record(tmp_path):
    record = Store(tmp_path).write(RUN, "0" * 16, {}, lambda folder: None)
    assert (
        record.arrays("signals") is None
        and record.weights() is None
        and record.detections() is None
    )
    values = {"s_a": np.arange(12.0).reshape(3, 4).T}
    record.keep_arrays("signals", values)
    np.testing.assert_array_equal(record.arrays("signals")["s_a"], values["s_a"])


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    trainer = Trainer("facnet", CONFIG, tiny_dataset(), 0)
    trainer.save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        WorkbookError, match=r"checkpoint .*checkpoint.pt is damaged .*delete it and run again"
    ):
        trainer.run(path)


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_a_schedule_needs_at_least_one_of_each(name):
    with pytest.raises(WorkbookError, match=f"schedule.{name} is 0"):
        replace(SCHEDULE, **{name: 0})


def test_labels_from_segments_replace_the_published_ones():
    dataset = tiny_dataset()
    wrong = replace(dataset, train=tuple(replace(v, labels=("throw",)) for v in dataset.train))
    assert resident(wrong, "train", "cpu").labels[:, 2].all()
    assert torch.equal(
        resident(wrong, "train", "cpu", "segments").labels, resident(dataset, "train", "cpu").labels
    )
