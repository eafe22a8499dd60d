"""What all tests of runs need."""

import pytest

from wtal_core.runs import sweep


@pytest.fixture(autouse=True)
def behaviour_of_today(request, monkeypatch):
    """Every method is at behaviour 1, without the micro-runs that would tell so.

    But for the tests of behaviour itself.
    """
    if request.module.__name__.endswith("test_behaviour"):
        return
    monkeypatch.setattr(sweep.behaviour, "stamp", lambda name: f"{name}-1")
    monkeypatch.setattr(sweep.behaviour, "name_of", lambda name: f"{name}-1")
