"""ActivityNet 1.2 and 1.3, and HACS Segments.

Annotations are ActivityNet's JSON, or what W-TALC (1.2) and BSN (1.3) made of it; features come in
any layout of `features.LAYOUTS`.
All train on the training videos and test on the validation videos; test annotations are not public.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from wtal_core.data.annotations import (
    Annotations,
    read_activitynet_json,
    read_bsn,
    read_wtalc,
)
from wtal_core.data.clicks import KINDS, simulate_clicks
from wtal_core.data.dataset import Dataset, check_dataset
from wtal_core.data.features import TIMEBASE_FILE, FeatureSet, feature_names
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import load_manifest, manifest_path
from wtal_core.data.paths import require
from wtal_core.data.probes import probe_videos
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.data.video_data import VideoData, counts_words, titled
from wtal_core.errors import WorkbookError

SUBSETS = {"train": "training", "test": "validation"}  # also BackTAL's folders of features
FILES = {
    "activitynet1.2": "activity_net.v1-2.min.json",
    "activitynet1.3": "activity_net.v1-3.min.json",
    "hacs": "HACS_segments_v1.1.1.json",
}
BSN_FILES = ("v1-3_anet_anno_action.json", "v1-3_video_info_new.csv")
WTALC_FOLDER = "ActivityNet1.2-Annotations"
WTALC_JOINT = "ActivityNet1.2-I3D-JOINTFeatures.npy"
CLICK_SEED = 0
SPLITS = {"train": "training", "validation": "validation", "test": "testing"}
OFFICIAL_SPLITS = {f"official_{split}": subset for split, subset in SPLITS.items()}


def open_activitynet12(root: Path) -> Dataset:
    """Open ActivityNet 1.2 from its folder: the JSON, or W-TALC's folder of arrays, and features.

    Videos whose features are missing are left out, and the title counts them, because videos vanish
    and every copy of the features lacks some. Clicks are simulated from the training instances, one
    draw, as BackTAL and SF-Net do.
    DIFFERS: features that were rescaled to one length (BackTAL's 100) are brought back to the
    manifest's grid by linear interpolation; the title then says so, and a method that asks for that
    length gets them unchanged.
    """
    return _open(activitynet12_without_features(root), root)


def open_activitynet13(root: Path) -> Dataset:
    """Open ActivityNet 1.3 from its folder, as `open_activitynet12`.

    Annotations are the official JSON (10,024 training and 4,926 validation videos) where it is
    there, else BSN's list of the videos that were still available (9,649 and 4,728).
    """
    return _open(activitynet13_without_features(root), root)


def open_hacs(root: Path) -> Dataset:
    """Open HACS Segments from its folder, as `open_activitynet12`.

    Its JSON has the same format, with durations as texts.
    """
    return _open(hacs_without_features(root), root)


def activitynet12_without_features(root: Path) -> VideoData:
    """Annotations of ActivityNet 1.2, and what its features are called.

    W-TALC's arrays are taken with its joint file, whose order is theirs, or without the JSON.
    """
    folder = root / WTALC_FOLDER
    has_joint = any((root / place / WTALC_JOINT).is_file() for place in (".", "features"))
    if not has_joint and ((root / FILES["activitynet1.2"]).exists() or not folder.exists()):
        path = annotation_file("activitynet1.2", root)
        return _without_features("activitynet1.2", read_activitynet_json(path), (path,))
    require(folder, "the folder of annotations that belongs to the joint file", "activitynet1.2")
    annotations = _with_ids(folder, read_wtalc(folder))
    files = tuple(sorted(folder.glob("*.npy")))
    # nobody states how many instances these arrays hold
    return _without_features("activitynet1.2", annotations, files, {})


def activitynet13_without_features(root: Path) -> VideoData:
    """Annotations of ActivityNet 1.3, and what its features are called."""
    official = root / FILES["activitynet1.3"]
    if official.exists():
        annotations = read_activitynet_json(official)
        return _without_features("activitynet1.3", annotations, (official,), OFFICIAL_SPLITS)
    files = tuple(root / file for file in BSN_FILES)
    if not files[0].exists():
        annotation_file("activitynet1.3", root)
    return _without_features("activitynet1.3", read_bsn(root), files)


def hacs_without_features(root: Path) -> VideoData:
    """Annotations of HACS Segments, and what its features are called."""
    path = annotation_file("hacs", root)
    return _without_features("hacs", read_activitynet_json(path), (path,))


def annotation_file(name: str, root: Path) -> Path:
    """The JSON of a data set. Where it is missing, an error says how to get it."""
    return require(root / FILES[name], "the file of annotations", name)


def _with_ids(folder: Path, annotations: Annotations) -> Annotations:
    """W-TALC's arrays with YouTube's ids, as the JSON and every other layout name the videos.

    They end the addresses in `url.npy`; without that file, names stay as they are.
    """
    path = folder / "url.npy"
    if not path.exists():
        return annotations
    urls = [_text(url) for url in load_object_array(path).reshape(-1)]
    names = annotations.videos["video"].tolist()
    if len(urls) != len(names):
        raise WorkbookError(
            f"{path} has {len(urls)} rows, expected {len(names)} as videoname.npy has; get all "
            "files of the folder from one place"
        )
    ids = dict(zip(names, (url.rsplit("=", 1)[-1] for url in urls), strict=True))
    return replace(
        annotations,
        videos=annotations.videos.assign(video=list(ids.values())),
        segments=annotations.segments.assign(video=annotations.segments["video"].map(ids)),
    )


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _without_features(
    name: str,
    annotations: Annotations,
    files: tuple[Path, ...],
    splits: dict[str, str] = SPLITS,
) -> VideoData:
    """Videos without annotations are not among those whose features are looked for."""
    manifest = load_manifest(name)
    in_joint_file = tuple(annotations.videos["video"])
    labelled = annotations.videos["labels"].map(bool)
    used = annotations.videos["subset"].isin(SUBSETS.values()) & labelled
    return VideoData(
        manifest,
        annotations,
        replace(annotations, videos=annotations.videos[used].reset_index(drop=True)),
        SUBSETS,
        splits,
        feature_names(manifest, WTALC_JOINT, SUBSETS),
        in_joint_file,
        (manifest_path(name), *files),
    )


def _open(data: VideoData, root: Path) -> Dataset:
    source = data.require_some(root)
    features = data.read(source)
    there = data.there(source)
    notes = features.notes
    if any(number < of for number, of in there.values()):
        notes = (*notes, f"features of {counts_words(there)}")
    stated = source.place / TIMEBASE_FILE
    files = [*data.files, *([stated] if stated.is_file() else [])]
    name = data.manifest.name
    content = fingerprint(root, files, name, CLICK_SEED, features=source.files())
    dataset = _dataset(data, features)
    title = titled(data.manifest.title, notes)
    return check_dataset(replace(dataset, fingerprint=content, title=title))


def _dataset(data: VideoData, features: FeatureSet) -> Dataset:
    manifest, annotations = data.manifest, data.annotations
    train = data.videos("train", features)
    test = data.videos("test", features)
    with_features = annotations.segments["video"].isin({video.id for video in (*train, *test)})
    segments = annotations.segments[with_features].reset_index(drop=True)
    seconds = {video.video: video.duration for video in data.listed("train")}
    durations = {video.id: _duration(seconds[video.id], video.length, features) for video in train}
    trained = segments[segments["video"].isin(durations)]
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
        default_protocol=manifest.default_protocol,
        clicks={kind: simulate_clicks(trained, durations, kind, CLICK_SEED) for kind in KINDS},
        fingerprint="",
        probes=probe_videos([video.id for video in test], segments),
    )


def _duration(stated: float, length: int, features: FeatureSet) -> float:
    """Seconds of a video; where none are stated, those of its snippets."""
    return stated if np.isfinite(stated) else features.timebase.seconds(float(length))
