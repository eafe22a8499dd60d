"""Drawn videos: a stick figure that waits, walks, hops and waves, for chapter zero.

All is known of them: what happens when, how the figure stands at any time, and so what a frame
shows. What is measured of a snippet is measured of its drawn frames. A trampoline stands around
most hopping: the scene that goes with a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video
from wtal_core.timebase import Timebase

CLASSES = ("hopping", "waving")
FRAMES_PER_SECOND, FRAMES_PER_SNIPPET = 8, 4
TIMEBASE = Timebase(float(FRAMES_PER_SECOND), float(FRAMES_PER_SNIPPET))
QUANTITIES = {
    "look": ("arms raised", "trampoline in view"),
    "motion": ("up and down", "arms move", "sideways"),
}
NOISE = 0.06  # deviation of a measurement, beside quantities of about 0 to 1
HOPS_PER_SECOND, WAVES_PER_SECOND = 1.1, 1.3
LONGEST_PIECE = 14.0  # seconds that a piece of a training video takes, with the pause after it
TRAINING_VIDEOS, TRAINING_SECONDS = 24, 64.0
SEED = 3


@dataclass(frozen=True)
class Piece:
    """What the figure does from `start` to `end`, in seconds; effort: how strongly, 0 to 1."""

    act: str
    start: float
    end: float
    effort: float = 1.0


@dataclass(frozen=True)
class DrawnVideo:
    """pieces: what happens, in order of time; between them the figure waits. trampolines: from when
    to when one is in view.
    """

    id: str
    seconds: float
    pieces: tuple[Piece, ...]
    trampolines: tuple[tuple[float, float], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that the video shows somewhere: all that training may see."""
        acts = {piece.act for piece in self.pieces}
        return tuple(name for name in CLASSES if name in acts)


@dataclass(frozen=True)
class Pose:
    """Of one frame. height: of the feet, arms: how far they are raised, both 0 to 1. place: 0 at
    the left border of the picture, 1 at the right one.
    """

    height: float
    arms: float
    place: float
    trampoline: bool


FOLLOWED = DrawnVideo(
    "the video of this chapter",
    48.0,
    (
        Piece("walking", 2.0, 5.0),
        Piece("hopping", 10.0, 15.0),
        Piece("waving", 20.0, 25.0),
        Piece("walking", 27.0, 29.5),
        Piece("hopping", 33.0, 35.0),
        Piece("hopping", 40.5, 45.5, effort=0.6),
    ),
    ((7.5, 17.0), (31.0, 38.0)),
)


def pose(video: DrawnVideo, second: float) -> Pose:
    """How the figure stands at a time."""
    height, arms, place = 0.0, 0.0, 0.5
    for piece in video.pieces:
        if not piece.start <= second < piece.end:
            continue
        since = second - piece.start
        if piece.act == "hopping":
            height = piece.effort * abs(np.sin(np.pi * HOPS_PER_SECOND * since))
            arms = 0.4 * height
        elif piece.act == "waving":
            arms = piece.effort * (0.7 + 0.3 * np.cos(2 * np.pi * WAVES_PER_SECOND * since))
        elif piece.act == "walking":
            place = 0.5 + 0.3 * np.sin(2 * np.pi * since / (piece.end - piece.start))
    in_view = any(start <= second < end for start, end in video.trampolines)
    return Pose(float(height), float(arms), float(place), in_view)


def frames(video: DrawnVideo) -> list[Pose]:
    """All frames, `FRAMES_PER_SECOND`."""
    count = int(video.seconds * FRAMES_PER_SECOND)
    return [pose(video, number / FRAMES_PER_SECOND) for number in range(count)]


def frames_of(video: DrawnVideo, snippet: int) -> list[Pose]:
    """The frames of one snippet."""
    first = snippet * FRAMES_PER_SNIPPET
    return frames(video)[first : first + FRAMES_PER_SNIPPET]


