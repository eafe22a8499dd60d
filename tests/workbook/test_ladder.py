"""The ladder: every method is on it, beside what was published of it."""

import pytest

from wtal_core.models import method, method_names
from wtal_core.study.session import open_session
from wtal_core.workbook.ladder import (
    AVERAGE,
    MIDDLE,
    NETWORKS,
    SUPERVISED,
    UNTRAINED,
    climbed,
    published,
)


def test_every_method_that_stands_alone_is_a_rung():
    alone = [name for name in method_names() if "host" not in method(name).settings()]
    assert sorted(rung.method for rung in NETWORKS) == sorted([*alone, "gaufuse"])
    assert not any(rung.method for rung in (*UNTRAINED, *SUPERVISED))


def test_published_numbers_are_those_of_the_papers_tables():
    by_name = {rung.name: published(rung) for rung in (*NETWORKS, *SUPERVISED)}
    assert by_name["STPN"] == {AVERAGE: 27.0, MIDDLE: 16.9}
    assert by_name["GauFuse"] == {AVERAGE: 48.3, MIDDLE: 42.7}
    assert by_name["W-TALC"] == {AVERAGE: None, MIDDLE: 22.8}
    assert by_name["top-k MIL"] == {AVERAGE: None, MIDDLE: None}
    assert by_name["frame labels, linear"][MIDDLE] == pytest.approx(40.2)
    assert sum(numbers[AVERAGE] is not None for numbers in by_name.values()) == 15


def test_every_network_that_is_not_trained_has_its_reason():
    """Of the committed runs: whoever misses a bound or has collapsed, and nobody else."""
    whole = climbed(open_session("ladder/ladder", "simulated-2"))
    trained = whole.results.trained()
    short = trained.index[~trained.all(axis=1)]
    table = whole.untrained()
    assert set(table.index) == set(short) and len(short)
    collapse = whole.results.collapse()
    rows = table[table["ends above"].str.contains("collapsed")]
    assert {row: int(seeds.split()[0]) for row, seeds in rows["seeds"].items()} == dict(
        collapse[collapse > 0]
    )
