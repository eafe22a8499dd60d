"""BEOID and GTEA as SF-Net shares them: arrays, and clicks of four annotators.

Both were filmed from the eyes of the person who acts.
Features: SF-Net's joint file `<DATA SET>-I3D-JOINTFeatures.npy`, one array `[T, 2048]` a video in
the order of the arrays.
"""

from pathlib import Path

import pandas as pd

from wtal_core.data.annotations import Annotations, read_wtalc
from wtal_core.data.clicks import read_annotators, simulate_clicks
from wtal_core.data.dataset import Dataset, Video, check_dataset
from wtal_core.data.features import FeaturesByVideo, read_joint
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest, manifest_path
from wtal_core.data.paths import require
from wtal_core.data.probes import probe_videos
from wtal_core.data.problems import MissingData

SUBSETS = {"train": "training", "test": "validation"}
ANNOTATORS = (1, 2, 3, 4)
CLICK_SEED = 0


def annotation_folder(name: str, root: Path) -> Path:
    """SF-Net's folder of arrays of "beoid" or "gtea".

    An error that says how to get it where it is missing.
    """
    return require(root / f"{name.upper()}-Annotations", "the folder of annotations", name)


def open_beoid(root: Path) -> Dataset:
    """Open BEOID from its folder.

    Action clicks are those of SF-Net's annotators where their files are there; background clicks,
    which nobody published, are simulated from the training instances, one draw.
    """
    return _open("beoid", root)


def open_gtea(root: Path) -> Dataset:
    """Open GTEA from its folder, as `open_beoid`."""
    return _open("gtea", root)


def _open(name: str, root: Path) -> Dataset:
    manifest = load_manifest(name)
    folder = annotation_folder(name, root)
    joint = _joint(name, root)
    annotations = read_wtalc(folder)
    features = read_joint(
        joint, annotations.videos["video"].tolist(), manifest.streams, manifest.channels(), name
    )
    test = _videos(annotations, "test", features)
    clicks = _click_files(name, folder)
    candidates = (manifest_path(name), joint, *folder.glob("*.npy"), *clicks.values())
    files = [path for path in candidates if path.is_file()]
    return check_dataset(
        Dataset(
            name=name,
            title=manifest.title,
            origin=manifest.origin,
            classes=annotations.classes,
            streams=manifest.streams,
            timebase=manifest.timebase(),
            train=_videos(annotations, "train", features),
            test=test,
            segments=annotations.segments,
            default_protocol=manifest.default_protocol,
            clicks=_clicks(annotations, clicks),
            fingerprint=fingerprint(root, files, name, CLICK_SEED),
            probes=probe_videos([video.id for video in test], annotations.segments),
        )
    )


def _videos(annotations: Annotations, side: str, features: FeaturesByVideo) -> tuple[Video, ...]:
    return tuple(
        Video(row.video, features[row.video], row.labels)
        for row in annotations.videos_of(SUBSETS[side])
    )


def _joint(name: str, root: Path) -> Path:
    file = f"{name.upper()}-I3D-JOINTFeatures.npy"
    for path in (root / file, root / "features" / file):
        if path.exists():
            return path
    raise MissingData(
        f"{name}: no features in {root}, looked there and in its folder features for {file}; they "
        f"must be obtained by hand: `wtal data verify {name}` says where from"
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
