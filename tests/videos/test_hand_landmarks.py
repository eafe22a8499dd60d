"""Skeletons of hands in videos, against SHREC'21's own seen by a camera that makes no errors."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.data_samples import REAL, needs_real_data
from wtal_core.data.hands import hand_statistics, holds_a_hand
from wtal_core.data.opening import open_dataset
from wtal_core.data.shrec21 import WINDOWS, read_skeletons, training_bags
from wtal_core.errors import WorkbookError
from wtal_core.videos import hand_components
from wtal_core.videos.hand_landmarks import (
    AXES,
    FOCAL_LENGTH,
    MIRROR,
    OF_POINTS,
    PALM,
    POINTS,
    ROOTS,
    skeletons,
)
from wtal_core.videos.hands import STREAMS, rows_of

WIDTH, HEIGHT = 640, 480


def hand(turns: Rotation, places: np.ndarray) -> np.ndarray:
    """[S, 20, 3] in mm: a stiff hand with straight fingers."""
    joints = np.zeros((20, 3))
    joints[list(ROOTS)] = PALM
    for root in ROOTS[1:]:
        for step in (1, 2, 3):
            joints[root + step] = joints[root] * (1 + 0.3 * step)
    joints[1:4] = [[50, -18, 50], [70, -28, 62], [87, -36, 66]]
    return np.stack([turn.apply(joints) for turn in turns]) + places[:, None]


def seen(joints: np.ndarray, right: float = 1.0) -> np.ndarray:
    """What MediaPipe would say of joints in the axes of SHREC'21, 600 mm before the camera."""
    points = np.zeros((len(joints), POINTS, 3))
    points[:, list(OF_POINTS)] = joints * AXES + (0, 0, 600)
    points[:, 1] = points[:, [0, 2]].mean(1)
    pixels = points[..., :2] / points[..., 2:] * FOCAL_LENGTH * WIDTH
    world = (points - points.mean(1, keepdims=True)) / 1000
    parts = (world, pixels / (WIDTH, HEIGHT) + 0.5, np.full((len(joints), 1), right))
    return np.concatenate([part.reshape(len(joints), -1) for part in parts], 1).astype(np.float32)


@pytest.fixture
def moving():
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(rng.normal(0, 0.5, (40, 3)))
    return turns, hand(turns, rng.normal(0, 40, (40, 3)))


def test_places_and_turns_come_back(moving):
    turns, joints = moving
    samples = skeletons(seen(joints), WIDTH, HEIGHT)
    placed = joints + np.array([0, 0, -600])  # from the camera
    assert np.allclose(samples[:, :60].reshape(-1, 20, 3), placed, atol=0.5)
    back = Rotation.from_quat(samples[:, 60:]) * turns.inv()
    assert back.magnitude().max() < 1e-3


def test_a_hand_of_another_size_is_made_as_large(moving):
    _, joints = moving
    small = skeletons(seen(joints * 0.7), WIDTH, HEIGHT).reshape(40, -1)
    roots = small[:, :60].reshape(-1, 20, 3)[:, list(ROOTS)]
    assert np.allclose(np.linalg.norm(roots - roots[:, :1], axis=(1, 2)), np.linalg.norm(PALM))


def test_a_left_hand_is_mirrored_and_the_video_decides_as_a_whole(moving):
    _, joints = moving
    right = skeletons(seen(joints), WIDTH, HEIGHT)
    left = seen(joints * MIRROR, right=0.1)
    left[:5, -1] = 0.9  # a few frames that MediaPipe takes for right hands
    assert np.allclose(skeletons(left, WIDTH, HEIGHT), right, atol=0.5)


def test_frames_without_a_hand_are_no_hands(moving):
    _, joints = moving
    landmarks = seen(joints)
    landmarks[[0, 7]] = np.nan
    samples = skeletons(landmarks, WIDTH, HEIGHT)
    assert np.flatnonzero(~holds_a_hand(samples)).tolist() == [0, 7]
    rows = rows_of(samples)
    assert {name: values.shape for name, values in rows.items()} == {n: (8, 64) for n in STREAMS}
    assert all(np.isfinite(values).all() for values in rows.values())
    with pytest.raises(WorkbookError, match="no hand"):
        rows_of(skeletons(np.full_like(landmarks, np.nan), WIDTH, HEIGHT))


@pytest.mark.slow
@needs_real_data
def test_the_features_are_those_of_shrec21():
    folder = REAL / "shrec21"
    stored = hand_components.components()
    for name, values in hand_components.fitted(folder).items():
        assert np.allclose(stored[name], values, rtol=1e-4, atol=1e-4)
    bags = training_bags(folder).videos
    own = open_dataset("shrec21", root=REAL).train
    for bag, video in zip(bags[::60], own[::60], strict=True):
        for stream, values in hand_components.reduced(bag.features).items():
            assert bag.id == video.id and np.allclose(values, video.features[stream], atol=1e-4)


@needs_real_data
def test_sequences_of_shrec21_come_back_through_a_camera():
    name, samples = next(iter(read_skeletons(REAL / "shrec21").items()))
    joints = samples[:, :60].reshape(-1, 20, 3)
    again = skeletons(seen(joints - np.median(joints, (0, 1))), WIDTH, HEIGHT)
    expected, values = hand_statistics(samples, WINDOWS), hand_statistics(again, WINDOWS)
    for stream in STREAMS:  # the bones of the palm are not quite stiff there
        assert np.corrcoef(expected[stream].ravel(), values[stream].ravel())[0, 1] > 0.9, name
