"""The features of video data sets, in whatever layout they come.

Any data set may come in any layout, see `LAYOUTS`. Up to `AT_ONCE` bytes are read when the data set
is opened; of more, only headers are, and values when a batch asks for them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

from wtal_core.data.lengths import LengthCheck, check_lengths
from wtal_core.data.manifests import DatasetManifest
from wtal_core.data.paths import inside
from wtal_core.data.problems import MissingData, NotFinite, WrongLength, WrongShape
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.data.stored import (
    AT_ONCE,
    Features,
    Stored,
    StoredArray,
    bytes_of,
    hdf5_arrays,
    in_memory,
    length_of,
    npy_array,
    npz_arrays,
)
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.yaml_files import read_yaml
from wtal_core.timebase import Timebase, checked_timebase

JOINT_FILE = "Thumos14reduced-I3D-JOINTFeatures.npy"
LAYOUTS = {
    "joint": "{joint}, one array per video in the order of the annotation arrays",
    "per stream": "{{train,test}}/{{rgb,flow}}/<video>.npy",
    "npz": "{{train,test}}/<video>.npz with feat_spa and feat_tem, rgb and flow, or feature",
    "hdf5": "*.h5 or *.hdf5 with one array per video, or one group with rgb and flow",
    "npy": "{{train,test}}/<video>.npy",
}
# BackTAL, lib/dataset/dataset.py: spatial, temporal
BACKTAL_KEYS = {"rgb": "feat_spa", "flow": "feat_tem"}
JOINT_KEYS = ("feature", "features", "")
HDF5_ENDINGS = (".h5", ".hdf5")
TIMEBASE_FILE = "timebase.yaml"
MISSING_SHOWN = 10

FeaturesByVideo = dict[str, Features]


class Asked(NamedTuple):
    """A video whose features are looked for.

    side: "train" or "test". seconds: its duration, NaN if not stated.
    """

    video: str
    side: str
    seconds: float


@dataclass(frozen=True)
class FeatureNames:
    """What the features of a data set are called.

    joint: name of W-TALC's joint file. places: folders that are looked through, "." the data set's.
    folders: side -> names of its folder; videos of both sides may also lie in one.
    """

    name: str
    joint: str
    streams: tuple[str, ...]
    size: int
    folders: Mapping[str, tuple[str, ...]]
    places: tuple[str, ...] = (".", "features")


@dataclass(frozen=True)
class FeatureSource:
    """Features that were found on disk.

    layout: a key of `LAYOUTS`. place: folder. paths: video -> stream -> file; the stream is ""
    where one file holds all of them. unnamed: files that belong to no video.
    """

    layout: str
    place: Path
    paths: dict[str, dict[str, Path]]
    unnamed: tuple[Path, ...] = ()

    def files(self) -> list[Path]:
        """All feature files of videos, sorted."""
        return sorted({path for by_stream in self.paths.values() for path in by_stream.values()})


@dataclass(frozen=True)
class FeatureSet:
    """Features of the videos that have some.

    by_video: on the snippet grid of `timebase`. as_stored: where they came rescaled to one length,
    that length's values; else empty. check: of their lengths; None where they came rescaled. notes:
    what the title must add.
    """

    source: FeatureSource
    by_video: FeaturesByVideo
    as_stored: FeaturesByVideo
    timebase: Timebase
    check: LengthCheck | None
    notes: tuple[str, ...]


def feature_names(
    manifest: DatasetManifest, joint: str, subsets: Mapping[str, str], *places: str
) -> FeatureNames:
    """subsets: side -> what the annotations call it, which is also a name of its folder."""
    folders = {
        side: (side, subset, *(["val"] if subset == "validation" else []))
        for side, subset in subsets.items()
    }
    return FeatureNames(
        manifest.name,
        joint,
        manifest.streams,
        manifest.channels(),
        folders,
        (".", *places, "features"),
    )


def find_features(names: FeatureNames, root: Path, asked: Sequence[Asked]) -> FeatureSource | None:
    """The first layout found of `LAYOUTS`, in that order, place by place; None if there is none."""
    for folder in names.places:
        place = root / folder
        if (place / names.joint).is_file():
            paths = {video.video: {"": place / names.joint} for video in asked}
            return FeatureSource("joint", place, paths)
        for layout, finder in FINDERS.items():
            source = finder(layout, names, place, asked)
            if source.paths:
                return source
    return None


def _find_files(
    layout: str, names: FeatureNames, place: Path, asked: Sequence[Asked]
) -> FeatureSource:
    """Layouts of one file per video, or per video and stream."""
    ending = ".npz" if layout == "npz" else ".npy"
    streams = names.streams if layout == "per stream" else ("",)
    order = {side: (*folders, ".") for side, folders in names.folders.items()}
    listings = {
        folder: {stream: _listing(place / folder / stream, ending) for stream in streams}
        for folders in order.values()
        for folder in folders
    }
    usable = {folder for folder, by_stream in listings.items() if all(by_stream.values())}
    paths: dict[str, dict[str, Path]] = {}
    for video in asked if usable else ():
        for folder in order[video.side]:
            files = _files_of(video.video, listings[folder]) if folder in usable else {}
            if files:
                paths[video.video] = files
                break
    used = {path for files in paths.values() for path in files.values()}
    unnamed = set()
    for by_stream in listings.values():
        for listing in by_stream.values():
            unnamed |= set(listing.values()) - used
    return FeatureSource(layout, place, paths, tuple(sorted(unnamed)))


def _files_of(video: str, listings: Mapping[str, Mapping[str, Path]]) -> dict[str, Path]:
    """Stream -> file of a video; nothing unless all are there.

    Only files that a folder lists are taken, so that no id leads out of it.
    """
    for stem in _stems(video):
        if all(stem in listing for listing in listings.values()):
            return {stream: listing[stem] for stream, listing in listings.items()}
    return {}


def _listing(folder: Path, ending: str) -> dict[str, Path]:
    """Stem -> file of a folder. A link may not lead out of it."""
    if not folder.is_dir():
        return {}
    listing = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(ending) or entry.is_dir():
                continue
            path = inside(folder, entry.name) if entry.is_symlink() else folder / entry.name
            listing[entry.name.removesuffix(ending)] = path
    return listing


def _stems(video: str) -> tuple[str, str]:
    """ActivityNet's files are called `v_<video>`, its lists name videos with or without it."""
    return (video, video[2:] if video.startswith("v_") else f"v_{video}")


