"""No picture stays open behind its test."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures that a test has opened are closed after it."""
    yield
    plt.close("all")
