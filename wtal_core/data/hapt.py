"""HAPT: smartphone sensors on 30 people's waists, as weakly labelled bags.

The recordings are real and untrimmed.
Source: UCI data set 341, Reyes-Ortiz et al., "Transition-Aware Human Activity Recognition Using
Smartphones", 2015.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from wtal_core.data.bagged import bagged_dataset, require_both_sides
from wtal_core.data.bags import Bags, Recording, cut_recordings, standardise
from wtal_core.data.dataset import Dataset
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest
from wtal_core.data.npz import read_npz
from wtal_core.data.paths import require
from wtal_core.data.problems import MissingData
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import read_numbers, read_text

FPS = 50
FETCH = "remove it and run `wtal data fetch hapt`"
WINDOW = 64
HOP = 32
# bins of 50/64 Hz: 0.8-2.3, 2.3-4.7, 4.7-9.4, 9.4-25 Hz
BANDS = ((1, 3), (3, 6), (6, 12), (12, 33))
SMALLEST_POWER = 1e-6  # (g or rad/s)^2, keeps the logarithm of a still sensor finite
# the stream that leads comes last
CHANNELS = {"gyroscope": slice(3, 6), "accelerometer": slice(0, 3)}
PACKED = "hapt_raw_f32.npz"
TABLES = ("labels.txt", "activity_labels.txt", "subject_id_train.txt", "subject_id_test.txt")
RECORDING = re.compile(r"exp(\d+)_user(\d+)")
TRANSITIONS = (
    "STAND_TO_SIT",
    "SIT_TO_STAND",
    "SIT_TO_LIE",
    "LIE_TO_SIT",
    "STAND_TO_LIE",
    "LIE_TO_STAND",
)


def open_hapt(folder: Path) -> Dataset:
    """Open HAPT from its folder, packed or in the original text layout.

    Snippet k covers samples [32 k + 16, 32 k + 48).
    """
    classes = read_classes(folder)
    bags = _bags_of_both_sides(folder, classes)
    return _dataset("hapt", folder, classes, bags["train"].labelled(), bags["test"])


def open_hapt_transitions(folder: Path) -> Dataset:
    """The same recordings with the six postural transitions as classes, all else background.

    Bags without a transition are left out on both sides.
    """
    bags = _bags_of_both_sides(folder, TRANSITIONS)
    train, test = bags["train"].labelled(), bags["test"].labelled()
    return _dataset("hapt-transitions", folder, TRANSITIONS, train, test)


def _bags_of_both_sides(folder: Path, classes: tuple[str, ...]) -> dict[str, Bags]:
    """The bags of both sides with their instances of these classes."""
    segments = read_segments(folder)
    signals = read_signals(folder)
    users = {split: read_users(folder, split) for split in ("train", "test")}
    _check_match(folder, signals, segments, users)
    kept = segments[segments["label"].isin(classes)]
    return {split: _bags(signals, kept, users[split]) for split in users}


def _check_match(
    folder: Path, signals: dict[str, np.ndarray], segments: pd.DataFrame, users: dict[str, set[int]]
) -> None:
    """Refuse labels and people that do not fit the recordings and the split.

    Labels must be of recordings that are there and long enough; nobody may be on both sides.
    """
    latest = segments.groupby("video")["t_end"].max()
    for recording, last in zip(latest.index.tolist(), latest.tolist(), strict=True):
        samples = len(signals[recording]) if recording in signals else 0
        if samples < round(last * FPS):
            raise WorkbookError(
                f"hapt: {folder / 'labels.txt'} labels recording {recording} up to {last} s, its "
                f"signals hold {samples / FPS} s; run `wtal data verify hapt`"
            )
    both = users["train"] & users["test"]
    if both:
        raise WorkbookError(
            f"hapt: person {min(both)} is in both {folder / 'subject_id_train.txt'} and "
            "subject_id_test.txt; run `wtal data fetch hapt`"
        )


def _dataset(name: str, folder: Path, classes: tuple[str, ...], train: Bags, test: Bags) -> Dataset:
    manifest = load_manifest(name)
    require_both_sides(name, train, test)
    train, test = standardise(train, test)
    identity = fingerprint(
        folder, source_files(folder), name, WINDOW, HOP, BANDS, manifest.timebase()
    )
    return bagged_dataset(manifest, classes, train, test, identity)


def source_files(folder: Path) -> list[Path]:
    """All files that the content of the data set comes from."""
    tables = [folder / name for name in TABLES]
    packed = folder / PACKED
    if packed.exists():
        return [*tables, packed]
    return [*tables, *sorted((folder / "RawData").glob("*_exp*_user*.txt"))]


def _bags(signals: dict[str, np.ndarray], segments: pd.DataFrame, users: set[int]) -> Bags:
    recordings = []
    for name, samples in signals.items():
        if _user(name) in users:
            own = segments[segments["video"] == name]
            recordings.append(Recording(name, samples, float(FPS), own))
    return cut_recordings(recordings, bag_features)


def _user(recording: str) -> int:
    """The person's number in a name as `exp01_user01`."""
    parts = RECORDING.fullmatch(recording)
    if parts is None:
        raise WorkbookError(
            f"hapt: recording {recording!r} is not named as expXX_userYY; "
            "run `wtal data fetch hapt`"
        )
    return int(parts[2])


def bag_features(samples: Float[np.ndarray, "S 6"]) -> dict[str, Float[np.ndarray, "T 27"]]:
    """Both streams of a bag, nine statistics for each of three axes."""
    return {
        stream: window_statistics(samples[:, channels]) for stream, channels in CHANNELS.items()
    }