def _find_hdf5(
    layout: str, names: FeatureNames, place: Path, asked: Sequence[Asked]
) -> FeatureSource:
    files = [path for ending in HDF5_ENDINGS for path in sorted(place.glob(f"*{ending}"))]
    entries = {name: path for path in files for name in hdf5_arrays(path)}
    paths = {}
    for video in asked if entries else ():
        for stem in _stems(video.video):
            if stem in entries:
                paths[video.video] = {"": entries[stem]}
    return FeatureSource(layout, place, paths)


FINDERS: dict[str, Callable[[str, FeatureNames, Path, Sequence[Asked]], FeatureSource]] = {
    "per stream": _find_files,
    "npz": _find_files,
    "hdf5": _find_hdf5,
    "npy": _find_files,
}


def require_features(names: FeatureNames, root: Path, asked: Sequence[Asked]) -> FeatureSource:
    """As `find_features`, but nothing found is an error.

    It says what was looked for, and where.
    """
    source = find_features(names, root, asked)
    if source is not None:
        return source
    layouts = "; ".join(words.format(joint=names.joint) for words in LAYOUTS.values())
    raise MissingData(
        f"{names.name}: no features in {root}, looked there and in its folders "
        f"{', '.join(names.places[1:])} for {layouts}; they must be obtained by hand: `wtal data "
        f"verify {names.name}` says where from"
    )


