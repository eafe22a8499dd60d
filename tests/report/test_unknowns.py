"""Whether a difference depends on an unknown, on numbers made by hand."""

import numpy as np
import pandas as pd

from wtal_core.data.simulator_2 import NAME
from wtal_core.report import unknowns

SEEDS = np.array([0.1, -0.1, 0.2, -0.2, 0.0])


def levels(**means: float) -> dict[str, pd.Series]:
    """Data set -> five seeds around a mean, 2 where none is given."""
    return {name: pd.Series(means.get(name, 2.0) + SEEDS) for name in unknowns.datasets()}


def test_there_are_seven_data_sets_and_the_middle_is_shared():
    names = unknowns.datasets()
    assert len(names) == 7 and unknowns.variant("scene", "mid") == NAME == unknowns.MIDDLE
    assert unknowns.variant("scene", "low") == "simulated-2-scene-low"


def test_a_difference_that_changes_its_sign_turns():
    given = levels() | {
        "simulated-2-scene-low": pd.Series(-2 + SEEDS),
        "simulated-2-scene-high": pd.Series(3 - SEEDS),
        "simulated-2-motion-high": pd.Series(4 - SEEDS),
        "simulated-2-autocorrelation-high": pd.Series(1 - SEEDS),
    }
    table = unknowns.dependence(given)
    expected = {"autocorrelation": "falls", "scene": "turns", "motion": "grows"}
    assert dict(table["depends"]) == expected
    assert table.loc["scene", "low"] == "-2.0, reversed"
    assert table.loc["scene", "high − low"].startswith("+5.0 (")


def test_equal_levels_cannot_be_told_apart_and_untrained_ones_are_named():
    given = levels() | {"simulated-2-scene-high": pd.Series(2 - SEEDS)}
    given["simulated-2-motion-low"] = pd.Series([1.0, np.nan, np.nan, 2.0, 1.0])
    table = unknowns.dependence(given)
    assert table.loc["scene", "depends"] == "cannot tell"
    assert table.loc["motion", "depends"] == "not trained"
    assert table.loc["motion", "high − low"] == "–"
    given["simulated-2-motion-low"][:] = np.nan
    assert unknowns.dependence(given).loc["motion", "low"] == "not trained"


def test_a_seed_that_is_not_trained_in_both_rows_does_not_count():
    values = pd.DataFrame({0: [3.0, 1.0], 1: [4.0, 1.0]}, index=["new", "old"])
    trained = pd.DataFrame({0: [True, True], 1: [True, False]}, index=["new", "old"])
    found = unknowns.usable_difference(values, trained, ("new", "old"))
    assert found[0] == 2 and np.isnan(found[1])
