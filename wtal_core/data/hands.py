"""Hand skeletons of a camera (Leap Motion): packed files, frame-wise annotations, and features.

A frame is the palm, three joints of the thumb and four of each other finger, every finger ending
with its tip, and how the palm is turned. SHREC'21 and SFINGE 3D are recorded so, by one group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.data.paths import require
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import read_columns

JOINTS = 20  # the palm is the first one
PLACES = slice(0, 3 * JOINTS)  # columns x, y, z of each joint
TURN = slice(3 * JOINTS, 3 * JOINTS + 4)  # quaternion of the palm: x, y, z, w
COLUMNS = 3 * JOINTS + 4
UNIT = 0.1  # mm, of packed places
TURN_UNIT = 1 / 32767  # of packed quaternions
LARGEST_REACH = 300.0  # mm from the palm to a joint; hands of both sets reach 203 mm
SHORTEST_TURN = 0.5  # length of a quaternion, which should be 1
# Speeds about which the scale of velocities turns from linear to logarithmic: a tracker that loses
# the hand for a moment jumps at ten metres per second
SLOW = 100.0  # mm/s
SLOW_TURN = 1.0  # rad/s
MOST_DIGITS = 9  # of a frame's number
CHANNELS = 64  # of each stream
RULES = (LARGEST_REACH, SHORTEST_TURN, SLOW, SLOW_TURN, CHANNELS)  # for fingerprints
FRAME_COLUMNS = ("video", "label", "start_frame", "end_frame")

Skeletons = dict[str, Float[np.ndarray, "_ 64"]]


@dataclass(frozen=True)
class Windows:
    """Overlapping windows. rate: samples per second. size, hop: in samples."""

    rate: float
    size: int
    hop: int


def unpacked(packed: Mapping[str, np.ndarray], source: Path) -> Skeletons:
    """Sequence -> joints in mm and the palm's quaternion, one row per sample.

    packed: int16, places in 0.1 mm, quaternions times 32767. Samples without a hand are filled.
    """
    skeletons = {}
    for name, samples in packed.items():
        if samples.ndim != 2 or samples.shape[1] != COLUMNS or samples.dtype != np.int16:
            raise WorkbookError(
                f"{source}: sequence {name} has shape {samples.shape} and type {samples.dtype}, "
                f"expected (T, {COLUMNS}) of int16"
            )
        places = samples[:, PLACES] * UNIT
        turns = samples[:, TURN] * TURN_UNIT
        try:
            skeletons[name] = filled(np.concatenate([places, turns], axis=1))
        except WorkbookError as error:
            raise WorkbookError(f"{source}: sequence {name} {error}") from error
    return skeletons


def filled(samples: Float[np.ndarray, "S 64"]) -> Float[np.ndarray, "S 64"]:
    """Samples that hold no hand replaced by the last hand before them, the first ones by the first.

    A recording may begin before the tracker has found the hand; its joints are then metres apart.
    """
    tracked = np.flatnonzero(holds_a_hand(samples))
    if len(samples) and not len(tracked):
        raise WorkbookError("holds no hand in any frame")
    if len(tracked) == len(samples):
        return samples
    last = np.searchsorted(tracked, np.arange(len(samples)), side="right") - 1
    return samples[tracked[np.maximum(last, 0)]]


def holds_a_hand(samples: Float[np.ndarray, "S 64"]) -> Bool[np.ndarray, " S"]:
    """Whether all joints are within a hand's reach of the palm, and the palm is turned somehow."""
    joints = samples[:, PLACES].reshape(-1, JOINTS, 3)
    reach = np.linalg.norm(joints - joints[:, :1], axis=2).max(1)
    return (reach < LARGEST_REACH) & (np.linalg.norm(samples[:, TURN], axis=1) > SHORTEST_TURN)


