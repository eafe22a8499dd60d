"""Each teaching world differs from the plain one in its switch only."""

from dataclasses import replace

import numpy as np
import pytest

from wtal_core.data import simulator_2
from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import dataset_names, load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.data.simulator_2 import States, constants_of, simulate, states_of
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError

SWITCHES = {
    "context": {"scene", "scene_share", "scene_seconds"},
    "faint": {"scene", "scene_share", "scene_seconds", "discriminative", "weak"},
    "weak": {"weak"},
    "fading": {"fade_seconds"},
}
CLASSES = 4


@pytest.fixture(scope="module")
def plain() -> Dataset:
    return open_dataset("teaching-2-plain")


def states(dataset: Dataset) -> list[States]:
    """Of the first test video of each class."""
    return [states_of(dataset.name, video.id) for video in dataset.test[:CLASSES]]


def action(shown: States) -> np.ndarray:
    """How much action each snippet shows."""
    return (shown.plain + shown.weak).sum(1)


def test_worlds_are_opened_by_name():
    names = {name for name in dataset_names() if name.startswith("teaching-2-")}
    assert names == {f"teaching-2-{ending}" for ending in ("plain", *SWITCHES)}
    assert open_dataset("teaching-2-context").title == "Teaching world, context"


def test_nothing_is_switched_on_in_the_plain_world(plain):
    constants = constants_of(load_manifest("teaching-2-plain"))
    assert constants.scene == (0.0, 0.0)
    assert constants.lookalike_rate == 0
    assert constants.fade_seconds == 0
    assert constants.weak == constants.discriminative
    for stream in plain.streams:
        assert (constants.gram(stream) == np.eye(CLASSES)).all()
    assert open_dataset("teaching-2").fingerprint == plain.fingerprint


@pytest.mark.parametrize("ending", SWITCHES)
def test_a_world_differs_from_the_plain_one_in_its_switch_only(ending, plain):
    base = load_manifest("teaching-2-plain")
    varied = load_manifest(f"teaching-2-{ending}")
    different = {name for name in base.simulator if base.simulator[name] != varied.simulator[name]}
    assert different == SWITCHES[ending]
    assert varied.splits == base.splits and varied.channels() == base.channels()

    world = open_dataset(f"teaching-2-{ending}")
    assert world.segments.equals(plain.segments)
    assert world.fingerprint != plain.fingerprint
    for video, same in zip((*world.train, *world.test), (*plain.train, *plain.test), strict=True):
        assert video.labels == same.labels and video.length == same.length
        for stream in world.streams:
            assert not np.array_equal(video.features[stream], same.features[stream])


def test_a_weak_world_changes_the_rest_of_the_action_and_nothing_else(plain):
    world = open_dataset("teaching-2-weak")
    for video, shown in zip(plain.test[:CLASSES], states(plain), strict=True):
        rest = shown.weak.sum(1) > 0
        for stream in plain.streams:
            here = world.video(video.id).features[stream]
            changed = (here != video.features[stream]).any(1)
            assert (changed == rest).all()


def test_the_scene_is_in_the_action_and_in_half_of_the_background():
    world = open_dataset("teaching-2-context")
    shown = [states_of(world.name, video.id) for video in (*world.train, *world.test)]
    outside = np.concatenate([1 - np.minimum(action(of_video), 1) for of_video in shown])
    scene = np.concatenate([of_video.scene.sum(1) for of_video in shown])
    assert scene[outside < 1e-9].min() == pytest.approx(1)
    around = scene - (1 - outside)
    assert around.sum() / outside.sum() == pytest.approx(0.5, abs=0.15)


def test_an_action_fades_in_and_out_around_its_borders(plain):
    for sharp, soft in zip(states(plain), states(open_dataset("teaching-2-fading")), strict=True):
        assert action(soft).sum() == pytest.approx(action(sharp).sum(), rel=0.01)
        assert (action(soft) > 1e-9).sum() > (action(sharp) > 1e-9).sum()
        assert np.abs(np.diff(action(soft))).max() < 0.5 < np.abs(np.diff(action(sharp))).max()


def test_a_change_is_half_done_at_its_border():
    sharp = np.zeros((100, 1))
    sharp[40:60] = 1
    soft = simulator_2.faded(sharp, 10 * simulator_2.FINE.snippet_seconds)
    assert soft.sum() == pytest.approx(20)
    assert soft[39, 0] < 0.5 < soft[40, 0]
    assert (soft[:34] == 0).all() and (soft[46:54] == 1).all()
    assert simulator_2.faded(sharp, 0.0) is sharp
    assert len(simulator_2.faded(sharp[:0], 4.0)) == 0


def test_a_switch_that_a_manifest_does_not_name_is_off():
    manifest = load_manifest("simulated-2")
    assert "fade_seconds" not in manifest.simulator
    assert constants_of(manifest).fade_seconds == 0
    unknown = replace(manifest, simulator={**manifest.simulator, "fade_second": 1.0})
    with pytest.raises(WorkbookError, match="constant fade_second is missing or unknown"):
        constants_of(unknown)


def test_counts_are_those_of_the_manifest(plain):
    manifest = load_manifest("teaching-2")
    for split in ("train", "test"):
        videos = getattr(plain, split)
        assert len(videos) == manifest.splits[split].videos == 24
        assert len(plain.segments_of(split)) == manifest.splits[split].instances
        assert all(40 <= video.length <= 70 for video in videos)
        shown = [video.labels for video in videos]
        assert all(shown.count((label,)) == 6 for label in plain.classes)
    assert len(plain.classes) == manifest.classes == CLASSES and plain.feature_size() == 32
    assert {finding.status for finding in verify("teaching-2")} == {"ok"}


def test_the_same_world_is_made_twice():
    first, second = simulate("teaching-2-context"), simulate("teaching-2-context")
    for video, same in zip((*first.train, *first.test), (*second.train, *second.test), strict=True):
        assert all(np.array_equal(video.features[s], same.features[s]) for s in first.streams)


def test_states_are_those_that_the_features_were_made_of(plain):
    for video, shown in zip(plain.test[:CLASSES], states(plain), strict=True):
        assert shown.plain.shape == (video.length, CLASSES)
        covered = action(shown) * plain.timebase.snippet_seconds
        rows = plain.segments[plain.segments["video"] == video.id]
        inside = (rows["t_end"] - rows["t_start"]).sum()
        assert covered.sum() == pytest.approx(inside, rel=0.05)
    with pytest.raises(WorkbookError, match="teaching-2-plain has no video sim2_test_0024"):
        states_of("teaching-2-plain", "sim2_test_0024")
