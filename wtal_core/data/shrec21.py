"""SHREC'21 "Skeleton-based hand gesture recognition in the wild": hands before a camera.

The recordings are real and untrimmed; between two gestures the hand moves at random.
Source: Caputo et al., "SHREC 2021: Skeleton-based hand gesture recognition in the wild", Computers
& Graphics 2021. The annotation is the revised one; that of the contest is `contest_segments`.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.bagged import bagged_dataset, require_both_sides
from wtal_core.data.bags import WHOLE, Bags, Cutting, Recording, cut_recordings, equal_edges
from wtal_core.data.components import reduce_channels
from wtal_core.data.dataset import Dataset
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.hands import (
    CHANNELS,
    FRAME_COLUMNS,
    RULES,
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
from wtal_core.data.paths import data_root, require
from wtal_core.errors import WorkbookError
from wtal_core.reading.refusal import shown

NAME = "shrec21"  # of the data set whose files these are
RATE = 50.0  # frames per second that annotations count
STEP = 2  # of which every second one is packed
WINDOWS = Windows(rate=RATE / STEP, size=15, hop=5)  # 0.6 s every 0.2 s
BAG_SECONDS = 12.0
BAGS = Cutting(partial(equal_edges, seconds=BAG_SECONDS))
SIDES = ("train", "test")
PACKED = "hands_25hz.npz"
REVISED = "segments.csv"
CONTEST = "segments_contest_2021.csv"
STATIC = ("ONE", "TWO", "THREE", "FOUR", "OK", "MENU")
COARSE = ("LEFT", "RIGHT", "CIRCLE", "V", "CROSS")
FINE = ("GRAB", "PINCH", "TAP", "DENY", "KNOB", "EXPAND")
CLASSES = (*STATIC, *COARSE, *FINE)
NOT_REVISED = "POINTING"  # a class of the contest that the revision gave up


def open_shrec21(folder: Path) -> Dataset:
    """Open SHREC'21 from its folder, cut into equal bags of about 12 s.

    Snippet k stands for the frames [10 k + 10, 10 k + 20) of its bag, from 0; its window is
    [10 k, 10 k + 30).
    """
    return _open("shrec21", folder, BAGS)


def open_shrec21_sequences(folder: Path) -> Dataset:
    """The same sequences as a whole: many labels per video."""
    return _open("shrec21-sequences", folder, WHOLE)


def _open(name: str, folder: Path, cutting: Cutting) -> Dataset:
    manifest = load_manifest(name)
    skeletons = read_skeletons(folder)
    segments = read_segments(folder, skeletons)
    train = _bags(skeletons, segments, "train", cutting).labelled()
    test = _bags(skeletons, segments, "test", cutting)
    require_both_sides(name, train, test)
    train, test = reduce_channels(train, test, CHANNELS)
    identity = fingerprint(
        folder, source_files(folder), name, WINDOWS, BAG_SECONDS, RULES, manifest.timebase()
    )
    return bagged_dataset(manifest, CLASSES, train, test, identity)


def training_bags(folder: Path) -> Bags:
    """The bags of `shrec21` that training sees, with all values that are computed of skeletons."""
    skeletons = read_skeletons(folder)
    return _bags(skeletons, read_segments(folder, skeletons), "train", BAGS).labelled()


def _bags(skeletons: Skeletons, segments: pd.DataFrame, side: str, cutting: Cutting) -> Bags:
    recordings = _recordings(skeletons, segments, side)
    return cut_recordings(recordings, partial(hand_statistics, windows=WINDOWS), cutting)


def source_files(folder: Path) -> list[Path]:
    """All files that the content of the data set comes from."""
    return [folder / PACKED, folder / REVISED]


def read_skeletons(folder: Path) -> Skeletons:
    """Sequence -> its samples at 25 Hz. The file holds differences from sample to sample, int16."""
    path = folder / PACKED
    differences = read_npz(require(path, "the file of skeletons", NAME), NAME)
    packed = {}
    for sequence, values in differences.items():
        if not sequence.startswith(tuple(f"{side}_" for side in SIDES)):
            raise WorkbookError(
                f"{path}: sequence {shown(sequence)} is of neither side, expected train_NNN or "
                "test_NNN"
            )
        if values.ndim != 2 or values.dtype != np.int16:
            raise WorkbookError(
                f"{path}: sequence {shown(sequence)} has shape {values.shape} and type "
                f"{values.dtype}, expected rows of int16; run `wtal data fetch {NAME}`"
            )
        # sums leave the range of int16 and come back into it, as the differences did
        packed[sequence] = np.cumsum(values, axis=0, dtype=values.dtype)
    return unpacked(packed, path)


def read_segments(folder: Path, skeletons: Skeletons) -> pd.DataFrame:
    """The revised annotation of all sequences, in seconds."""
    table, frames = _revised(folder, skeletons)
    return in_seconds(table, frames, RATE)


def contest_segments(dataset: Dataset, root: str | Path | None = None) -> pd.DataFrame:
    """What the contest's annotators marked in the videos of `shrec21` or `shrec21-sequences`.

    `video, label, t_start, t_end` in seconds, cut as the data set is, without `POINTING`. A bag may
    have instances of classes that its own labels lack.
    root: folder of the data sets, as for `open_dataset`.
    """
    cutting = {"shrec21": BAGS, "shrec21-sequences": WHOLE}.get(dataset.name)
    if cutting is None:
        raise WorkbookError(
            f"{dataset.name} has no contest's annotation; open shrec21 or shrec21-sequences"
        )
    folder = data_root(root) / load_manifest(NAME).folder
    skeletons = read_skeletons(folder)
    _, frames = _revised(folder, skeletons)
    segments = read_contest(folder, frames)
    recordings = [each for side in SIDES for each in _recordings(skeletons, segments, side)]
    # places and labels alone, no features
    cut = cut_recordings(recordings, lambda samples: {}, cutting).segments
    ids = {video.id for video in (*dataset.train, *dataset.test)}
    return cut[cut["video"].isin(ids)].reset_index(drop=True)


def read_contest(folder: Path, frames: dict[str, int]) -> pd.DataFrame:
    """The contest's annotation of all sequences in seconds, of the 17 classes that are left.

    frames: sequence -> number of its frames.
    """
    table = read_instances(folder / CONTEST, NAME, FRAME_COLUMNS)
    known = table[(table["label"] != NOT_REVISED) & table["video"].isin(list(frames))]
    return in_seconds(known, frames, RATE)


def _revised(folder: Path, skeletons: Skeletons) -> tuple[pd.DataFrame, dict[str, int]]:
    """The revised table in frames, and the number of frames of each sequence."""
    table = read_instances(folder / REVISED, NAME, (*FRAME_COLUMNS, "frames"))
    frames = stated_frames(table)
    check_frames(folder / REVISED, NAME, frames, skeletons, STEP)
    return table, frames


def _recordings(skeletons: Skeletons, segments: pd.DataFrame, side: str) -> list[Recording]:
    return [
        Recording(name, samples, WINDOWS.rate, segments[segments["video"] == name])
        for name, samples in skeletons.items()
        if name.startswith(f"{side}_")
    ]