def require_videos(source: FeatureSource, names: FeatureNames, videos: Sequence[str]) -> None:
    """Refuse a source that lacks some of these videos; the error lists them."""
    missing = [video for video in videos if video not in source.paths]
    if not missing:
        return
    more = f" and of {len(missing) - MISSING_SHOWN} more" if len(missing) > MISSING_SHOWN else ""
    raise MissingData(
        f"{names.name}: features of {len(missing)} of {len(videos)} videos are missing in "
        f"{source.place} (layout {source.layout}): {', '.join(missing[:MISSING_SHOWN])}{more}"
    )


def read_features(
    names: FeatureNames,
    source: FeatureSource,
    asked: Sequence[Asked],
    grid: Timebase,
    in_joint_file: Sequence[str] = (),
) -> FeatureSet:
    """Features of the videos that the source has, on the snippet grid.

    grid: unless a `timebase.yaml` beside the features states another one. in_joint_file: the videos
    in the order of the joint file. Features that do not fit most videos' durations are refused.
    """
    timebase = read_timebase(source.place / TIMEBASE_FILE, grid)
    videos = [video for video in asked if video.video in source.paths]
    stored, cut = _all_stored(names, source, videos, in_joint_file)
    if sum(bytes_of(features) for features in stored.values()) <= AT_ONCE:
        stored = {video: _held(features) for video, features in stored.items()}
    seconds = {video.video: video.seconds for video in videos}
    notes = []
    if cut:
        word = "video has" if cut == 1 else "videos have"
        notes.append(f"{cut} {word} one snippet more in one stream, which is cut off")
    lengths = {video: length_of(features) for video, features in stored.items()}
    check = check_lengths(lengths, seconds, timebase)
    common = common_length(stored)
    if common is not None and check.misfits:
        notes.append(f"features rescaled to {common} snippets and interpolated back")
        on_grid = _on_grid(names, stored, seconds, timebase)
        return FeatureSet(source, on_grid, stored, timebase, None, tuple(notes))
    if check.is_another_timebase:
        raise WrongLength(
            f"{names.name}: {check.words()}. Get features of that frame rate and stride, or state "
            f"theirs in {source.place / TIMEBASE_FILE}, two lines such as `fps: 30` and "
            "`stride: 16`"
        )
    if check.misfits:
        notes.append(check.words())
    return FeatureSet(source, stored, {}, timebase, check, tuple(notes))


def read_timebase(path: Path, grid: Timebase) -> Timebase:
    """The time base that a `timebase.yaml` states with `fps` and `stride`; without one, `grid`."""
    if not path.exists():
        return grid
    remedy = "write `fps: 30` and `stride: 16`, each in a line of its own"
    complaint = ": expected the numbers `fps` and `stride`, each in a line of its own"
    content = read_yaml(path, complaint, remedy)
    if not isinstance(content, dict) or not {"fps", "stride"} <= set(content):
        raise WorkbookError(f"{path}{complaint}; {remedy}")
    fps = values.number(content["fps"], f"{path}{complaint}; fps")
    stride = values.number(content["stride"], f"{path}{complaint}; stride")
    if not (fps > 0 and stride > 0):
        raise WorkbookError(f"{path}: fps {fps:g} and stride {stride:g} must be larger than 0")
    return checked_timebase(Timebase(fps, stride, grid.offset), path)


def _all_stored(
    names: FeatureNames,
    source: FeatureSource,
    videos: Sequence[Asked],
    in_joint_file: Sequence[str],
) -> tuple[FeaturesByVideo, int]:
    """Features per video, and in how many of them a stream was cut by one snippet."""
    if source.layout == "joint":
        joint = read_joint(source.place / names.joint, in_joint_file, names)
        return {video.video: joint[video.video] for video in videos}, 0
    in_hdf5 = {}
    if source.layout == "hdf5":
        in_hdf5 = {path: hdf5_arrays(path) for path in source.files()}
    features: FeaturesByVideo = {}
    cut = 0
    for video in videos:
        by_stream = source.paths[video.video]
        if source.layout == "hdf5":
            entries = in_hdf5[by_stream[""]]
            arrays = next(entries[stem] for stem in _stems(video.video) if stem in entries)
        elif source.layout == "npz":
            arrays = npz_arrays(by_stream[""])
        else:
            arrays = {stream: npy_array(path) for stream, path in by_stream.items()}
        features[video.video], is_cut = stored_features(video.video, arrays, names)
        cut += is_cut
    return features, cut


