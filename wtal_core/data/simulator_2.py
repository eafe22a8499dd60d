"""Simulated untrimmed videos, version 2: data set `simulated-2` and its variants.

One stream of a snippet is

    max(0, gain * (action + motion + scene + background + identity + noise)),

each term a direction times a strength. What version 1 lacked: classes that are alike as those of a
trained I3D classifier are, channels of different strength, noise that lasts, and a background that
every video has of its own. Constants, and the fact or choice behind each:
`data_manifests/datasets/simulated-2.yaml`; how they were calibrated: `docs/simulator.md`.

Every draw has a generator of its own, seeded with the manifest's seed and what is drawn. Variants
therefore share timelines, directions and random numbers, and differ in their one constant only.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core.data.clicks import simulate_clicks
from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video, check_dataset
from wtal_core.data.manifests import DatasetManifest, load_manifest
from wtal_core.data.probes import probe_videos
from wtal_core.data.simulator import Pair, TimelineConstants, draw_timeline, phases
from wtal_core.data.stored import Stored
from wtal_core.errors import WorkbookError
from wtal_core.timebase import Timebase

NAME = "simulated-2"
TEACHING = "teaching-2"
STREAMS = ("rgb", "flow")
SUBSETS = ("train", "test")
# of a generator: the manifest's seed, what it is for, and the number of the stream or the video
TIMELINES, DIRECTIONS, FEATURES = 0, 1, 2
FINE = Timebase(fps=25.0, stride=4.0)  # states change on this grid, whatever the snippets are
AUTOCORRELATION_SECONDS = 0.64  # apart are the snippets whose correlation the constant states


@dataclass(frozen=True)
class Constants2(TimelineConstants):
    """All numbers of the manifest's `simulator` part. Pairs are (rgb, flow).

    cosines: stream -> class -> cosines with the classes before it, in the order of `timelines`.
    """

    cosines: dict[str, dict[str, list[float]]]
    gain_log_deviation: Pair
    autocorrelation: float
    scene_in_background: float
    shared_motion: float
    discriminative: Pair
    weak: Pair
    motion: Pair
    scene: Pair
    scene_share: float
    scene_seconds: float
    lookalike: Pair
    lookalike_rate: float
    lookalike_seconds: float
    lookalike_own: float
    backgrounds: int
    background: Pair
    background_seconds: float
    identity: Pair
    noise: Pair
    # of teaching worlds, off where a manifest does not name it: how long an action takes to appear,
    # and to vanish, at its borders
    fade_seconds: float = 0.0

    @property
    def classes(self) -> tuple[str, ...]:
        """C names, in the order of every array."""
        return tuple(self.timelines)

    def gram(self, stream: str) -> Float[np.ndarray, "C C"]:
        """Cosines of the class directions of a stream, 1 on the diagonal."""
        below = np.zeros((len(self.classes), len(self.classes)))
        for row, label in enumerate(self.classes):
            below[row, :row] = self.cosines[stream][label]
        return below + below.T + np.eye(len(below))


@dataclass(frozen=True)
class Directions:
    """Unit vectors of one stream, at right angles but for classes among themselves and scenes among
    themselves. gain: factor of each channel.
    """

    action: Float[np.ndarray, "C D"]
    scene: Float[np.ndarray, "C D"]
    motion: Float[np.ndarray, " D"]
    gain: Float[np.ndarray, " D"]


@dataclass(frozen=True)
class States:
    """How much of each thing goes on in each snippet of a video, 0 to 1; both streams share it.

    plain, weak: the discriminative part, and the rest, of the instances of each class.
    lookalike: a burst of background that looks like that class.
    scene: the scene of that class, times its strength.
    motion: something that moves like an action.
    background: each of the video's own backgrounds.
    """

    plain: Float[np.ndarray, "T C"]
    weak: Float[np.ndarray, "T C"]
    lookalike: Float[np.ndarray, "T C"]
    scene: Float[np.ndarray, "T C"]
    motion: Float[np.ndarray, "T 1"]
    background: Float[np.ndarray, "T B"]


@dataclass(frozen=True)
class Timeline:
    """What one video shows, before it has features.

    subset: index in `SUBSETS`. number: of the video in it. duration: s. rows: (label, start,
    end) of its instances, s.
    """

    video: str
    subset: int
    number: int
    labels: tuple[str, ...]
    duration: float
    rows: list[tuple[str, float, float]]

    def random(self, constants: Constants2) -> np.random.Generator:
        """The random numbers that its features are drawn with."""
        return generator(constants, FEATURES, self.subset, self.number)


def constants_of(manifest: DatasetManifest) -> Constants2:
    """The `simulator` part of a manifest; raises WorkbookError naming what does not fit."""
    values = manifest.simulator
    known = {field.name for field in fields(Constants2)}
    needed = {field.name for field in fields(Constants2) if field.default is MISSING}
    wrong = (set(values) - known) | (needed - set(values))
    if wrong:
        raise WorkbookError(
            f"{manifest.name}: the simulator constant {min(wrong)} is missing or unknown; "
            f"correct data_manifests/datasets/{NAME}.yaml"
        )
    pairs: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    pairs["timelines"] = {label: tuple(row) for label, row in values["timelines"].items()}
    return Constants2(**pairs)


def open_simulated_2(folder: Path | None = None, name: str = NAME) -> Dataset:
    """The embedded data set of that name. folder: not read; there so that all readers are called
    alike.
    """
    return simulate(name)


def open_teaching(folder: Path | None = None, name: str = TEACHING) -> Dataset:
    """One of the teaching worlds, in each of which one confounder at most is switched on.

    folder: as for `open_simulated_2`.
    """
    return simulate(name)


def simulate(name: str = NAME, timebase: Timebase | None = None) -> Dataset:
    """The data set `simulated-2`, or the variant of it of that name, made in seconds.

    timebase: another grid than the manifest's, such as `Timebase(fps=10.0)`, STPN's 1.6 s; the
    timelines stay, and the fingerprint says so. Raises WorkbookError for a manifest that does not
    fit.
    """
    manifest = load_manifest(name)
    constants = constants_of(manifest)
    grid = timebase or manifest.timebase()
    directions = draw_directions(constants, manifest.channels())
    subsets: dict[str, list[Video]] = {subset: [] for subset in SUBSETS}
    segments: list[tuple[str, str, float, float]] = []
    durations: dict[str, float] = {}
    for line in timelines(manifest, constants):
        durations[line.video] = line.duration
        segments.extend((line.video, *row) for row in line.rows)
        features = _drawn_when_asked(line, directions, constants, grid)
        subsets[SUBSETS[line.subset]].append(Video(line.video, features, line.labels))
    table = pd.DataFrame(segments, columns=SEGMENT_COLUMNS)
    return check_dataset(
        Dataset(
            name=manifest.name,
            title=manifest.title,
            origin=manifest.origin,
            classes=constants.classes,
            streams=STREAMS,
            timebase=grid,
            train=tuple(subsets["train"]),
            test=tuple(subsets["test"]),
            segments=table,
            default_protocol=manifest.default_protocol,
            clicks={
                kind: simulate_clicks(table, durations, kind, constants.seed)
                for kind in ("action", "background")
            },
            probes=probe_videos([video.id for video in subsets["test"]], table),
            fingerprint=content_hash(manifest, grid),
        )
    )


def _drawn_when_asked(
    line: Timeline, directions: dict[str, Directions], constants: Constants2, timebase: Timebase
) -> Stored:
    """The features of a video. Who only reads results never asks for them, and waits for none."""

    @cache
    def drawn() -> dict[str, Float[np.ndarray, "T D"]]:
        rng = line.random(constants)
        what = line.rows, line.labels, line.duration
        return draw_features(*what, directions, constants, timebase, rng)

    shape = whole_snippets(line.duration, timebase), len(directions[STREAMS[0]].motion)
    return Stored(STREAMS, shape, lambda stream: drawn()[stream])


def timelines(manifest: DatasetManifest, constants: Constants2) -> Iterator[Timeline]:
    """Of all videos, one after another: they share one generator."""
    rng = generator(constants, TIMELINES)
    for place, subset in enumerate(SUBSETS):
        for number in range(manifest.splits[subset].videos):
            labels, duration, rows = _own_timeline(number, constants, rng)
            video = f"sim2_{subset}_{number:04d}"
            yield Timeline(video, place, number, labels, duration, rows)


def states_of(name: str, video: str) -> States:
    """What goes on in each snippet of a video of an embedded data set of this model: what its
    features were made of, which no method is told.

    Raises WorkbookError for a video that the data set does not have.
    """
    manifest = load_manifest(name)
    constants = constants_of(manifest)
    line = next((line for line in timelines(manifest, constants) if line.video == video), None)
    if line is None:
        raise WorkbookError(f"{name} has no video {video}; choose one such as sim2_test_0000")
    grid = manifest.timebase()
    states = draw_states(line.rows, line.labels, line.duration, constants, line.random(constants))
    return averaged_states(states, line.duration, grid)


def _own_timeline(
    number: int, constants: Constants2, rng: np.random.Generator
) -> tuple[tuple[str, ...], float, list[tuple[str, float, float]]]:
    """(labels, duration, instances) of a video that shows the class whose turn it is.

    Of two drawn labels a short video may show the other one alone; it is then drawn anew, so that
    every class has its share of the videos.
    """
    own = constants.classes[number % len(constants.classes)]
    while True:
        labels, duration, rows = draw_timeline(number, constants.classes, constants, rng)
        if own in labels:
            return labels, duration, rows


def content_hash(manifest: DatasetManifest, timebase: Timebase | None = None) -> str:
    """SHA-256 of all that decides the content of a simulated data set, in hexadecimal.

    It is that of canonical JSON (sorted keys, no spaces) of version, channels, numbers of videos,
    time base and constants; not of titles and notes. It is the data set's fingerprint, so that each
    run names it.
    """
    content = {
        "version": 2,
        "channels": manifest.channels(),
        "videos": {split: counts.videos for split, counts in manifest.splits.items()},
        "timebase": asdict(timebase or manifest.timebase()),
        "simulator": manifest.simulator,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def generator(constants: Constants2, *purpose: int) -> np.random.Generator:
    """Random numbers of that purpose, and of no other."""
    return np.random.default_rng([constants.seed, *purpose])


def draw_directions(constants: Constants2, size: int) -> dict[str, Directions]:
    """Both streams' directions in D = `size` channels, the same for every data set.

    The cosines of classes are reproduced exactly: rows of a Cholesky factor in a random orthonormal
    basis. Scenes have the same cosines, in channels of their own: who bowls and who bats are on the
    same ground.
    """
    classes = len(constants.classes)
    if size < 2 * classes + 1:
        raise WorkbookError(
            f"{NAME}: {classes} classes need a feature_size of at least {2 * classes + 1}, "
            f"not {size}"
        )
    directions = {}
    for s, stream in enumerate(STREAMS):
        rng = generator(constants, DIRECTIONS, s)
        factor = _factor(constants.gram(stream), stream)
        basis = _orthonormal(2 * classes + 1, size, rng)
        directions[stream] = Directions(
            action=factor @ basis[:classes],
            scene=factor @ basis[classes : 2 * classes],
            motion=basis[-1],
            gain=_log_normal(size, constants.gain_log_deviation[s], rng),
        )
    return directions


def _factor(gram: Float[np.ndarray, "C C"], stream: str) -> Float[np.ndarray, "C C"]:
    """F with F F' = gram."""
    try:
        return np.linalg.cholesky(gram)
    except np.linalg.LinAlgError as error:
        raise WorkbookError(
            f"{NAME}: no directions have the cosines of stream {stream}; correct the manifest"
        ) from error


