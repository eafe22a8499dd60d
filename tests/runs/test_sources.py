"""Runs that only read a network in another way share its training; wrappers name their hosts."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_dataset import CONFIG, SCHEDULE, tiny_dataset
from wtal_core.localization.fusion import FusionRule
from wtal_core.models import gaufuse, method, method_names, rskp
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger, working_folder
from wtal_core.runs.run import Run
from wtal_core.runs.train import Trainer, suited_threads

HOST = replace(
    rskp.QUICK,
    embedding=16,
    warm_up=2,
    spl_weights=((0, 1.0),),
    schedule=replace(SCHEDULE, epochs=12, learning_rate=2e-2),
)
SOURCE = Run("rskp", HOST, "simulated", 0)
DERIVED = [
    replace(SOURCE, config=replace(HOST, **changes))
    for changes in (
        {"suppression": FusionRule("gaussian", limit=0.25)},
        {"cas_mix": 0.1, "class_threshold": 0.02},
    )
]
AROUND = replace(
    gaufuse.wrap("facnet", replace(CONFIG, embedding=8)),
    refresh_epochs=(2,),
    temperatures=(0.1,),
    phases=((2, 1.0, 0.0),),
)


@pytest.fixture
def trainings(monkeypatch):
    """The tiny data set in place of any other, and the configs of all trainings that take place."""
    dataset, begun, run = tiny_dataset(), [], Trainer.run

    def counted(self, *given, **named):
        begun.append(self.config)
        return run(self, *given, **named)

    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    monkeypatch.setattr(Trainer, "run", counted)
    return begun


def of(record) -> dict:
    """What has to be the same, wherever the weights came from."""
    names = ("metrics", "best_epoch", "detections")
    return {name: record.line[name] for name in names} | {"history": record.history}


def test_a_source_is_a_run_that_differs_in_what_counts_at_test_time_only():
    assert SOURCE.source() is None and Run("facnet", CONFIG, "simulated", 0).source() is None
    assert [run.source() for run in DERIVED] == [SOURCE, SOURCE]
    other = replace(DERIVED[0], seed=1, config=replace(DERIVED[0].config, walk=0.3))
    assert other.source() == replace(SOURCE, seed=1, config=replace(HOST, walk=0.3))
    full = Run("gaufuse", gaufuse.QUICK, "simulated", 0)
    row_4 = Run(
        "gaufuse", gaufuse.components(gaufuse.QUICK)["+ delta pseudo label"], "simulated", 0
    )
    assert full.source() == row_4 and row_4.source() is None


@pytest.mark.parametrize("name", method_names())
def test_a_source_has_no_source(name):
    configs = list(method(name).profiles.values())
    if name == "gaufuse":
        configs += [gaufuse.as_printed(c) for c in configs] + [
            c for full in configs for c in gaufuse.components(full).values()
        ]
    for config in configs:
        source = Run(name, config, "simulated", 0).source()
        assert source is None or source.source() is None


@pytest.mark.parametrize(
    "runs",
    [DERIVED, [SOURCE, *DERIVED], [*DERIVED, SOURCE], DERIVED[:1]],
    ids=["without it", "with it", "with it, last", "one"],
)
def test_a_source_is_trained_once_and_the_others_read_it(trainings, tmp_path, runs):
    store = Ledger(tmp_path)
    records = sweep.ensure(runs, store)
    assert trainings == [HOST]
    assert [record.config for record in records] == [run.config for run in runs]
    assert len(store.records("simulated", "rskp")) == len({*runs, SOURCE})
    again = sweep.ensure(runs, store)
    assert [record.line for record in again] == [record.line for record in records]
    assert trainings == [HOST]


def test_a_derived_record_holds_the_weights_of_its_source_and_numbers_of_its_own(
    trainings, tmp_path
):
    source, first, second = sweep.ensure([SOURCE, *DERIVED], Ledger(tmp_path))
    for record, run in ((first, DERIVED[0]), (second, DERIVED[1])):
        weights = {rule: load_file(record.weights(rule)) for rule in ("last", "best")}
        for rule in ("last", "best"):
            expected = load_file(source.weights(rule))
            assert set(weights[rule]) == set(expected)
            assert all(torch.equal(value, expected[name]) for name, value in weights[rule].items())
        assert record.line["train_seconds"] == 0 and record.best_epoch == source.best_epoch
        assert record.history == [
            {name: value for name, value in entry.items() if name != "average_map"}
            for entry in source.history
        ]
        own = Trainer(
            "rskp", run.config, tiny_dataset(), 0
        ).run()  # all by itself: the same training
        assert all(
            torch.equal(value, weights["last"][name]) for name, value in own.weights["last"].items()
        )
        assert record.average_map("wtalc") == pytest.approx(
            100 * own.scores["last"]["wtalc"].average, abs=1e-4
        )
        assert record.detections("last").equals(own.detections["last"].reset_index(drop=True))
    assert (
        any("average_map" in entry for entry in source.history) and source.line["train_seconds"] > 0
    )
    assert not first.detections("last").equals(source.detections("last"))
    assert first.line["detections"] != second.line["detections"]


@pytest.mark.parametrize("lost", ["weights", "one", "record"])
def test_without_the_source_s_weights_a_derived_run_trains_itself_to_the_same_numbers(
    trainings, tmp_path, lost
):
    """Weights are not committed: a record of the source may be there without."""
    (expected,) = sweep.ensure(DERIVED[:1], Ledger(tmp_path / "a"))
    store = Ledger(tmp_path / "b")
    (source,) = sweep.ensure([SOURCE], store)
    for rule in {"weights": ("last", "best"), "one": ("best",), "record": ()}[lost]:
        source.weights(rule).unlink()
    trainings.clear()
    if lost == "record":
        store = Ledger(tmp_path / "c")
        sweep.compute(DERIVED[0], store, "cpu", "rskp-1")
    (found,) = sweep.ensure(DERIVED[:1], store)
    assert trainings == [HOST] and of(found) == of(expected)
    assert not any("average_map" in entry for entry in found.history)


def test_an_interrupted_derived_run_goes_on_with_its_training(trainings, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    key = f"{sweep.identity_of(DERIVED[0])}.rskp-1"
    checkpoint = working_folder(tmp_path, key) / "checkpoint.pt"
    half = Trainer("rskp", HOST, tiny_dataset(), 0)
    with suited_threads(half.progress.network):  # as `Trainer.run` does
        half.epoch()
    half.save(checkpoint)
    epochs, epoch = [], Trainer.epoch
    monkeypatch.setattr(
        Trainer, "epoch", lambda self: epochs.append(self.progress.epoch) or epoch(self)
    )
    sweep.compute(DERIVED[0], ledger, "cpu", "rskp-1")
    assert epochs == list(range(1, 12)) and not checkpoint.exists()
    (expected,) = sweep.ensure(DERIVED[:1], Ledger(tmp_path / "other"))
    assert of(sweep.find(DERIVED[0], ledger)) == of(expected)


def test_the_identity_of_a_wrapper_names_its_host(trainings):
    run = Run("gaufuse", AROUND, "simulated", 0)
    config = run.asked("data 1")["config"]
    assert (config["host"], config["base"], config["base.embedding"]) == ("facnet", "facnet", 8)
    configs = [
        AROUND,
        replace(AROUND, base=replace(AROUND.base, delta=4.0)),
        gaufuse.trained_as(AROUND),
    ]
    assert len({replace(run, config=config).identity("data 1") for config in configs}) == 3


def test_a_wrapper_around_each_host_leaves_a_record(trainings, tmp_path):
    for host, base in (("facnet", CONFIG), ("rskp", HOST)):
        config = replace(AROUND, host=host, base=base, label_settings=())
        (record,) = sweep.ensure([Run("gaufuse", config, "simulated", 0)], Ledger(tmp_path))
        weights = load_file(record.weights())
        assert (
            weights["epoch"] == config.schedule.epochs
            and weights["epoch"].dtype == torch.int64
            and "host.w_a" in weights
        )
        assert record.differences.get("host", "rskp") == host and trainings[
            -1
        ] == gaufuse.trained_as(config)
    assert len(trainings) == 2


def test_a_reading_tells_that_it_has_read_another_training(tmp_path, trainings):
    """Weights are not committed: elsewhere the source is trained again."""
    ledger = Ledger(tmp_path)
    source, reading = sweep.ensure([SOURCE, DERIVED[0]], ledger, "cpu", 1)
    assert not sweep.reads_another(DERIVED[0], reading, ledger)
    assert not sweep.reads_another(SOURCE, source, ledger)
    (other,) = sweep.ensure([replace(DERIVED[0], seed=1)], ledger, "cpu", 1)
    assert sweep.reads_another(DERIVED[0], other, ledger)
