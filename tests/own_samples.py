"""A folder of made-up features as a user may have one: 8 videos, 2 classes, 16 values."""

from pathlib import Path

import numpy as np

LABELS = ("Jump", "Throw")
SECONDS = 0.64  # of a snippet of 16 frames at 25 frames per second


def values(number: int, classes: int = 2) -> np.ndarray:
    """Features of a video: action in snippets 5 to 9."""
    rng = np.random.default_rng(number)
    features = np.abs(rng.normal(0, 0.3, (20 + number, 16))).astype(np.float32)
    features[5:10, number % classes] += 2
    return features


def write_labels(folder: Path, videos=8, classes=2) -> None:
    lines = [f"clip {i},{LABELS[i % classes]}" for i in range(videos)]
    (folder / "labels.csv").write_text("\n".join(["video,label", *lines, ""]), encoding="utf-8")


def write_segments(folder: Path, videos=8, classes=2) -> None:
    times = f"{5 * SECONDS:g},{10 * SECONDS:g}"
    lines = [f"clip {i},{LABELS[i % classes]},{times}" for i in range(videos)]
    (folder / "segments.csv").write_text("\n".join(["video,label,t_start,t_end", *lines, ""]))


def write_folder(folder: Path, segments=True, videos=8, classes=2) -> Path:
    folder.mkdir(parents=True)
    for i in range(videos):
        np.save(folder / f"clip {i}.npy", values(i, classes))
    write_labels(folder, videos, classes)
    if segments:
        write_segments(folder, videos, classes)
    return folder
