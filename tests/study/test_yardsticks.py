"""Trivial and oracle rows: what each may know, and that nothing else decides its detections."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_runs import TOPK, count_trainings, forget_working_files, small_session
from tests.tiny_dataset import CLASSES, tiny_dataset
from wtal_core.data.dataset import Video
from wtal_core.models import topk_mil
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.run import Run
from wtal_core.runs.train import scene
from wtal_core.study import session as session_module
from wtal_core.study.ridge import RIDGE, Classifier
from wtal_core.study.trained import TrainedRun
from wtal_core.study.yardsticks import DRAWN, PARTS, Yardsticks, yardsticks


@pytest.fixture(scope="module")
def data():
    """The tiny data set and one empty test video that shows nothing."""
    tiny = tiny_dataset()
    nothing = {stream: np.zeros((0, 6), np.float32) for stream in tiny.streams}
    return replace(tiny, test=(*tiny.test, Video("empty", nothing, ())))


@pytest.fixture(scope="module")
def rows(data):
    return Yardsticks(data)


def length_of(data) -> dict[str, float]:
    return {video.id: data.timebase.seconds(float(video.length)) for video in data.test}


def labels_of(data) -> set[tuple[str, str]]:
    return {(video.id, label) for video in data.test for label in video.labels}


def test_the_classifier_is_ridge_regression():
    rng = np.random.default_rng(0)
    pooled, labels = rng.normal(size=(8, 5)), (rng.random((8, 3)) < 0.4).astype(float)
    moved = pooled - pooled.mean(0)
    strength = RIDGE * (moved**2).sum() / len(moved)
    weights = np.linalg.solve(
        moved.T @ moved + strength * np.eye(5), moved.T @ (labels - labels.mean(0))
    )
    fitted = Classifier.fitted(pooled, labels)
    assert np.allclose(fitted.weights, weights, atol=1e-12)
    assert np.allclose(fitted(pooled), moved @ weights + labels.mean(0), atol=1e-12)


def test_the_classifier_of_equal_videos_knows_the_shares_alone():
    fitted = Classifier.fitted(np.ones((4, 2)), np.array([[1.0], [0.0], [0.0], [0.0]]))
    assert np.allclose(fitted(np.array([[5.0, -3.0]])), 0.25)


def test_predicted_labels_are_those_of_easy_videos(data, rows):
    video, label = np.nonzero(rows.scores)
    assert {(data.test[v].id, CLASSES[c]) for v, c in zip(video, label, strict=True)} == labels_of(
        data
    )
    assert (rows.scores[-1] == 0).all()


def test_random_segments_know_the_labels_and_the_length_only(data, rows):
    found = rows.random(3)
    assert set(zip(found["video"], found["label"], strict=True)) == labels_of(data)
    assert len(found) == DRAWN * len(labels_of(data))
    inside = found["t_end"] <= found["video"].map(length_of(data))
    assert inside.all() and (found["t_start"] >= 0).all()
    assert (found["t_end"] >= found["t_start"]).all()
    moved = replace(data, segments=data.segments.assign(t_start=0.0))
    pd.testing.assert_frame_equal(Yardsticks(moved).random(3), found)
    assert not rows.random(4).equals(found)


def test_whole_videos_reach_from_the_first_snippet_to_the_last(data, rows):
    found = rows.whole_videos()
    assert set(zip(found["video"], found["label"], strict=True)) == labels_of(data)
    assert (found["t_start"] == 0).all()
    assert (found["t_end"] == found["video"].map(length_of(data))).all()


def test_windows_are_equal_parts_in_an_order_of_the_seed(data, rows):
    found = rows.windows(0)
    for video, windows in found.groupby("video"):
        seconds = length_of(data)[video]
        counts = (seconds / (windows["t_end"] - windows["t_start"])).round(9).value_counts()
        assert counts.to_dict() == {n: n for n in PARTS if n <= seconds}  # a snippet is a second
        assert windows["score"].nunique() == 1
    columns = ["video", "label", "t_start", "t_end"]
    other = rows.windows(1)
    assert not other.equals(found)
    assert other.sort_values(columns, ignore_index=True).equals(
        found.sort_values(columns, ignore_index=True)
    )


def test_mean_pooling_finds_actions_in_easy_videos(data, rows):
    found = rows.mean_pooling()
    assert set(zip(found["video"], found["label"], strict=True)) == labels_of(data)
    assert rows.map(found, "wtalc", [0.5])[0.5] > rows.map(rows.windows(0), "wtalc", [0.5])[0.5]


def test_true_segments_are_scored_by_the_mean_response_in_them(data, rows):
    found = rows.true_segments().set_index("video")
    truth = data.segments_of("test").set_index("video")
    assert found[["label", "t_start", "t_end"]].equals(truth[["label", "t_start", "t_end"]])
    place = 0
    for number, video in enumerate(data.test[:-1]):
        start, end = (int(truth.loc[video.id, name]) for name in ("t_start", "t_end"))
        label = CLASSES.index(video.labels[0])
        mean = np.mean([rows.responses[place + second, label] for second in range(start, end)])
        assert found.loc[video.id, "score"] == pytest.approx(mean * rows.scores[number, label])
        place += video.length


def test_a_true_segment_gets_every_predicted_label_whatever_its_own(data):
    rows = Yardsticks(data)
    rows.__dict__["scores"] = np.tile([0.5, 0.0, 0.4], (len(data.test), 1))
    found = rows.true_segments()
    assert found.groupby("video")["label"].agg(tuple).unique().tolist() == [("jump", "throw")]


def test_the_truth_reaches_everything(data, rows):
    assert (rows.map(rows.true_detections(), "activitynet", []) == 100).all()


def test_true_labels_take_the_place_of_predicted_ones(data, rows):
    """A network that is sure of a wrong class, and whose activation is right."""
    cas = np.zeros((1, sum(rows.lengths), 3))
    place = 0
    for video in data.test[:-1]:
        (start,) = data.segments.loc[data.segments["video"] == video.id, "t_start"].astype(int)
        cas[0, place + start : place + start + 5, CLASSES.index(video.labels[0])] = 1
        place += video.length
    wrong = np.roll(rows.labels, 1, axis=1).astype(float)[None]
    activation = Activation(cas, wrong, cas.max(-1), tuple(rows.lengths.tolist()))
    trained = object.__new__(TrainedRun)
    run = Run("topk_mil", topk_mil.QUICK, data.name, 0)
    vars(trained).update(run=run, dataset=data, activation=activation)
    found = topk_mil.localize(activation, scene(data), topk_mil.QUICK)
    assert not set(zip(found["video"], found["label"], strict=True)) & labels_of(data)
    told = rows.true_labels(trained)
    assert set(zip(told["video"], told["label"], strict=True)) == labels_of(data)
    assert rows.map(told, "wtalc", [0.5])[0.5] > 50


def test_a_class_that_a_video_does_not_show_is_left_out(data, rows):
    found = rows.true_detections().assign(label="run")
    kept = rows.only_true_labels(found)
    assert set(kept["video"]) == {v.id for v in data.test if "run" in v.labels}


def test_the_block_has_one_line_per_seed_where_lots_are_drawn(tmp_path, monkeypatch):
    session = small_session(tmp_path, monkeypatch)
    table = yardsticks(session, protocol="activitynet", tious=(0.3, 0.5))
    lines = {name: len(values) for name, values in table.items()}
    assert lines == {
        "random segments, true labels": 2,
        "whole video, predicted labels": 1,
        "uniform windows, predicted labels": 2,
        "mean pooling": 1,
        "true segments, predicted labels": 1,
        "true segments, true labels": 1,
    }
    assert {tuple(values) for values in table.values()} == {(0.3, 0.5)}
    assert table["true segments, true labels"].to_numpy().tolist() == [[100, 100]]


def test_what_a_number_is_worth_is_told_by_the_metric_of_the_results(tmp_path, monkeypatch):
    session = small_session(tmp_path, monkeypatch)
    results = session.run("topk_mil", {"plain": TOPK}).measured(0.3, 0.5)
    block = yardsticks(session, protocol=results.protocol, tious=(0.3, 0.5))
    told = session.worth(results)
    assert {*told, "mean pooling"} == {*block}
    assert all(value == block[name].to_numpy().mean() for name, value in told.items())
    assert told["true segments, true labels"] == 100
    untrained = session.references(results)["no training (mean pooling)"]
    assert untrained == block["mean pooling"].to_numpy().mean()


def test_a_network_that_is_told_the_labels_is_trained_once(tmp_path, monkeypatch):
    session = small_session(tmp_path, monkeypatch)
    trainings = count_trainings(monkeypatch)
    first = yardsticks(session, {"top-k MIL": ("topk_mil", TOPK)})
    assert trainings == [("topk_mil", 0, "cpu")]
    forget_working_files(tmp_path)
    again = yardsticks(session, {"top-k MIL": ("topk_mil", TOPK)})
    assert len(trainings) == 1
    name = "top-k MIL (seed 0), true labels"
    assert again[name].equals(first[name]) and len(first[name]) == 1


def test_folds_have_rows_of_their_own(tmp_path, monkeypatch):
    session = small_session(tmp_path, monkeypatch)
    cuts = {seed: tiny_dataset(test=3 + seed) for seed in session.seeds}
    monkeypatch.setattr(session_module, "dataset_of", lambda run: cuts[run.seed])
    table = yardsticks(session)
    assert len(table["mean pooling"]) == 2
    each = [Yardsticks(cut) for cut in cuts.values()]
    expected = [rows.map(rows.whole_videos(), "wtalc", []).to_list() for rows in each]
    assert table["whole video, predicted labels"].to_numpy().tolist() == expected


def test_frame_labels_find_what_a_linear_classifier_can(data, rows):
    """Each class has a direction of its own in its segments, and only there."""
    found = rows.map(rows.frame_labels(), "wtalc", (0.3, 0.5))
    assert (found > 60).all()
    assert (found > rows.map(rows.mean_pooling(), "wtalc", (0.3, 0.5))).all()
    assert not set(rows.frame_labels()["video"]) & {"empty"}
