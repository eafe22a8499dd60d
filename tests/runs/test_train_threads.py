"""Small networks are trained and read by one thread on a CPU, larger ones by as many as before."""

import pytest
import torch

from wtal_core.runs import train
from wtal_core.runs.train import suited_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_small_network_has_one_thread_and_the_others_come_back(two_threads):
    with suited_threads(torch.nn.Linear(3, 2)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(KeyError), suited_threads(torch.nn.Linear(3, 2)):
        raise KeyError
    assert torch.get_num_threads() == 2


def test_a_larger_network_and_one_elsewhere_keep_them(two_threads, monkeypatch):
    with suited_threads(torch.nn.Linear(3, 2, device="meta")):
        assert torch.get_num_threads() == 2
    monkeypatch.setattr(train, "SMALL_NETWORK", 7)
    with suited_threads(torch.nn.Linear(3, 2)):
        assert torch.get_num_threads() == 2