def measured(video: DrawnVideo, generator: np.random.Generator) -> Video:
    """The features of a drawn video: stream -> `[T, D]`, columns as in `QUANTITIES`."""
    every = frames(video)
    arms = np.array([frame.arms for frame in every])
    view = np.array([float(frame.trampoline) for frame in every])
    changes = {
        "up and down": 4 * _change(np.array([frame.height for frame in every])),
        "arms move": 4 * _change(arms),
        "sideways": 8 * _change(np.array([frame.place for frame in every])),
    }
    columns = {"arms raised": arms, "trampoline in view": view, **changes}
    streams = {}
    for stream, names in QUANTITIES.items():
        exact = np.stack([_per_snippet(columns[name]) for name in names], axis=1)
        streams[stream] = exact + generator.normal(0, NOISE, exact.shape)
    return Video(video.id, streams, video.labels)


def _change(values: Float[np.ndarray, " F"]) -> Float[np.ndarray, " F"]:
    """From each frame to the one before it."""
    return np.abs(np.diff(values, prepend=values[:1]))


def _per_snippet(values: Float[np.ndarray, " F"]) -> Float[np.ndarray, " T"]:
    """The mean over the frames of each snippet."""
    return values.reshape(-1, FRAMES_PER_SNIPPET).mean(axis=1)


def invented(name: str, generator: np.random.Generator) -> DrawnVideo:
    """A training video: pieces in a drawn order, of one class or of both, or of none."""
    acts = [act for act in CLASSES if generator.random() < 0.5]
    pieces, trampolines = [], []
    now = float(generator.uniform(1, 5))
    while now < TRAINING_SECONDS - LONGEST_PIECE:
        act = str(generator.choice(["walking", "waiting", *acts, *acts]))
        length = float(generator.uniform(2, 6))
        if act != "waiting":
            pieces.append(Piece(act, now, now + length, float(generator.uniform(0.6, 1))))
        if act == "hopping" and generator.random() < 0.8:
            before, after = generator.uniform(1, 4, size=2)
            trampolines.append((now - float(before), now + length + float(after)))
        now += length + float(generator.uniform(2, 6))
    return DrawnVideo(name, TRAINING_SECONDS, tuple(pieces), tuple(trampolines))


def segments(videos: Sequence[DrawnVideo]) -> pd.DataFrame:
    """`video, label, t_start, t_end` of the pieces that show a class."""
    rows = [
        (video.id, piece.act, piece.start, piece.end)
        for video in videos
        for piece in video.pieces
        if piece.act in CLASSES
    ]
    return pd.DataFrame(rows, columns=SEGMENT_COLUMNS)


def drawn_dataset() -> Dataset:
    """24 training videos, and the one that chapter zero follows."""
    generator = np.random.default_rng(SEED)
    training = [invented(f"drawn_{n:02d}", generator) for n in range(TRAINING_VIDEOS)]
    return Dataset(
        name="drawn",
        title="Drawn videos",
        origin="simulated",
        classes=CLASSES,
        streams=tuple(QUANTITIES),
        timebase=TIMEBASE,
        train=tuple(measured(video, generator) for video in training),
        test=(measured(FOLLOWED, generator),),
        segments=segments([*training, FOLLOWED]),
        default_protocol="activitynet",
        fingerprint=f"drawn videos, seed {SEED}",
        probes=(FOLLOWED.id,),
    )


def weights_from_labels(
    dataset: Dataset,
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"], Float[np.ndarray, "D C"]]:
    """mean `[D]`, deviation `[D]` and class weights `[D, C]`: what videos with a label have more of
    than videos without it, in deviations. No segment is used.
    """
    stacked = [np.concatenate(list(video.features.values()), axis=1) for video in dataset.train]
    every = np.concatenate(stacked)
    mean, deviation = every.mean(axis=0), every.std(axis=0)
    of_video = np.stack([(one.mean(axis=0) - mean) / deviation for one in stacked])
    columns = []
    for name in dataset.classes:
        has = np.array([name in video.labels for video in dataset.train])
        columns.append(of_video[has].mean(axis=0) - of_video[~has].mean(axis=0))
    return mean, deviation, np.stack(columns, axis=1)


def activation(dataset: Dataset, video: Video) -> Float[np.ndarray, "T C"]:
    """The class activation sequences of a video, by `weights_from_labels`."""
    mean, deviation, weights = weights_from_labels(dataset)
    stacked = np.concatenate(list(video.features.values()), axis=1)
    return ((stacked - mean) / deviation) @ weights
