"""Simulated untrimmed videos.

Timelines come from THUMOS14's statistics, features from a generative model with known confounders.
Every constant and the fact behind it: `data_manifests/datasets/simulated.yaml`. Deterministic from
the seed there.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.clicks import simulate_clicks
from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video, check_dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.errors import WorkbookError
from wtal_core.timebase import Timebase

Pair = tuple[float, float]


@dataclass(frozen=True)
class TimelineConstants:
    """The numbers of a manifest's `simulator` part that timelines are drawn from."""

    seed: int
    timelines: dict[str, tuple[float, float, float, float]]
    duration_log_mean: float
    duration_log_deviation: float
    duration_range: Pair
    second_label: float
    gap_limit: float
    lead_in: float
    lead_out: float
    discriminative_part: float


@dataclass(frozen=True)
class Constants(TimelineConstants):
    """All numbers of the manifest's `simulator` part. Pairs are (rgb, flow) strengths."""

    discriminative: Pair
    weak: Pair
    motion: Pair
    scene: Pair
    scene_share: float
    scene_seconds: float
    lookalike_rate: float
    lookalike_seconds: float
    generic_backgrounds: int
    generic: Pair
    generic_seconds: float
    identity: Pair
    noise: Pair


@dataclass(frozen=True)
class Directions:
    """Unit vectors of one stream, drawn once per data set.

    They are what a class, its scene, motion and backgrounds look like.
    """

    action: Float[np.ndarray, "C D"]
    scene: Float[np.ndarray, "C D"]
    motion: Float[np.ndarray, " D"]
    generic: Float[np.ndarray, "G D"]


def load_constants() -> Constants:
    """The constants of the manifest `simulated`."""
    values = load_manifest("simulated").simulator
    expected = {f.name for f in fields(Constants)}
    if wrong := expected ^ set(values):
        raise WorkbookError(
            f"simulated.yaml: the simulator constant {min(wrong)} is missing or unknown"
        )
    constants: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    constants["timelines"] = {label: tuple(row) for label, row in values["timelines"].items()}
    return Constants(**constants)


def open_simulated(folder: Path | None = None) -> Dataset:
    """The embedded data set, generated in seconds.

    folder: not read; there so that all readers are called alike.
    """
    manifest = load_manifest("simulated")
    constants = load_constants()
    timebase = manifest.timebase()
    rng = np.random.default_rng(constants.seed)
    classes = tuple(constants.timelines)
    directions = draw_directions(len(classes), manifest.channels(), constants, rng)
    subsets: dict[str, tuple[Video, ...]] = {}
    segments: list[tuple[str, str, float, float]] = []
    durations: dict[str, float] = {}
    for subset, prefix in (("train", "sim_train"), ("test", "sim_test")):
        videos = []
        for i in range(manifest.splits[subset].videos):
            name = f"{prefix}_{i:04d}"
            labels, duration, rows = draw_timeline(i, classes, constants, rng)
            durations[name] = duration
            segments.extend((name, *row) for row in rows)
            features = draw_features(
                rows, labels, duration, classes, directions, constants, timebase, rng
            )
            videos.append(Video(name, features, labels))
        subsets[subset] = tuple(videos)
    table = pd.DataFrame(segments, columns=SEGMENT_COLUMNS)
    clicks = {
        kind: simulate_clicks(table, durations, kind, constants.seed)
        for kind in ("action", "background")
    }
    sizes = [
        manifest.feature_size,
        {name: split.videos for name, split in manifest.splits.items()},
        asdict(timebase),
    ]
    content = json.dumps([sizes, asdict(constants)], sort_keys=True)
    return check_dataset(
        Dataset(
            name="simulated",
            title=manifest.title,
            origin=manifest.origin,
            classes=classes,
            streams=tuple(manifest.streams),
            timebase=timebase,
            train=subsets["train"],
            test=subsets["test"],
            segments=table,
            default_protocol=manifest.default_protocol,
            clicks=clicks,
            probes=choose_probes(table, subsets["test"]),
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        )
    )


