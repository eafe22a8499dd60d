"""SF-Net in training: expansion between epochs, a new beginning, checkpoints, and every switch of
its Config.
"""

from dataclasses import fields, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tiny_dataset import tiny_dataset
from wtal_core.models import sfnet
from wtal_core.models.sfnet import QUICK, Config, between_epochs
from wtal_core.models.shared.inputs import Inputs
from wtal_core.runs.train import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

SCHEDULE = replace(QUICK.schedule, epochs=12, batch_size=4, learning_rate=1e-2, evaluations=2)
BASE = replace(QUICK, hidden=16, crops=(9, 14), expand_epoch=6, schedule=SCHEDULE)


@cache
def clicked_dataset(skipped: tuple[str, ...] = ()):
    """One click an instance by each of two annotators, early and late in it; none in the videos
    `skipped`.
    """
    dataset = tiny_dataset()
    segments = dataset.segments[~dataset.segments["video"].isin(skipped)]
    parts = [
        segments[["video", "label"]].assign(t=segments["t_start"] + late, annotator=number)
        for number, late in ((1, 1.5), (2, 3.5))
    ]
    return replace(dataset, clicks={"action": pd.concat(parts, ignore_index=True)})


def trainer(config=BASE, dataset=None, seed=0) -> Trainer:
    return Trainer("sfnet", config, clicked_dataset() if dataset is None else dataset, seed)


def labelled(train: Trainer) -> int:
    return int((train.train_videos.clicks.sum(1) > 0).sum())


def test_labels_spread_once_and_training_begins_anew():
    train = trainer()
    before, begin = train.train_videos.clicks.clone(), labelled(train)
    numbers, networks = [], [train.progress.network]
    for _ in range(8):
        train.epoch()
        numbers.append(labelled(train))
        networks.append(train.progress.network)
    assert (
        begin == 9
        and set(numbers[:5]) == {begin}
        and len(set(numbers[5:])) == 1
        and numbers[5] > begin
    )
    assert [a is b for a, b in pairwise(networks)] == [True] * 5 + [False, True, True]
    clicked = before.sum(1) > 0
    assert torch.equal(train.train_videos.clicks[clicked], before[clicked])
    assert train.progress.history[6]["total"] > train.progress.history[5]["total"]


def test_without_restart_the_network_goes_on():
    train, other = trainer(replace(BASE, restart=False)), trainer()
    network = train.progress.network
    for _ in range(6):
        train.epoch()
        other.epoch()
    assert train.progress.network is network and labelled(train) == labelled(other) > 9


@pytest.mark.parametrize(
    "change",
    [
        {"expand_epoch": None},
        {"expand_epoch": 12},
        {"expand_epoch": 30},
        {"inputs": Inputs(), "labels": "video"},
    ],
)
def test_when_labels_do_not_spread(change):
    """Never, or not after the last epoch, whose network is the result."""
    config = replace(BASE, **change)
    train = trainer(config)
    assert all(
        between_epochs(train.progress.network, train.train_videos, config, done, train.order)
        is None
        for done in range(13)
    )


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole, first, second = trainer(), trainer(), trainer()
    expected = whole.run().history
    for _ in range(7):
        first.epoch()
    first.save(tmp_path / "checkpoint.pt")
    continued = second.run(tmp_path / "checkpoint.pt")
    assert [entry["total"] for entry in continued.history] == [entry["total"] for entry in expected]
    assert labelled(second) == labelled(whole) > 9


def test_videos_without_clicks_train():
    skipped = tuple(f"train_{i}" for i in range(9))
    for number in (1, 8, 9):  # a video, most batches, all
        trained = trainer(dataset=clicked_dataset(skipped[:number])).run()
        assert all(np.isfinite(list(entry.values())).all() for entry in trained.history)
        assert (trained.history[-1]["total"] == 0) == (number == 9)


def test_a_trained_network_finds_the_instances():
    config = replace(BASE, crops=None, schedule=replace(SCHEDULE, epochs=30))
    trained = trainer(config).run()
    assert trained.history[-1]["total"] < 0.5 * trained.history[0]["total"]
    assert trained.scores["last"]["wtalc"].average > 0.5


CHANGES = {
    "inputs": Inputs(clicks="action", annotator=1),
    "hidden": 8,
    "dropout": 0.2,
    "padding": "batch",
    "labels": "video",
    "lambda_video": 0.5,
    "lambda_frame": 0.5,
    "lambda_act": 0.5,
    "fraction": 2,
    "shortest_video": 10,
    "mined_ratio": 1.0,
    "mined_weight": 1.0,
    "act_background": "hard_topk",
    "act_gate": 1e3,
    "crops": None,
    "expand_epoch": 9,
    "expand_radius": 1,
    "expand_share": 3.0,
    "restart": False,
    "schedule": replace(SCHEDULE, learning_rate=5e-3),
    "class_fraction": 1,
    "class_ratio": 1.0,
    "act_weight": 0.0,
    "shortest": 6,
}


def run_through(config: Config) -> tuple[list[float], np.ndarray]:
    """Losses of all epochs, and detections."""
    trained = trainer(config).run()
    table = trained.detections["last"]
    label = table["label"].map(clicked_dataset().classes.index).to_numpy(dtype=float)
    return [entry["total"] for entry in trained.history], np.column_stack(
        [label, table[["t_start", "t_end", "score"]]]
    )


@pytest.fixture(scope="module")
def base():
    losses, detections = run_through(BASE)
    assert len(detections) > 5
    return losses, detections


def test_every_field_of_config_is_exercised():
    assert set(CHANGES) == {f.name for f in fields(Config)}
    assert set(sfnet.PROFILES) == {"official", "quick"}


LOCALIZATION = {"class_fraction", "class_ratio", "act_weight", "shortest"}


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_of_config_changes_the_result(name, base):
    losses, detections = run_through(replace(BASE, **{name: CHANGES[name]}))
    assert (losses == base[0]) == (name in LOCALIZATION)
    assert not np.array_equal(detections, base[1])


def test_the_same_config_gives_the_same_result(base):
    losses, detections = run_through(replace(BASE))
    assert losses == base[0]
    np.testing.assert_array_equal(detections, base[1])
