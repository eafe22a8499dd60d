"""GauFuse in training: around its host, from checkpoints, with every switch; and its labels never
see test data or segments.
"""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
import torch

from tests.tiny_dataset import CLASSES, tiny_dataset
from wtal_core.data.dataset import Dataset, Video
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.pseudo_labels import LabelRule
from wtal_core.models import facnet, gaufuse, rskp
from wtal_core.models.gaufuse import PLAIN_NMS, Config, ablate, as_printed, trained_as, wrap
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs.train import Trained, Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

SCHEDULE = Schedule(epochs=9, batch_size=4, learning_rate=1e-2, evaluations=3)
RSKP = replace(
    rskp.QUICK,
    embedding=16,
    warm_up=2,
    spl_weights=((0, 1.0), (2, 0.5)),
    schedule=SCHEDULE,
    class_threshold=0.05,
    memory_index="slot0",
    delta=10.0,
)
FACNET = replace(facnet.QUICK, embedding=16, schedule=SCHEDULE)
SOON = {
    "refresh_epochs": (4, 6),
    "temperatures": (0.02, 0.002),
    "phases": ((4, 1.0, 0.0), (7, 2.0, -2.0)),
    "weight": 5.0,
    "growth": 1.5,
    "limit": 20.0,
}
BASE = replace(wrap("rskp", RSKP), label_settings=(("cas_mix", 0.8),), **SOON)
AROUND_FACNET = replace(wrap("facnet", FACNET), **SOON)
CONFIGS = {"rskp": BASE, "facnet": AROUND_FACNET}


def trainer(config=BASE, dataset: Dataset | None = None, seed=0) -> Trainer:
    return Trainer("gaufuse", config, dataset or tiny_dataset(), seed)


def assert_same_weights(one: dict, other: dict) -> None:
    assert set(one) == set(other)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def elsewhere() -> Dataset:
    """The same training features and video-level labels, and nothing else the same."""
    dataset, rng = tiny_dataset(), np.random.default_rng(9)
    segments = dataset.segments.assign(label=rng.permutation(dataset.segments["label"].to_numpy()))
    segments = segments.assign(
        t_start=rng.random(len(segments)) * 4, t_end=rng.random(len(segments)) * 4 + 5
    )
    test = tuple(
        Video(
            f"test_{i}",
            {s: rng.random((17 + i, 6)).astype(np.float32) for s in dataset.streams},
            (CLASSES[2 - i % 3],),
        )
        for i in range(5)
    )
    return replace(
        dataset, segments=segments[segments["video"] != "test_5"], test=test, fingerprint="tiny 2"
    )


@pytest.mark.parametrize("host", CONFIGS)
def test_labels_and_weights_never_see_test_videos_or_segments(host):
    """Bit for bit, with data sets that differ in all test videos and in all segments, those of
    training, too.
    """
    runs = [trainer(CONFIGS[host], dataset) for dataset in (tiny_dataset(), elsewhere())]
    assert not {tuple(row) for row in runs[0].dataset.segments.values} & {
        tuple(row) for row in runs[1].dataset.segments.values
    }
    targets = [[], []]
    for _ in range(9):
        for run, seen in zip(runs, targets, strict=True):
            run.epoch()
            seen.append(run.progress.targets)
    assert [t is None for t in targets[0]] == [True] * 3 + [False] * 6
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(*targets, strict=True))
    assert (
        targets[0][-1].all(-1).logical_not().any()
        and (targets[0][-1] > 0).sum(dim=(1, 2, 3)).min() > 10
    )
    assert_same_weights(*(run.progress.network.state_dict() for run in runs))
    scores = [[entry.get("average_map") for entry in run.progress.history] for run in runs]
    assert scores[0] != scores[1]


@pytest.mark.parametrize(("host", "config"), [("rskp", RSKP), ("facnet", FACNET)])
def test_without_labels_it_is_its_host(host, config):
    """Row 1 of Table 4, but for how candidates are suppressed."""
    alone = Trainer(host, config, tiny_dataset(), 0).run()
    found = trainer(ablate(CONFIGS[host], False, False, False, False)).run()
    names = {f"host.{name}": value for name, value in alone.weights["last"].items()}
    assert_same_weights(
        {name: value for name, value in found.weights["last"].items() if name != "epoch"}, names
    )
    assert [entry["total"] for entry in found.history] == [
        entry["total"] for entry in alone.history
    ]
    assert {entry["labels"] for entry in found.history} == {0.0}


