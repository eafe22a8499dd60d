"""Hand skeletons: faults of the recordings and of their tables, the palm's frame, statistics,
components.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from tests.hand_samples import hand, moving_hand, packed
from wtal_core.data import hands
from wtal_core.data.bags import Bags, Cutting, Recording, cut_recordings, equal_edges
from wtal_core.data.components import principal_axes, reduce_channels
from wtal_core.data.dataset import Video, empty_segments
from wtal_core.data.hands import Windows, hand_statistics, in_seconds, read_instances
from wtal_core.errors import WorkbookError

WINDOWS = Windows(rate=25.0, size=15, hop=5)
COLUMNS = ("video", "label", "start_frame", "end_frame")
GARBAGE = moving_hand(1)[0].copy()
GARBAGE[3:6] = 5000.0  # a joint five metres away


def table_of(*rows):
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_samples_without_a_hand_are_filled():
    good = moving_hand(6)
    samples = good.copy()
    samples[[0, 1, 4]] = GARBAGE
    expected = good[[2, 2, 2, 3, 3, 5]]
    np.testing.assert_array_equal(hands.filled(samples), expected)
    assert hands.holds_a_hand(samples).tolist() == [False, False, True, True, False, True]
    assert hands.filled(good) is good
    assert hands.filled(good[:0]).shape == (0, 64)


def test_a_palm_without_a_turn_is_no_hand():
    samples = moving_hand(3)
    samples[1, hands.TURN] = 0
    np.testing.assert_array_equal(hands.filled(samples)[1], samples[0])


def test_a_recording_without_any_hand_is_named(tmp_path):
    values = packed(np.stack([GARBAGE] * 3).clip(-3276, 3276))
    with pytest.raises(WorkbookError, match=r"x\.npz: sequence train_001 holds no hand"):
        hands.unpacked({"train_001": values}, tmp_path / "x.npz")


@pytest.mark.parametrize(
    "values", [np.zeros((3, 63), np.int16), np.zeros(64, np.int16), np.zeros((3, 64), np.int32)]
)
def test_packed_files_of_another_form_are_refused(tmp_path, values):
    with pytest.raises(WorkbookError, match=r"sequence a has shape .*, expected \(T, 64\)"):
        hands.unpacked({"a": values}, tmp_path)


def test_packing_loses_less_than_its_units(tmp_path):
    samples = moving_hand(40)
    read = hands.unpacked({"a": packed(samples)}, tmp_path)["a"]
    assert np.abs(read - samples)[:, hands.PLACES].max() <= 0.0501
    assert np.abs(read - samples)[:, hands.TURN].max() <= 1 / 32767


def test_fingers_in_the_palms_frame_do_not_depend_on_where_the_hand_is():
    generator = np.random.default_rng(1)
    bend = np.linspace(0, 0.5, 30)
    still = hand(np.zeros((30, 3)), Rotation.identity(30), bend)
    elsewhere = hand(generator.normal(0, 500, (30, 3)), Rotation.random(30, rng=1), bend)
    seen = [
        hands.in_palm_frame(samples, Rotation.from_quat(samples[:, hands.TURN]))
        for samples in (still, elsewhere)
    ]
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-9)
    np.testing.assert_allclose(seen[0][0], still[0, 3:60].reshape(19, 3), atol=1e-9)


def test_velocities_of_a_known_movement():
    """10 mm to the side and a tenth of a radian about the palm's own z-axis, from each sample to
    the next.
    """
    steps = np.arange(5)[:, None]
    tilt = Rotation.from_euler("x", 0.7)
    turns = tilt * Rotation.from_rotvec(0.1 * steps * [0.0, 0.0, 1.0])
    samples = hand(10.0 * steps * [1.0, 0.0, 0.0], turns)
    joints = hands.in_palm_frame(samples, turns)
    moved = hands.velocities(samples, joints, turns, rate=25.0)
    assert moved.shape == (4, 21, 3)
    np.testing.assert_allclose(moved[:, :19], 0, atol=1e-9)
    np.testing.assert_allclose(moved[:, 19], [[2.5, 0, 0]] * 4, atol=1e-9)
    np.testing.assert_allclose(moved[:, 20], [[0, 0, 2.5]] * 4, atol=1e-9)


def test_statistics_against_a_loop():
    samples = moving_hand(41)
    turns = Rotation.from_quat(samples[:, hands.TURN])
    joints = np.stack(
        [
            turn.inv().apply(row[3:60].reshape(19, 3) - row[:3])
            for turn, row in zip(turns, samples, strict=True)
        ]
    )
    pose = np.concatenate([joints.reshape(41, 57), turns.as_matrix().reshape(41, 9)], axis=1)
    moved = np.empty((40, 21, 3))
    for i in range(40):
        moved[i, :19] = (joints[i + 1] - joints[i]) * 25 / 100
        moved[i, 19] = (samples[i + 1, :3] - samples[i, :3]) * 25 / 100
        moved[i, 20] = (turns[i].inv() * turns[i + 1]).as_rotvec() * 25
    components = np.arcsinh(moved).reshape(40, 63)
    speeds = np.arcsinh(np.sqrt((moved**2).sum(2)))
    streams = hand_statistics(samples, WINDOWS)
    assert list(streams) == ["motion", "pose"]
    assert streams["pose"].shape == (6, 132) and streams["motion"].shape == (6, 168)
    for k in range(6):
        window = pose[5 * k : 5 * k + 15]
        np.testing.assert_allclose(
            streams["pose"][k], [*window.mean(0), *window.std(0)], rtol=1e-4, atol=1e-4
        )
        within, fast = components[5 * k : 5 * k + 14], speeds[5 * k : 5 * k + 14]
        expected = [*within.mean(0), *within.std(0), *fast.mean(0), *fast.max(0)]
        np.testing.assert_allclose(streams["motion"][k], expected, rtol=1e-4, atol=1e-5)


def test_the_sign_of_a_quaternion_says_nothing():
    samples = moving_hand(30)
    turned = samples.copy()
    turned[::3, hands.TURN] *= -1
    for stream, values in hand_statistics(samples, WINDOWS).items():
        np.testing.assert_allclose(hand_statistics(turned, WINDOWS)[stream], values, atol=1e-5)


@pytest.mark.parametrize("samples, length", [(0, 0), (1, 0), (14, 0), (15, 1), (19, 1), (20, 2)])
def test_number_of_windows(samples, length):
    streams = hand_statistics(moving_hand(20)[:samples], WINDOWS)
    shapes = {stream: values.shape for stream, values in streams.items()}
    assert shapes == {"motion": (length, 168), "pose": (length, 132)}


def test_faults_of_instances():
    table = table_of(
        ("a", "TAP", 11, 20),
        ("a", "TAP", 30, 25),  # reversed
        ("a", "V", 90, 118),  # ends past the last frame
        ("a", "V", 101, 118),  # begins there
        ("b", "OK", 7, 7),
    )
    segments = in_seconds(table, {"a": 100, "b": 50}, 50.0)
    assert segments.values.tolist() == [
        ["a", "TAP", 0.2, 0.4],
        ["a", "V", 1.78, 2.0],
        ["b", "OK", 0.12, 0.14],
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("video,label,start,end_frame\na,TAP,1,2\n", "columns video, label, start_frame"),
        ("video,label,start_frame,end_frame\na,TAP,1.5,2\n", "cannot be read"),
        ("video,label,start_frame,end_frame\na,TAP,one,2\n", "cannot be read"),
        ("video,label,start_frame,end_frame\na,TAP,,2\n", "cannot be read"),
        ("video,label,start_frame,end_frame\na,,1,2\n", "missing or below 1"),
        ("video,label,start_frame,end_frame\na,TAP,0,2\n", "missing or below 1"),
        ("", "cannot be read"),
    ],
)
def test_bad_tables_are_named(tmp_path, text, message):
    path = tmp_path / "segments.csv"
    path.write_text(text)
    with pytest.raises(WorkbookError, match=message) as caught:
        read_instances(path, "shrec21", COLUMNS)
    assert "segments.csv" in str(caught.value) and "wtal data verify shrec21" in str(caught.value)


def test_a_missing_table(tmp_path):
    with pytest.raises(WorkbookError, match="wtal data fetch shrec21"):
        read_instances(tmp_path / "segments.csv", "shrec21", COLUMNS)


def test_bags_of_one_length():
    assert equal_edges(895, 25.0, 12.0) == [(0, 298), (298, 597), (597, 895)]
    assert equal_edges(440, 25.0, 12.0) == [(0, 440)]
    assert equal_edges(0, 25.0, 12.0) == [(0, 0)]


def test_an_instance_on_a_border_goes_where_half_of_it_lies():
    spans = pd.DataFrame(
        [("r", "V", 8.0, 11.0), ("r", "V", 9.6, 11.0)],
        columns=["video", "label", "t_start", "t_end"],
    )
    recording = Recording("r", np.zeros((500, 1), np.float32), 25.0, spans)
    halves = Cutting(lambda samples, fps: equal_edges(samples, fps, 10.0))
    bags = cut_recordings([recording], lambda samples: {"x": samples}, halves)
    kept = bags.segments.round(6).values.tolist()
    # of the first one 2 of 3 s lie in the first bag, and its second of the other does not count
    assert kept == [["r_000", "V", 8.0, 10.0], ["r_001", "V", 0.0, 1.0]]


def bags_of(*arrays):
    videos = tuple(Video(f"v{i}", {"pose": array}, ("V",)) for i, array in enumerate(arrays))
    return Bags(videos, empty_segments(), ())


def test_principal_axes_are_those_of_the_singular_value_decomposition():
    values = np.random.default_rng(0).normal(size=(50, 6)) * [3, 1, 2, 0.5, 4, 0.1]
    axes = principal_axes(values, 3)
    expected = np.linalg.svd(values - values.mean(0), full_matrices=False)[2][:3].T
    np.testing.assert_allclose(np.abs(axes), np.abs(expected), atol=1e-8)
    assert (axes[np.abs(axes).argmax(0), range(3)] > 0).all()
    np.testing.assert_allclose(principal_axes(-values, 3), axes, atol=1e-8)


def test_components_are_of_the_training_bags_alone():
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(10, 10)) * generator.lognormal(0, 2, 10)
    arrays = [
        (generator.normal(size=(length, 10)) @ mixing).astype(np.float32) for length in (90, 70)
    ]
    train, same = reduce_channels(bags_of(*arrays), bags_of(arrays[1]), 4)
    other, _ = reduce_channels(bags_of(*arrays), bags_of(1000 * arrays[0]), 4)
    stacked = np.concatenate([video.features["pose"] for video in train.videos])
    np.testing.assert_allclose(stacked.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(stacked.T, bias=True), np.eye(4), atol=1e-4)
    np.testing.assert_array_equal(same.videos[0].features["pose"], train.videos[1].features["pose"])
    np.testing.assert_array_equal(
        other.videos[0].features["pose"], train.videos[0].features["pose"]
    )