def read_instances(path: Path, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """These columns of a table of instances: `video` and `label` are texts, the others integers."""
    require(path, "the table of instances", name)
    numbers = [column for column in columns if column not in ("video", "label")]
    remedy = f"run `wtal data verify {name}`"
    cells = read_columns(path, columns, remedy)
    for column in ("video", "label"):
        for text in cells[column]:
            if not text:
                raise WorkbookError(f"{path}: a value is missing or below 1; {remedy}")
            values.name(text, f"{path}: a {column}")
    frames = {
        column: [_frame_number(text, path, column, remedy) for text in cells[column]]
        for column in numbers
    }
    table = pd.DataFrame({**cells, **frames}, columns=list(columns))
    return table.astype({"video": str, "label": str, **dict.fromkeys(numbers, np.int64)})


def _frame_number(text: str, path: Path, column: str, remedy: str) -> int:
    """A whole number of at least 1, and of no more digits than any recording's."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS):
        raise WorkbookError(
            f"{path}: columns cannot be read ({column} {shown(text)} is no whole number); {remedy}"
        )
    if int(digits) < 1:
        raise WorkbookError(f"{path}: a value is missing or below 1; {remedy}")
    return int(digits)


def stated_frames(table: pd.DataFrame) -> dict[str, int]:
    """Sequence -> number of its frames, from a column `frames`."""
    counts = table.groupby("video", sort=False)["frames"].max()
    return dict(zip(counts.index.tolist(), counts.tolist(), strict=True))


def check_frames(
    source: Path, name: str, frames: Mapping[str, int], skeletons: Skeletons, step: int
) -> None:
    """Refuse annotations of sequences that the recordings lack, or hold at another length.

    frames: sequence -> frames that its annotation states; every `step`-th one is a sample.
    """
    for sequence, count in frames.items():
        samples = len(skeletons[sequence]) if sequence in skeletons else 0
        if samples != -(-count // step):
            raise WorkbookError(
                f"{name}: {source} states {count} frames of sequence {sequence}, of which its "
                f"recording holds {samples} samples; run `wtal data verify {name}`"
            )


def in_seconds(table: pd.DataFrame, frames: Mapping[str, int], rate: float) -> pd.DataFrame:
    """Frames as seconds; the first frame is 1, and both frames belong to the instance.

    A reversed instance is dropped, because nobody knows which of its two frames is wrong. An end
    past the sequence's end is clipped; what begins there is dropped.
    """
    in_order = table[table["end_frame"] >= table["start_frame"]]
    last = np.minimum(in_order["end_frame"], in_order["video"].map(dict(frames)))
    segments = in_order.assign(
        t_start=(in_order["start_frame"] - 1) / rate, t_end=last.astype(float) / rate
    )
    return segments[segments["t_end"] > segments["t_start"]][SEGMENT_COLUMNS].reset_index(drop=True)


def hand_statistics(
    samples: Float[np.ndarray, "S 64"], windows: Windows
) -> dict[str, Float[np.ndarray, "T _"]]:
    """Both streams of a stretch of samples: statistics of windows that lie in it.

    pose, 132 values: mean and deviation of the joints in the palm's frame (mm) and of the palm's
    rotation matrix. motion, 168 values: mean and deviation of the components of their velocities
    and of the palm's own, mean and maximum of the speeds. Fewer samples than a window give T = 0.
    """
    from scipy.spatial.transform import Rotation

    turns = Rotation.from_quat(samples[:, TURN]) if len(samples) else Rotation.identity(0)
    joints = in_palm_frame(samples, turns)
    pose = np.concatenate([joints.reshape(-1, 57), turns.as_matrix().reshape(-1, 9)], axis=1)
    moved = velocities(samples, joints, turns, windows.rate)
    components = np.arcsinh(moved).reshape(-1, 63)
    speeds = np.arcsinh(np.linalg.norm(moved, axis=2))
    # windows of velocities, which lie between samples, span the same samples
    steps = Windows(windows.rate, windows.size - 1, windows.hop)
    in_pose = cut(pose, windows)
    in_components = cut(components, steps)
    in_speeds = cut(speeds, steps)
    return {
        "motion": _joined(
            in_components.mean(-1), in_components.std(-1), in_speeds.mean(-1), in_speeds.max(-1)
        ),
        "pose": _joined(in_pose.mean(-1), in_pose.std(-1)),
    }


def in_palm_frame(samples: Float[np.ndarray, "S 64"], turns: Any) -> Float[np.ndarray, "S 19 3"]:
    """The joints of the fingers as seen from the palm, mm: wherever the hand is and points to.

    turns: of the palm, one per sample, a `Rotation` of SciPy.
    """
    joints = samples[:, PLACES].reshape(-1, JOINTS, 3)
    away = joints[:, 1:] - joints[:, :1]
    return np.einsum("sij,smi->smj", turns.as_matrix(), away)  # the inverse rotation of each


def velocities(
    samples: Float[np.ndarray, "S 64"],
    joints: Float[np.ndarray, "S 19 3"],
    turns: Any,
    rate: float,
) -> Float[np.ndarray, "V 21 3"]:
    """From each sample to the next, in units of `SLOW` and `SLOW_TURN`.

    Of the 19 joints in the palm's frame, of the palm along the camera's axes, of its rotation about
    its own axes.
    """
    bent = np.diff(joints, axis=0) * rate / SLOW
    carried = np.diff(samples[:, None, :3], axis=0) * rate / SLOW
    if len(samples) < 2:
        return np.concatenate([bent, carried, carried], axis=1)
    turned = (turns[:-1].inv() * turns[1:]).as_rotvec() * rate / SLOW_TURN
    return np.concatenate([bent, carried, turned[:, None]], axis=1)


def cut(values: Float[np.ndarray, "S K"], windows: Windows) -> Float[np.ndarray, "T K W"]:
    """Windows over the rows; none where there are fewer rows than one needs."""
    if len(values) < windows.size:
        return np.zeros((0, values.shape[1], windows.size))
    return sliding_window_view(values, windows.size, axis=0)[:: windows.hop]


def _joined(*parts: Float[np.ndarray, "T _"]) -> Float[np.ndarray, "T _"]:
    return np.concatenate(parts, axis=1).astype(np.float32)
