"""SFINGE 3D: sequences of three to five hand gestures before a camera; small, seconds per run.

The recordings are real and untrimmed.
Source: Caputo et al., "SFINGE 3D: A novel benchmark for online detection and recognition of
heterogeneous hand gestures from 3D fingers' trajectories", Computers & Graphics 2020.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int16

from wtal_core.data.bagged import bagged_dataset, require_both_sides
from wtal_core.data.bags import WHOLE, Bags, Recording, cut_recordings
from wtal_core.data.components import reduce_channels
from wtal_core.data.dataset import Dataset
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.hands import (
    CHANNELS,
    FRAME_COLUMNS,
    JOINTS,
    MOST_DIGITS,
    RULES,
    TURN_UNIT,
    UNIT,
    Skeletons,
    Windows,
    check_frames,
    hand_statistics,
    in_seconds,
    read_instances,
    stated_frames,
    unpacked,
)
from wtal_core.data.manifests import load_manifest
from wtal_core.data.npz import read_npz
from wtal_core.data.paths import require
from wtal_core.data.problems import MissingData
from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import read_numbers, read_text

NAME = "sfinge3d"
FETCH = f"remove it and run `wtal data fetch {NAME}`"
WINDOWS = Windows(rate=20.0, size=12, hop=4)  # 0.6 s every 0.2 s
PACKED = "hands_20hz.npz"
TABLE = "segments.csv"
TEXTS = "Sequences"
TEXT_TABLE = "sequencesGT.csv"
MILLIMETRES = 1000.0  # per metre, the unit of the texts
SEQUENCE = re.compile(r"seq_(\d+)")
# the number of a class is its place, from 1
CLASSES = (
    "one",
    "two",
    "three",
    "four",
    "OK",
    "pinch",
    "grab",
    "expand",
    "tap",
    "swipe left",
    "swipe right",
    "swipe V",
    "swipe O",
)


def open_sfinge3d(folder: Path, fold: int = 0) -> Dataset:
    """Open SFINGE 3D from its folder, packed or in the original text layout; sequences are videos.

    fold: 0 to 2, the third of the sequences, in order of their numbers, that is the test side.
    Snippet k stands for the frames [4 k + 4, 4 k + 8) of its sequence, from 0.
    """
    manifest = load_manifest(NAME)
    if not 0 <= fold < manifest.folds:
        raise WorkbookError(f"{NAME} has no fold {fold}; expected 0 to {manifest.folds - 1}")
    skeletons = read_skeletons(folder)
    segments = read_segments(folder, skeletons)
    held_out = set(third(list(skeletons), fold, manifest.folds))
    train = _sequences(skeletons, segments, set(skeletons) - held_out).labelled()
    test = _sequences(skeletons, segments, held_out)
    require_both_sides(NAME, train, test)
    train, test = reduce_channels(train, test, CHANNELS)
    identity = fingerprint(
        folder, source_files(folder), NAME, WINDOWS, RULES, fold, manifest.timebase()
    )
    title = f"{manifest.title}, fold {fold}"
    return bagged_dataset(manifest, CLASSES, train, test, identity, title)


def third(names: list[str], fold: int, folds: int) -> list[str]:
    """Test sequences of a fold: one of `folds` equal stretches of all, in order of their numbers.

    Neighbours stay together: nobody states who performed which sequence, and they are the likeliest
    to be of one person.
    """
    ordered = sorted(names, key=_number)
    borders = [round(i * len(ordered) / folds) for i in range(folds + 1)]
    return ordered[borders[fold] : borders[fold + 1]]


def _number(sequence: str) -> int:
    """60 of "seq_60"."""
    parts = SEQUENCE.fullmatch(sequence)
    if parts is None:
        raise WorkbookError(
            f"{NAME}: sequence {sequence!r} is not named as seq_NN; run `wtal data verify {NAME}`"
        )
    return int(parts[1])


def _sequences(skeletons: Skeletons, segments: pd.DataFrame, names: set[str]) -> Bags:
    recordings = [
        Recording(name, samples, WINDOWS.rate, segments[segments["video"] == name])
        for name, samples in skeletons.items()
        if name in names
    ]
    return cut_recordings(recordings, partial(hand_statistics, windows=WINDOWS), WHOLE)


def source_files(folder: Path) -> list[Path]:
    """All files that the content of the data set comes from."""
    if (folder / PACKED).exists():
        return [folder / PACKED, folder / TABLE]
    return [folder / TEXTS / TEXT_TABLE, *sorted((folder / TEXTS).glob("*.txt"))]


def read_skeletons(folder: Path) -> Skeletons:
    """Sequence (`seq_60`) -> its samples at 20 Hz."""
    packed, texts = folder / PACKED, folder / TEXTS
    if packed.exists():
        return unpacked(read_npz(packed, NAME), packed)
    files = [path for path in texts.glob("*.txt") if path.stem.isdecimal()]
    if not files:
        raise MissingData(
            f"{NAME}: no sequences in {folder}, looked for {PACKED} and {TEXTS}/1.txt, ...; "
            f"run `wtal data fetch {NAME}`"
        )
    in_order = sorted(files, key=lambda path: int(path.stem))
    named = {f"seq_{int(path.stem):02d}": read_text_sequence(path) for path in in_order}
    return unpacked(named, texts)


def read_text_sequence(path: Path) -> Int16[np.ndarray, "S 64"]:
    """One sequence in the original layout, in the units of the packed file.

    A row holds x, y, z (m) and a quaternion x, y, z, w for each joint; only the palm's is taken.
    """
    rows = read_numbers(path, np.float64, FETCH, ",")
    if rows.shape[1] != 7 * JOINTS:
        raise WorkbookError(
            f"{path} has {rows.shape[1]} columns, expected {7 * JOINTS}; remove it and run "
            f"`wtal data fetch {NAME}`"
        )
    joints = rows.reshape(-1, JOINTS, 7)
    places = joints[:, :, :3].reshape(-1, 3 * JOINTS) * (MILLIMETRES / UNIT)
    turns = joints[:, 0, 3:] / TURN_UNIT
    values = np.rint(np.concatenate([places, turns], axis=1))
    limits = np.iinfo(np.int16)
    if not (
        np.isfinite(values).all() and values.min() >= limits.min and values.max() <= limits.max
    ):
        raise WorkbookError(f"{path} holds a value that is no place of a hand; fetch it anew")
    return values.astype(np.int16)


def read_segments(folder: Path, skeletons: Skeletons) -> pd.DataFrame:
    """Instances of all sequences, in seconds.

    Frames are taken to begin at 1 and to belong both to the instance, which nobody states; a wrong
    guess would shift a border by one frame, 0.05 s.
    """
    source = folder / TABLE
    lengths = {name: len(samples) for name, samples in skeletons.items()}
    if (folder / PACKED).exists():
        table = read_instances(source, NAME, (*FRAME_COLUMNS, "frames"))
        check_frames(source, NAME, stated_frames(table), skeletons, 1)
    else:
        source = require(folder / TEXTS / TEXT_TABLE, "the table of instances", NAME)
        table = read_text_table(source)
    unknown = sorted(set(table["video"]) - set(lengths))
    if unknown:
        raise WorkbookError(
            f"{NAME}: {source} has instances of {unknown[0]}, which is not among the "
            f"sequences; run `wtal data verify {NAME}`"
        )
    named = table.assign(label=_class_names(table["label"], source))
    return in_seconds(named, lengths, WINDOWS.rate)


def read_text_table(path: Path) -> pd.DataFrame:
    """The original table: per line sequence, number of instances, and of each class, first and last
    frame.
    """
    rows = []
    for line in read_text(path, FETCH).split():
        cells = line.split(",")
        if not _is_a_row(cells):
            raise WorkbookError(
                f"{path}: line {shown(line)} is not sequence, number of instances, and class, "
                f"first and last frame (from 1) of each; remove it and run `wtal data fetch {NAME}`"
            )
        video = f"seq_{int(cells[0]):02d}"
        for label, start, end in zip(cells[2::3], cells[3::3], cells[4::3], strict=True):
            rows.append((video, label, int(start), int(end)))
    if not rows:
        raise WorkbookError(f"{path} names no instance; remove it and run `wtal data fetch {NAME}`")
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))


def _is_a_row(cells: list[str]) -> bool:
    if len(cells) < 2 or not all(_is_number(cell) for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return len(numbers) == 2 + 3 * numbers[1] and min(numbers[2:], default=1) >= 1


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdecimal() and len(cell) <= MOST_DIGITS


def _class_names(numbers: pd.Series, source: Path) -> list[str]:
    """Names of classes by their numbers, written as texts."""
    names = {str(number): name for number, name in enumerate(CLASSES, start=1)}
    unknown = [number for number in numbers if number not in names]
    if unknown:
        raise WorkbookError(
            f"{NAME}: {source} has the class {shown(unknown[0])}, expected 1 to {len(CLASSES)}; "
            f"run `wtal data verify {NAME}`"
        )
    return [names[number] for number in numbers]
