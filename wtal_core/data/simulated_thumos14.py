"""Simulated features under real THUMOS14 annotations.

They are written in the layout in which the real features come.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from wtal_core.data.annotations import annotated_videos, read_wtalc
from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.data.features import JOINT_FILE
from wtal_core.data.manifests import load_manifest
from wtal_core.data.paths import data_root
from wtal_core.data.simulator import draw_directions, draw_features, load_constants
from wtal_core.data.thumos14 import ANNOTATIONS

NAME = "thumos14-simulated"
CLICK_FOLDERS = ("action_clicks", "background_clicks")  # beside the annotations, where they are


def write_simulated(
    annotations: Path, out: Path | None = None, seed: int = 0, feature_size: int = 1024
) -> Path:
    """Write data set `thumos14-simulated` below the data root `out`.

    Annotations, joint feature file (T, 2 D), origin.yaml.
    annotations: folder of W-TALC's arrays. The generative model is that of the data set
    `simulated`, with THUMOS14's 20 classes, segments and durations. Needs about 2 GiB of memory at
    D = 1024. Returns the feature file.
    """
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
