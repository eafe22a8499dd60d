"""FAC-Net's localization from hand-made activations, and every switch of its Config."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.packed_samples import random_batch
from wtal_core.data.dataset import empty_segments
from wtal_core.models.facnet import OFFICIAL, Config, Network, activate, localize, loss
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.schedule import Schedule
from wtal_core.timebase import Timebase

SMALL = replace(OFFICIAL, embedding=16)
CLASSES = tuple(f"class {c}" for c in range(20))


def scene_of(videos: int, classes=CLASSES, ambiguous=None) -> Scene:
    return Scene(
        tuple(f"video {v}" for v in range(videos)),
        tuple(classes),
        Timebase(fps=1.0, stride=1.0),
        empty_segments() if ambiguous is None else ambiguous,
    )


def activation_of(
    *streams: dict[int, list[tuple[int, int]]], snippets=40, height=0.9, ground=0.01
) -> Activation:
    """One video; a stream is class -> snippet ranges where its activation is high; these classes
    pass the threshold.
    """
    cas, scores = (
        np.full((len(streams), snippets, 20), ground),
        np.full((len(streams), 1, 20), 0.01),
    )
    for s, classes in enumerate(streams):
        for label, ranges in classes.items():
            scores[s, 0, label] = 0.8
            for start, end in ranges:
                cas[s, start:end, label] = height
    return Activation(cas, scores, np.full((len(streams), snippets), 0.5), (snippets,))


def found(activation: Activation, config: Config = OFFICIAL, **scene) -> pd.DataFrame:
    return localize(activation, scene_of(len(activation.lengths), **scene), config)


def test_a_detection_is_scored_by_inner_minus_outer_and_ends_one_snippet_later():
    table = found(activation_of({3: [(10, 14)]}))
    assert table[["video", "label", "t_start", "t_end"]].values.tolist() == [
        ["video 0", "class 3", 10.0, 15.0]
    ]
    inner = (4 * 0.9 + 0.01) / 5  # the snippet past the run counts
    assert table["score"].item() == pytest.approx(inner - 0.6 * 0.01)


def test_the_stream_before_the_last_ranks_below_it():
    both = activation_of({3: [(2, 8)]}, {3: [(20, 26)]})
    table = found(both)
    assert table["t_start"].tolist() == [20.0, 2.0]
    assert table["score"].iloc[0] == pytest.approx(10 * table["score"].iloc[1])
    equal = found(both, replace(OFFICIAL, trailing_scale=1.0))
    assert equal["score"].iloc[0] == pytest.approx(equal["score"].iloc[1])
    assert sorted(equal["t_start"]) == [2.0, 20.0]


def test_equal_detections_of_two_streams_are_merged():
    both = activation_of({3: [(10, 20)]}, {3: [(10, 20)]})
    assert len(found(both)) == 1
    assert found(both)["score"].item() == pytest.approx(
        found(activation_of({3: [(10, 20)]}))["score"].item()
    )


@pytest.mark.parametrize("leading", [10, 11])
def test_of_equal_scores_the_leading_stream_wins(leading):
    trailing = 21 - leading
    both = activation_of(
        {3: [(trailing, trailing + 20)]}, {3: [(leading, leading + 20)]}, height=0.5, ground=0.0
    )
    assert found(both, replace(OFFICIAL, trailing_scale=1.0))["t_start"].tolist() == [leading]


def test_a_class_below_the_class_threshold_is_passed_over():
    activation = activation_of({3: [(10, 20)]})
    assert found(activation, replace(OFFICIAL, class_threshold=0.81)).empty
    assert list(found(activation, replace(OFFICIAL, class_threshold=0.81))) == [
        "video",
        "label",
        "t_start",
        "t_end",
        "score",
    ]


def test_a_run_shorter_than_the_shortest_is_passed_over():
    activation = activation_of({3: [(10, 12)], 4: [(20, 23)]})
    assert found(activation)["label"].tolist() == ["class 4"]
    assert len(found(activation, replace(OFFICIAL, shortest=2))) == 2


def test_nms_by_iou_keeps_what_lies_inside_a_better_one_and_is_small():
    """The short peak scores below the long run around it, for what lies outside of the peak is high
    as well.
    """
    cas, scores = np.full((1, 40, 20), 0.01), np.zeros((1, 1, 20))
    cas[0, 5:30, 3], cas[0, 12:16, 3], scores[0, 0, 3] = 0.045, 0.06, 1
    activation = Activation(cas, scores, np.zeros((1, 40)), (40,))
    rule = replace(OFFICIAL, thresholds=(0.03, 0.05), outer_weight=1.5)
    longer, shorter = [5.0, 31.0], [12.0, 17.0]
    assert found(activation, rule)[["t_start", "t_end"]].values.tolist() == [longer]
    by_iou = found(activation, replace(rule, overlap="iou"))
    assert by_iou[["t_start", "t_end"]].values.tolist() == [longer, shorter]


def test_upsampling_moves_borders_to_the_sixteenth_of_a_snippet():
    activation = activation_of({3: [(10, 20)]}, height=0.06)
    fine = found(activation, replace(OFFICIAL, upsample=16))
    borders = fine[["t_start", "t_end"]].to_numpy()
    np.testing.assert_array_equal(16 * borders, np.round(16 * borders))
    assert (borders % 1 != 0).any()
    assert fine["t_start"].between(9, 11).all() and fine["t_end"].between(19, 21).all()


def test_ambiguous_intervals_take_detections_of_every_class_away():
    ambiguous = pd.DataFrame(
        {"video": ["video 0"], "label": ["Ambiguous"], "t_start": [12.0], "t_end": [13.0]}
    )
    activation = activation_of({3: [(10, 14), (30, 35)]})
    assert found(activation, ambiguous=ambiguous)["t_start"].tolist() == [30.0]


def test_videos_and_classes_do_not_suppress_each_other():
    one = activation_of({3: [(10, 20)], 4: [(10, 20)]})
    assert sorted(found(one)["label"]) == ["class 3", "class 4"]
    twice = found(Activation.join([one, one]))
    assert twice["video"].tolist() == ["video 0"] * 2 + ["video 1"] * 2
    assert twice["score"].iloc[:2].tolist() == twice["score"].iloc[2:].tolist()


def test_later_snippets_of_a_shifted_video_are_found_as_much_later():
    early, late = (
        found(activation_of({3: [(10, 14), (20, 26)]})),
        found(activation_of({3: [(15, 19), (25, 31)]})),
    )
    np.testing.assert_allclose(late[["t_start", "t_end"]], early[["t_start", "t_end"]] + 5)
    np.testing.assert_allclose(late["score"], early["score"])


CHANGES = {
    "embedding": 8,
    "kernel": 3,
    "dropout": 0.25,
    "delta": 4.0,
    "taus": (1.0,),
    "video_scale": 5.0,
    "foreground_init": "xavier",
    "background": False,
    "lambda_cw": 0.5,
    "lambda_ca": 0.2,
    "lambda_mil": 0.2,
    "schedule": Schedule(learning_rate=1e-2),
    "class_source": "mil",
    "class_threshold": 0.06,
    "thresholds": (0.055, 0.06),
    "shortest": 1,
    "margin": 0.5,
    "outer_weight": 0.1,
    "stream_overlap": 0.9,
    "merge_overlap": 0.1,
    "overlap": "iou",
    "trailing_scale": 1.0,
    "upsample": 16,
}


def run_through(config: Config) -> list[np.ndarray]:
    """A training step with dropout, then detections: class index, start, end, score. Shared random
    numbers.
    """
    batch, draw = random_batch((30, 50, 40)), torch.Generator().manual_seed(1)
    network = Network(config, 2, 16, 5, draw).double()
    optimizer = config.schedule.optimizer(network)
    config.schedule.reduce(loss(network(batch, draw), batch, config)["total"]).backward()
    optimizer.step()
    activation = activate(network(batch), batch, config)
    table = localize(activation, scene_of(3, CLASSES[:5]), config)
    return [
        table["label"].str[6:].to_numpy(dtype=float),
        *table[["t_start", "t_end", "score"]].to_numpy(dtype=float).T,
    ]


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(x.shape == y.shape and np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_every_field_of_config_is_exercised():
    assert set(CHANGES) == {f.name for f in fields(Config)}


@pytest.fixture(scope="module")
def base():
    detections = run_through(BASE)
    assert len(detections[0]) > 10
    return detections


# thresholds that cut through the activations of random weights; both streams count, so that each
# rule has work to do
BASE = replace(
    SMALL,
    thresholds=(0.043, 0.045, 0.0475, 0.05, 0.055),
    class_threshold=0.035,
    trailing_scale=0.9,
    stream_overlap=0.5,
)


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_of_config_changes_the_result(name, base):
    assert equal(run_through(replace(BASE)), base)
    assert not equal(run_through(replace(BASE, **{name: CHANGES[name]})), base)
