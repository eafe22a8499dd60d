"""The network of a run while it learns: that of a plain training, and kept beside its record."""

import pytest
import torch

from tests.study.small_runs import RSKP, small_session
from tests.tiny_dataset import CONFIG
from wtal_core.errors import WorkbookError
from wtal_core.runs.train import Trainer
from wtal_core.study import snapshots as module
from wtal_core.study.snapshots import snapshots


@pytest.fixture
def session(tmp_path, monkeypatch):
    return small_session(tmp_path, monkeypatch, seeds=(0,))


@pytest.mark.parametrize(("name", "config"), [("facnet", CONFIG), ("rskp", RSKP)])
def test_snapshots_are_those_of_a_plain_training(session, name, config):
    """Buffers too: RSKP counts epochs in one and keeps its memory in others."""
    networks = snapshots(session.trained(name, config, seed=1), (0, 2, 4))
    assert list(networks) == [0, 2, 4] and not any(
        network.training for network in networks.values()
    )
    trainer = Trainer(name, config, session.dataset, 1)
    for epoch in range(5):
        if epoch in networks:
            state = networks[epoch].state_dict()
            for key, value in trainer.progress.network.state_dict().items():
                torch.testing.assert_close(state[key], value, rtol=0, atol=0)
        if epoch < 4:
            trainer.epoch()
    assert not all(
        torch.equal(a, b)
        for a, b in zip(networks[0].parameters(), networks[2].parameters(), strict=True)
    )


def test_they_are_kept_and_only_what_is_missing_is_trained(session, monkeypatch):
    first = snapshots(session.trained("facnet", CONFIG), (0, 1))
    trained = []
    train = module._train
    monkeypatch.setattr(
        module, "_train", lambda run, epochs: trained.append(epochs) or train(run, epochs)
    )
    again = snapshots(session.trained("facnet", CONFIG), (1,))[1]
    assert trained == [] and all(
        torch.equal(a, b) for a, b in zip(again.parameters(), first[1].parameters(), strict=True)
    )
    assert list(snapshots(session.trained("facnet", CONFIG), (2,))) == [2]
    assert list(snapshots(session.trained("facnet", CONFIG), (0, 2))) == [0, 2]
    assert trained == [(2,)]


def test_it_stops_after_the_last_one_asked_for(session, monkeypatch):
    snapshots(session.trained("facnet", CONFIG), (0,))
    epochs = []
    monkeypatch.setattr(Trainer, "epoch", lambda self: epochs.append(1))
    snapshots(session.trained("facnet", CONFIG), (1,))
    assert len(epochs) == 1


@pytest.mark.parametrize("epochs", [(), (5,), (-1, 2)])
def test_epochs_that_the_schedule_does_not_have_are_named(session, epochs):
    with pytest.raises(WorkbookError, match="expected some of 0 to 4"):
        snapshots(session.trained("facnet", CONFIG), epochs)
