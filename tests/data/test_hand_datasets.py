"""SHREC'21 in bags and whole, with both annotations, and SFINGE 3D in both layouts."""

import shutil
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL, needs_real_data
from tests.hand_samples import (
    moving_hand,
    write_sfinge3d,
    write_sfinge3d_texts,
    write_shrec21,
)
from wtal_core.data import sfinge3d, shrec21
from wtal_core.data.opening import folds, open_dataset
from wtal_core.data.regime import regime
from wtal_core.errors import WorkbookError
from wtal_core.segments import tiou

FRAMES = 1199  # of an invented sequence: 600 samples, two bags
ROWS = [
    ("train_001", "TAP", 11, 60, FRAMES),
    ("train_001", "V", 595, 640, FRAMES),
    ("train_002", "OK", 300, 200, FRAMES),  # reversed
    ("train_002", "OK", 201, 300, FRAMES),
    ("test_003", "V", 1101, 1216, FRAMES),  # past the end
]
CONTEST = [
    ("train_001", "TAP", 16, 55),
    ("train_001", "POINTING", 100, 200),
    ("test_003", "V", 101, 200),
    ("test_003", "V", 1101, 1190),
]


@pytest.fixture
def hands_root(tmp_path):
    sequences = {
        name: moving_hand((FRAMES + 1) // 2, seed)
        for seed, name in enumerate(("train_001", "train_002", "test_003"))
    }
    write_shrec21(tmp_path / "shrec21", sequences, ROWS, CONTEST)
    return tmp_path


def rows_of(segments):
    return segments.round(6).values.tolist()


def test_shrec21_from_invented_files(hands_root):
    dataset = open_dataset("shrec21", hands_root)
    assert [video.id for video in dataset.train] == [
        "train_001_000",
        "train_001_001",
        "train_002_000",
    ]
    assert [video.id for video in dataset.test] == ["test_003_000", "test_003_001"]
    assert dataset.streams == ("motion", "pose") and dataset.feature_size() == 64
    assert dataset.video("train_001_000").length == (300 - 15) // 5 + 1
    assert rows_of(dataset.segments) == [
        ["train_001_000", "TAP", 0.2, 1.2],
        ["train_001_001", "V", 0.0, 0.8],  # 6 of its 46 frames lie in the first bag
        ["train_002_000", "OK", 4.0, 6.0],
        ["test_003_001", "V", 10.0, 11.98],
    ]
    assert (dataset.timebase.seconds(0.0), dataset.timebase.snippet_seconds) == (0.2, 0.2)


def test_shrec21_as_a_whole(hands_root):
    dataset = open_dataset("shrec21-sequences", hands_root)
    assert [video.id for video in dataset.train] == ["train_001_000", "train_002_000"]
    assert dataset.video("train_001_000").labels == ("TAP", "V")
    assert rows_of(dataset.segments)[1] == ["train_001_000", "V", 11.88, 12.8]
    assert dataset.fingerprint != open_dataset("shrec21", hands_root).fingerprint


def test_the_contests_annotation_of_the_same_bags(hands_root):
    bags = open_dataset("shrec21", hands_root)
    assert rows_of(shrec21.contest_segments(bags, hands_root)) == [
        ["train_001_000", "TAP", 0.3, 1.1],
        ["test_003_000", "V", 2.0, 4.0],
        ["test_003_001", "V", 10.0, 11.8],
    ]
    whole = open_dataset("shrec21-sequences", hands_root)
    assert rows_of(shrec21.contest_segments(whole, hands_root))[-1] == [
        "test_003_000",
        "V",
        22.0,
        23.8,
    ]
    with pytest.raises(WorkbookError, match="simulated has no contest's annotation"):
        shrec21.contest_segments(open_dataset("simulated"), hands_root)


def test_differences_that_leave_the_range_of_int16(hands_root):
    """Places of +-2.5 m lie further apart than an int16 reaches."""
    samples = moving_hand(20)
    samples[10:, : 3 * 20] -= 2 * samples[10, 1] * np.tile([0.0, 1.0, 0.0], 20)
    sequences = {"train_001": samples}
    folder = write_shrec21(hands_root / "shrec21", sequences, ROWS)
    read = shrec21.read_skeletons(folder)["train_001"]
    assert np.ptp(samples[:, 1]) > 3300
    assert np.abs(read[:, :60] - samples[:, :60]).max() <= 0.0501


def damaged(hands_root, change):
    """What opening says after a change of the invented files."""
    change(hands_root / "shrec21")
    with pytest.raises(WorkbookError) as caught:
        open_dataset("shrec21", hands_root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change_table(old, new):
    def change(folder):
        path = folder / "segments.csv"
        path.write_text(path.read_text().replace(old, new))

    return change


def test_shrec21_faults_are_named(hands_root):
    cases = {
        "wtal data fetch shrec21": lambda folder: (folder / "segments.csv").unlink(),
        "unknown class 'WAVE'": change_table("V,595", "WAVE,595"),
        "columns video, label": change_table("end_frame", "end"),
        "sequence train_009": change_table("train_002", "train_009"),
        "1300 frames of sequence train_001, of which its recording holds 600 samples": change_table(
            "640,1199", "640,1300"
        ),
    }
    original = (hands_root / "shrec21/segments.csv").read_text()
    for message, change in cases.items():
        assert message in damaged(hands_root, change)
        (hands_root / "shrec21/segments.csv").write_text(original)


def test_shrec21_bad_recordings(hands_root):
    path = hands_root / "shrec21/hands_25hz.npz"
    content = path.read_bytes()
    assert "is damaged" in damaged(hands_root, lambda folder: path.write_bytes(content[:5000]))
    assert "of neither side" in damaged(
        hands_root, lambda folder: np.savez(path, seq_01=np.zeros((20, 64), np.int16))
    )
    assert "expected (T, 64) of int16" in damaged(
        hands_root, lambda folder: np.savez(path, train_001=np.zeros((20, 60), np.int16))
    )
    assert "wtal data fetch shrec21" in damaged(hands_root, lambda folder: path.unlink())


def test_shrec21_without_a_labelled_training_bag(hands_root):
    sequences = {"test_003": moving_hand(600)}
    write_shrec21(hands_root / "shrec21", sequences, ROWS[-1:])
    with pytest.raises(WorkbookError, match="shrec21: no training bags"):
        open_dataset("shrec21", hands_root)


@needs_real_data
def test_shrec21_as_published():
    start = time.process_time()
    dataset = open_dataset("shrec21", REAL)
    assert time.process_time() - start < 15
    assert (len(dataset.train), len(dataset.test)) == (310, 200)
    instances = [len(dataset.segments_of(side)) for side in ("train", "test")]
    assert instances == [407, 269] and len(dataset.clicks["action"]) == 407
    assert sum(not video.labels for video in dataset.test) == 9
    world = regime(dataset)
    assert world.labels == pytest.approx(1.31, abs=0.005)
    assert world.coverage == pytest.approx(0.167, abs=0.0015)
    assert {label for video in dataset.train for label in video.labels} == set(dataset.classes)
    assert len(dataset.classes) == 17 and dataset.default_protocol == "activitynet"
    for stream in dataset.streams:
        stacked = np.concatenate([video.features[stream] for video in dataset.train])
        np.testing.assert_allclose(stacked.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(stacked.std(0), 1, atol=1e-3)


@needs_real_data
def test_shrec21_sequences_as_published():
    dataset = open_dataset("shrec21-sequences", REAL)
    assert (len(dataset.train), len(dataset.test)) == (108, 72)
    assert [len(dataset.segments_of(side)) for side in ("train", "test")] == [407, 269]
    assert regime(dataset).labels == 3.75


@needs_real_data
def test_shrec21_faults_as_published():
    """Two reversed, four past the end, and the beginning of test_111, which holds no hand."""
    folder = REAL / "shrec21"
    skeletons = shrec21.read_skeletons(folder)
    segments = shrec21.read_segments(folder, skeletons)
    assert len(skeletons) == 180 and len(segments) == 678 - 2
    ends = segments.groupby("video")["t_end"].max()
    past_the_end = ["test_136", "test_142", "test_145", "test_151"]
    assert ends[past_the_end].tolist() == [1497 / 50, 1605 / 50, 1447 / 50, 1270 / 50]
    beginning = skeletons["test_111"][:26]
    assert (beginning == beginning[25]).all() and len(skeletons["test_111"]) == 789
    joints = beginning[:, :60].reshape(-1, 20, 3)
    assert np.linalg.norm(joints - joints[:, :1], axis=2).max() < 210


@needs_real_data
def test_shrec21_both_annotations_are_of_the_same_instances():
    """677 of 678 revised instances are in the contest's table, at a median tIoU of .91."""
    columns = ("video", "label", "start_frame", "end_frame")
    revised = shrec21.read_instances(REAL / "shrec21/segments.csv", "shrec21", columns)
    contest = shrec21.read_instances(REAL / "shrec21" / shrec21.CONTEST, "shrec21", columns)
    assert (len(revised), len(contest)) == (678, 720)
    best = []
    for row in revised.itertuples():
        same = contest[(contest["video"] == row.video) & (contest["label"] == row.label)]
        if len(same):
            start, end = (same[column].to_numpy(float) for column in columns[2:])
            own = np.array([row.start_frame, row.end_frame], dtype=float)
            best.append(tiou(start - 1, end, own[:1] - 1, own[1:]).max())
    assert len(best) == 677 and np.median(best) == pytest.approx(0.91, abs=0.005)


@needs_real_data
def test_shrec21_contest_in_the_bags_as_published():
    dataset = open_dataset("shrec21", REAL)
    contest = shrec21.contest_segments(dataset, REAL)
    assert set(contest["label"]) == set(dataset.classes)
    assert set(contest["video"]) <= {video.id for video in (*dataset.train, *dataset.test)}
    # all 720 without the 40 of POINTING: none lies in a bag that the revision leaves empty
    assert len(contest) == 680
    assert (contest["t_end"] <= 18.0).all() and (contest["t_end"] > contest["t_start"]).all()


SFINGE_ROWS = [(1, 9, 11, 30), (2, 10, 31, 50), (2, 5, 61, 101), (3, 13, 1, 40)]


def sfinge_sequences():
    return {number: moving_hand(100, number) for number in (1, 2, 3)}


def test_sfinge3d_in_both_layouts(tmp_path):
    write_sfinge3d(tmp_path / "packed/sfinge3d", sfinge_sequences(), SFINGE_ROWS)
    write_sfinge3d_texts(tmp_path / "texts/sfinge3d", sfinge_sequences(), SFINGE_ROWS)
    packed, texts = (open_dataset("sfinge3d", tmp_path / name) for name in ("packed", "texts"))
    assert rows_of(packed.segments) == [
        ["seq_02_000", "swipe left", 1.5, 2.5],
        ["seq_02_000", "OK", 3.0, 5.0],  # one frame past the end
        ["seq_03_000", "swipe O", 0.0, 2.0],
        ["seq_01_000", "tap", 0.5, 1.5],
    ]
    pd.testing.assert_frame_equal(packed.segments, texts.segments)
    for video in (*packed.train, *packed.test):
        for stream in packed.streams:
            np.testing.assert_array_equal(
                video.features[stream], texts.video(video.id).features[stream]
            )
    assert packed.title == "SFINGE 3D (hand skeletons), fold 0"
    assert packed.video("seq_01_000").length == (100 - 12) // 4 + 1


def test_sfinge3d_faults_are_named(tmp_path):
    folder = write_sfinge3d(tmp_path / "sfinge3d", sfinge_sequences(), SFINGE_ROWS)
    table = folder / "segments.csv"
    original = table.read_text()
    for old, new, message in (
        ("seq_01,9", "seq_01,14", "the class '14', expected 1 to 13"),
        ("seq_03", "seq_04", "100 frames of sequence seq_04"),
    ):
        table.write_text(original.replace(old, new))
        with pytest.raises(WorkbookError, match=message):
            open_dataset("sfinge3d", tmp_path)
    table.unlink()
    with pytest.raises(WorkbookError, match="wtal data fetch sfinge3d"):
        open_dataset("sfinge3d", tmp_path)
    with pytest.raises(WorkbookError, match="no fold 3"):
        open_dataset("sfinge3d", tmp_path, fold=3)


def test_sfinge3d_texts_that_are_wrong(tmp_path):
    with pytest.raises(WorkbookError, match=r"no sequences in .* `wtal data fetch sfinge3d`"):
        open_dataset("sfinge3d", tmp_path)
    folder = write_sfinge3d_texts(tmp_path / "sfinge3d", sfinge_sequences(), SFINGE_ROWS)
    table = folder / "Sequences/sequencesGT.csv"
    original = table.read_text()
    for line, message in (
        ("1,2,9,11,30", "line '1,2,9,11,30' is not sequence, number"),
        ("1,1,9,x,30", "line '1,1,9,x,30'"),
        ("7,1,9,11,30", "instances of seq_07, which is not among the sequences"),
        ("1,1,9,0,30", "line '1,1,9,0,30'"),
    ):
        table.write_text(original.replace("1,1,9,11,30", line))
        with pytest.raises(WorkbookError, match=message):
            open_dataset("sfinge3d", tmp_path)
    for nothing in ("", "\r\r"):
        table.write_text(nothing)
        with pytest.raises(WorkbookError, match=r"sequencesGT\.csv names no instance; remove it"):
            open_dataset("sfinge3d", tmp_path)
    table.write_text(original)
    text = folder / "Sequences/2.txt"
    for content, message in (
        ("1,2,3\n", "3 columns, expected 140"),
        ("1,2,x\n", "is damaged"),
        (",".join(["99"] * 140), "no place of a hand"),
    ):
        text.write_text(content)
        with pytest.raises(WorkbookError, match=message):
            open_dataset("sfinge3d", tmp_path)


def test_folds_are_thirds_in_order_of_the_numbers():
    names = [f"seq_{number:02d}" for number in range(1, 73)]
    sides = [sfinge3d.third(names[::-1], fold, 3) for fold in range(3)]
    assert [side[0] for side in sides] == ["seq_01", "seq_25", "seq_49"]
    assert sorted(name for side in sides for name in side) == names
    assert all(set(a).isdisjoint(b) for a, b in pairwise(sides))
    with pytest.raises(WorkbookError, match="'sequence_1' is not named"):
        sfinge3d.third(["sequence_1"], 0, 3)


@needs_real_data
def test_sfinge3d_as_published():
    skeletons = sfinge3d.read_skeletons(REAL / "sfinge3d")
    segments = sfinge3d.read_segments(REAL / "sfinge3d", skeletons)
    assert (len(skeletons), len(segments)) == (72, 278)
    assert sum(map(len, skeletons.values())) == 27501
    tested = []
    prints = set()
    for fold in range(folds("sfinge3d")):
        dataset = open_dataset("sfinge3d", REAL, fold=fold)
        assert (len(dataset.train), len(dataset.test)) == (48, 24)
        assert {label for v in dataset.train for label in v.labels} == set(dataset.classes)
        tested += [video.id for video in dataset.test]
        prints.add(dataset.fingerprint)
    assert len(tested) == len(set(tested)) == 72 and len(prints) == 3


@needs_real_data
def test_sfinge3d_packed_columns_are_those_of_the_texts():
    """Some places of the first row of Sequences/60.txt, in metres: palm, its quaternion, first
    joint of the thumb, tip of the little finger.
    """
    row = sfinge3d.read_skeletons(REAL / "sfinge3d")["seq_60"][0]
    np.testing.assert_allclose(row[:3] / 1000, [0.27453, 2.3119, 0.33512], atol=5.1e-5)
    np.testing.assert_allclose(row[60:], [-0.1849, -0.8252, 0.15829, 0.50971], atol=4e-5)
    np.testing.assert_allclose(row[3:6] / 1000, [0.2069, 2.3048, 0.36122], atol=5.1e-5)
    np.testing.assert_allclose(row[57:60] / 1000, [0.24423, 2.3103, 0.42662], atol=5.1e-5)


@needs_real_data
def test_the_transitions_of_hapt():
    dataset = open_dataset("hapt-transitions", REAL)
    assert (len(dataset.train), len(dataset.test)) == (140, 58)
    assert all(video.labels for video in dataset.test)
    assert dataset.classes == (
        "STAND_TO_SIT",
        "SIT_TO_STAND",
        "SIT_TO_LIE",
        "LIE_TO_SIT",
        "STAND_TO_LIE",
        "LIE_TO_STAND",
    )
    whole = open_dataset("hapt", REAL)
    assert set(dataset.classes) < set(whole.classes)
    ids = {video.id for video in (*dataset.train, *dataset.test)}
    same = whole.segments[
        whole.segments["label"].isin(dataset.classes) & whole.segments["video"].isin(ids)
    ]
    pd.testing.assert_frame_equal(dataset.segments, same.reset_index(drop=True))
    world = regime(dataset)
    assert world.coverage == pytest.approx(0.11, abs=0.002)
    assert world.labels == pytest.approx(1.84, abs=0.005)
    assert world.co_occurrence == pytest.approx(0.63, abs=0.005)
    lengths = dataset.segments_of("train")["t_end"] - dataset.segments_of("train")["t_start"]
    assert lengths.median() == pytest.approx(3.5, abs=0.05)


@needs_real_data
def test_an_unlabelled_transition_is_no_class(tmp_path):
    shutil.copytree(REAL / "hapt", tmp_path / "hapt", copy_function=shutil.copyfile)
    (tmp_path / "hapt").chmod(0o755)
    labels = (tmp_path / "hapt/labels.txt").read_text().splitlines()
    kept = [line for line in labels if int(line.split()[2]) <= 6]
    (tmp_path / "hapt/labels.txt").write_text("\n".join(kept))
    with pytest.raises(WorkbookError, match="hapt-transitions: no training bags"):
        open_dataset("hapt-transitions", tmp_path)
