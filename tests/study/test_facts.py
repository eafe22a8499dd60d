"""Facts about runs: on activations and embeddings whose answer is known, and kept beside the
records.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.tiny_dataset import SCHEDULE, tiny_dataset
from wtal_core.data.grid import inside
from wtal_core.evaluation.error_types import OUTCOMES
from wtal_core.models import backtal, sfnet
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.study import facts
from wtal_core.study.session import Session

SMALL = replace(
    backtal.QUICK,
    width=8,
    filter_width=8,
    emb_hidden=8,
    emb_dim=4,
    schedule=replace(SCHEDULE, reduction="mean"),
    inputs=replace(backtal.QUICK.inputs, clicks="none"),
    rule=replace(backtal.QUICK.rule, class_threshold=0.0),
)


@pytest.fixture
def session(tmp_path, monkeypatch):
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    return Session("backtal/figure2", dataset, "quick", (0, 1), "cpu", Ledger(tmp_path), 1)


def on_grid(dataset, of) -> np.ndarray:
    return np.concatenate([of(video) for video in dataset.test]).astype(np.float64)


def test_levels_of_the_truth_are_one_and_zero():
    dataset = tiny_dataset()
    cas = on_grid(
        dataset, lambda v: np.column_stack([inside(dataset, v.id, c) for c in dataset.classes])
    )
    assert facts.levels(dataset, 3 * cas - 7).tolist() == [1, 0]
    assert facts.levels(dataset, 0 * cas).tolist() == [0, 0]


def test_similarity_of_an_embedding_that_knows_the_kind():
    dataset = tiny_dataset()
    kind = on_grid(dataset, lambda v: inside(dataset, v.id))
    perfect = np.column_stack([kind, 1 - kind])
    assert facts.similarity(dataset, perfect).tolist() == [[1.0] * 8, [0.0] * 8]
    assert facts.similarity(dataset, -perfect).tolist() == [[1.0] * 8, [0.0] * 8]


def test_similarity_compares_inside_of_a_video_only():
    dataset = tiny_dataset()
    number = np.repeat(np.arange(len(dataset.test)), [v.length for v in dataset.test])
    own = np.eye(len(dataset.test))[number]
    assert facts.similarity(dataset, own).tolist() == [[1.0] * 8, [1.0] * 8]


def test_similarity_of_pairs_that_are_not_there_is_unknown():
    dataset = tiny_dataset()
    without = replace(dataset, segments=dataset.segments.iloc[:0])
    same, other = facts.similarity(without, np.ones((sum(v.length for v in dataset.test), 1)))
    assert same.tolist() == [1.0] * 8 and np.isnan(other).all()


def test_facts_are_kept_and_read_again(session, monkeypatch):
    first = facts.facts_of(session, "backtal", SMALL)
    monkeypatch.setattr(facts, "_keep", None)
    again = facts.facts_of(session, "backtal", SMALL)
    assert len(first) == 2
    for one, other in zip(first, again, strict=True):
        assert set(one) == {
            "outcomes",
            "top",
            "bounds",
            "levels",
            "f1_scores",
            "strict",
            "similarity",
        }
        assert one["bounds"][0] < one["bounds"][1] and one["top"] <= one["bounds"][1]
        assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_facts_agree_with_the_record(session):
    records = session.run("backtal", {"x": SMALL}).records["x"]
    for one, record in zip(facts.facts_of(session, "backtal", SMALL), records, strict=True):
        assert 100 * one["strict"][0] == pytest.approx(record.map("activitynet")[0.5], abs=1e-4)
        ten, first = one["outcomes"]
        assert ten.sum() <= min(60, record.line["detections"]["last"]) and (first <= ten).all()
        assert first.sum() <= 6  # as many as there are instances


def test_a_method_without_embedding_has_no_similarity(session):
    config = replace(
        sfnet.QUICK,
        hidden=8,
        labels="video",
        inputs=replace(sfnet.QUICK.inputs, clicks="none"),
        expand_epoch=None,
        schedule=replace(SCHEDULE, reduction="mean"),
    )
    assert "similarity" not in facts.facts_of(session, "sfnet", config)[0]


def test_embedding_is_of_unit_length_after_rescaling(session):
    longer = replace(SMALL, inputs=replace(SMALL.inputs, length=40))
    values = facts.facts_of(session, "backtal", longer)[0]["similarity"]
    assert np.nanmax(np.abs(values)) <= 1


def test_background_share_by_hand():
    counts = [np.array([[4, 1, 1, 1, 1, 2], [4, 0, 0, 0, 0, 0]])]
    assert facts.background_share(counts := [{"outcomes": c} for c in counts], (0,)).tolist() == [
        pytest.approx(100 / 3)
    ]
    assert facts.background_share(counts, (0,), with_right=True).tolist() == [20]
    assert facts.background_share(counts, (0,), pool=1).isna().tolist() == [True]
    assert facts.error_table(counts, (3,)).equals(
        pd.DataFrame([[4, 1, 1, 1, 1, 2]], index=[3], columns=list(OUTCOMES))
    )


def test_strict_is_a_table_in_percent(session):
    table = facts.strict_of(session, "backtal", SMALL)
    assert (
        table.columns.tolist()[:2] == ["0.50", "0.55"]
        and table.columns[-1] == "AVG"
        and table.index.tolist() == [0, 1]
    )
    assert table["AVG"].to_numpy() == pytest.approx(table.iloc[:, :-1].mean(axis=1).to_numpy())
