"""RSKP in training: its memory from epoch to epoch, checkpoints, and every switch of its Config."""

from dataclasses import fields, replace
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from tests.models.test_rskp import SMALL, scene_of
from tests.models.test_rskp_memory import draw, training_videos
from tests.tiny_dataset import tiny_dataset
from wtal_core.localization.fusion import FusionRule
from wtal_core.models import rskp
from wtal_core.models.rskp import (
    OFFICIAL,
    QUICK,
    Config,
    Network,
    activate,
    between_epochs,
    localize,
    loss,
    trained_as,
)
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs.train import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = replace(
    QUICK,
    embedding=16,
    warm_up=3,
    spl_weights=((0, 1.0), (3, 0.5)),
    schedule=replace(QUICK.schedule, epochs=6, batch_size=4, evaluations=2),
)


def trainer(config=TINY, seed=0) -> Trainer:
    return Trainer("rskp", config, tiny_dataset(), seed)


def test_a_training_fills_uses_and_writes_its_memory():
    train, banks = trainer(), []
    for _ in range(6):
        train.epoch()
        banks.append(train.progress.network.bank.clone())
    assert not banks[0].any() and not banks[1].any()
    for before, after in ((banks[2], banks[3]), (banks[3], banks[4])):
        assert before.any(-1).all() and not torch.equal(before, after)
    assert train.progress.network.epoch == 6


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path, stop):
    """Before, at and after the end of the warm-up: memory and epoch are kept with the weights."""
    whole, first = trainer().run(), trainer()
    for _ in range(stop):
        first.epoch()
    first.save(tmp_path / "checkpoint.pt")
    found = trainer().run(tmp_path / "checkpoint.pt")
    assert found.history == whole.history
    for rule in ("last", "best"):
        assert all(
            torch.equal(value, whole.weights[rule][name])
            for name, value in found.weights[rule].items()
        )
    assert whole.weights["last"]["bank"].any() and whole.weights["last"]["epoch"] == 6


def test_a_trained_network_finds_the_instances():
    config = replace(
        TINY, warm_up=20, schedule=replace(TINY.schedule, epochs=40, learning_rate=2e-2)
    )
    trained = trainer(config).run()
    assert trained.history[-1]["fore"] < 0.5 * trained.history[0]["fore"]
    assert trained.scores["last"]["wtalc"].average > 0.3


# field, its other value
TRAINING = [
    ("embedding", 8),
    ("dropout", 0.2),
    ("prototypes", 4),
    ("em_steps", 1),
    ("sharpness", 2.0),
    ("walk", 0.3),
    ("delta", 10.0),
    ("attention_fraction", 2),
    ("temperature", 0.5),
    ("lambda_back", 0.5),
    ("lambda_att", 0.5),
    ("lambda_memory", 0.1),
    ("memory_share", 0.6),
    ("spl_weights", ((0, 1.0), (3, 0.8))),
    ("warm_up", 3),
    ("memory_slots", 2),
    ("memory_index", "slot0"),
    ("memory_read", "batch"),
    ("schedule", Schedule(learning_rate=2e-2)),
]
INFERENCE = [
    ("cas_mix", 0.2),
    ("score_mix", 0.1),
    ("class_threshold", 0.3),
    ("thresholds", (0.05, 0.2)),
    ("shortest", 9),
    ("margin", 1.0),
    ("margin_power", 0.5),
    ("outer_weight", 0.5),
    ("upsample", 16),
    ("suppression", FusionRule("nms", limit=0.2)),
]
BASE = replace(
    SMALL, warm_up=2, spl_weights=((0, 1.0), (2, 0.5)), schedule=Schedule(learning_rate=1e-2)
)


def run_through(config: Config) -> tuple[list[float], list[float]]:
    """Losses of five steps on all videos, then scores of classes and detections, from a seed."""
    generator, videos = draw(), training_videos((30, 50, 40, 20))
    network = Network(config, 2, 16, 5, generator).double()
    optimizer, values, batch = config.schedule.optimizer(network), [], videos.batch(range(4))
    for done in range(1, 6):
        value = config.schedule.reduce(loss(network(batch, generator), batch, config)["total"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        between_epochs(network, videos, config, done, generator)
        values.append(value.item())
    activation = activate(network(batch), batch, config)
    table = localize(activation, scene_of(4), config)
    return values, [
        *activation.scores.ravel(),
        *table[["t_start", "t_end", "score"]].to_numpy().ravel(),
    ]


@pytest.mark.parametrize(("name", "value"), TRAINING + INFERENCE)
def test_every_field_of_config_changes_the_result(name, value):
    """What is for inference leaves the losses as they are, and then the training is shared."""
    assert getattr(BASE, name) != value
    changed = replace(BASE, **{name: value})
    before, again, after = (run_through(config) for config in (BASE, replace(BASE), changed))
    assert before == again and before[1] != after[1] and np.isfinite(after[0] + after[1]).all()
    assert (
        (before[0] == after[0])
        == ((name, value) in INFERENCE)
        == (trained_as(changed) == trained_as(BASE))
    )


def test_every_field_of_config_and_every_value_of_a_choice_is_exercised():
    assert {name for name, _ in TRAINING + INFERENCE} == {f.name for f in fields(Config)}
    assert {name for name, _ in INFERENCE} == set(rskp.AT_TEST_TIME) and trained_as(
        OFFICIAL
    ) == OFFICIAL
    for f in (f for f in fields(Config) if get_origin(f.type) is Literal):
        tried = {value for name, value in TRAINING + INFERENCE if name == f.name}
        assert tried | {getattr(OFFICIAL, f.name)} == set(get_args(f.type)), f.name
