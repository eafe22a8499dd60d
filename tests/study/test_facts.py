"""Facts about runs: on activations and embeddings whose answer is known, and kept beside the
records.
"""

import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_runs import BACKTAL, MEAN, small_session
from tests.tiny_dataset import tiny_dataset
from wtal_core.data.grid import inside
from wtal_core.evaluation.error_types import OUTCOMES
from wtal_core.models import sfnet
from wtal_core.study import facts, trained
from wtal_core.study.facts import Facts


@pytest.fixture
def session(tmp_path, monkeypatch):
    return small_session(tmp_path, monkeypatch, "backtal/figure2")


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


def equal(one: Facts, other: Facts) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Facts)]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def test_facts_are_kept_and_read_again(session, monkeypatch):
    first = session.facts("backtal", BACKTAL)
    monkeypatch.setattr(trained, "measured", None)
    again = session.facts("backtal", BACKTAL)
    assert len(first) == 2
    for facts_of_run, read_again in zip(first, again, strict=True):
        assert facts_of_run.bounds[0] < facts_of_run.bounds[1]
        assert facts_of_run.top <= facts_of_run.bounds[1]
        assert equal(facts_of_run, read_again)


def test_facts_survive_as_lists_in_json(session):
    for facts_of_run in session.facts("backtal", BACKTAL):
        text = json.dumps(facts_of_run.values())
        assert equal(Facts.of(json.loads(text)), facts_of_run)
        unknown = replace(facts_of_run, similarity=np.full((2, 8), np.nan))
        values = unknown.values()
        values["similarity"] = [[None] * 8] * 2  # strict JSON has no NaN
        assert equal(Facts.of(values), unknown)


def test_facts_agree_with_the_record(session):
    for run in session.trained_runs("backtal", BACKTAL):
        strict = 100 * run.facts.strict[0]
        assert strict == pytest.approx(run.record.map("activitynet")[0.5], abs=1e-4)
        ten, first = run.facts.outcomes
        assert ten.sum() <= min(60, run.record.line["detections"]["last"])
        assert (first <= ten).all()
        assert first.sum() <= 6  # as many as there are instances


def test_a_method_without_embedding_has_no_similarity(session):
    config = replace(
        sfnet.QUICK,
        hidden=8,
        labels="video",
        inputs=replace(sfnet.QUICK.inputs, clicks="none"),
        expand_epoch=None,
        schedule=MEAN,
    )
    assert session.facts("sfnet", config)[0].similarity is None
    assert session.trained("sfnet", config).facts.similarity is None


def test_embedding_is_of_unit_length_after_rescaling(session):
    longer = replace(BACKTAL, inputs=replace(BACKTAL.inputs, length=40))
    run = session.trained("backtal", longer)
    np.testing.assert_allclose(np.linalg.norm(run.embedding, axis=1), 1)
    assert np.nanmax(np.abs(run.facts.similarity)) <= 1


def with_outcomes(outcomes: list[list[int]]) -> Facts:
    empty = np.zeros(0)
    return Facts(np.array(outcomes), 0.0, np.zeros(2), np.zeros(2), np.zeros(10), empty)


def test_background_share_by_hand():
    counts = [with_outcomes([[4, 1, 1, 1, 1, 2], [4, 0, 0, 0, 0, 0]])]
    assert facts.background_share(counts, (0,)).tolist() == [pytest.approx(100 / 3)]
    assert facts.background_share(counts, (0,), with_right=True).tolist() == [20]
    assert facts.background_share(counts, (0,), pool=1).isna().tolist() == [True]
    expected = pd.DataFrame([[4, 1, 1, 1, 1, 2]], index=[3], columns=list(OUTCOMES))
    assert facts.error_table(counts, (3,)).equals(expected)


def test_strict_is_a_table_in_percent(session):
    of_runs = session.facts("backtal", BACKTAL)
    table = facts.strict_table(of_runs, session.seeds)
    assert table.columns.tolist()[:2] == ["0.50", "0.55"]
    assert table.columns[-1] == "AVG" and table.index.tolist() == [0, 1]
    assert table.iloc[1, 0] == 100 * of_runs[1].strict[0]
    means = table.iloc[:, :-1].mean(axis=1).to_numpy()
    assert table["AVG"].to_numpy() == pytest.approx(means)