def _held(features: Features) -> Features:
    return in_memory(features) if isinstance(features, Stored) else features


@dataclass(frozen=True)
class _Columns:
    """Where one stream of a video lies: columns of an array, rows of one stored as [D, T]."""

    array: StoredArray
    first: int
    is_turned: bool

    @property
    def length(self) -> int:
        return self.array.shape[1 if self.is_turned else 0]


def stored_features(
    video: str, arrays: Mapping[str, StoredArray], names: FeatureNames
) -> tuple[Stored, bool]:
    """Features of one video from the arrays of its file or files, and whether one was cut.

    They have BackTAL's keys, one key per stream, or are one joint array, the first stream first
    (rgb 0:1024, flow 1024:2048). Streams that differ by one snippet are cut to the shorter one.
    """
    columns = _columns(video, arrays, names)
    lengths = {column.length for column in columns.values()}
    if max(lengths) - min(lengths) > 1:
        raise WrongShape(
            f"{names.name}: the streams of video {video} have {max(lengths)} and {min(lengths)} "
            f"snippets; they may differ by one; run `wtal data verify {names.name}`"
        )
    length = min(lengths)
    read = partial(_read_stream, video, columns, length, names.size, names.name)
    return Stored(names.streams, (length, names.size), read), len(lengths) > 1


def _columns(
    video: str, arrays: Mapping[str, StoredArray], names: FeatureNames
) -> dict[str, _Columns]:
    plain_keys = {stream: stream for stream in names.streams}
    for keys in (plain_keys, BACKTAL_KEYS):
        if all(keys.get(stream) in arrays for stream in names.streams):
            parts = {stream: arrays[keys[stream]] for stream in names.streams}
            return {
                stream: _Columns(array, 0, _is_turned(video, array, names.size, names.name))
                for stream, array in parts.items()
            }
    for key in JOINT_KEYS:
        if key in arrays:
            array = arrays[key]
            is_turned = _is_turned(video, array, names.size * len(names.streams), names.name)
            return {
                stream: _Columns(array, i * names.size, is_turned)
                for i, stream in enumerate(names.streams)
            }
    path = next((array.path for array in arrays.values()), "the file of features")
    raise WorkbookError(
        f"{path} holds {sorted(arrays)} of video {video}, expected "
        f"{' and '.join(BACKTAL_KEYS.values())}, {' and '.join(names.streams)}, or one of feature, "
        "features"
    )


def _is_turned(video: str, array: StoredArray, size: int, name: str) -> bool:
    """Whether an array is stored `[D, T]`, as BackTAL's are; everything else is `[T, D]`.

    Told apart by D; `[D, D]` is taken as `[T, D]`. Another size is an error.
    """
    _check_header(array.shape, array.dtype, size, video, name)
    return array.shape[1] != size


def _check_header(
    shape: tuple[int, ...], dtype: np.dtype, size: int, video: str, name: str
) -> None:
    if dtype.kind not in "fiu":
        raise WorkbookError(
            f"{name}: features of video {video} are not an array of numbers; run `wtal data "
            f"verify {name}`"
        )
    if len(shape) != 2 or size not in shape:
        raise WrongShape(
            f"{name}: features of video {video} have shape {shape}, expected (T, {size}); "
            f"these are other features than the manifest describes: run `wtal data verify {name}`"
        )


def _read_stream(
    video: str,
    columns: Mapping[str, _Columns],
    length: int,
    size: int,
    name: str,
    stream: str,
) -> Float[np.ndarray, "T D"]:
    column = columns[stream]
    values = column.array.read()
    if values.shape != column.array.shape:
        raise WorkbookError(f"{column.array.path} has changed since it was opened; open it again")
    values = values.T if column.is_turned else values
    values = values[:length, column.first : column.first + size]
    return check_features(values, size, f"{video} ({stream})", name)