def choose_probes(segments: pd.DataFrame, test: tuple[Video, ...]) -> tuple[str, ...]:
    """Two test videos for figures, by rule and not by result.

    Of those with one class, the ones with most and with the median number of instances.
    """
    single = {video.id for video in test if len(video.labels) == 1}
    of_single = segments[segments["video"].isin(single)]
    counts = of_single.groupby("video").size().sort_values(kind="stable")
    return counts.index[-1], counts.index[len(counts) // 2]


def draw_timeline(
    number: int,
    classes: tuple[str, ...],
    constants: TimelineConstants,
    rng: np.random.Generator,
) -> tuple[tuple[str, ...], float, list[tuple[str, float, float]]]:
    """(labels, duration in seconds, [(label, start, end)]) of one video.

    Classes come in turn, a second one at random.
    """
    low, high = constants.duration_range
    drawn = rng.lognormal(constants.duration_log_mean, constants.duration_log_deviation)
    duration = float(np.clip(drawn, low, high))
    labels = [classes[number % len(classes)]]
    if rng.random() < constants.second_label:
        step = 1 + int(rng.integers(len(classes) - 1))
        labels.append(classes[(number + step) % len(classes)])
    rows: list[tuple[str, float, float]] = []
    position = duration * float(rng.uniform(0, 2 * constants.lead_in))
    last = duration * float(rng.uniform(1 - 2 * constants.lead_out, 1))
    while True:
        label = labels[int(rng.integers(len(labels)))]
        length_median, length_spread, gap_median, gap_spread = constants.timelines[label]
        deviations = float(np.clip(rng.standard_normal(), -np.inf, constants.gap_limit))
        start = position + gap_median * np.exp(gap_spread * deviations)
        end = start + length_median * np.exp(length_spread * rng.standard_normal())
        if end > last and rows:
            break
        if end > duration:  # the first one always fits: a video shows its class at least once
            end = duration * float(rng.uniform(0.5, 1))
            start = max(0.0, end - min(length_median, duration / 2))
        rows.append((label, round(float(start), 1), round(float(max(end, start + 0.2)), 1)))
        position = end
    return tuple(sorted({label for label, _, _ in rows})), round(duration, 2), rows


def draw_directions(
    classes: int, size: int, constants: Constants, rng: np.random.Generator
) -> dict[str, Directions]:
    """Random directions of each stream."""

    def unit(*shape: int) -> np.ndarray:
        vectors = rng.standard_normal((*shape, size))
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    return {
        stream: Directions(
            unit(classes), unit(classes), unit(), unit(constants.generic_backgrounds)
        )
        for stream in ("rgb", "flow")
    }


def draw_features(
    rows: list[tuple[str, float, float]],
    labels: tuple[str, ...],
    duration: float,
    classes: tuple[str, ...],
    directions: dict[str, Directions],
    constants: Constants,
    timebase: Timebase,
    rng: np.random.Generator,
    snippets: int | None = None,
) -> dict[str, Float[np.ndarray, "T D"]]:
    """Both streams of one video, float32.

    The hidden states (phase, scene, look-alike, background) are shared by them.
    """
    length = max(1, int(duration / timebase.snippet_seconds)) if snippets is None else snippets
    columns = np.array([classes.index(label) for label in labels] or [0])
    plain, weak = phases(rows, classes, length, constants, timebase, rng)
    inside = np.minimum((plain + weak).sum(1, keepdims=True), 1)  # (T, 1)
    stay = timebase.snippet_seconds / constants.scene_seconds
    scene = switching(length, constants.scene_share, stay, rng)[:, None] * (1 - inside) + inside
    burst = timebase.snippet_seconds / constants.lookalike_seconds
    lookalike = switching(length, constants.lookalike_rate, burst, rng)[:, None] * (1 - inside)
    owner = columns[rng.integers(len(columns), size=length)]
    generic = rng.integers(constants.generic_backgrounds, size=length)
    changes = rng.random(length) < timebase.snippet_seconds / constants.generic_seconds
    generic = generic[np.maximum.accumulate(np.where(changes, np.arange(length), 0))]
    features = {}
    for s, (stream, d) in enumerate(directions.items()):
        size = d.action.shape[1]
        identity = rng.standard_normal(size) / size**0.5
        noise = rng.standard_normal((length, size), dtype=np.float32) * (2 / size**0.5)
        total = (
            constants.discriminative[s] * plain @ d.action
            + constants.weak[s] * weak @ d.action
            + constants.motion[s] * (inside + lookalike) * d.motion
            + constants.weak[s] / 2 * lookalike * d.action[owner]
            + constants.scene[s] * scene * d.scene[owner]
            + constants.generic[s] * d.generic[generic]
            + constants.identity[s] * identity
            + constants.noise[s] * noise
        )
        features[stream] = np.maximum(total, 0).astype(np.float32)
    return features


def phases(
    rows: list[tuple[str, float, float]],
    classes: tuple[str, ...],
    length: int,
    constants: TimelineConstants,
    timebase: Timebase,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "T C"], Float[np.ndarray, "T C"]]:
    """Share of each snippet in the discriminative part, and in the rest, of each class.

    Parts of one class's instances are added up.
    """
    plain = np.zeros((length, len(classes)))
    whole = np.zeros((length, len(classes)))
    for label, start, end in rows:
        part = constants.discriminative_part * (end - start)
        begin = start + rng.random() * (end - start - part)
        column = classes.index(label)
        whole[:, column] += covered(start, end, length, timebase)
        plain[:, column] += covered(begin, begin + part, length, timebase)
    plain = np.minimum(plain, 1)
    return plain, np.maximum(np.minimum(whole, 1) - plain, 0)


def covered(start: float, end: float, length: int, timebase: Timebase) -> Float[np.ndarray, " T"]:
    """Share of each snippet that lies in [start, end), seconds."""
    first = timebase.snippets(start)
    last = timebase.snippets(end)
    grid = np.arange(length)
    return np.clip(np.minimum(grid + 1, last) - np.maximum(grid, first), 0, 1)


def switching(
    length: int, share: float, leave: float, rng: np.random.Generator
) -> Bool[np.ndarray, " T"]:
    """A two-state process that is on for `share` of the time.

    It redraws its state with probability `leave` per snippet.
    """
    state = rng.random(length) < share
    redraw = rng.random(length) < leave
    return state[np.maximum.accumulate(np.where(redraw, np.arange(length), 0))]
