"""Runs: repeatable, resumable, found again by what was asked, computed once."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tiny_dataset import CONFIG, SCHEDULE, start_worker, tiny_dataset
from wtal_core.data.dataset import check_dataset
from wtal_core.errors import WorkbookError
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs import ledger as ledgers
from wtal_core.runs import sweep
from wtal_core.runs.delivery import FILES
from wtal_core.runs.inputs import resident
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.run import Run
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


def test_a_record_is_found_again_and_not_computed_again(tiny, tmp_path, monkeypatch, capsys):
    ledger = Ledger(tmp_path)
    (record,) = sweep.ensure([RUN], ledger)
    assert "1 of 1 runs are missing" in capsys.readouterr().err
    monkeypatch.setattr(sweep, "compute", None)
    (again,) = sweep.ensure([RUN], ledger)
    assert capsys.readouterr().err == ""
    assert again.line == record.line
    average = train().scores["last"]["wtalc"].average
    assert record.average_map("wtalc") == pytest.approx(100 * average, abs=1e-4)
    assert record.weights("best").exists()
    assert len(record.detections("last")) == record.line["detections"]["last"]
    assert record.config == CONFIG


def test_a_line_says_what_was_asked_and_who_computed_it(tiny, tmp_path):
    (record,) = sweep.ensure([RUN], Ledger(tmp_path))
    asked = RUN.asked(tiny.fingerprint)
    assert {name: record.line[name] for name in asked} == asked
    assert set(record.line["metrics"]) == {"last", "best"}
    by = record.line["by"]
    assert set(by) == {"commit", "dirty", "behaviour", "environment", "finished"}
    assert by["behaviour"] == "facnet-1"
    named = {"python", "torch", "numpy", "device", "device_name", "instruction_set", "threads"}
    assert set(by["environment"]) == named
    assert by["environment"]["threads"] == 1  # a small network, whatever the machine has
    assert len(record.history) == SCHEDULE.epochs
    assert record.line["losses"] == record.history[-1]
    assert record.line["peak_memory_mb"] > 0


def test_several_runs_come_back_in_their_order(tiny, tmp_path):
    runs = [replace(RUN, seed=seed) for seed in (2, 0, 1)]
    sweep.ensure(runs[1:2], Ledger(tmp_path))
    records = sweep.ensure(runs, Ledger(tmp_path))
    assert [record.seed for record in records] == [2, 0, 1]


TIMES = {"seconds", "train_seconds", "peak_memory_mb", "by", "seal"}


def lines_in(folder, kind=""):
    """The lines of a ledger's file, without what tells times and the seal over it."""
    lines = ledgers.read(ledgers.runs_file(folder, "simulated", "facnet", kind)).values()
    return sorted(
        json.dumps({name: value for name, value in line.items() if name not in TIMES})
        for line in lines
    )


