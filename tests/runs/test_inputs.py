"""What a method is given: one length for all videos, and click targets by rule and annotator."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_dataset import CLASSES, tiny_dataset
from wtal_core.data.clicks import empty_clicks
from wtal_core.data.dataset import Dataset, Video
from wtal_core.errors import WorkbookError
from wtal_core.models import facnet
from wtal_core.models.shared.inputs import Inputs
from wtal_core.runs.inputs import (
    click_targets,
    clicks_shown,
    inputs_of,
    on_grid,
    rescaled,
    resident,
)

BACKGROUND = len(CLASSES)
ALIGNMENTS = ("half_pixel", "left", "corners")


def features(length, seed=0):
    return np.random.default_rng(seed).normal(size=(2, length, 3)).astype(np.float32)


def expected(values, length, align):
    """The same by numpy.interp, with the positions written in another way."""
    old, j = values.shape[1], np.arange(length)
    at = {
        "half_pixel": (2 * j + 1) / (2 * length) * old - 0.5,
        "left": j / (length / old),
        "corners": np.linspace(0, old - 1, length),
    }[align]
    columns = [[np.interp(at, np.arange(old), values[s, :, d]) for d in range(3)] for s in range(2)]
    return np.array(columns).transpose(0, 2, 1)


@given(old=st.integers(1, 40), new=st.integers(1, 60), align=st.sampled_from(ALIGNMENTS))
def test_rescaling_is_linear_interpolation(old, new, align):
    if align == "corners" and new == 1:
        return  # one point cannot lie on two corners: it takes the first
    values = features(old)
    found = rescaled(values, Inputs(length=new, align=align))
    assert found.shape == (2, new, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected(values, new, align), atol=1e-5)


def test_alignments_differ_and_equal_length_changes_nothing():
    values = features(7)
    found = [rescaled(values, Inputs(length=12, align=align)) for align in ALIGNMENTS]
    assert not any(
        np.allclose(a, b)
        for a, b in ((found[0], found[1]), (found[1], found[2]), (found[0], found[2]))
    )
    for align in ALIGNMENTS:
        assert rescaled(values, Inputs(length=7, align=align)) is values
    assert rescaled(values, Inputs()) is values


def test_empty_and_one_snippet_videos():
    for align in ALIGNMENTS:
        assert rescaled(features(0), Inputs(length=5, align=align)).shape == (2, 0, 3)
        np.testing.assert_array_equal(
            rescaled(features(1), Inputs(length=4, align=align)), features(1).repeat(4, axis=1)
        )
        assert rescaled(features(5), Inputs(length=1, align=align)).shape == (2, 1, 3)


def test_values_come_back_to_the_native_grid():
    values = np.arange(20.0)
    np.testing.assert_allclose(on_grid(values, 10), np.arange(0.5, 20, 2))
    assert on_grid(np.ones((20, 4)), 10).shape == (10, 4) and on_grid(values, 0).shape == (0,)
    assert on_grid(np.empty((0, 4)), 0).shape == (0, 4)


def table(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "t"]).astype({"t": float})


def with_clicks(**clicks) -> Dataset:
    """The tiny set, one second a snippet: train_0 has 12 snippets, train_1 15."""
    return replace(tiny_dataset(), clicks=clicks)


def targets(dataset, lengths=None, seed=0, **inputs):
    videos = dataset.train[:2]
    lengths = np.array([v.length for v in videos]) if lengths is None else np.array(lengths)
    return click_targets(dataset, videos, lengths, Inputs(**inputs), seed)


def marked(found):
    """Row -> column of the click, where one label was clicked."""
    return {int(row): int(column) for row, column in zip(*np.nonzero(found), strict=True)}


def test_targets_of_both_kinds():
    dataset = with_clicks(
        background=table(("train_0", "background", 0.2), ("train_1", "background", 14.9)),
        action=table(("train_1", "run", 3.0), ("train_0", "jump", 11.99)),
    )
    found = targets(dataset, clicks="both")
    assert found.shape == (27, 4) and found.dtype == np.float32
    assert marked(found) == {0: BACKGROUND, 26: BACKGROUND, 12 + 3: 1, 11: 0}
    assert marked(targets(dataset, clicks="action")) == {12 + 3: 1, 11: 0}


@pytest.mark.parametrize(
    "rule, rows", [("floor", [2, 7]), ("round", [3, 7]), ("interval", [2, 3, 4, 7])]
)
def test_the_three_rules(rule, rows):
    clicks = table(("train_0", "background", 2.6), ("train_0", "background", 7.0)).assign(
        t_end=[5.0, 7.0]
    )
    dataset = with_clicks(background=clicks, action=table())
    assert sorted(marked(targets(dataset, clicks="background", click_map=rule))) == rows
    assert sorted(marked(targets(dataset, clicks="both", click_map=rule))) == rows


def test_an_interval_needs_no_end():
    """Action clicks have none: beside background clicks that do, each lasts one moment."""
    dataset = with_clicks(
        background=table(("train_0", "background", 2.6)).assign(t_end=4.5),
        action=table(("train_1", "run", 3.5)),
    )
    assert marked(targets(dataset, clicks="both", click_map="interval")) == {
        2: 3,
        3: 3,
        4: 3,
        15: 1,
    }


@pytest.mark.parametrize("rule", ["floor", "round", "interval"])
def test_the_grid_may_have_another_length(rule):
    dataset = with_clicks(
        background=table(("train_0", "background", 6.0), ("train_1", "background", 14.99))
    )
    found = sorted(
        marked(targets(dataset, lengths=[750, 750], clicks="background", click_map=rule))
    )
    assert found == [375, 750 + 749]


def test_clicks_outside_the_video_fall_on_its_ends():
    dataset = with_clicks(
        background=table(("train_0", "background", 900.0), ("train_1", "background", -1.0))
    )
    for rule in ("floor", "round", "interval"):
        assert sorted(marked(targets(dataset, clicks="background", click_map=rule))) == [11, 12]


def test_several_labels_on_a_snippet_are_averaged():
    clicks = table(("train_0", "jump", 1.1), ("train_0", "run", 1.9), ("train_0", "run", 1.2))
    dataset = with_clicks(
        action=clicks,
        background=table(("train_0", "background", 1.5), ("train_0", "background", 4.0)),
    )
    np.testing.assert_array_equal(targets(dataset, clicks="action")[1], [0.5, 0.5, 0, 0])
    found = targets(dataset, clicks="both")
    np.testing.assert_allclose(found[1], [1 / 3, 1 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(found[4], [0, 0, 0, 1])


def test_other_videos_and_unknown_classes_are_passed_over():
    dataset = with_clicks(
        action=table(("test_0", "jump", 1.0), ("train_0", "Billiards", 1.0), ("rain_1", "run", 2.0))
    )
    assert not targets(dataset, clicks="action").any()


@pytest.mark.parametrize("inputs", [{}, {"click_map": "interval"}, {"annotator": "video"}])
def test_a_data_set_where_nobody_clicked(inputs):
    for clicks in (empty_clicks(), table()):
        assert not targets(with_clicks(background=clicks), clicks="background", **inputs).any()


def test_empty_videos():
    videos = tuple(
        Video(f"v{i}", {"rgb": np.zeros((n, 6), np.float32)}, ("run",))
        for i, n in enumerate((0, 3, 0, 2))
    )
    dataset = replace(
        with_clicks(
            action=table(
                ("v0", "run", 1.0), ("v1", "run", 1.0), ("v2", "run", 0.0), ("v3", "run", 1.5)
            )
        ),
        train=videos,
    )
    found = click_targets(dataset, videos, np.array([0, 3, 0, 2]), Inputs(clicks="action"), 0)
    assert marked(found) == {1: 1, 4: 1} and found.shape == (5, 4)
    assert click_targets(dataset, videos[:1], np.array([0]), Inputs(clicks="action"), 0).shape == (
        0,
        4,
    )


def annotated(count=3) -> Dataset:
    """Annotator n clicks at second n of every training video."""
    ids = [video.id for video in tiny_dataset().train]
    return with_clicks(
        action=pd.concat(
            [
                table(*((video, "run", n) for video in ids)).assign(annotator=n)
                for n in range(1, count + 1)
            ],
            ignore_index=True,
        )
    )


def test_annotators():
    dataset = annotated()

    def times(seed, annotator):
        shown = clicks_shown(dataset, "action", Inputs(clicks="action", annotator=annotator), seed)
        return shown["t"].tolist() if annotator == "video" else sorted(set(shown["t"]))

    assert [times(seed, "seed") for seed in range(4)] == [[1.0], [2.0], [3.0], [1.0]]
    assert [times(0, number) for number in (1, 2, 3)] == [[1.0], [2.0], [3.0]]
    drawn = times(5, "video")
    assert (
        len(drawn) == len(dataset.train)
        and len(set(drawn)) > 1
        and drawn == times(5, "video") != times(6, "video")
    )


def test_numbers_of_annotators_need_not_begin_at_one():
    table_of = annotated().clicks["action"]
    dataset = with_clicks(action=table_of[table_of["annotator"] != 1].reset_index(drop=True))
    shown = [
        clicks_shown(dataset, "action", Inputs(clicks="action"), seed)["annotator"].iloc[0]
        for seed in (0, 1, 2)
    ]
    assert shown == [2, 3, 2]


def test_unknown_annotator_and_missing_clicks_are_named():
    with pytest.raises(WorkbookError, match=r"annotators \[1, 2, 3\], not 4"):
        targets(annotated(), clicks="action", annotator=4)
    with pytest.raises(WorkbookError, match=r"no background clicks \(it has: action\)"):
        targets(annotated(), clicks="both")
    with pytest.raises(WorkbookError, match=r"no action clicks \(it has: none\)"):
        targets(with_clicks(), clicks="action")


def test_a_set_of_one_annotator_has_no_numbers():
    dataset = with_clicks(action=table(("train_0", "run", 1.0)))
    for annotator in ("seed", "video", 1):
        assert marked(targets(dataset, clicks="action", annotator=annotator)) == {1: 1}


def test_resident_videos():
    dataset = with_clicks(
        background=table(("train_0", "background", 6.0), ("test_0", "background", 6.0))
    )
    inputs = Inputs(clicks="background", length=24)
    train, test = (resident(dataset, side, "cpu", inputs=inputs) for side in ("train", "test"))
    packed = train.batch(range(len(dataset.train)))
    assert (
        packed.clicks.shape == (24 * len(dataset.train), 4)
        and packed.clicks.sum() == 1
        and packed.clicks[12, 3] == 1
    )
    assert packed.features.shape == (2, 24 * len(dataset.train), 6)
    assert test.clicks is None and resident(dataset, "train", "cpu").clicks is None


def test_configs_without_inputs_take_the_features_as_they_are():
    assert inputs_of(facnet.OFFICIAL) == Inputs()


def test_instances_are_counted_where_a_method_asks():
    dataset = tiny_dataset()
    told = resident(dataset, "train", "cpu", inputs=Inputs(counts=True))
    assert resident(dataset, "train", "cpu").counts is None
    assert resident(dataset, "test", "cpu", inputs=Inputs(counts=True)).counts is None
    segments = dataset.segments_of("train")
    for i, video in enumerate(dataset.train):
        for j, label in enumerate(dataset.classes):
            rows = segments[(segments["video"] == video.id) & (segments["label"] == label)]
            assert told.counts[i, j] == len(rows)
    batch = told.batch([2, 0])
    assert torch.equal(batch.counts, told.counts[[2, 0]])
    assert torch.equal(batch.parts(1)[1].counts, told.counts[[0]])