@pytest.mark.parametrize("host", CONFIGS)
def test_labels_come_into_play_at_their_epochs(host):
    run, plain = trainer(CONFIGS[host]), trainer(ablate(CONFIGS[host], False, False, False, False))
    owed, alike = [], []
    for _ in range(9):
        owed.append(run.epoch()["labels"])
        plain.epoch()
        alike.append(torch.equal(run.progress.network.host.w_a, plain.progress.network.host.w_a))
    assert owed[:4] == [0] * 4 and all(owed[4:]) and alike == [True] * 4 + [False] * 5
    assert run.train_videos.targets is run.progress.targets


@pytest.mark.parametrize("stop", [3, 4, 5, 6, 8])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path, stop):
    """Before, at, between and after both times that labels are made."""
    first, second = trainer(), trainer()
    for _ in range(stop):
        first.epoch()
    first.save(tmp_path / "checkpoint.pt")
    found, (whole, targets) = second.run(tmp_path / "checkpoint.pt"), whole_run()
    assert found.history == whole.history and torch.equal(second.progress.targets, targets)
    for rule in ("last", "best"):
        assert_same_weights(found.weights[rule], whole.weights[rule])


@cache
def whole_run() -> tuple[Trained, torch.Tensor]:
    run = trainer()
    return run.run(), run.progress.targets


@pytest.mark.parametrize("host", CONFIGS)
def test_an_empty_training_video_is_no_trouble(host):
    dataset = tiny_dataset()
    empty = replace(
        dataset.train[2], features={s: f[:0] for s, f in dataset.train[2].features.items()}
    )
    run = trainer(
        CONFIGS[host], replace(dataset, train=(*dataset.train[:2], empty, *dataset.train[3:]))
    )
    assert all(np.isfinite(list(entry.values())).all() for entry in run.run().history)
    assert run.progress.targets.isfinite().all() and run.progress.targets.any()


@pytest.mark.parametrize(("host", "base"), [("rskp", RSKP), ("facnet", FACNET)])
def test_the_printed_form_trains_and_finds_instances(host, base):
    config = as_printed(
        wrap(host, replace(base, schedule=replace(SCHEDULE, epochs=30, learning_rate=2e-2)))
    )
    run = trainer(config)
    trained = run.run()
    assert config.refresh_epochs == (17, 18, 20, 21, 23, 25) and run.progress.targets.any()
    assert trained.scores["last"]["wtalc"].average > 0.3 and len(trained.detections["last"]) > 3
    assert all(np.isfinite(list(entry.values())).all() for entry in trained.history)


CHANGES = {
    "host": AROUND_FACNET,
    "base": replace(RSKP, sharpness=3.0),
    "refresh_epochs": (4, 5),
    "temperatures": (0.02, 0.5),
    "train_fusion": FusionRule("uniform", limit=0.25),
    "label_rule": LabelRule(rows="mean"),
    "label_settings": (),
    "label_classes": "labels",
    "label_background": False,
    "teacher_dropout": False,
    "forget": False,
    "phases": ((4, 1.0, 0.0),),
    "negative": "cut",
    "weight": 2.0,
    "growth": 1.1,
    "limit": 6.0,
    "test_fusion": FusionRule("gaussian", temperature=0.02, limit=0.25),
}


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of all epochs, and detections."""
    trained = trainer(config).run() if config != BASE else whole_run()[0]
    return [e["total"] for e in trained.history], trained.detections["last"][
        ["t_start", "t_end", "score"]
    ].to_numpy()


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_of_config_changes_the_result(name):
    """`test_fusion` leaves the losses as they are, and then the training is shared."""
    config = CHANGES[name] if name == "host" else replace(BASE, **{name: CHANGES[name]})
    before, after = run_through(BASE), run_through(config)
    assert (
        (before[0] == after[0])
        == (name == "test_fusion")
        == (trained_as(config) == trained_as(BASE))
    )
    assert len(before[1]) > 5 and not np.array_equal(before[1], after[1])


def test_every_field_of_config_is_exercised():
    assert set(CHANGES) == {f.name for f in fields(Config)}


def test_gauss_and_nms_read_the_same_network():
    trained = trainer(trained_as(BASE)).run()
    assert_same_weights(trained.weights["last"], whole_run()[0].weights["last"])
    assert (
        trained_as(BASE).test_fusion
        == PLAIN_NMS
        == gaufuse.components(BASE)["+ delta pseudo label"].test_fusion
    )
    assert not trained.detections["last"].equals(whole_run()[0].detections["last"])
