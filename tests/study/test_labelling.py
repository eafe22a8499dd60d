"""Activations that pseudo labels are made from: those of the trained network, and kept beside its
record.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tiny_dataset import SCHEDULE, tiny_dataset
from wtal_core.errors import WorkbookError
from wtal_core.models import gaufuse, rskp
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.train import Trainer
from wtal_core.study import labelling
from wtal_core.study.session import Session

HOST = replace(
    rskp.QUICK,
    embedding=8,
    warm_up=2,
    spl_weights=((0, 1.0),),
    schedule=replace(SCHEDULE, learning_rate=1e-2),
)
SMALL = replace(gaufuse.wrap("rskp", HOST), label_settings=(("cas_mix", 0.8),))


@pytest.fixture
def session(tmp_path, monkeypatch):
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    return Session("gaufuse/figure4", dataset, "quick", (0,), "cpu", Ledger(tmp_path), 1)


def test_it_is_what_the_trained_network_says_of_the_video_in_evaluation(session):
    trainer = Trainer("gaufuse", gaufuse.trained_as(SMALL), session.dataset, 0)
    trainer.run()
    batch = trainer.train_videos.batch([4])
    with torch.no_grad():
        outputs = trainer.progress.network.eval().host(batch)
    expected = rskp.activate(outputs, batch, replace(HOST, cas_mix=0.8), True)
    found = labelling.labelling_of(session, SMALL, "train_4")
    np.testing.assert_allclose(found.cas, expected.cas, rtol=1e-6, atol=1e-9)
    assert found.cas.shape == (1, session.dataset.train[4].length, 4) and found.scores.shape == (
        1,
        1,
        4,
    )
    assert found.lengths == batch.lengths


def test_it_is_kept(session, monkeypatch):
    first = labelling.labelling_of(session, SMALL, "train_0")
    monkeypatch.setattr(labelling, "_compute", None)
    assert np.array_equal(labelling.labelling_of(session, SMALL, "train_0").cas, first.cas)


def test_only_training_videos_have_labels(session):
    with pytest.raises(
        WorkbookError, match="test_0 is no training video of simulated; choose one such as train_0"
    ):
        labelling.labelling_of(session, SMALL, "test_0")


def test_without_weights_the_network_is_trained_again(session):
    """As in a fresh checkout: weights are not committed."""
    expected = labelling.labelling_of(session, SMALL, "train_4")
    for path in session.store.root.rglob("*.safetensors"):
        path.unlink()
    assert np.array_equal(labelling.labelling_of(session, SMALL, "train_4").cas, expected.cas)