def _orthonormal(rows: int, size: int, rng: np.random.Generator) -> Float[np.ndarray, "R D"]:
    """Random rows of length 1 at right angles; signs are fixed, which libraries choose freely."""
    basis, triangle = np.linalg.qr(rng.standard_normal((size, rows)))
    return (basis * np.sign(np.diag(triangle))).T


def _log_normal(size: int, deviation: float, rng: np.random.Generator) -> Float[np.ndarray, " D"]:
    """Factors whose logarithms have mean 0 and exactly that deviation."""
    logs = rng.standard_normal(size)
    return np.exp(deviation * (logs - logs.mean()) / logs.std())


def draw_features(
    rows: Sequence[tuple[str, float, float]],
    labels: Sequence[str],
    duration: float,
    directions: dict[str, Directions],
    constants: Constants2,
    timebase: Timebase,
    rng: np.random.Generator,
) -> dict[str, Float[np.ndarray, "T D"]]:
    """Both streams of one video, float32.

    rows: (label, start, end) of its instances, seconds. labels: at video level, perhaps none.
    duration: seconds; T is the number of whole snippets, at least 1.
    """
    states = draw_states(rows, labels, duration, constants, rng)
    states = averaged_states(states, duration, timebase)
    length = len(states.plain)
    correlation = neighbours_correlation(constants, timebase)
    features = {}
    for s, (stream, d) in enumerate(directions.items()):
        size = len(d.motion)
        own = rng.standard_normal((constants.backgrounds + 1, size)) / size**0.5
        identity, backgrounds = own[0], own[1:]
        evidence = (
            constants.discriminative[s] * states.plain
            + constants.weak[s] * states.weak
            + constants.lookalike[s] * states.lookalike
        )
        total = (
            evidence @ d.action
            + constants.shared_motion * constants.motion[s] * states.motion * d.motion
            + constants.scene[s] * states.scene @ d.scene
            + constants.background[s] * states.background @ backgrounds
            + constants.identity[s] * identity
            + constants.noise[s] * lasting_noise(length, size, correlation, rng)
        )
        features[stream] = np.maximum(d.gain * total, 0).astype(np.float32)
    return features


