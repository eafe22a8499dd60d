"""Short clips of drawn shapes, made on the spot: something to try `wtal try` and tests on.

They are no footage and show nothing that anybody would look for. A disc of the clip's own colour
is in every frame, so its looks tell nothing; it stands still or wanders about, and now and then it
does one of three motions. Noise and a drifting light make frames differ that show the same.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float, UInt8

from wtal_core.errors import WorkbookError

WIDTH, HEIGHT = 192, 144
RADIUS = 22
RATE = 25  # frames per second
# Lengths in seconds
CLIP = (20.0, 40.0)
ACTION = (2.4, 4.0)
PAUSE = (2.0, 4.0)
REST = 1.5  # before the first and after the last action, at least
TURN = 0.8  # seconds that a motion takes to come back to its beginning
NOISE = 4.0  # deviation of grey values


def _slide(phase: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T 2"]:
    return np.stack([np.sin(phase), 0 * phase], 1)


def _bounce(phase: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T 2"]:
    return np.stack([0 * phase, -np.abs(np.sin(phase))], 1)


def _circle(phase: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T 2"]:
    return np.stack([np.sin(phase), np.cos(phase) - 1], 1)


# phase in radians -> place beside the disc's own, from where it starts at phase 0
MOTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "Bounce": _bounce,
    "Circle": _circle,
    "Slide": _slide,
}
REACH = 34.0  # pixels
# Which motions the clips show, in turn: one or two of each clip
SHOWN = (("Slide",), ("Bounce",), ("Circle",), ("Slide", "Bounce"), ("Circle",), ("Bounce",))
ALSO_SHOWN = (("Slide",), ("Bounce", "Circle"))


@dataclass(frozen=True)
class Clip:
    """What a clip shows. path: the disc's middle in every frame, pixels. segments: label, first and
    last second.
    """

    name: str
    path: Float[np.ndarray, "T 2"]
    segments: tuple[tuple[str, float, float], ...]


def draw_clips(folder: Path, count: int = 8, seed: int = 0, seconds: float | None = None) -> Path:
    """Write `clip 1.mp4` and so on, labels.csv, and segments.csv with what is true.

    count: of clips. seconds: of each; default between 20 and 40. Clips are equal for equal seeds,
    files for equal versions of the encoder. Raises WorkbookError where the folder is there already.
    """
    if folder.exists():
        raise WorkbookError(f"{folder} is there already; name a new folder for drawn clips")
    folder.mkdir(parents=True)
    clips = [planned(number, seed, seconds) for number in range(count)]
    for number, clip in enumerate(clips):
        _encode(
            folder / f"{clip.name}.mp4", pictures(clip, np.random.default_rng([seed, 1, number]))
        )
    rows = [(clip.name, *segment) for clip in clips for segment in clip.segments]
    labels = dict.fromkeys((name, label) for name, label, _, _ in rows)
    _write(folder / "labels.csv", ("video", "label"), list(labels))
    _write(folder / "segments.csv", ("video", "label", "t_start", "t_end"), rows)
    return folder


def planned(number: int, seed: int = 0, seconds: float | None = None) -> Clip:
    """What clip `number`, from 0, shows."""
    rng = np.random.default_rng([seed, 0, number])
    turns = (*SHOWN, *ALSO_SHOWN)
    kinds = turns[number % len(turns)]
    length = rng.uniform(*CLIP) if seconds is None else seconds
    path = _wandering(rng, round(length * RATE))
    segments: list[tuple[str, float, float]] = []
    time = REST + rng.uniform(0, 2.0)
    while True:
        # whole turns, so that the disc does not jump
        end = time + round(rng.uniform(*ACTION) / TURN) * TURN
        if end > length - REST:
            break
        first, last = round(time * RATE), round(end * RATE)
        label = kinds[len(segments) % len(kinds)]
        path[first:last] += REACH * _moved(label, last - first, int(rng.choice((-1, 1))))
        segments.append((label, first / RATE, last / RATE))
        time = end + rng.uniform(*PAUSE)
    return Clip(f"clip {number + 1}", path, tuple(segments))


def _moved(label: str, frames: int, sense: int) -> Float[np.ndarray, "T 2"]:
    phase = 2 * np.pi * np.arange(frames) / RATE / TURN * sense
    return MOTIONS[label](phase)


def _wandering(rng: np.random.Generator, frames: int) -> Float[np.ndarray, "T 2"]:
    """Aimless and slow, with rests, about the picture's middle."""
    places = rng.normal((WIDTH / 2, HEIGHT / 2 + 15), (14, 8), (frames // (2 * RATE) + 3, 2))
    places[2::3] = places[1::3][: len(places[2::3])]  # at rest for two seconds
    times = np.arange(frames) / (2 * RATE)
    return np.stack([np.interp(times, np.arange(len(places)), axis) for axis in places.T], 1)


def pictures(clip: Clip, rng: np.random.Generator) -> Iterator[UInt8[np.ndarray, "144 192 3"]]:
    """The frames of a clip."""
    down, right = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    ground, colour = rng.uniform(60, 120, 3), rng.uniform(150, 250, 3)
    slope = rng.uniform(-0.2, 0.2, 2)
    light = 10 * np.sin(np.arange(len(clip.path)) / RATE * rng.uniform(0.2, 0.5))
    grey = slope[0] * right + slope[1] * down
    still = (ground + grey[..., None]).astype(np.float32)
    for (x, y), brightness in zip(clip.path.astype(np.float32), light, strict=True):
        inside = np.clip(RADIUS - np.hypot(right - x, down - y), 0, 1)
        # a darker spot, so that the disc has an inside
        spot = np.clip(RADIUS / 3 - np.hypot(right - x - 6, down - y - 6), 0, 1)
        disc = (1 - spot / 2)[..., None] * colour.astype(np.float32)
        noise = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32) * NOISE
        frame = (
            still + inside[..., None] * (disc - still) + (noise + np.float32(brightness))[..., None]
        )
        yield np.clip(frame, 0, 255).astype(np.uint8)


def _encode(path: Path, frames: Iterator[UInt8[np.ndarray, "144 192 3"]]) -> None:
    """H.264, as browsers play it. The same frames give the same file, on every processor: with
    frames that look ahead, or with a processor's own instructions, x264 does not.
    """
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {
            "crf": "23",
            "preset": "veryfast",
            "threads": "1",
            "bf": "0",
            "x264-params": "asm=0",
        }
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
