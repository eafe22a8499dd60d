"""Says what is there, missing or wrong of a data set's files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wtal_core.data.activitynet import SUBSETS as ACTIVITYNET_SUBSETS
from wtal_core.data.activitynet import annotation_file
from wtal_core.data.annotations import Annotations, read_activitynet_json, read_bsn, read_wtalc
from wtal_core.data.beoid import SUBSETS as BEOID_SUBSETS
from wtal_core.data.beoid import annotation_folder
from wtal_core.data.features import FeatureSource, find_features, read_features
from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.hapt import open_hapt, read_segments
from wtal_core.data.manifests import Counts, DatasetManifest, FileEntry, load_manifest
from wtal_core.data.paths import data_root
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.data.salads50 import open_salads50, read_recordings
from wtal_core.data.thumos14 import ANNOTATIONS, SUBSETS
from wtal_core.errors import WorkbookError


@dataclass(frozen=True)
class Finding:
    """What is known of one file (or of the counts of one split).

    status: "ok", "missing", "short", "wrong shape", "not finite", "wrong checksum", "damaged" or
    "wrong counts".
    needed: whether the data set opens without it. expected, found: in words.
    """

    file: str
    status: str
    expected: str
    found: str
    needed: bool = True


def verify(name: str, root: str | Path | None = None) -> list[Finding]:
    """Check each file of the manifest, then the counts of videos and instances where the
    annotations can be read.
    """
    manifest = load_manifest(name)
    folder = data_root(root) / manifest.folder
    findings = [check_file(folder, entry, manifest) for entry in manifest.files]
    if source := find_features(folder) if name == "thumos14" else None:
        findings.append(check_feature_source(source, folder, manifest))
    return findings + _check_counts(manifest, folder)


def check_file(folder: Path, entry: FileEntry, manifest: DatasetManifest) -> Finding:
    """Compare one file with its entry: there, long enough, right checksum; without a checksum:
    readable, right shape.
    """
    path = folder / entry.path
    if not path.exists():
        return _absent(folder, entry, manifest.name)
    size = path.stat().st_size
    if entry.bytes and size < entry.bytes:
        return Finding(entry.path, "short", f"{entry.bytes} bytes", f"{size} bytes", entry.needed)
    if entry.sha256:
        return _compare_checksum(path, entry)
    return _check_content(path, entry)


def _absent(folder: Path, entry: FileEntry, name: str) -> Finding:
    for pattern in entry.alternatives:
        if found := sorted(folder.glob(pattern)):
            return Finding(
                entry.path,
                "ok",
                "this file or another layout",
                f"{len(found)} files {pattern}",
                entry.needed,
            )
    remedy = (
        f"`wtal data fetch {name}`" if entry.urls else entry.note or f"`wtal data fetch {name}`"
    )
    return Finding(entry.path, "missing", remedy, "nothing", entry.needed)


def _compare_checksum(path: Path, entry: FileEntry) -> Finding:
    found = sha256_of(path)
    status = "ok" if found == entry.sha256 else "wrong checksum"
    return Finding(
        entry.path, status, f"sha256 {entry.sha256[:12]}", f"sha256 {found[:12]}", entry.needed
    )


def _check_content(path: Path, entry: FileEntry) -> Finding:
    if path.suffix != ".npy":
        return Finding(
            entry.path, "ok", "checksum unknown", f"{path.stat().st_size} bytes", entry.needed
        )
    try:
        shape = load_object_array(path).shape
    except WorkbookError as error:
        return Finding(entry.path, "damaged", "a readable .npy file", str(error), entry.needed)
    status = "ok" if entry.shape in (None, shape) else "wrong shape"
    return Finding(
        entry.path, status, f"shape {entry.shape}", f"shape {shape}, checksum unknown", entry.needed
    )


def check_feature_source(source: FeatureSource, folder: Path, manifest: DatasetManifest) -> Finding:
    """Read all THUMOS14 features as the opener does, and name the first video that is missing or
    wrong.
    """
    expected = f"{manifest.feature_size} values a snippet and stream, all finite"
    name = f"features ({source.layout})"
    try:
        videos = read_wtalc(folder / ANNOTATIONS).videos
        found = read_features(
            source,
            videos["video"].tolist(),
            (videos["subset"] == SUBSETS["train"]).tolist(),
            manifest.streams,
            manifest.feature_size,
            frozenset(manifest.left_out["activitynet"]),
        )
    except WorkbookError as error:
        return Finding(name, _status_of(str(error)), expected, str(error))
    return Finding(name, "ok", expected, f"{len(found)} videos")


def _status_of(message: str) -> str:
    """The status that an error of the feature readers stands for."""
    words = {"NaN": "not finite", "shape": "wrong shape", "missing": "missing"}
    return next((status for word, status in words.items() if word in message), "damaged")


def _check_counts(manifest: DatasetManifest, folder: Path) -> list[Finding]:
    """Counts of each split; nothing where a file needed to count is absent, as the file's own
    finding tells.
    """
    if manifest.name not in COUNTERS:
        return []
    try:
        found = COUNTERS[manifest.name](folder)
    except WorkbookError as error:
        return (
            []
            if "missing" in str(error)
            else [Finding("counts", "damaged", "readable annotations", str(error))]
        )
    return [
        _compare_counts(split, counts, found[split])
        for split, counts in manifest.splits.items()
        if split in found
    ]


def _compare_counts(split: str, expected: Counts, found: Counts) -> Finding:
    return Finding(
        f"counts of {split}",
        "ok" if _agree(expected, found) else "wrong counts",
        _words(expected),
        _words(found),
    )


def _agree(expected: Counts, found: Counts) -> bool:
    return expected.videos == found.videos and expected.instances in (None, found.instances)


def _words(counts: Counts) -> str:
    instances = "an unknown number of" if counts.instances is None else counts.instances
    return f"{counts.videos} videos, {instances} instances"


def _subset_counts(annotations: Annotations, subsets: dict[str, str]) -> dict[str, Counts]:
    return {split: Counts(*annotations.counts(subset)) for split, subset in subsets.items()}


def _count_thumos14(folder: Path) -> dict[str, Counts]:
    annotations = read_wtalc(folder / ANNOTATIONS)
    found = _subset_counts(annotations, SUBSETS)
    left_out = load_manifest("thumos14").left_out["activitynet"]
    gone = int(annotations.segments["video"].isin(left_out).sum())
    found["test_activitynet"] = Counts(
        found["test"].videos - len(left_out), found["test"].instances - gone
    )
    return found


def _count_opened(opener: Callable) -> Callable[[Path], dict[str, Counts]]:
    def count(folder: Path) -> dict[str, Counts]:
        dataset = opener(folder)
        return {
            side: Counts(len(getattr(dataset, side)), len(dataset.segments_of(side)))
            for side in ("train", "test")
        }

    return count


def _count_salads50(folder: Path) -> dict[str, Counts]:
    recordings = read_recordings(folder)
    whole = Counts(len(recordings), sum(len(recording.segments) for recording in recordings))
    opened = _count_opened(open_salads50)(folder)
    return {"recordings": whole, **{f"{side}_fold0": counts for side, counts in opened.items()}}


def _count_hapt(folder: Path) -> dict[str, Counts]:
    segments = read_segments(folder)
    whole = Counts(segments["video"].nunique(), len(segments))
    return {"recordings": whole, **_count_opened(open_hapt)(folder)}


def _count_json(name: str) -> Callable[[Path], dict[str, Counts]]:
    subsets = {
        "train": ACTIVITYNET_SUBSETS["train"],
        "validation": ACTIVITYNET_SUBSETS["test"],
        "test": "testing",
    }
    return lambda folder: _subset_counts(
        read_activitynet_json(annotation_file(name, folder)), subsets
    )


def _count_arrays(name: str) -> Callable[[Path], dict[str, Counts]]:
    return lambda folder: _subset_counts(read_wtalc(annotation_folder(name, folder)), BEOID_SUBSETS)


COUNTERS = {
    **{name: _count_json(name) for name in ("activitynet1.2", "hacs")},
    **{name: _count_arrays(name) for name in ("beoid", "gtea")},
    "thumos14": _count_thumos14,
    "hapt": _count_hapt,
    "salads50": _count_salads50,
    "activitynet1.3": lambda folder: _subset_counts(
        read_bsn(folder), {"train": "training", "validation": "validation", "test": "testing"}
    ),
}
