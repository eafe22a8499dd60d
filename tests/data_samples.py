"""A tiny THUMOS14-like folder, and where the real data lies, for the tests of the data part."""

from pathlib import Path

import numpy as np
import pytest

from tests.places import SHARED

REAL = SHARED / "data"
needs_real_data = pytest.mark.skipif(
    not REAL.exists(), reason=f"the published files are not at {REAL}"
)
TRAIN = ("video_validation_0000001", "video_validation_0000002")
TEST = ("video_test_0000004", "video_test_0000270")
VIDEOS = TRAIN + TEST
LENGTHS = (12, 1, 0, 7)  # snippets; T = 0 and T = 1 are legal


def objects(values) -> np.ndarray:
    """An object array, one value a cell, whatever the values are."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def write_annotations(root: Path, **changed) -> Path:
    """The seven arrays of W-TALC and the ambiguous intervals of four videos, two of them test
    videos.
    """
    arrays = {
        "videoname": np.array(VIDEOS, dtype="S24"),
        "subset": np.array(["validation"] * 2 + ["test"] * 2, dtype="S10"),
        "duration": np.array([[8.0], [0.7], [0.3], [4.6]]),
        "classlist": np.array(["Diving", "Shotput"], dtype="S17"),
        "labels_all": objects([["Diving"], ["Shotput"], ["Diving"], []]),
        "labels": objects([["Diving", "Diving"], ["Shotput"], ["Diving"], ["Shotput"]]),
        "segments": objects([[[1.0, 2.0], [3.0, 5.0]], [[0.0, 0.5]], [[0.0, 0.2]], [[1.0, 2.5]]]),
        **changed,
    }
    folder = root / "Thumos14reduced-Annotations"
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "Ambiguous_test.txt").write_text("video_test_0000004  0.1 0.2\n")
    return folder


def video_features(lengths=LENGTHS) -> list[np.ndarray]:
    """Random `[T, 2048]` arrays, float32."""
    generator = np.random.default_rng(0)
    return [generator.random((length, 2048), dtype=np.float32) for length in lengths]


def write_joint(root: Path, features=None) -> Path:
    """W-TALC's joint file."""
    path = root / "Thumos14reduced-I3D-JOINTFeatures.npy"
    np.save(path, objects(video_features() if features is None else features))
    return path


def write_per_video(root: Path, videos=VIDEOS) -> None:
    """BaS-Net's layout, with the same content as the joint file."""
    for video, array in zip(VIDEOS, video_features(), strict=True):
        for stream, part in (("rgb", array[:, :1024]), ("flow", array[:, 1024:])):
            folder = root / "features" / ("train" if "validation" in video else "test") / stream
            folder.mkdir(parents=True, exist_ok=True)
            if video in videos:
                np.save(folder / f"{video}.npy", part)