def read_joint(
    path: Path, videos: Sequence[str], names: FeatureNames
) -> dict[str, dict[str, Float[np.ndarray, "T D"]]]:
    """Features of a joint file.

    An object array with one array `[T, size * streams]` per video, in order.
    """
    rows = load_object_array(path)
    if rows.shape[:1] != (len(videos),):
        raise WrongShape(
            f"{path} has shape {rows.shape}, expected ({len(videos)},) as the annotations have; "
            "features and annotations belong to different lists of videos"
        )
    features = {}
    for i, video in enumerate(videos):
        features[video] = split_streams(rows[i], names, video)
        if rows.dtype.hasobject:
            rows[i] = None  # values of another type than float32 are not kept twice
    return features


def split_streams(
    joint: object, names: FeatureNames, video: str
) -> dict[str, Float[np.ndarray, "T D"]]:
    """Columns of one video's joint features `[T, size * streams]`.

    The first stream comes first (rgb 0:1024, flow 1024:2048).
    """
    size = names.size
    checked = check_features(joint, size * len(names.streams), video, names.name)
    return {stream: checked[:, i * size : (i + 1) * size] for i, stream in enumerate(names.streams)}


def check_features(
    array: object, size: int, video: str, name: str = "thumos14"
) -> Float[np.ndarray, "T D"]:
    """The array as float32 `[T, size]`, T >= 0.

    Anything else, NaN and infinite values are errors that name the video.
    """
    if not isinstance(array, np.ndarray):
        raise WorkbookError(
            f"{name}: features of video {video} are not an array of numbers; run `wtal data "
            f"verify {name}`"
        )
    _check_header(array.shape, array.dtype, size, video, name)
    if array.shape[1] != size:
        raise WrongShape(
            f"{name}: features of video {video} have shape {array.shape}, expected (T, {size}); "
            f"run `wtal data verify {name}`"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is infinite then
        values = array.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise NotFinite(
            f"{name}: features of video {video} hold NaN or infinite values, or some beyond "
            f"float32; get the file again and run `wtal data verify {name}`"
        )
    return values


def common_length(features: Mapping[str, Features]) -> int | None:
    """T if all videos (at least three) share one, else None.

    Features that were rescaled do (BackTAL: 750).
    """
    lengths = {length_of(streams) for streams in features.values()}
    if len(features) < 3 or len(lengths) != 1:
        return None
    common = lengths.pop()
    return common if common > 1 else None


def to_grid(array: Num[np.ndarray, "S D"], snippets: int) -> Float[np.ndarray, "T D"]:
    """Linear interpolation in time from S to `snippets` equal cells.

    Values are those at cell centres; edges are repeated.
    """
    centre = (np.arange(snippets) + 0.5) * len(array) / max(snippets, 1) - 0.5
    low = np.clip(np.floor(centre).astype(int), 0, len(array) - 1)
    high = np.minimum(low + 1, len(array) - 1)
    weight = np.clip(centre - low, 0, 1)[:, None]
    return ((1 - weight) * array[low] + weight * array[high]).astype(np.float32)


def _on_grid(
    names: FeatureNames,
    features: FeaturesByVideo,
    seconds: Mapping[str, float],
    timebase: Timebase,
) -> FeaturesByVideo:
    """Features of one common length brought back to the snippet grid."""
    on_grid: FeaturesByVideo = {}
    for video, as_stored in features.items():
        if not np.isfinite(seconds[video]):
            raise WorkbookError(
                f"{names.name}: video {video} has no duration, so its rescaled features cannot be "
                "brought back to the snippet grid; add its duration to the annotations"
            )
        snippets = max(1, int(timebase.snippets(seconds[video])))
        read = partial(_read_on_grid, as_stored, snippets)
        stored = Stored(names.streams, (snippets, names.size), read)
        on_grid[video] = stored if isinstance(as_stored, Stored) else in_memory(stored)
    return on_grid


def _read_on_grid(features: Features, snippets: int, stream: str) -> Float[np.ndarray, "T D"]:
    return to_grid(features[stream], snippets)