def draw_states(
    rows: Sequence[tuple[str, float, float]],
    labels: Sequence[str],
    duration: float,
    constants: Constants2,
    rng: np.random.Generator,
) -> States:
    """What goes on in a video with these instances and labels, on the grid `FINE`, which no time
    base of snippets has a part in.
    """
    classes = constants.classes
    length = int(np.ceil(FINE.snippets(duration))) + 1
    shown = sorted({*labels, *(label for label, _, _ in rows)})
    columns = np.array([classes.index(label) for label in shown], dtype=np.int64)
    plain, weak = phases(list(rows), classes, length, constants, FINE, rng)
    outside = 1 - np.minimum((plain + weak).sum(1, keepdims=True), 1)

    place = latest_change(length, constants.scene_seconds, rng)
    in_scene = (rng.random(length) < constants.scene_share)[place]
    scene_of = _chosen(columns, length, rng)[place]
    around = _one_hot(np.where(in_scene, scene_of, -1), len(classes)) * outside

    burst = latest_change(length, constants.lookalike_seconds, rng)
    is_burst = (rng.random(length) < constants.lookalike_rate)[burst]
    is_own = (rng.random(length) < constants.lookalike_own)[burst]
    own_class = _chosen(columns, length, rng)[burst]
    any_class = rng.integers(len(classes), size=length)[burst]
    looks_like = np.where(is_own, own_class, any_class)
    lookalike = _one_hot(np.where(is_burst, looks_like, -1), len(classes)) * outside

    appearance = latest_change(length, constants.background_seconds, rng)
    background = rng.integers(constants.backgrounds, size=length)[appearance]
    return States(
        plain=faded(plain, constants.fade_seconds),
        weak=faded(weak, constants.fade_seconds),
        lookalike=lookalike,
        scene=np.minimum(plain + weak, 1) + constants.scene_in_background * around,
        motion=faded(1 - outside, constants.fade_seconds) + lookalike.sum(1, keepdims=True),
        background=_one_hot(background, constants.backgrounds),
    )


