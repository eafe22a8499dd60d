"""Detections are checked once, however many protocols score them."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.errors import WorkbookError
from wtal_core.evaluation import accounting, ground_truth
from wtal_core.evaluation.diagnosis import diagnose
from wtal_core.evaluation.error_types import outcomes
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, GroundTruth, checked
from wtal_core.evaluation.mean_average_precision import evaluate, order_range
from wtal_core.evaluation.protocols import ACTIVITYNET, PROTOCOLS
from wtal_core.evaluation.tables import load_detections, write_detections

TRUTH = GroundTruth(
    pd.DataFrame(
        {"video": ["a", "b"], "label": ["run", "run"], "t_start": [1.0, 2.0], "t_end": [3.0, 6.0]}
    ),
    ("a", "b"),
    ("run",),
)
TABLE = pd.DataFrame(
    [("a", "run", 1.0, 3.0, 0.9), ("b", "run", 2.0, 3.0, 0.9), ("a", "run", 5.0, 6.0, 0.1)],
    columns=DETECTION_COLUMNS,
)


@pytest.fixture
def checks(monkeypatch):
    """The sources of all tables that were checked."""
    sources = []
    check = ground_truth.check_detections

    def counted(table, source="detections"):
        sources.append(source)
        check(table, source)

    monkeypatch.setattr(ground_truth, "check_detections", counted)
    return sources


def test_a_file_is_checked_once_for_all_protocols(tmp_path, checks):
    write_detections(TABLE, tmp_path / "found.json")
    checks.clear()
    detections = load_detections(tmp_path / "found.json")
    for protocol in PROTOCOLS.values():
        accounting.statement(TRUTH, detections, protocol, with_order_range=True)
    diagnose(TRUTH, detections)
    outcomes(TRUTH, detections)
    assert checks == [str(tmp_path / "found.json")]


@pytest.mark.parametrize("score", [evaluate, order_range, accounting.statement])
def test_a_table_is_checked_once_in_each_call(score, checks):
    score(TRUTH, TABLE, ACTIVITYNET)
    assert len(checks) == 1


def test_checked_detections_score_as_their_table():
    for protocol in PROTOCOLS.values():
        first = accounting.statement(TRUTH, TABLE, protocol, with_order_range=True)
        assert accounting.statement(TRUTH, checked(TABLE), protocol, with_order_range=True) == first


def test_nothing_unsound_becomes_checked():
    reversed_rows = TABLE.assign(t_end=0.0)
    with pytest.raises(WorkbookError, match=r"mine: row 0, .* ends before it starts"):
        checked(reversed_rows, "mine")


def test_rows_keep_their_order():
    assert checked(TABLE).rows(np.array([2, 0])).table.index.tolist() == [2, 0]
    assert len(checked(TABLE)) == 3
