"""Simulated features under real THUMOS14 annotations.

`simulated-thumos14` is made when it is opened, with the generative model of `simulated-2`.
`thumos14-simulated` is written, with that of `simulated`, in the layout and at the size in which
the real features come, so that the reader of real features can be exercised.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from wtal_core.data import simulator_2
from wtal_core.data.annotations import Annotations, annotated_videos, read_wtalc
from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video, check_dataset
from wtal_core.data.features import JOINT_FILE
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest
from wtal_core.data.paths import data_root, require
from wtal_core.data.probes import probe_videos
from wtal_core.data.simulator import draw_directions, draw_features, load_constants
from wtal_core.data.thumos14 import ANNOTATIONS, CLICKS, SUBSETS, read_clicks
from wtal_core.errors import WorkbookError
from wtal_core.timebase import Timebase

VERSION_2 = "simulated-thumos14"
ANNOTATED = 3  # purpose of the features' generators, beside those of `simulator_2`
NAME = "thumos14-simulated"
CLICK_FOLDERS = ("action_clicks", "background_clicks")  # beside the annotations, where they are


def open_simulated_thumos14(folder: Path) -> Dataset:
    """THUMOS14's annotations with simulated features. folder: that of `thumos14`."""
    return simulate_thumos14(folder)


def simulate_thumos14(folder: Path, timebase: Timebase | None = None) -> Dataset:
    """The annotations in that folder with features of `simulated-2`'s model, made in seconds.

    timebase: another grid than the manifest's, such as `Timebase(fps=10.0)`, STPN's 1.6 s. Clicks
    are the annotators' where their files are there. Raises WorkbookError where annotations are
    missing or are of other classes.
    """
    manifest = load_manifest(VERSION_2)
    model = load_manifest(simulator_2.NAME)
    constants = simulator_2.constants_of(model)
    grid = timebase or manifest.timebase()
    place = require(folder / ANNOTATIONS, "the folder of annotations", VERSION_2)
    source = read_wtalc(place)
    if source.classes != constants.classes:
        raise WorkbookError(
            f"{place}: its classes are not the {len(constants.classes)} of {simulator_2.NAME}; "
            f"run `wtal data verify {VERSION_2}`"
        )
    videos = _videos(source, constants, manifest.channels(), grid)
    train, test = (
        tuple(videos[name] for name in source.of_subset(SUBSETS[split])["video"])
        for split in ("train", "test")
    )
    clicked = [folder / file for files in CLICKS.values() for file in files.values()]
    files = [*place.iterdir(), *(path for path in clicked if path.is_file())]
    return check_dataset(
        Dataset(
            name=manifest.name,
            title=manifest.title,
            origin=manifest.origin,
            classes=source.classes,
            streams=simulator_2.STREAMS,
            timebase=grid,
            train=train,
            test=test,
            segments=source.segments,
            ambiguous=source.ambiguous,
            default_protocol=manifest.default_protocol,
            left_out=load_manifest("thumos14").left_out,
            clicks=read_clicks(folder, [video.id for video in train]),
            probes=probe_videos([video.id for video in test], source.segments),
            fingerprint=fingerprint(folder, files, simulator_2.content_hash(model, grid)),
        )
    )


def _videos(
    source: Annotations, constants: simulator_2.Constants2, size: int, grid: Timebase
) -> dict[str, Video]:
    """All annotated videos with their features, by name."""
    directions = simulator_2.draw_directions(constants, size)
    instances = _instances(source.segments)
    videos = {}
    for i, video in enumerate(annotated_videos(source.videos)):
        features = simulator_2.draw_features(
            instances.get(video.video, []),
            video.labels,
            video.duration,
            directions,
            constants,
            grid,
            simulator_2.generator(constants, ANNOTATED, i),
        )
        videos[video.video] = Video(video.video, features, video.labels)
    return videos


def write_simulated(
    annotations: Path, out: Path | None = None, seed: int = 0, feature_size: int = 1024
) -> Path:
    """Write data set `thumos14-simulated` below the data root `out`.

    Annotations, joint feature file (T, 2 D), origin.yaml.
    annotations: folder of W-TALC's arrays. The generative model is that of the data set
    `simulated`, with THUMOS14's 20 classes, segments and durations. Needs about 2 GiB of memory at
    D = 1024. Returns the feature file.
    """
    if seed < 0 or feature_size < 1:
        raise WorkbookError(
            f"--seed {seed}, --feature-size {feature_size}: expected at least 0 and at least 1"
        )
    source = read_wtalc(annotations)
    manifest = load_manifest(NAME)
    constants = load_constants()
    rng = np.random.default_rng(seed)
    directions = draw_directions(len(source.classes), feature_size, constants, rng)
    instances = _instances(source.segments)
    videos = annotated_videos(source.videos)
    joint = np.empty(len(videos), dtype=object)
    for i, video in enumerate(tqdm(videos, desc="videos", unit="video")):
        streams = draw_features(
            instances.get(video.video, []),
            video.labels,
            video.duration,
            source.classes,
            directions,
            constants,
            manifest.timebase(),
            rng,
        )
        joint[i] = np.concatenate(list(streams.values()), 1)
    folder = data_root(out) / NAME
    shutil.copytree(annotations, folder / ANNOTATIONS, dirs_exist_ok=True)
    for name in CLICK_FOLDERS:
        clicks = annotations.parent / name
        if clicks.is_dir():
            shutil.copytree(clicks, folder / name, dirs_exist_ok=True)
    (folder / "origin.yaml").write_text(
        yaml.safe_dump({"name": NAME, "title": manifest.title, "origin": manifest.origin})
    )
    partial = folder / f"{JOINT_FILE}.partial"
    with partial.open("wb") as stream:
        np.save(stream, joint)
    os.replace(partial, folder / JOINT_FILE)
    return folder / JOINT_FILE


def _instances(segments: pd.DataFrame) -> dict[str, list[tuple[str, float, float]]]:
    """Video -> (label, start, end) of its instances, in order."""
    instances: dict[str, list[tuple[str, float, float]]] = {}
    columns = [segments[name].tolist() for name in SEGMENT_COLUMNS]
    for video, label, start, end in zip(*columns, strict=True):
        instances.setdefault(video, []).append((label, start, end))
    return instances
