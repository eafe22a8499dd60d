"""HAPT and 50 Salads: cutting, features, splits, and damaged files."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_samples import REAL, needs_real_data
from wtal_core.data import hapt, salads50
from wtal_core.data.bags import Recording, bag_edges, cut_recordings, segments_inside, standardise
from wtal_core.data.opening import folds, open_dataset
from wtal_core.errors import WorkbookError


def segment_frame(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "t_start", "t_end"])


def test_short_last_part_is_dropped():
    assert bag_edges(3000 + 1632, 50.0) == [(0, 3000), (3000, 4632)]  # 50 windows
    assert bag_edges(3000 + 1631, 50.0) == [(0, 3000)]
    assert bag_edges(0, 50.0) == []


@pytest.mark.parametrize(
    "times, kept",
    [
        ((50, 62), True),  # 10 of 12 s inside the first bag
        ((59.5, 60.5), True),  # half of it
        ((59.6, 60.5), False),  # 0.4 of 0.9 s
        ((59, 90), True),  # one second of 31
        ((59.1, 90), False),
        ((60, 61), False),
    ],
)
def test_clipped_instance_stays_by_half_or_one_second(times, kept):
    inside = segments_inside(segment_frame(("r", "walk", *map(float, times))), 0.0, 60.0, "bag")
    assert len(inside) == kept and (not kept or inside["t_end"].iloc[0] == 60)


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0.1, 40)), max_size=8))
def test_clipped_instances_lie_in_their_bag(spans):
    segments = segment_frame(*[("r", "walk", start, start + length) for start, length in spans])
    segments = segments.astype({"t_start": float, "t_end": float})
    inside = segments_inside(segments, 60.0, 120.0, "bag")
    assert (
        (inside["t_start"] >= 0) & (inside["t_end"] <= 60) & (inside["t_end"] > inside["t_start"])
    ).all()


def test_bags_without_label_are_counted_and_left_out():
    segments = segment_frame(("r", "walk", 1.0, 2.0))
    recording = Recording("r", np.ones((600, 30), np.float32), 5.0, segments)
    bags = cut_recordings([recording], salads50.bag_features)
    assert bags.without_label == ("r_001",) and [video.id for video in bags.labelled().videos] == [
        "r_000"
    ]
    train, _ = standardise(bags, bags)
    assert np.isfinite(train.videos[0].features["accelerometer"]).all()  # constant channels


def test_window_statistics_against_a_loop():
    samples = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    found = hapt.window_statistics(samples)
    assert found.shape == (5, 27) and found.dtype == np.float32
    for k in range(5):
        window = samples[32 * k : 32 * k + 64].astype(np.float64)
        spectrum = np.abs(np.fft.fft(window - window.mean(0), axis=0)[:33]) ** 2 / 64**2
        expected = [
            window.mean(0),
            window.std(0),
            window.min(0),
            window.max(0),
            *(np.log(spectrum[low:high].sum(0) + 1e-6) for low, high in hapt.BANDS),
            np.abs(window[1:] - window[:-1]).mean(0),
        ]
        np.testing.assert_allclose(found[k], np.concatenate(expected), rtol=1e-4, atol=1e-5)


def test_fewer_samples_than_a_window():
    assert hapt.window_statistics(np.ones((63, 3), np.float32)).shape == (0, 27)
    assert hapt.window_statistics(np.ones((64, 3), np.float32)).shape == (1, 27)
    assert salads50.bag_features(np.zeros((0, 30), np.float32))["accelerometer"].shape == (0, 90)
    assert salads50.bag_features(np.zeros((1, 30), np.float32))["accelerometer"].shape == (1, 90)


def test_frame_labels_become_segments():
    segments = salads50.frame_segments(np.array([0, 1, 1, 2, 2, 0, 1]), ("cut", "peel"), "v")
    assert segments.values.tolist() == [
        ["v", "cut", 0.2, 0.6],
        ["v", "peel", 0.6, 1.0],
        ["v", "cut", 1.2, 1.4],
    ]
    assert len(salads50.frame_segments(np.zeros(0, np.int64), ("cut",), "v")) == 0


@needs_real_data
def test_hapt_as_expected():
    start = time.process_time()
    dataset = open_dataset("hapt", REAL)
    assert time.process_time() - start < 5
    assert (len(dataset.train), len(dataset.test)) == (
        255,
        107,
    )  # of 263 training bags 8 have no label
    assert dataset.streams == ("gyroscope", "accelerometer") and dataset.feature_size() == 27
    assert (len(dataset.segments_of("train")), len(dataset.segments_of("test"))) == (993, 429)
    assert dataset.timebase.seconds(0.0) == 0.32 and dataset.timebase.snippet_seconds == 0.64
    stacked = np.concatenate([video.features["accelerometer"] for video in dataset.train])
    np.testing.assert_allclose(stacked.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(stacked.std(0), 1, atol=1e-3)
    assert len(dataset.clicks["action"]) == 993 and dataset.video("exp01_user01_003").length == 92
    assert dataset.probes == open_dataset("hapt", REAL).probes and len(dataset.probes) == 2


@needs_real_data
def test_hapt_263_training_bags_before_leaving_out():
    segments, signals = hapt.read_segments(REAL / "hapt"), hapt.read_signals(REAL / "hapt")
    bags = {
        split: hapt._bags(signals, segments, hapt.read_users(REAL / "hapt", split))
        for split in ("train", "test")
    }
    assert {
        split: (len(found.videos), len(found.without_label)) for split, found in bags.items()
    } == {"train": (263, 8), "test": (107, 1)}


@needs_real_data
def test_hapt_text_files_give_the_packed_arrays():
    packed = hapt.read_signals(REAL / "hapt")
    for name in ("exp01_user01", "exp30_user15"):
        text = hapt.read_text_recording(REAL / f"hapt/raw_sample/acc_{name}.txt")
        np.testing.assert_array_equal(text, packed[name])


@needs_real_data
def test_hapt_sample_numbers_are_inclusive():
    """Where activities follow without a gap, the next first sample is the last one plus one, never
    the same one.
    """
    table = np.loadtxt(REAL / "hapt/labels.txt", dtype=int)
    same = table[1:, 0] == table[:-1, 0]
    step = (table[1:, 3] - table[:-1, 4])[same]
    assert step.min() == 1 and (step == 1).sum() > 100


@pytest.fixture
def hapt_folder(tmp_path):
    for name in (
        "labels.txt",
        "activity_labels.txt",
        "subject_id_train.txt",
        "subject_id_test.txt",
    ):
        shutil.copy(REAL / "hapt" / name, tmp_path / name)
    return tmp_path


@needs_real_data
def test_hapt_from_text_layout(hapt_folder):
    """Two recordings in the original layout: user 1 trains, user 15 trains too, so the test side is
    made user 15.
    """
    shutil.copytree(REAL / "hapt/raw_sample", hapt_folder / "RawData")
    lines = (hapt_folder / "labels.txt").read_text().splitlines()
    (hapt_folder / "labels.txt").write_text(
        "\n".join(line for line in lines if line.startswith(("1 1 ", "30 15 ")))
    )
    (hapt_folder / "subject_id_train.txt").write_text("1\n1\n")
    (hapt_folder / "subject_id_test.txt").write_text("15\n")
    dataset = hapt.open_hapt(hapt_folder)
    assert dataset.train[0].id == "exp01_user01_000" and dataset.test[0].id == "exp30_user15_000"


@needs_real_data
def test_hapt_bad_files(hapt_folder):
    with pytest.raises(WorkbookError, match="no signals"):
        hapt.open_hapt(hapt_folder)
    (hapt_folder / "hapt_raw_f32.npz").write_bytes(
        (REAL / "hapt/hapt_raw_f32.npz").read_bytes()[:100_000]
    )
    with pytest.raises(WorkbookError, match=r"hapt_raw_f32\.npz is damaged"):
        hapt.open_hapt(hapt_folder)
    (hapt_folder / "labels.txt").write_text("1 1 13 5 6\n")
    with pytest.raises(WorkbookError, match="class 1 to 12"):
        hapt.open_hapt(hapt_folder)
    (hapt_folder / "labels.txt").unlink()
    with pytest.raises(WorkbookError, match="wtal data fetch hapt"):
        hapt.open_hapt(hapt_folder)


@needs_real_data
def test_hapt_person_on_both_sides(hapt_folder):
    (hapt_folder / "hapt_raw_f32.npz").symlink_to(REAL / "hapt/hapt_raw_f32.npz")
    shutil.copy(hapt_folder / "subject_id_train.txt", hapt_folder / "subject_id_test.txt")
    with pytest.raises(WorkbookError, match="person 1 is in both"):
        hapt.open_hapt(hapt_folder)


def test_hapt_text_files_of_different_length(tmp_path):
    (tmp_path / "acc_exp01_user01.txt").write_text("1 2 3\n4 5 6\n")
    (tmp_path / "gyro_exp01_user01.txt").write_text("1 2 3\n")
    with pytest.raises(WorkbookError, match="2 samples"):
        hapt.read_text_recording(tmp_path / "acc_exp01_user01.txt")


@needs_real_data
def test_hapt_labels_of_unknown_recording(hapt_folder):
    np.savez(hapt_folder / "hapt_raw_f32.npz", exp01_user01=np.ones((4000, 6), np.float32))
    with pytest.raises(WorkbookError, match=r"labels\.txt labels recording exp01_user01 up to"):
        hapt.open_hapt(hapt_folder)


@needs_real_data
def test_salads_folds():
    counts, ids, prints = [], [], set()
    start = time.process_time()
    for fold in range(folds("salads50")):
        dataset = open_dataset("salads50", REAL, fold=fold)
        counts.append((len(dataset.train), len(dataset.test)))
        ids += [video.id for video in dataset.test]
        prints.add(dataset.fingerprint)
    assert time.process_time() - start < 15
    assert counts == [(217, 56), (220, 53), (219, 54), (221, 52), (215, 58)]
    assert len(ids) == len(set(ids)) == 273 and len(prints) == 5
    assert (
        dataset.feature_size() == 90
        and len(dataset.classes) == 9
        and dataset.title.endswith("fold 4")
    )


@needs_real_data
def test_salads_instances_and_bad_fold():
    recordings = salads50.read_recordings(REAL / "salads50")
    assert (len(recordings), sum(len(recording.segments) for recording in recordings)) == (50, 770)
    with pytest.raises(WorkbookError, match="no fold 5"):
        open_dataset("salads50", REAL, fold=5)


@needs_real_data
def test_salads_split_that_does_not_match(tmp_path):
    shutil.copytree(REAL / "salads50", tmp_path / "salads50", copy_function=shutil.copyfile)
    for folder in [tmp_path / "salads50", *(tmp_path / "salads50").rglob("*/")]:
        folder.chmod(0o755)
    (tmp_path / "salads50/splits/50Salads/Split_1/test.txt").write_text("99-1\n")
    with pytest.raises(WorkbookError, match="sequence '99-1'"):
        open_dataset("salads50", tmp_path)


def test_opening_refuses(tmp_path):
    with pytest.raises(WorkbookError, match=r"known ones: activitynet1\.2, .*, hapt"):
        open_dataset("kinetics", tmp_path)
    with pytest.raises(WorkbookError, match="has no folds"):
        open_dataset("hapt", tmp_path, fold=0)
    with pytest.raises(WorkbookError, match="no reader of features yet"):
        open_dataset("stpn", tmp_path)
    with pytest.raises(WorkbookError, match="wtal data fetch salads50"):
        open_dataset("salads50", tmp_path)
    assert (folds("salads50"), folds("thumos14")) == (5, 1)


def test_root_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WTAL_DATA", str(tmp_path))
    with pytest.raises(WorkbookError, match=str(tmp_path)):
        open_dataset("hapt")
