"""Says what is there, missing or wrong of a data set's files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wtal_core.data.activitynet import SUBSETS as ACTIVITYNET_SUBSETS
from wtal_core.data.activitynet import annotation_file
from wtal_core.data.annotations import Annotations, read_activitynet_json, read_bsn, read_wtalc
from wtal_core.data.beoid import SUBSETS as BEOID_SUBSETS
from wtal_core.data.beoid import annotation_folder
from wtal_core.data.dataset import Dataset
from wtal_core.data.features import FeatureSource, find_features, read_features
from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.hapt import open_hapt, read_segments
from wtal_core.data.manifests import Counts, DatasetManifest, FileEntry, load_manifest
from wtal_core.data.paths import data_root
from wtal_core.data.problems import MissingData, kind_of
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
    """Check each file of the manifest, then the counts of videos and instances.

    Counts are checked where the annotations can be read.
    """
    manifest = load_manifest(name)
    folder = data_root(root) / manifest.folder
    findings = [check_file(folder, entry, manifest) for entry in manifest.files]
    source = find_features(folder) if name == "thumos14" else None
    if source is not None:
        findings.append(check_feature_source(source, folder, manifest))
    return findings + _check_counts(manifest, folder)


def check_file(folder: Path, entry: FileEntry, manifest: DatasetManifest) -> Finding:
    """Compare one file with its entry: there, long enough, right checksum.

    Without a checksum: readable, right shape.
    """
    path = folder / entry.path
    if not path.exists():
        return _absent(folder, entry, manifest.name)
    size = path.stat().st_size
    if entry.bytes and size < entry.bytes:
        return Finding(entry.path, "short", f"{entry.bytes} bytes", f"{size} bytes", entry.needed)
    if entry.sha256:
        return _compare_checksum(path, entry, entry.sha256)
    return _check_content(path, entry)


def _absent(folder: Path, entry: FileEntry, name: str) -> Finding:
    for pattern in entry.alternatives:
        number = len(list(folder.glob(pattern)))
        if number:
            return Finding(
                entry.path,
                "ok",
                "this file or another layout",
                f"{number} files {pattern}",
                entry.needed,
            )
    command = f"`wtal data fetch {name}`"
    remedy = command if entry.urls or not entry.note else entry.note
    return Finding(entry.path, "missing", remedy, "nothing", entry.needed)


def _compare_checksum(path: Path, entry: FileEntry, expected: str) -> Finding:
    actual = sha256_of(path)
    status = "ok" if actual == expected else "wrong checksum"
    return Finding(
        entry.path, status, f"sha256 {expected[:12]}", f"sha256 {actual[:12]}", entry.needed
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
    """Read all THUMOS14 features as the opener does.

    The finding names the first video that is missing or wrong.
    """
    expected = f"{manifest.feature_size} values per snippet and stream, all finite"
    name = f"features ({source.layout})"
    try:
        videos = read_wtalc(folder / ANNOTATIONS).videos
        features = read_features(
            source,
            videos["video"].tolist(),
            (videos["subset"] == SUBSETS["train"]).tolist(),
            manifest.streams,
            manifest.channels(),
            frozenset(manifest.left_out["activitynet"]),
        )
    except WorkbookError as error:
        return Finding(name, kind_of(error), expected, str(error))
    return Finding(name, "ok", expected, f"{len(features)} videos")


def _check_counts(manifest: DatasetManifest, folder: Path) -> list[Finding]:
    """Counts of each split.

    Nothing where a file needed to count is absent, as the file's own finding tells.
    """
    if manifest.name not in COUNTERS:
        return []
    try:
        counted = COUNTERS[manifest.name](folder)
    except MissingData:
        return []
    except WorkbookError as error:
        return [Finding("counts", "damaged", "readable annotations", str(error))]
    return [
        _compare_counts(split, counts, counted[split])
        for split, counts in manifest.splits.items()
        if split in counted
    ]


def _compare_counts(split: str, expected: Counts, counted: Counts) -> Finding:
    return Finding(
        f"counts of {split}",
        "ok" if _agree(expected, counted) else "wrong counts",
        _words(expected),
        _words(counted),
    )


def _agree(expected: Counts, counted: Counts) -> bool:
    return expected.videos == counted.videos and expected.instances in (None, counted.instances)


def _words(counts: Counts) -> str:
    instances = "an unknown number of" if counts.instances is None else counts.instances
    return f"{counts.videos} videos, {instances} instances"


def _subset_counts(annotations: Annotations, subsets: dict[str, str]) -> dict[str, Counts]:
    return {split: Counts(*annotations.counts(subset)) for split, subset in subsets.items()}


def _count_thumos14(folder: Path) -> dict[str, Counts]:
    annotations = read_wtalc(folder / ANNOTATIONS)
    counts = _subset_counts(annotations, SUBSETS)
    left_out = load_manifest("thumos14").left_out["activitynet"]
    videos, instances = annotations.counts(SUBSETS["test"])
    instances_left_out = int(annotations.segments["video"].isin(left_out).sum())
    counts["test_activitynet"] = Counts(videos - len(left_out), instances - instances_left_out)
    return counts


def _side_counts(dataset: Dataset) -> dict[str, Counts]:
    return {
        "train": Counts(len(dataset.train), len(dataset.segments_of("train"))),
        "test": Counts(len(dataset.test), len(dataset.segments_of("test"))),
    }


def _count_salads50(folder: Path) -> dict[str, Counts]:
    recordings = read_recordings(folder)
    instances = sum(len(recording.segments) for recording in recordings)
    sides = _side_counts(open_salads50(folder))
    return {
        "recordings": Counts(len(recordings), instances),
        "train_fold0": sides["train"],
        "test_fold0": sides["test"],
    }


def _count_hapt(folder: Path) -> dict[str, Counts]:
    segments = read_segments(folder)
    whole = Counts(segments["video"].nunique(), len(segments))
    return {"recordings": whole, **_side_counts(open_hapt(folder))}


def _count_json(name: str) -> Callable[[Path], dict[str, Counts]]:
    subsets = {
        "train": ACTIVITYNET_SUBSETS["train"],
        "validation": ACTIVITYNET_SUBSETS["test"],
        "test": "testing",
    }

    def count(folder: Path) -> dict[str, Counts]:
        return _subset_counts(read_activitynet_json(annotation_file(name, folder)), subsets)

    return count


def _count_bsn(folder: Path) -> dict[str, Counts]:
    subsets = {"train": "training", "validation": "validation", "test": "testing"}
    return _subset_counts(read_bsn(folder), subsets)


def _count_arrays(name: str) -> Callable[[Path], dict[str, Counts]]:
    def count(folder: Path) -> dict[str, Counts]:
        return _subset_counts(read_wtalc(annotation_folder(name, folder)), BEOID_SUBSETS)

    return count


COUNTERS: dict[str, Callable[[Path], dict[str, Counts]]] = {
    "activitynet1.2": _count_json("activitynet1.2"),
    "activitynet1.3": _count_bsn,
    "beoid": _count_arrays("beoid"),
    "gtea": _count_arrays("gtea"),
    "hacs": _count_json("hacs"),
    "hapt": _count_hapt,
    "salads50": _count_salads50,
    "thumos14": _count_thumos14,
}
