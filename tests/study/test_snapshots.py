"""The network of a run while it learns: that of a plain training; what it says is kept."""

import pytest
import torch

from tests.study.small_runs import RSKP, count_trainings, forget_working_files, small_session
from tests.tiny_dataset import CONFIG
from wtal_core.errors import WorkbookError
from wtal_core.runs.train import Trainer
from wtal_core.study import snapshots as module
from wtal_core.study.snapshots import (
    networks_while_learning,
    training_video,
    values_while_learning,
)


@pytest.fixture
def session(tmp_path, monkeypatch):
    return small_session(tmp_path, monkeypatch, seeds=(0,))


@pytest.mark.parametrize(("name", "config"), [("facnet", CONFIG), ("rskp", RSKP)])
def test_networks_are_those_of_a_plain_training(session, name, config):
    """Buffers too: RSKP counts epochs in one and keeps its memory in others."""
    networks = networks_while_learning(session.trained(name, config, seed=1), (0, 2, 4))
    assert list(networks) == [0, 2, 4]
    assert not any(network.training for network in networks.values())
    trainer = Trainer(name, config, session.dataset, 1)
    for epoch in range(5):
        if epoch in networks:
            state = networks[epoch].state_dict()
            for key, value in trainer.progress.network.state_dict().items():
                torch.testing.assert_close(state[key], value, rtol=0, atol=0)
        if epoch < 4:
            trainer.epoch()
    pairs = zip(networks[0].parameters(), networks[2].parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_networks_lie_in_the_working_folder_and_only_what_is_missing_is_trained(
    session, monkeypatch
):
    first = networks_while_learning(session.trained("facnet", CONFIG), (0, 1))
    trained_for, train = [], module._train
    monkeypatch.setattr(
        module, "_train", lambda run, epochs: trained_for.append(epochs) or train(run, epochs)
    )
    again = networks_while_learning(session.trained("facnet", CONFIG), (1,))[1]
    pairs = zip(again.parameters(), first[1].parameters(), strict=True)
    assert trained_for == [] and all(torch.equal(a, b) for a, b in pairs)
    assert list(networks_while_learning(session.trained("facnet", CONFIG), (2,))) == [2]
    assert list(networks_while_learning(session.trained("facnet", CONFIG), (0, 2))) == [0, 2]
    assert trained_for == [(2,)]
    tracked = [
        path for path in session.store.root.rglob("*.safetensors") if ".work" not in str(path)
    ]
    assert tracked == []


def test_training_stops_after_the_last_epoch_asked_for(session, monkeypatch):
    trained = session.trained("facnet", CONFIG)
    epochs, epoch = [], Trainer.epoch
    monkeypatch.setattr(Trainer, "epoch", lambda self: epochs.append(1) or epoch(self))
    networks_while_learning(trained, (1,))
    assert len(epochs) == 1


def test_what_a_network_says_is_kept_and_needs_no_training_again(session, monkeypatch):
    trained = session.trained("facnet", CONFIG)
    first = values_while_learning(trained, (0, 2), "train_1", ("s_a", "s_f"))
    network = networks_while_learning(trained, (2,))[2]
    with torch.no_grad():
        outputs = network(training_video(trained, "train_1"))
    torch.testing.assert_close(first[2]["s_a"], outputs.s_a, rtol=0, atol=0)
    assert not torch.equal(first[0]["s_f"], first[2]["s_f"])
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    again = values_while_learning(trained, (0, 2), "train_1", ("s_a", "s_f"))
    assert trainings == []
    for epoch in (0, 2):
        assert all(torch.equal(again[epoch][name], first[epoch][name]) for name in ("s_a", "s_f"))


@pytest.mark.parametrize("epochs", [(), (5,), (-1, 2)])
def test_epochs_that_the_schedule_does_not_have_are_named(session, epochs):
    trained = session.trained("facnet", CONFIG)
    with pytest.raises(WorkbookError, match="expected some of 0 to 4"):
        networks_while_learning(trained, epochs)
    with pytest.raises(WorkbookError, match="expected some of 0 to 4"):
        values_while_learning(trained, epochs, "train_1", ("s_a",))


def test_a_video_that_is_not_trained_on_is_named(session):
    with pytest.raises(WorkbookError, match="test_0 is no training video of simulated"):
        values_while_learning(session.trained("facnet", CONFIG), (0,), "test_0", ("s_a",))
