"""Activations that pseudo labels are made from: those of the trained network, and kept beside its
record.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.study.small_runs import GAUFUSE, RSKP, small_session
from wtal_core.errors import WorkbookError
from wtal_core.models import gaufuse, rskp
from wtal_core.runs.train import Trainer
from wtal_core.study import labelling
from wtal_core.study.labelling import labelling_of


@pytest.fixture
def session(tmp_path, monkeypatch):
    return small_session(tmp_path, monkeypatch, "gaufuse/figure4", seeds=(0,))


def test_it_is_what_the_trained_network_says_of_the_video_in_evaluation(session):
    trainer = Trainer("gaufuse", gaufuse.trained_as(GAUFUSE), session.dataset, 0)
    trainer.run()
    batch = trainer.train_videos.batch([4])
    with torch.no_grad():
        outputs = trainer.progress.network.eval().host(batch)
    expected = rskp.activate(outputs, batch, replace(RSKP, cas_mix=0.8), True)
    activation = labelling_of(session.trained("gaufuse", GAUFUSE), "train_4")
    np.testing.assert_allclose(activation.cas, expected.cas, rtol=1e-6, atol=1e-9)
    assert activation.cas.shape == (
        1,
        session.dataset.train[4].length,
        4,
    ) and activation.scores.shape == (
        1,
        1,
        4,
    )
    assert activation.lengths == batch.lengths


def test_it_is_kept(session, monkeypatch):
    first = labelling_of(session.trained("gaufuse", GAUFUSE), "train_0")
    monkeypatch.setattr(labelling, "_labelling", None)
    assert np.array_equal(
        labelling_of(session.trained("gaufuse", GAUFUSE), "train_0").cas, first.cas
    )


def test_only_training_videos_have_labels(session):
    with pytest.raises(
        WorkbookError, match="test_0 is no training video of simulated; choose one such as train_0"
    ):
        labelling_of(session.trained("gaufuse", GAUFUSE), "test_0")


def test_without_weights_the_network_is_trained_again(session):
    """As in a fresh checkout: weights are not committed."""
    expected = labelling_of(session.trained("gaufuse", GAUFUSE), "train_4")
    for path in session.store.root.rglob("*.safetensors"):
        path.unlink()
    assert np.array_equal(
        labelling_of(session.trained("gaufuse", GAUFUSE), "train_4").cas, expected.cas
    )
