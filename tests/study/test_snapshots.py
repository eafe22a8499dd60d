"""What a network says about a training video while it learns."""

from dataclasses import replace

import pytest
import torch

from tests.tiny_dataset import CONFIG, tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.runs.train import Trainer
from wtal_core.study.snapshots import snapshots


def test_snapshots_are_those_of_a_plain_training():
    dataset = tiny_dataset()
    batch, found = snapshots("facnet", CONFIG, dataset, "train_3", (0, 2, 4), seed=1)
    assert list(found) == [0, 2, 4] and batch.lengths == (dataset.video("train_3").length,)
    trainer = Trainer("facnet", CONFIG, dataset, 1)
    for epoch in range(5):
        if epoch in found:
            with torch.no_grad():
                expected = trainer.progress.network(batch)
            torch.testing.assert_close(found[epoch].s_a, expected.s_a, rtol=0, atol=0)
        if epoch < 4:
            trainer.epoch()
    assert not torch.equal(found[0].s_a, found[2].s_a)


def test_it_stops_after_the_last_one_asked_for(monkeypatch):
    epochs = []
    monkeypatch.setattr(Trainer, "epoch", lambda self: epochs.append(1))
    snapshots("facnet", CONFIG, tiny_dataset(), "train_0", (1,))
    assert len(epochs) == 1


@pytest.mark.parametrize(
    ("video", "epochs", "message"),
    [
        ("test_0", (0,), "test_0 is no training video of simulated; choose one such as train_0"),
        ("train_0", (), "expected some of 0 to 4"),
        ("train_0", (5,), "expected some of 0 to 4"),
        ("train_0", (-1, 2), "expected some of 0 to 4"),
    ],
)
def test_what_cannot_be_shown_is_named(video, epochs, message):
    with pytest.raises(WorkbookError, match=message):
        snapshots("facnet", replace(CONFIG), tiny_dataset(), video, epochs)