@pytest.mark.parametrize("jobs", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_workers_leave_the_ledger_that_one_process_leaves(tiny, tmp_path, monkeypatch, jobs):
    monkeypatch.setattr(sweep, "_start_worker", start_worker)
    runs = [replace(RUN, seed=seed) for seed in range(jobs + 1)]
    alone = sweep.ensure(runs, Ledger(tmp_path / "1"), jobs=1)
    together = sweep.ensure(runs, Ledger(tmp_path / "2"), jobs=jobs)
    assert lines_in(tmp_path / "1") == lines_in(tmp_path / "2")
    assert lines_in(tmp_path / "1", "history") == lines_in(tmp_path / "2", "history")
    for a, b in zip(alone, together, strict=True):
        assert [a.seed, a.history] == [b.seed, b.history]
        for name in FILES:
            assert (a.working_folder / name).read_bytes() == (b.working_folder / name).read_bytes()
        environments = [record.line["by"]["environment"] for record in (a, b)]
        assert environments[0] == environments[1]


def test_the_cost_of_missing_runs_is_told_from_earlier_ones(tiny, tmp_path, capsys):
    ledger = Ledger(tmp_path)
    assert "no earlier run of facnet on simulated" in sweep.cost([RUN], ledger, 1)
    sweep.ensure([RUN], ledger)
    others = [replace(RUN, seed=seed) for seed in (1, 2)]
    assert sweep.cost(others, ledger, 2) == "about 1 min on 2 process(es)"


def test_stale_runs_are_used_refused_or_computed_anew(tiny, tmp_path, monkeypatch, capsys):
    ledger = Ledger(tmp_path)
    (old,) = sweep.ensure([RUN], ledger)
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-2")
    monkeypatch.setattr(sweep.behaviour, "stamp", lambda name: f"{name}-2")
    capsys.readouterr()
    (used,) = sweep.ensure([RUN], ledger)
    assert used.line == old.line
    assert "1 of 1 runs are of an earlier behaviour, such as facnet-1" in capsys.readouterr().err
    with pytest.raises(WorkbookError, match="1 of 1 runs are of an earlier behaviour"):
        sweep.ensure([RUN], ledger, stale="refuse")
    (new,) = sweep.ensure([RUN], ledger, stale="recompute")
    assert new.behaviour == "facnet-2"
    assert [r.behaviour for r in ledger.records("simulated", "facnet")] == ["facnet-1", "facnet-2"]
    assert sweep.ensure([RUN], ledger, stale="refuse")[0].line == new.line


def test_a_finished_run_leaves_no_checkpoint(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("wtal_core.runs.train.CHECKPOINT_SECONDS", -1.0)
    (record,) = sweep.ensure([RUN], Ledger(tmp_path))
    names = {path.name for path in record.working_folder.iterdir()} - {"lock"}
    assert names == {f"weights_{rule}.safetensors" for rule in ("last", "best")} | {
        f"detections_{rule}.parquet" for rule in ("last", "best")
    }


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_trained(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbookError, match=r"results folder .*file cannot be written .*--results"):
        sweep.ensure([RUN], Ledger(tmp_path / "file"))


def test_equal_requests_have_equal_identities_and_others_another():
    identity = RUN.identity("data 1")
    assert Run("facnet", replace(CONFIG), "simulated", 0).identity("data 1") == identity
    assert len(identity) == 16 and int(identity, 16) >= 0
    steeper = replace(CONFIG, schedule=replace(SCHEDULE, learning_rate=1e-3))
    others = [
        replace(RUN, seed=1).identity("data 1"),
        RUN.identity("data 2"),
        replace(RUN, config=steeper).identity("data 1"),
        replace(RUN, config=replace(CONFIG, delta=4.0)).identity("data 1"),
        replace(RUN, dataset="hapt").identity("data 1"),
    ]
    assert len({identity, *others}) == 1 + len(others)


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


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    trainer = Trainer("facnet", CONFIG, tiny_dataset(), 0)
    trainer.save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WorkbookError, match=r"checkpoint\.pt is damaged .*delete it and run again"):
        trainer.run(path)


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_a_schedule_needs_at_least_one_of_each(name):
    with pytest.raises(WorkbookError, match=f"Schedule: {name} is 0; expected a whole number >= 1"):
        replace(SCHEDULE, **{name: 0})


def test_labels_from_segments_replace_the_published_ones():
    dataset = tiny_dataset()
    wrong = replace(dataset, train=tuple(replace(v, labels=("throw",)) for v in dataset.train))
    assert resident(wrong, "train", "cpu").labels[:, 2].all()
    assert torch.equal(
        resident(wrong, "train", "cpu", "segments").labels, resident(dataset, "train", "cpu").labels
    )


def test_a_run_may_begin_with_the_weights_of_another(tiny, tmp_path):
    first = replace(CONFIG, schedule=replace(SCHEDULE, epochs=2))
    run = Run("facnet", CONFIG, "simulated", 0, first)
    (record,) = sweep.ensure([run], Ledger(tmp_path))
    before = sweep.find(run.before(), Ledger(tmp_path))
    assert before.config == first and record.start == first and record.config == CONFIG
    assert record.line["id"] != sweep.identity_of(RUN)
    assert record.history[0]["total"] < before.history[0]["total"]
    # the same bits where nobody has kept the weights to begin with
    for path in before.working_folder.glob("weights_*"):
        path.unlink()
    checkpoint = tmp_path / "again" / "checkpoint.pt"
    again = sweep.train(run, Ledger(tmp_path), "cpu", checkpoint)
    assert sweep.columns(again.history) == sweep.columns(record.history)


def test_weights_of_another_shape_are_refused(tiny, tmp_path):
    narrow = replace(CONFIG, embedding=16)
    with pytest.raises(WorkbookError, match="of a network of another shape"):
        sweep.ensure([Run("facnet", CONFIG, "simulated", 0, narrow)], Ledger(tmp_path))


def test_a_line_says_whether_the_run_has_met_its_objective(tiny, tmp_path):
    (record,) = sweep.ensure([RUN], Ledger(tmp_path))
    found = record.objective
    assert found["total"] == pytest.approx(record.history[-1]["total"], abs=1e-5)
    assert 0 <= found["recalled"] <= 1
    met = [bound["loss"] < bound["limit"] for bound in found["bounds"]]
    assert found["bounds"] and found["met"] == (found["recalled"] >= 0.8 and all(met))
