"""What all tests of studies need."""

import pytest

from wtal_core.runs import sweep


@pytest.fixture(autouse=True)
def behaviour_of_today(monkeypatch):
    """Every method is at behaviour 1, without the micro-runs that would tell so."""
    monkeypatch.setattr(sweep.behaviour, "stamp", lambda name: f"{name}-1")
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-1")
