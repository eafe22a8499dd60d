"""Says what is there, missing or wrong of a data set's files."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wtal_core.data import sfinge3d, shrec21
from wtal_core.data.dataset import Dataset
from wtal_core.data.features import FeatureSource
from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.hapt import read_segments
from wtal_core.data.lengths import TOLERANCE_WORDS, check_lengths
from wtal_core.data.manifests import (
    Counts,
    DatasetManifest,
    FileEntry,
    load_manifest,
    manifest_path,
)
from wtal_core.data.opening import OPENERS, VIDEO_DATA, open_dataset
from wtal_core.data.own_data import survey_of
from wtal_core.data.own_survey import Survey
from wtal_core.data.paths import data_root
from wtal_core.data.problems import kind_of
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.data.salads50 import read_recordings
from wtal_core.data.stored import Stored, length_of
from wtal_core.data.video_data import VideoData, counts_words
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import is_special

# Share of videos whose features may not fit the stated duration: published lists err in a few
MISFITS_ALLOWED = 0.01
SHOWN = 10  # names in a list
Watched = Callable[[Sequence[Any], str], Iterable[Any]]
READERS = 4  # files that are read at a time


@dataclass(frozen=True)
class Finding:
    """What is known of one file (or of the counts of one split).

    status: "ok", "missing", "incomplete", "short", "wrong shape", "wrong length", "not finite",
        "wrong checksum", "damaged" or "wrong counts".
    needed: whether the data set opens without it. expected, found: in words.
    """

    file: str
    status: str
    expected: str
    found: str
    needed: bool = True


def verify(
    name: str, root: str | Path | None = None, watched: Watched | None = None
) -> list[Finding]:
    """Check each file of the manifest, the features, the counts of videos and instances, and
    whether the data set opens.

    Counts are checked where the annotations can be read. All features are read, as training would.
    watched: passes on the items of a list that is gone through, such as a progress bar does; its
    second argument names what they are.
    """
    watched = watched or _unwatched
    manifest = load_manifest(name, root)
    if manifest.own:
        return _verify_own(manifest, root, watched)
    folder = data_root(root) / manifest.folder
    entries = [entry for entry in manifest.files if not entry.features]
    findings = [check_file(folder, entry, manifest) for entry in watched(entries, "file")]
    if manifest_path(name).stem not in OPENERS:  # detections, which nothing is trained on
        return findings
    if name not in VIDEO_DATA:
        return findings + _check_recordings(manifest, folder, root)
    try:
        data = VIDEO_DATA[name](folder)
    except WorkbookError as error:
        return [*findings, Finding("annotations", kind_of(error), "readable ones", str(error))]
    findings += [
        _compare_counts(split, manifest.splits[split], Counts(*data.published.counts(subset)))
        for split, subset in data.splits.items()
    ]
    if name == "thumos14":
        findings.append(_count_activitynet_protocol(data))
    return findings + _check_features(name, data, folder, root, watched)


def _unwatched(items: Sequence[Any], unit: str) -> Iterable[Any]:
    return items


def _verify_own(
    manifest: DatasetManifest, root: str | Path | None, watched: Watched
) -> list[Finding]:
    """A data set that a user has added: its files and tables as they are now, and all values."""
    expected = "what `wtal data add` found"
    try:
        data = survey_of(manifest, root)
    except WorkbookError as error:
        return [Finding("files and tables", kind_of(error), expected, str(error))]
    found = "; ".join((f"{len(data.features)} videos", *data.lacking, *data.notes))
    findings = [Finding("files and tables", "ok", expected, found)]
    for side, counts in manifest.splits.items():
        videos = manifest.own["split"][side]
        instances = int(data.segments["video"].isin(videos).sum())
        findings.append(_compare_counts(side, counts, Counts(len(videos), instances)))
    return [*findings, _check_stored(data, watched)]


def _check_stored(data: Survey, watched: Watched) -> Finding:
    """All values, of several files at a time: what is found first is what comes first by name."""
    expected = f"{data.files.size} values per snippet and stream, all finite"
    with ThreadPoolExecutor(READERS) as pool:
        features = [data.features[video] for video in sorted(data.features)]
        checks = [pool.submit(_problem, stored) for stored in features]
        for check in watched(checks, "video"):
            problem = check.result()
            if problem is not None:
                pool.shutdown(cancel_futures=True)
                return Finding("values", kind_of(problem), expected, str(problem))
    return Finding("values", "ok", expected, f"{len(data.features):,} videos read")


def _problem(features: Stored) -> WorkbookError | None:
    try:
        for stream in features:
            features[stream]
    except WorkbookError as error:
        return error
    return None


def _check_recordings(
    manifest: DatasetManifest, folder: Path, root: str | Path | None
) -> list[Finding]:
    """Data sets whose features are made here: counts, and whether they open."""
    try:
        dataset = open_dataset(manifest.name, root)
        base = manifest_path(manifest.name).stem
        counted = COUNTERS.get(base, _count_nothing)(folder, dataset)
    except WorkbookError as error:
        return [Finding("opening", kind_of(error), "a data set that opens", str(error))]
    findings = [
        _compare_counts(split, counts, counted[split])
        for split, counts in manifest.splits.items()
        if split in counted
    ]
    return [
        *findings,
        Finding("opening", "ok", "a data set that opens", dataset.title),
        Finding("fingerprint", "ok", "hash of all that decides the content", dataset.fingerprint),
    ]


def _check_features(
    name: str, data: VideoData, folder: Path, root: str | Path | None, watched: Watched
) -> list[Finding]:
    """Which videos have features, whether the data set opens with them, and all their values."""
    note = _features_note(data.manifest)
    try:
        source = data.find(folder)
    except WorkbookError as error:
        return [Finding("features", kind_of(error), note, str(error))]
    there = data.there(source)
    if source is None or all(number == 0 for number, _ in there.values()):
        return [Finding("features", "missing", note, counts_words(there))]
    findings = [_check_complete(data, source)]
    try:
        dataset = open_dataset(name, root)
    except WorkbookError as error:
        return [*findings, Finding("opening", kind_of(error), "a data set that opens", str(error))]
    return [
        *findings,
        Finding("opening", "ok", "a data set that opens", dataset.title),
        _check_values(dataset, watched),
        _check_lengths(dataset, data),
    ]


def _check_complete(data: VideoData, source: FeatureSource) -> Finding:
    """How many videos have features, which ones have none, and what lies beside them."""
    found = counts_words(data.there(source))
    optional = {video for videos in data.manifest.left_out.values() for video in videos}
    asked = [video.video for video in data.asked()]
    missing = [video for video in asked if video not in source.paths and video not in optional]
    if missing:
        found += f"; missing: {_some(missing)}"
    if source.unnamed:
        found += f"; files of no video: {_some([path.name for path in source.unnamed])}"
    status = "incomplete" if missing else "ok"
    return Finding(f"features ({source.layout})", status, "all videos that are annotated", found)


def _some(names: Sequence[str]) -> str:
    """The first ten of them, and how many there are beside."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _features_note(manifest: DatasetManifest) -> str:
    return next((entry.note for entry in manifest.files if entry.features), "features")


