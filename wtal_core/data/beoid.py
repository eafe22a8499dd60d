"""BEOID and GTEA as SF-Net shares them: arrays, and clicks of four annotators.

Both were filmed from the eyes of the person who acts.
Features: SF-Net's joint file `<DATA SET>-I3D-JOINTFeatures.npy`, one array `[T, 2048]` per video in
the order of the arrays; or any other layout of `features.LAYOUTS`.
"""

from pathlib import Path

import pandas as pd

from wtal_core.data.annotations import Annotations, read_wtalc
from wtal_core.data.clicks import read_annotators, simulate_clicks
from wtal_core.data.dataset import Dataset, check_dataset
from wtal_core.data.features import (
    TIMEBASE_FILE,
    feature_names,
    require_features,
    require_videos,
)
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest, manifest_path
from wtal_core.data.paths import require
from wtal_core.data.probes import probe_videos
from wtal_core.data.video_data import VideoData, titled

SUBSETS = {"train": "training", "test": "validation"}
ANNOTATORS = (1, 2, 3, 4)
CLICK_SEED = 0


def beoid_without_features(root: Path) -> VideoData:
    """Annotations of BEOID, and what its features are called."""
    return _without_features("beoid", root)


def gtea_without_features(root: Path) -> VideoData:
    """Annotations of GTEA, and what its features are called."""
    return _without_features("gtea", root)


def open_beoid(root: Path) -> Dataset:
    """Open BEOID from its folder.

    Action clicks are those of SF-Net's annotators where their files are there; background clicks,
    which nobody published, are simulated from the training instances, one draw.
    """
    return _open(beoid_without_features(root), root)


def open_gtea(root: Path) -> Dataset:
    """Open GTEA from its folder, as `open_beoid`."""
    return _open(gtea_without_features(root), root)


def annotation_folder(name: str, root: Path) -> Path:
    """SF-Net's folder of arrays of "beoid" or "gtea".

    An error that says how to get it where it is missing.
    """
    return require(root / f"{name.upper()}-Annotations", "the folder of annotations", name)


def _without_features(name: str, root: Path) -> VideoData:
    manifest = load_manifest(name)
    folder = annotation_folder(name, root)
    annotations = read_wtalc(folder)
    candidates = (manifest_path(name), *folder.glob("*.npy"), *_click_files(name, folder).values())
    return VideoData(
        manifest,
        annotations,
        annotations,
        SUBSETS,
        SUBSETS,
        feature_names(manifest, f"{name.upper()}-I3D-JOINTFeatures.npy", SUBSETS),
        tuple(annotations.videos["video"]),
        tuple(path for path in candidates if path.is_file()),
    )


def _open(data: VideoData, root: Path) -> Dataset:
    manifest, annotations = data.manifest, data.annotations
    name = manifest.name
    source = require_features(data.names, root, data.asked())
    require_videos(source, data.names, [video.video for video in data.asked()])
    features = data.read(source)
    test = data.videos("test", features)
    stated = source.place / TIMEBASE_FILE
    files = [*data.files, *([stated] if stated.is_file() else [])]
    clicks = _click_files(name, annotation_folder(name, root))
    return check_dataset(
        Dataset(
            name=name,
            title=titled(manifest.title, features.notes),
            origin=manifest.origin,
            classes=annotations.classes,
            streams=manifest.streams,
            timebase=features.timebase,
            train=data.videos("train", features),
            test=test,
            segments=annotations.segments,
            default_protocol=manifest.default_protocol,
            clicks=_clicks(annotations, clicks),
            fingerprint=fingerprint(root, files, name, CLICK_SEED, features=source.files()),
            probes=probe_videos([video.id for video in test], annotations.segments),
        )
    )


def _click_files(name: str, folder: Path) -> dict[int, Path]:
    return {
        number: folder / "single_frames" / f"{name.upper()}{number}.txt" for number in ANNOTATORS
    }


def _clicks(annotations: Annotations, files: dict[int, Path]) -> dict[str, pd.DataFrame]:
    """Published action clicks on training videos, and simulated background clicks."""
    train = annotations.of_subset(SUBSETS["train"])
    segments = annotations.segments[annotations.segments["video"].isin(train["video"])]
    durations = dict(zip(train["video"], train["duration"].astype(float), strict=True))
    clicks = {"background": simulate_clicks(segments, durations, "background", CLICK_SEED)}
    action = read_annotators(files, "action")
    if action is not None:
        clicks["action"] = action[action["video"].isin(durations)].reset_index(drop=True)
    return clicks
