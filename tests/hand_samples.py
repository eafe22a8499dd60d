"""Invented hands before a camera, and the files of SHREC'21 and SFINGE 3D that hold them."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from wtal_core.data.hands import COLUMNS, PLACES, TURN

REST = np.random.default_rng(5).uniform(-80, 80, (19, 3))  # fingers as seen from the palm, mm


def hand(palm, turns: Rotation, bend=0.0) -> np.ndarray:
    """Samples (S, 64) of a hand at these places (S, 3) in mm, so turned; bend: (S,), 0 is at
    rest.
    """
    palm = np.asarray(palm, dtype=float)
    scale = 1 + np.broadcast_to(bend, len(palm))[:, None, None] * np.linspace(0, 1, 19)[:, None]
    fingers = np.einsum("sij,smj->smi", turns.as_matrix(), REST * scale)
    joints = np.concatenate([palm[:, None], palm[:, None] + fingers], axis=1)
    return np.concatenate([joints.reshape(-1, 60), turns.as_quat()], axis=1)


def moving_hand(samples: int, seed: int = 0) -> np.ndarray:
    """A hand that wanders, turns and bends, at about two metres from the origin."""
    generator = np.random.default_rng(seed)
    start = np.array([200.0, 2000.0, -300.0])
    palm = start + generator.normal(0, 4, (samples, 3)).cumsum(0)
    turns = Rotation.from_rotvec(generator.normal(0, 0.05, (samples, 3)).cumsum(0))
    return hand(palm, turns, np.clip(generator.normal(0, 0.05, samples).cumsum(), -0.5, 0.5))


def packed(samples: np.ndarray) -> np.ndarray:
    """As int16: places in 0.1 mm, quaternion times 32767."""
    values = np.zeros((len(samples), COLUMNS), dtype=np.int16)
    values[:, PLACES] = np.rint(samples[:, PLACES] * 10)
    values[:, TURN] = np.rint(samples[:, TURN] * 32767)
    return values


def as_differences(values: np.ndarray) -> np.ndarray:
    """What `np.cumsum` undoes; differences beyond int16 come round."""
    return np.diff(values, axis=0, prepend=np.zeros((1, values.shape[1]), np.int16))


def write_shrec21(folder: Path, sequences: dict[str, np.ndarray], rows, contest=()) -> Path:
    """rows: video, label, start_frame, end_frame, frames. contest: the same without frames."""
    folder.mkdir(parents=True, exist_ok=True)
    coded = {name: as_differences(packed(samples)) for name, samples in sequences.items()}
    np.savez(folder / "hands_25hz.npz", **coded)
    columns = ["video", "label", "start_frame", "end_frame"]
    pd.DataFrame(rows, columns=[*columns, "frames"]).to_csv(folder / "segments.csv", index=False)
    pd.DataFrame(contest, columns=columns).to_csv(folder / "segments_contest_2021.csv", index=False)
    return folder


def write_sfinge3d(folder: Path, sequences: dict[int, np.ndarray], rows) -> Path:
    """The packed layout. rows: number of the sequence, number of the class, first, last frame."""
    folder.mkdir(parents=True, exist_ok=True)
    coded = {f"seq_{number:02d}": packed(samples) for number, samples in sequences.items()}
    np.savez(folder / "hands_20hz.npz", **coded)
    table = pd.DataFrame(rows, columns=["video", "label", "start_frame", "end_frame"])
    table["frames"] = [len(sequences[number]) for number in table["video"]]
    table["video"] = [f"seq_{number:02d}" for number in table["video"]]
    table.to_csv(folder / "segments.csv", index=False)
    return folder


def write_sfinge3d_texts(folder: Path, sequences: dict[int, np.ndarray], rows) -> Path:
    """The original layout, in metres; finger joints have a quaternion, too."""
    texts = folder / "Sequences"
    texts.mkdir(parents=True, exist_ok=True)
    for number, samples in sequences.items():
        joints = np.full((len(samples), 20, 7), 0.25)
        joints[:, :, :3] = samples[:, PLACES].reshape(-1, 20, 3) / 1000
        joints[:, 0, 3:] = samples[:, TURN]
        np.savetxt(texts / f"{number}.txt", joints.reshape(-1, 140), delimiter=",", fmt="%.9f")
    lines = []
    for number in sorted(sequences):
        own = [row[1:] for row in rows if row[0] == number]
        cells = [number, len(own), *(cell for row in own for cell in row)]
        lines.append(",".join(map(str, cells)))
    (texts / "sequencesGT.csv").write_text("\n".join(lines) + "\n")
    return folder
