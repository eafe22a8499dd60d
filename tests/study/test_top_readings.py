"""BackTAL's Figure 2b in every reading, against a plain count; kept between calls."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tests.study.small_runs import (
    BACKTAL,
    count_trainings,
    forget_working_files,
    small_session,
)
from wtal_core.study import top_readings as readings
from wtal_core.study.top_readings import READINGS, pass_logits, reading_bounds, top_readings
from wtal_core.study.top_share import top_share, top_share_bounds

NAMES = [reading.name for reading in READINGS]


@pytest.fixture
def session(tmp_path, monkeypatch):
    return small_session(tmp_path, monkeypatch)


def counted_plainly(dataset, logits, reading) -> float:
    """One snippet after another."""
    hits = []
    begin = 0
    for video in getattr(dataset, reading.subset):
        own = logits[readings.BRANCHES.index(reading.branch)][begin : begin + video.length]
        begin += video.length
        for label in video.labels:
            column = own[:, dataset.classes.index(label)].tolist()
            ranked = sorted(range(len(column)), key=lambda t, column=column: -column[t])
            for snippet in ranked[: max(1, len(column) // 8)]:
                centre = float(dataset.timebase.seconds(snippet + 0.5))
                hits.append(is_action(dataset, video.id, label, centre, reading.any_class))
    return 100 * sum(hits) / len(hits)


def is_action(dataset, video, label, centre, any_class) -> bool:
    return any(
        row.t_start <= centre < row.t_end
        for row in dataset.segments.itertuples()
        if row.video == video and (any_class or row.label == label)
    )


def truth(dataset, video, any_class) -> np.ndarray:
    """1 where a snippet of the video is action of a class: (T, C)."""
    columns = np.zeros((video.length, len(dataset.classes)))
    for (snippet, label), _ in np.ndenumerate(columns):
        centre = float(dataset.timebase.seconds(snippet + 0.5))
        columns[snippet, label] = is_action(
            dataset, video.id, dataset.classes[label], centre, any_class
        )
    return columns


def test_every_reading_is_the_plain_count(session):
    table = top_readings(session, {"Baseline": BACKTAL})
    assert len(set(NAMES)) == len(NAMES) == 8
    for trained, (_, line) in zip(
        session.trained_runs("backtal", BACKTAL), table.iterrows(), strict=True
    ):
        logits = {subset: pass_logits(trained, subset) for subset in ("test", "train")}
        for reading in READINGS:
            plain = counted_plainly(trained.dataset, logits[reading.subset], reading)
            assert line[reading.name] == pytest.approx(plain, abs=0.0051), reading.name


def test_the_first_reading_is_that_of_the_facts(session):
    table = top_readings(session, {"Baseline": BACKTAL})
    runs = session.trained_runs("backtal", BACKTAL)
    assert table[NAMES[0]].tolist() == [round(100 * run.facts.top, 2) for run in runs]
    supp = pass_logits(runs[0], "test")[1]
    assert np.allclose(supp, runs[0].class_activation, atol=1e-6)


def test_an_oracle_reaches_its_bound_in_every_scope(session):
    dataset = session.dataset
    for subset, any_class in product(("test", "train"), (False, True)):
        cas = np.concatenate(
            [truth(dataset, video, any_class) for video in getattr(dataset, subset)]
        )
        oracle = top_share_bounds(dataset, 8, subset, any_class)[1]
        assert top_share(dataset, cas, 8, subset, any_class) == pytest.approx(oracle)
    bounds = reading_bounds(session, BACKTAL)
    assert bounds.index.tolist() == NAMES
    assert (bounds["drawn at random"] <= bounds["oracle"]).all()


def test_readings_are_kept_until_the_runs_are_others(session, monkeypatch):
    rows = {"Baseline": BACKTAL}
    table = top_readings(session, rows)
    assert set(table["network"]) == {"recorded"}
    forget_working_files(session.store.root)
    trainings = count_trainings(monkeypatch)
    assert top_readings(session, rows).equals(table) and trainings == []
    path = session.store.root / session.dataset.name / "top_readings.csv"
    pd.read_csv(path).assign(run="of another").to_csv(path, index=False)
    assert top_readings(session, rows).equals(table)
    assert [seed for _, seed, _ in trainings] == [0, 1]
