"""ActivityNet 1.2 and HACS Segments as BackTAL uses them.

Annotations are ActivityNet's JSON, features one .npz per video.
Both train on the training videos and test on the validation videos; test annotations are not
public.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from wtal_core.data.annotations import Annotations, annotated_videos, read_activitynet_json
from wtal_core.data.clicks import KINDS, simulate_clicks
from wtal_core.data.dataset import Dataset, Video, check_dataset
from wtal_core.data.features import (
    FeaturesByVideo,
    common_length,
    read_npz_streams,
    resample_videos,
)
from wtal_core.data.fingerprint import fingerprint
from wtal_core.data.manifests import DatasetManifest, load_manifest, manifest_path
from wtal_core.data.paths import inside, require
from wtal_core.data.probes import probe_videos
from wtal_core.data.problems import MissingData

SUBSETS = {"train": "training", "test": "validation"}  # also BackTAL's folders of features
FILES = {"activitynet1.2": "activity_net.v1-2.min.json", "hacs": "HACS_segments_v1.1.1.json"}
CLICK_SEED = 0


def annotation_file(name: str, root: Path) -> Path:
    """The JSON of "activitynet1.2" or "hacs".

    Where it is missing, an error says how to get it.
    """
    return require(root / FILES[name], "the file of annotations", name)


def open_activitynet12(root: Path) -> Dataset:
    """Open ActivityNet 1.2 from its folder.

    The JSON, and `{training,validation}/v_<video>.npz` with BackTAL's keys.
    Videos whose features are missing are left out, and the title counts them, because videos vanish
    and every copy of the features lacks some. Clicks are simulated from the training instances, one
    draw, as BackTAL and SF-Net do.
    DIFFERS: features that were rescaled to one length (BackTAL's 100) are brought back to the
    manifest's grid by linear interpolation; the title then says so.
    """
    return _open("activitynet1.2", root)


def open_hacs(root: Path) -> Dataset:
    """Open HACS Segments from its folder, as `open_activitynet12`.

    Its JSON has the same format, with durations as texts.
    """
    return _open("hacs", root)


def _open(name: str, root: Path) -> Dataset:
    manifest = load_manifest(name)
    path = annotation_file(name, root)
    annotations = read_activitynet_json(path)
    of_sides = annotations.videos["subset"].isin(SUBSETS.values())
    labelled = annotations.videos["labels"].map(bool)
    videos = annotations.videos[of_sides & labelled]
    files = _feature_files(name, root, videos)
    dataset = _dataset(manifest, annotations, videos[videos["video"].isin(files)], files)
    content = fingerprint(root, [manifest_path(name), path, *files.values()], name, CLICK_SEED)
    lost = len(videos) - len(files)
    note = f", {lost} videos without features" if lost else ""
    return check_dataset(replace(dataset, fingerprint=content, title=dataset.title + note))


def _feature_files(name: str, root: Path, videos: pd.DataFrame) -> dict[str, Path]:
    """Video -> its .npz, of the videos that have one; an error where a whole subset has none."""
    files = {}
    for row in annotated_videos(videos):
        path = inside(root / row.subset, f"v_{row.video}.npz")
        if path.exists():
            files[row.video] = path
    for subset in SUBSETS.values():
        if not videos["video"][videos["subset"] == subset].isin(files).any():
            raise MissingData(
                f"{name}: no features, looked for {root / subset}/v_<video>.npz; they must be "
                f"obtained by hand: `wtal data verify {name}` says where from"
            )
    return files


def _dataset(
    manifest: DatasetManifest,
    annotations: Annotations,
    videos: pd.DataFrame,
    files: dict[str, Path],
) -> Dataset:
    features = {
        video: read_npz_streams(path, video, manifest.streams, manifest.channels(), manifest.name)
        for video, path in files.items()
    }
    seconds = dict(zip(videos["video"], videos["duration"], strict=True))
    grid = manifest.timebase()

    def snippets(video: str) -> int:
        return max(1, int(grid.snippets(seconds[video])))

    length = common_length(features)
    note = ""
    if length is not None:
        features = resample_videos(features, snippets)
        note = f", features rescaled to {length} snippets and interpolated back"
    train = _videos(videos, "train", features)
    test = _videos(videos, "test", features)
    with_features = annotations.segments["video"].isin(files)
    segments = annotations.segments[with_features].reset_index(drop=True)
    durations = {video.id: float(seconds[video.id]) for video in train}
    trained = segments[segments["video"].isin(durations)]
    return Dataset(
        name=manifest.name,
        title=manifest.title + note,
        origin=manifest.origin,
        classes=annotations.classes,
        streams=manifest.streams,
        timebase=grid,
        train=train,
        test=test,
        segments=segments,
        default_protocol=manifest.default_protocol,
        clicks={kind: simulate_clicks(trained, durations, kind, CLICK_SEED) for kind in KINDS},
        fingerprint="",
        probes=probe_videos([video.id for video in test], segments),
    )


def _videos(videos: pd.DataFrame, side: str, features: FeaturesByVideo) -> tuple[Video, ...]:
    rows = annotated_videos(videos[videos["subset"] == SUBSETS[side]])
    return tuple(Video(row.video, features[row.video], row.labels) for row in rows)
