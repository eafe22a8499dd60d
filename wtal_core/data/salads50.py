"""50 Salads: accelerometers on ten kitchen objects, as weakly labelled bags.

The recordings are real and untrimmed.
Source: Stein and McKenna, "Combining Embedded Accelerometers with Computer Vision for Recognizing
Food Preparation Activities", UbiComp 2013; labels ("eval" granularity) and folds as in
colincsl/TemporalConvolutionalNetworks.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy.lib.stride_tricks import sliding_window_view

from wtal_core.data.bagged import bagged_dataset, require_both_sides
from wtal_core.data.bags import Recording, cut_recordings, standardise
from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest
from wtal_core.data.npz import read_npz
from wtal_core.data.paths import require
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import read_text

FETCH = "remove it and run `wtal data fetch salads50`"
FPS = 5  # frames per second
SPAN = 5  # frames of one centred second
STREAM = "accelerometer"
SIGNALS = "acc_eval_5fps.npz"
NAMES = "labels/eval_actions.txt"


def open_salads50(folder: Path, fold: int = 0) -> Dataset:
    """Open 50 Salads from its folder.

    fold: 0 to 4, the subject-wise split `Split_<fold + 1>`. One snippet per frame.
    """
    manifest = load_manifest("salads50")
    if not 0 <= fold < manifest.folds:
        raise WorkbookError(f"salads50 has no fold {fold}; expected 0 to {manifest.folds - 1}")
    recordings = {recording.id: recording for recording in read_recordings(folder)}
    bags = {
        split: cut_recordings(
            [_find(recordings, name, folder) for name in read_split(folder, fold, split)],
            bag_features,
        )
        for split in ("train", "test")
    }
    labelled = bags["train"].labelled()
    require_both_sides("salads50", labelled, bags["test"])
    train, test = standardise(labelled, bags["test"])
    identity = fingerprint(
        folder, source_files(folder, fold), "salads50", SPAN, fold, manifest.timebase()
    )
    title = f"{manifest.title}, fold {fold}"
    return bagged_dataset(manifest, read_classes(folder), train, test, identity, title)


def source_files(folder: Path, fold: int) -> list[Path]:
    """All files that the content of a fold comes from."""
    return [
        folder / SIGNALS,
        folder / NAMES,
        *(_split_file(folder, fold, split) for split in ("train", "test")),
    ]


def _split_file(folder: Path, fold: int, split: str) -> Path:
    return folder / "splits" / "50Salads" / f"Split_{fold + 1}" / f"{split}.txt"


def read_split(folder: Path, fold: int, split: str) -> list[str]:
    """Sequences of one side of a fold, in the file's order."""
    path = require(_split_file(folder, fold, split), f"the list of {split} sequences", "salads50")
    names = read_text(path, FETCH).split()
    if len(set(names)) < len(names):
        raise WorkbookError(f"{path}: a sequence is listed twice; {FETCH}")
    return names


def _find(recordings: dict[str, Recording], name: str, folder: Path) -> Recording:
    if name not in recordings:
        raise WorkbookError(
            f"salads50: sequence {shown(name)} of the split is not in {folder / SIGNALS}; "
            "run `wtal data verify salads50`"
        )
    return recordings[name]


def read_classes(folder: Path) -> tuple[str, ...]:
    """Nine actions; number k of the frame labels is the k-th one, 0 is background."""
    path = require(folder / NAMES, "the list of actions", "salads50")
    names = read_text(path, FETCH).split()
    return tuple(values.name(name, f"{path}: the class") for name in names)


def read_recordings(folder: Path) -> list[Recording]:
    """All sequences: 30 acceleration channels at 5 frames per second, and segments.

    Segments are the runs of equal frame labels.
    """
    classes = read_classes(folder)
    path = require(folder / SIGNALS, "the accelerometers' file", "salads50")
    arrays = read_npz(path, "salads50")
    names = [name.removesuffix("/acc") for name in arrays if name.endswith("/acc")]
    return [
        _recording(path, name, arrays[f"{name}/acc"], arrays.get(f"{name}/label"), classes)
        for name in names
    ]


def _recording(
    path: Path, name: str, samples: np.ndarray, labels: np.ndarray | None, classes: tuple[str, ...]
) -> Recording:
    if (
        labels is None
        or labels.dtype.kind not in "iu"
        or samples.dtype.kind not in "fi"
        or samples.ndim != 2
        or samples.shape[1] != 30
        or labels.shape != (len(samples),)
    ):
        raise WorkbookError(
            f"{path}: sequence {name} has shape {samples.shape}, expected (T, 30) with T labels"
        )
    if not np.isfinite(samples).all():
        raise WorkbookError(f"{path}: sequence {name} holds NaN or infinite values")
    if len(labels) and not 0 <= labels.min() <= labels.max() <= len(classes):
        raise WorkbookError(f"{path}: sequence {name} has a label outside 0 to {len(classes)}")
    return Recording(name, samples, float(FPS), frame_segments(labels, classes, name))


def frame_segments(
    labels: Integer[np.ndarray, " T"], classes: tuple[str, ...], video: str
) -> pd.DataFrame:
    """Runs of equal frame labels as segments in seconds; label 0 is background and gives none."""
    borders = np.flatnonzero(np.diff(labels)) + 1
    starts, ends = np.concatenate(([0], borders)), np.concatenate((borders, [len(labels)]))
    return pd.DataFrame(
        [
            (video, classes[labels[start] - 1], start / FPS, end / FPS)
            for start, end in zip(starts, ends, strict=True)
            if end > start and labels[start] > 0
        ],
        columns=SEGMENT_COLUMNS,
    )


def bag_features(samples: Float[np.ndarray, "T K"]) -> dict[str, Float[np.ndarray, "T 3*K"]]:
    """Mean, deviation and maximum of each channel over one second, centred on the frame.

    Edges are repeated.
    """
    if not len(samples):
        return {STREAM: np.zeros((0, 3 * samples.shape[1]), dtype=np.float32)}
    padded = np.pad(samples, ((SPAN // 2, SPAN // 2), (0, 0)), mode="edge")
    windows = sliding_window_view(padded, SPAN, axis=0)  # (T, K, 5)
    return {
        STREAM: np.concatenate([windows.mean(-1), windows.std(-1), windows.max(-1)], axis=1).astype(
            np.float32
        )
    }