def _check_values(dataset: Dataset, watched: Watched) -> Finding:
    expected = f"{dataset.feature_size()} values per snippet and stream, all finite"
    try:
        for video in watched((*dataset.train, *dataset.test), "video"):
            features = video.features if video.as_stored is None else video.as_stored
            for stream in dataset.streams:
                features[stream]
    except WorkbookError as error:
        return Finding("values", kind_of(error), expected, str(error))
    number = len(dataset.train) + len(dataset.test)
    return Finding("values", "ok", expected, f"{number:,} videos read")


def _check_lengths(dataset: Dataset, data: VideoData) -> Finding:
    """T of every video against its duration; features of one length have no time base of their
    own.
    """
    timebase = dataset.timebase
    expected = f"T of duration x {timebase.fps:g} / {timebase.stride:g}, {TOLERANCE_WORDS}"
    first = dataset.train[0].as_stored
    if first is not None:
        found = f"every video has {length_of(first)}: rescaled, nothing to compare"
        return Finding("length", "ok", expected, found)
    lengths = {video.id: video.length for video in (*dataset.train, *dataset.test)}
    seconds = {video.video: video.seconds for video in data.asked()}
    check = check_lengths(lengths, seconds, timebase)
    status = "wrong length" if check.misfits else "ok"
    needed = len(check.misfits) > MISFITS_ALLOWED * check.compared
    found = check.words() if check.misfits else f"{check.compared:,} videos fit"
    return Finding("length", status, expected, found, needed)