def faded(states: Float[np.ndarray, "F K"], seconds: float) -> Float[np.ndarray, "F K"]:
    """The same, where each change takes so many seconds: half of it comes before, half after."""
    size = 2 * round(seconds / FINE.snippet_seconds / 2) + 1
    if size == 1 or not len(states):
        return states
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(states, size, axis=0, mode="constant"))


def averaged_states(states: States, duration: float, timebase: Timebase) -> States:
    """The same in each whole snippet of a video of that duration, at least one."""
    length = whole_snippets(duration, timebase)
    return States(*(averaged(getattr(states, f.name), length, timebase) for f in fields(States)))


def whole_snippets(duration: float, timebase: Timebase) -> int:
    """T of a video of that duration, at least 1."""
    return max(1, int(timebase.snippets(duration) + 1e-9))


def averaged(
    values: Float[np.ndarray, "F K"], length: int, timebase: Timebase
) -> Float[np.ndarray, "T K"]:
    """The mean over each of T = `length` snippets of values on the grid `FINE`; the last value goes
    on.
    """
    borders = FINE.snippets(timebase.seconds(np.arange(length + 1)))
    position = np.clip(borders, 0, len(values))
    sums = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0)])
    whole = np.minimum(position.astype(np.int64), len(values) - 1)
    upto = sums[whole] + (position - whole)[:, None] * values[whole]
    return np.diff(upto, axis=0) / np.diff(borders)[:, None]


def _chosen(
    columns: Int[np.ndarray, " K"], length: int, rng: np.random.Generator
) -> Int[np.ndarray, " T"]:
    """One of `columns` per snippet; -1 where a video shows no class."""
    drawn = rng.integers(max(1, len(columns)), size=length)
    return columns[drawn] if len(columns) else np.full(length, -1)


def _one_hot(column: Int[np.ndarray, " T"], classes: int) -> Float[np.ndarray, "T C"]:
    """1 in that column of each row; none for -1."""
    return (column[:, None] == np.arange(classes)).astype(np.float64)


def latest_change(length: int, seconds: float, rng: np.random.Generator) -> Int[np.ndarray, " F"]:
    """The step of the grid `FINE` in which the state of each step began; a state lasts `seconds` on
    average.
    """
    changes = rng.random(length) < FINE.snippet_seconds / seconds
    return np.maximum.accumulate(np.where(changes, np.arange(length), 0))


def neighbours_correlation(constants: Constants2, timebase: Timebase) -> float:
    """Correlation of the noise of a snippet and the next one on that grid."""
    return float(constants.autocorrelation ** (timebase.snippet_seconds / AUTOCORRELATION_SECONDS))


def lasting_noise(
    length: int, size: int, correlation: float, rng: np.random.Generator
) -> Float[np.ndarray, "T D"]:
    """Normal noise of variance 1 / D in every snippet and channel, whatever the correlation of
    neighbours: n[t] = r n[t - 1] + sqrt(1 - r²) e[t], n[0] = e[0].
    """
    from scipy.signal import lfilter

    fresh = rng.standard_normal((length, size)) / size**0.5
    fresh[1:] *= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], fresh, axis=0))
