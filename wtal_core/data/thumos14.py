"""THUMOS14 as the weakly supervised literature uses it.

200 validation videos to train on, 212 (or 210) test videos.
Annotations: W-TALC's arrays (identical with the official ones). Features: whatever layout
`features.py` finds.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from wtal_core.data.annotations import read_wtalc
from wtal_core.data.clicks import read_annotators
from wtal_core.data.dataset import Dataset, check_dataset
from wtal_core.data.features import (
    JOINT_FILE,
    TIMEBASE_FILE,
    FeatureSet,
    feature_names,
    require_features,
    require_videos,
)
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest, manifest_path
from wtal_core.data.paths import require
from wtal_core.data.probes import probe_videos
from wtal_core.data.video_data import VideoData, titled
from wtal_core.errors import WorkbookError
from wtal_core.reading.values import is_file_name, is_name
from wtal_core.reading.yaml_files import read_yaml

ANNOTATIONS = "Thumos14reduced-Annotations"
# the official training videos are trimmed: nobody uses them here
SUBSETS = {"train": "validation", "test": "test"}
# kind of clicks -> annotator -> file
CLICKS = {
    "action": {number: f"action_clicks/THUMOS{number}.txt" for number in (1, 2, 3, 4)},
    "background": {
        number: f"background_clicks/THUMOS14_Background-Click-Annotation_A{number}.txt"
        for number in (1, 2, 3)
    },
}


def thumos14_without_features(root: Path) -> VideoData:
    """Annotations of THUMOS14, and what its features are called."""
    manifest = load_manifest("thumos14")
    folder = require(root / ANNOTATIONS, "the folder of annotations", "thumos14")
    annotations = read_wtalc(folder)
    files = [manifest_path("thumos14"), *folder.iterdir()]
    for by_annotator in CLICKS.values():
        files += [root / file for file in by_annotator.values()]
    return VideoData(
        manifest,
        annotations,
        annotations,
        SUBSETS,
        SUBSETS,
        feature_names(manifest, JOINT_FILE, SUBSETS, "Thumos14reduced"),
        tuple(annotations.videos["video"]),
        tuple(path for path in files if path.is_file()),
    )


def open_thumos14(root: Path) -> Dataset:
    """Open THUMOS14 from its folder.

    Annotations, and features in any of the layouts that circulate.
    `origin.yaml` beside the features overrides name, title and origin, so that simulated features
    are never called real. Clicks are those of all annotators whose files are there (SF-Net's
    THUMOS1 to 4, BackTAL's A1 to A3), for training videos. Features that lack exactly the videos
    which the ActivityNet protocol leaves out (BaS-Net's, 210 test videos) make
    that protocol the default. DIFFERS: features that were rescaled to one length (BackTAL's 750)
    are brought back to the grid of 25 fps and stride 16 by linear interpolation; the title then
    says so, and a method that asks for that length gets them unchanged.
    """
    data = thumos14_without_features(root)
    source = require_features(data.names, root, data.asked())
    optional = data.manifest.left_out["activitynet"]
    require_videos(source, data.names, [v.video for v in data.asked() if v.video not in optional])
    features = data.read(source)
    dataset = _dataset(data, root, features)
    if set(features.by_video) < set(data.annotations.videos["video"]):
        dataset = replace(dataset, default_protocol="activitynet")
    return check_dataset(_named(dataset, source.place, features.notes))


def _dataset(data: VideoData, root: Path, features: FeatureSet) -> Dataset:
    manifest, annotations = data.manifest, data.annotations
    train = data.videos("train", features)
    test = data.videos("test", features)
    with_features = annotations.segments["video"].isin(features.by_video)
    segments = annotations.segments[with_features].reset_index(drop=True)
    return Dataset(
        name=manifest.name,
        title=manifest.title,
        origin=manifest.origin,
        classes=annotations.classes,
        streams=manifest.streams,
        timebase=features.timebase,
        train=train,
        test=test,
        segments=segments,
        ambiguous=annotations.ambiguous,
        default_protocol=manifest.default_protocol,
        left_out=manifest.left_out,
        clicks=read_clicks(root, [video.id for video in train]),
        fingerprint=_fingerprint(data, root, features),
        probes=probe_videos([video.id for video in test], segments),
    )


def _fingerprint(data: VideoData, root: Path, features: FeatureSet) -> str:
    beside = [features.source.place / file for file in ("origin.yaml", TIMEBASE_FILE)]
    files = [*data.files, *(path for path in beside if path.is_file())]
    return fingerprint(root, files, "thumos14", features=features.source.files())


def read_clicks(root: Path, videos: list[str]) -> dict[str, pd.DataFrame]:
    """Clicks of the kinds whose files are there, restricted to `videos`.

    One published file misspells an id.
    `video, label, t` (s), of background clicks also `t_end`, and `annotator`, the number of the
    file, from 1.
    """
    clicks = {}
    for kind, files in CLICKS.items():
        paths = {number: root / file for number, file in files.items()}
        table = read_annotators(paths, kind)
        if table is not None:
            clicks[kind] = table[table["video"].isin(videos)].reset_index(drop=True)
    return clicks


def _named(dataset: Dataset, folder: Path, notes: tuple[str, ...]) -> Dataset:
    """With the name, title and origin that an `origin.yaml` beside the features states."""
    path = folder / "origin.yaml"
    stated = read_origin(path) if path.exists() else {}
    return replace(
        dataset,
        name=stated.get("name", dataset.name),
        title=titled(stated.get("title", dataset.title), notes),
        origin=stated.get("origin", dataset.origin),
    )


def read_origin(path: Path) -> dict[str, str]:
    """Keys `name`, `title`, `origin` of an origin.yaml, the last one required."""
    remedy = "write it again with `wtal data simulate`"
    content = read_yaml(path, remedy=remedy)
    known = {"name", "title", "origin"}
    manifest_name = "thumos14"
    if (
        not isinstance(content, dict)
        or "origin" not in content
        or set(content) - known
        or not all(isinstance(value, str) and is_name(value) for value in content.values())
        or not is_file_name(content.get("name", manifest_name))
    ):
        raise WorkbookError(
            f"{path}: expected the texts `origin`, and perhaps `title` and `name`; {remedy}"
        )
    return content