def check_file(folder: Path, entry: FileEntry, manifest: DatasetManifest) -> Finding:
    """Compare one file with its entry: there, long enough, right checksum.

    Without a checksum: readable, right shape.
    """
    path = folder / entry.path
    if entry.features:
        return _check_any_features(folder, entry, manifest.name)
    if not path.exists():
        return _absent(folder, entry, manifest.name)
    if is_special(path):
        return Finding(entry.path, "damaged", "a file", "a device or a pipe", entry.needed)
    size = path.stat().st_size
    if entry.bytes and size < entry.bytes:
        return Finding(entry.path, "short", f"{entry.bytes} bytes", f"{size} bytes", entry.needed)
    if entry.sha256:
        return _compare_checksum(path, entry, entry.sha256)
    return _check_content(path, entry)


def _check_any_features(folder: Path, entry: FileEntry, name: str) -> Finding:
    """Whether there are features at all, in whatever layout."""
    try:
        source = VIDEO_DATA[name](folder).find(folder)
    except WorkbookError as error:
        return Finding(entry.path, kind_of(error), entry.note, str(error), entry.needed)
    if source is None:
        return Finding(entry.path, "missing", entry.note, "nothing", entry.needed)
    return Finding(entry.path, "ok", "features", f"{len(source.paths):,} videos", entry.needed)


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


def _count_activitynet_protocol(data: VideoData) -> Finding:
    """THUMOS14's test videos without those that the ActivityNet protocol leaves out."""
    left_out = data.manifest.left_out["activitynet"]
    videos, instances = data.published.counts(data.subsets["test"])
    instances_left_out = int(data.published.segments["video"].isin(left_out).sum())
    counted = Counts(videos - len(left_out), instances - instances_left_out)
    return _compare_counts("test_activitynet", data.manifest.splits["test_activitynet"], counted)


def _side_counts(dataset: Dataset) -> dict[str, Counts]:
    return {
        "train": Counts(len(dataset.train), len(dataset.segments_of("train"))),
        "test": Counts(len(dataset.test), len(dataset.segments_of("test"))),
    }


def _count_nothing(folder: Path, dataset: Dataset) -> dict[str, Counts]:
    return {}


def _count_salads50(folder: Path, first_fold: Dataset) -> dict[str, Counts]:
    recordings = read_recordings(folder)
    instances = sum(len(recording.segments) for recording in recordings)
    sides = _side_counts(first_fold)
    return {
        "recordings": Counts(len(recordings), instances),
        "train_fold0": sides["train"],
        "test_fold0": sides["test"],
    }


def _count_hapt(folder: Path, dataset: Dataset) -> dict[str, Counts]:
    segments = read_segments(folder)
    whole = Counts(segments["video"].nunique(), len(segments))
    return {"recordings": whole, **_side_counts(dataset)}


def _count_sides(folder: Path, dataset: Dataset) -> dict[str, Counts]:
    return _side_counts(dataset)


def _count_shrec21(folder: Path, dataset: Dataset) -> dict[str, Counts]:
    skeletons = shrec21.read_skeletons(folder)
    segments = shrec21.read_segments(folder, skeletons)
    return {"recordings": Counts(len(skeletons), len(segments)), **_side_counts(dataset)}


def _count_sfinge3d(folder: Path, first_fold: Dataset) -> dict[str, Counts]:
    skeletons = sfinge3d.read_skeletons(folder)
    segments = sfinge3d.read_segments(folder, skeletons)
    sides = _side_counts(first_fold)
    return {
        "recordings": Counts(len(skeletons), len(segments)),
        "train_fold0": sides["train"],
        "test_fold0": sides["test"],
    }


COUNTERS: dict[str, Callable[[Path, Dataset], dict[str, Counts]]] = {
    "hapt": _count_hapt,
    "hapt-transitions": _count_sides,
    "salads50": _count_salads50,
    "sfinge3d": _count_sfinge3d,
    "shrec21": _count_shrec21,
    "shrec21-sequences": _count_sides,
    "simulated-2": _count_sides,
    "simulated-thumos14": _count_sides,
    "teaching-2": _count_sides,
}
