"""Each teaching world differs from the plain one in its switch only."""

import numpy as np
import pytest

from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import dataset_names, load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.data.simulator_2 import States, constants_of, simulate, states_of
from wtal_core.data.verify import verify
from wtal_core.errors import WorkbookError

SWITCHES = {
    "scene": "scene",
    "weak": "weak",
    "lookalikes": "lookalike_rate",
    "confusable": "cosines",
}


@pytest.fixture(scope="module")
def plain() -> Dataset:
    return open_dataset("teaching-plain")


def states(dataset: Dataset) -> list[States]:
    """Of the first test video of each class."""
    return [states_of(dataset.name, video.id) for video in dataset.test[:6]]


def test_worlds_are_opened_by_name():
    names = {name for name in dataset_names() if name.startswith("teaching-")}
    assert names == {f"teaching-{ending}" for ending in ("plain", *SWITCHES)}
    assert open_dataset("teaching-scene").title == "Teaching world, scene"


def test_nothing_is_switched_on_in_the_plain_world(plain):
    constants = constants_of(load_manifest("teaching-plain"))
    assert constants.scene == (0.0, 0.0)
    assert constants.lookalike_rate == 0
    assert constants.weak == constants.discriminative
    for stream in plain.streams:
        assert (constants.gram(stream) == np.eye(6)).all()
    assert open_dataset("teaching").fingerprint == plain.fingerprint


@pytest.mark.parametrize("ending", SWITCHES)
def test_a_world_differs_from_the_plain_one_in_its_switch_only(ending, plain):
    base = load_manifest("teaching-plain")
    varied = load_manifest(f"teaching-{ending}")
    different = {name for name in base.simulator if base.simulator[name] != varied.simulator[name]}
    assert different == {SWITCHES[ending]}
    assert varied.splits == base.splits and varied.channels() == base.channels()

    world = open_dataset(f"teaching-{ending}")
    assert world.segments.equals(plain.segments)
    assert world.fingerprint != plain.fingerprint
    for video, same in zip((*world.train, *world.test), (*plain.train, *plain.test), strict=True):
        assert video.labels == same.labels and video.length == same.length
        # of a pair that is alike, the first class stays, and the second comes near to it
        stays = ending == "confusable" and world.classes.index(video.labels[0]) % 2 == 0
        for stream in world.streams:
            assert np.array_equal(video.features[stream], same.features[stream]) == stays


def test_a_weak_world_changes_the_rest_of_the_action_and_nothing_else(plain):
    world = open_dataset("teaching-weak")
    for video, shown in zip(plain.test[:6], states(plain), strict=True):
        rest = shown.weak.sum(1) > 0
        for stream in plain.streams:
            here = world.video(video.id).features[stream]
            changed = (here != video.features[stream]).any(1)
            assert (changed == rest).all()


def test_lookalikes_change_the_background_only(plain):
    world = open_dataset("teaching-lookalikes")
    of_plain, of_world = states(plain), states(world)
    assert all(shown.lookalike.sum() == 0 for shown in of_plain)
    share = np.concatenate([shown.lookalike.sum(1) for shown in of_world])
    outside = np.concatenate([1 - (shown.plain + shown.weak).sum(1) for shown in of_world])
    assert share.sum() / outside.sum() == pytest.approx(0.25, abs=0.08)
    for before, after in zip(of_plain, of_world, strict=True):
        assert (before.plain == after.plain).all() and (before.weak == after.weak).all()
        assert (after.lookalike.sum(1) + (after.plain + after.weak).sum(1)).max() < 1 + 1e-9


def test_three_pairs_are_confusable():
    constants = constants_of(load_manifest("teaching-confusable"))
    for stream in ("rgb", "flow"):
        alike = np.argwhere(np.triu(constants.gram(stream), 1) == 0.7)
        assert alike.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_counts_are_those_of_the_manifest(plain):
    manifest = load_manifest("teaching")
    for split in ("train", "test"):
        videos = getattr(plain, split)
        assert len(videos) == manifest.splits[split].videos == 48
        assert len(plain.segments_of(split)) == manifest.splits[split].instances
        assert all(60 <= video.length <= 120 for video in videos)
        shown = [video.labels for video in videos]
        assert all(shown.count((label,)) == 8 for label in plain.classes)
    assert len(plain.classes) == manifest.classes == 6 and plain.feature_size() == 32
    assert {finding.status for finding in verify("teaching")} == {"ok"}


def test_the_same_world_is_made_twice():
    first, second = simulate("teaching-lookalikes"), simulate("teaching-lookalikes")
    for video, same in zip((*first.train, *first.test), (*second.train, *second.test), strict=True):
        assert all(np.array_equal(video.features[s], same.features[s]) for s in first.streams)


def test_states_are_those_that_the_features_were_made_of(plain):
    for video, shown in zip(plain.test[:6], states(plain), strict=True):
        assert shown.plain.shape == (video.length, 6)
        covered = (shown.plain + shown.weak).sum(1) * plain.timebase.snippet_seconds
        rows = plain.segments[plain.segments["video"] == video.id]
        inside = (rows["t_end"] - rows["t_start"]).sum()
        assert covered.sum() == pytest.approx(inside, rel=0.05)
    with pytest.raises(WorkbookError, match="teaching-plain has no video sim2_test_0048"):
        states_of("teaching-plain", "sim2_test_0048")