def window_statistics(samples: Float[np.ndarray, "S K"]) -> Float[np.ndarray, "T 9*K"]:
    """Nine statistics per channel and window.

    Mean, deviation, minimum, maximum, log power in four bands, mean absolute difference.
    Windows of 64 samples, hop 32; fewer samples than one window give T = 0.
    """
    if len(samples) < WINDOW:
        return np.zeros((0, 9 * samples.shape[1]), dtype=np.float32)
    windows = sliding_window_view(samples.astype(np.float64), WINDOW, axis=0)[::HOP]  # (T, K, 64)
    mean = windows.mean(-1)
    power = np.abs(np.fft.rfft(windows - mean[..., None])) ** 2 / WINDOW**2  # (T, K, 33)
    bands = [np.log(power[..., low:high].sum(-1) + SMALLEST_POWER) for low, high in BANDS]
    steps = np.abs(np.diff(windows)).mean(-1)
    parts = [mean, windows.std(-1), windows.min(-1), windows.max(-1), *bands, steps]
    return np.concatenate(parts, axis=1).astype(np.float32)


def read_signals(folder: Path) -> dict[str, Float[np.ndarray, "_ 6"]]:
    """Recording (`exp01_user01`) -> its signals at 50 Hz, float32.

    Columns: accelerometer xyz in g, gyroscope xyz in rad/s.
    """
    packed, texts = folder / "hapt_raw_f32.npz", folder / "RawData"
    if packed.exists():
        return _checked(packed, read_npz(packed, "hapt"))
    files = sorted(texts.glob("acc_exp*_user*.txt"))
    if not files:
        raise MissingData(
            f"hapt: no signals in {folder}, looked for {packed.name} and "
            f"RawData/acc_expXX_userYY.txt; "
            "run `wtal data fetch hapt`"
        )
    signals = {path.stem.removeprefix("acc_"): read_text_recording(path) for path in files}
    return _checked(texts, signals)


def read_text_recording(path: Path) -> Float[np.ndarray, "S 6"]:
    """One recording in the original layout.

    `acc_expXX_userYY.txt` and the `gyro_...` file beside it.
    """
    other = require(
        path.with_name(path.name.replace("acc_", "gyro_", 1)), "the gyroscope's file", "hapt"
    )
    parts = [_read_numbers(part, np.float32) for part in (path, other)]
    for file, values_of in zip((path, other), parts, strict=True):
        if values_of.shape[1] != 3:
            raise WorkbookError(
                f"hapt: {file} has {values_of.shape[1]} columns, expected x, y and z; {FETCH}"
            )
    if len(parts[0]) != len(parts[1]):
        raise WorkbookError(
            f"hapt: {path} has {len(parts[0])} samples, {other.name} has {len(parts[1])}; "
            "one is truncated: run `wtal data fetch hapt`"
        )
    return np.concatenate(parts, axis=1)


def _read_numbers(path: Path, dtype: type[np.float32] | type[np.int64]) -> np.ndarray:
    require(path, path.name, "hapt")
    return read_numbers(path, dtype, FETCH)


def _checked(source: Path, signals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for name, samples in signals.items():
        if not RECORDING.fullmatch(name):
            raise WorkbookError(f"{source}: recording {shown(name)} is not named as expXX_userYY")
        is_signal = samples.dtype.kind in "fi" and samples.ndim == 2 and samples.shape[1] == 6
        if not is_signal or not np.isfinite(samples).all():
            raise WorkbookError(
                f"{source}: recording {name} has shape {samples.shape} or holds NaN, expected "
                f"finite (S, 6)"
            )
    return signals


def read_segments(folder: Path) -> pd.DataFrame:
    """Instances of all recordings in seconds.

    Rows of labels.txt: recording, user, class, first and last sample.
    Both samples belong to the instance: where activities follow each other without a gap, the next
    first sample is the last one plus 1. That counting begins at 1 is the habit of MATLAB, in which
    the set was made, and not stated in its description; a wrong guess would shift everything by one
    sample, 0.02 s.
    """
    table = _read_numbers(folder / "labels.txt", np.int64)
    names = np.array(read_classes(folder))
    is_table = table.shape[1] == 5 and table.min() >= 0
    if not is_table or table[:, 2].min() < 1 or table[:, 2].max() > len(names):
        raise WorkbookError(
            f"{folder / 'labels.txt'}: expected rows of recording, user, class 1 to {len(names)}, "
            f"first and "
            "last sample; run `wtal data verify hapt`"
        )
    return pd.DataFrame(
        {
            "video": [f"exp{e:02d}_user{u:02d}" for e, u in table[:, :2]],
            "label": names[table[:, 2] - 1],
            "t_start": (table[:, 3] - 1) / FPS,
            "t_end": table[:, 4] / FPS,
        }
    )


def read_classes(folder: Path) -> tuple[str, ...]:
    """The twelve activities, in order of their numbers."""
    path = require(folder / "activity_labels.txt", "the list of activities", "hapt")
    names = []
    for line in read_text(path, FETCH).splitlines():
        cells = line.split()
        if len(cells) > 1:
            names.append(values.name(cells[1], f"{path}: the class"))
        elif cells:
            raise WorkbookError(f"{path}: the line {shown(line)} is no number with a name; {FETCH}")
    if len(set(names)) < len(names):
        raise WorkbookError(f"{path}: a class is there twice; {FETCH}")
    return tuple(names)


def read_users(folder: Path, split: str) -> set[int]:
    """People of the official split.

    The files repeat a number for every window of the original feature vectors.
    """
    return set(_read_numbers(folder / f"subject_id_{split}.txt", np.int64).ravel().tolist())
