"""Feature files in a folder of a user's: which video, which stream, which shape.

One file per video, or one per video and stream (folders `rgb` and `flow`, or endings `_rgb` and
`_flow` of the names), perhaps below `train` and `test`. Only headers are read here. A video is
called as its file; no path is ever made of a name that a table holds.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wtal_core.data.feature_spec import SPEC_FILE
from wtal_core.data.features import BACKTAL_KEYS, JOINT_KEYS
from wtal_core.data.paths import inside
from wtal_core.data.problems import MissingData, WrongShape
from wtal_core.data.stored import StoredArray, hdf5_arrays, npy_array, npz_arrays
from wtal_core.errors import WorkbookError
from wtal_core.reading.tensors import read_safetensors, read_torch
from wtal_core.reading.values import file_name, is_name

ENDINGS = (".npy", ".npz", ".pt", ".safetensors", ".h5", ".hdf5")
TABLES = ("labels.csv", "segments.csv", "clicks.csv", "split.csv", "durations.csv")
SIDES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "test",
    "validation": "test",
}
PAIR = ("rgb", "flow")  # the streams of nearly all published features, the leading one last
ONE_STREAM = "features"  # what the only stream is called
SHOWN = 3  # names in a message

Arrays = Mapping[str, StoredArray]


@dataclass(frozen=True)
class FeatureFiles:
    """Features of a folder, known by their headers.

    streams: the leading one last. size: D of each. arrays: video -> stream or key -> array, as
    `features.stored_features` takes them. paths: all files. sides: video -> "train" or "test",
    where folders tell. left_alone: what else lies there. unnamed: files of videos that are called
    by what is no name, such as bytes that are no text. turned_size: D if the arrays are [D, T],
    where all are of one shape, which then does not tell; else 0.
    """

    folder: Path
    streams: tuple[str, ...]
    size: int
    arrays: dict[str, Arrays]
    paths: frozenset[Path]
    sides: dict[str, str]
    left_alone: tuple[str, ...]
    unnamed: tuple[str, ...] = ()
    turned_size: int = 0

    def only(self, videos: Collection[str]) -> "FeatureFiles":
        """Of these videos alone."""
        arrays = {video: own for video, own in self.arrays.items() if video in videos}
        sides = {video: side for video, side in self.sides.items() if video in videos}
        paths = frozenset(array.path for own in arrays.values() for array in own.values())
        return replace(self, arrays=arrays, sides=sides, paths=paths)

    def turned(self) -> "FeatureFiles":
        """With the arrays taken for [D, T]."""
        return replace(self, size=self.turned_size, turned_size=self.size)

    def of_size(self, size: int) -> "FeatureFiles":
        """Turned, where that alone gives so many values per snippet."""
        return self.turned() if size and size == self.turned_size else self

    def own_paths(self, video: str) -> list[Path]:
        """The files of a video that hold nothing of another one."""
        of_video = {array.path for array in self.arrays[video].values()}
        others = (own for name, own in self.arrays.items() if name != video)
        return sorted(of_video.difference(array.path for own in others for array in own.values()))


@dataclass
class _Listed:
    """What the walk through the folders has met. files: video -> stream -> file, the stream ""
    where one file holds all.
    """

    files: dict[str, dict[str, Path]]
    sides: dict[str, str]
    left_alone: list[str]

    def add(self, video: str, stream: str, path: Path, side: str | None) -> None:
        streams = self.files.setdefault(video, {})
        if stream in streams or (streams and "" in (stream, *streams)):
            first = next(iter(streams.values()))
            raise WorkbookError(
                f"two files of the video {video!r}: {first} and {path}; keep one, or give the "
                "videos different names"
            )
        streams[stream] = path
        if side is not None:
            self.sides[video] = side


def find_files(folder: Path, streams: Sequence[str] = ()) -> FeatureFiles:
    """The features of a folder; other things that lie there are left alone.

    streams: their names, the leading one last; () finds them. Raises WorkbookError where there are
    no features, two files of one video, or arrays of different sizes.
    """
    for stream, number in Counter(streams).items():
        file_name(stream, "--streams: one of them")
        if number > 1:
            raise WorkbookError(f"--streams names {stream!r} {number} times; name each once")
    if not folder.is_dir():
        raise MissingData(f"{folder} is no folder; name the folder of the feature files")
    listed = _Listed({}, {}, [])
    for place in (folder, folder / "features"):
        if place.is_dir():
            _list_place(place, tuple(streams), listed)
    if not listed.files:
        raise MissingData(
            f"{folder} holds no features; expected one file per video that ends in "
            f"{', '.join(ENDINGS)}, or folders of them, one per stream"
        )
    arrays: dict[str, Arrays] = {}
    unnamed = []
    for video, files in listed.files.items():
        for name, own in _arrays_of(video, files, streams).items():
            if is_name(name):
                arrays[name] = own
            else:
                unnamed += [str(path) for path in files.values()]
    if not arrays:
        raise MissingData(f"{unnamed[0]} is called by what is no name of a video; rename it")
    names = _streams_of(arrays, tuple(streams))
    size, turned_size = _common_size(arrays, names)
    paths = {path for files in listed.files.values() for path in files.values()}
    return FeatureFiles(
        folder,
        names,
        size,
        arrays,
        frozenset(paths),
        listed.sides,
        tuple(sorted(listed.left_alone)),
        tuple(dict.fromkeys(unnamed)),
        turned_size,
    )


def _list_place(place: Path, streams: tuple[str, ...], listed: _Listed) -> None:
    """The files of a folder and of its folders train and test, if it has them."""
    files, folders = _entries(place, listed)
    _list_side(place, None, files, folders, streams, listed)
    for name in folders:
        if name.lower() in SIDES:
            inner = place / name
            inner_files, inner_folders = _entries(inner, listed)
            side = SIDES[name.lower()]
            _list_side(inner, side, inner_files, inner_folders, streams, listed)


def _list_side(
    place: Path,
    side: str | None,
    files: Mapping[str, Path],
    folders: Sequence[str],
    streams: tuple[str, ...],
    listed: _Listed,
) -> None:
    """One side's files: those of the folder itself, else those of its folders, one per stream."""
    for stem, path in _by_stream(files, streams or PAIR):
        video, stream = stem
        listed.add(video, stream, path, side)
    for name in folders:
        if name.lower() in SIDES or name == "features":
            continue
        if (files and name not in streams) or (streams and name not in streams):
            listed.left_alone.append(f"{place / name}{os.sep}")
            continue
        inner, _ = _entries(place / name, listed)
        for path in inner.values():
            listed.add(_video(path), name, path, side)


def _entries(folder: Path, listed: _Listed) -> tuple[dict[str, Path], list[str]]:
    """Feature files by name, and the names of folders. A link may not lead out of the folder."""
    files: dict[str, Path] = {}
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.name.startswith(".") or not entry.name.endswith(ENDINGS):
                if entry.name not in (*TABLES, SPEC_FILE):
                    listed.left_alone.append(entry.path)
            elif entry.is_symlink():
                files[entry.name] = inside(folder, entry.name)
            else:
                files[entry.name] = folder / entry.name
    return dict(sorted(files.items())), sorted(folders)


def _video(path: Path) -> str:
    """The name of a file without its ending, composed as keyboards write it (some file systems take
    letters and accents apart).
    """
    return unicodedata.normalize("NFC", path.name[: -len(path.suffix)])


def _by_stream(
    files: Mapping[str, Path], streams: tuple[str, ...]
) -> Iterator[tuple[tuple[str, str], Path]]:
    """(video, stream) of each file: its name ends in a stream's name if all names do."""
    parted = []
    for path in files.values():
        name = _video(path)
        stream = next((s for s in streams if name.lower().endswith(_tails(s))), None)
        if stream is None:
            break
        parted.append(((name[: -len(stream) - 1], stream), path))
    if parted and len(parted) == len(files):
        yield from parted
        return
    for path in files.values():
        yield (_video(path), ""), path


def _tails(stream: str) -> tuple[str, ...]:
    return tuple(f"{mark}{stream.lower()}" for mark in "_-.")


def _arrays_of(video: str, files: Mapping[str, Path], streams: Sequence[str]) -> dict[str, Arrays]:
    """The arrays of a video; of an HDF5 file that holds several videos, of each of them."""
    if "" not in files:
        return {video: {stream: _only(path) for stream, path in files.items()}}
    path = files[""]
    if path.suffix in (".h5", ".hdf5"):
        return _of_hdf5(video, path, streams)
    arrays = READERS[path.suffix](path)
    return {video: _named(arrays, streams)}


def _of_hdf5(video: str, path: Path, streams: Sequence[str]) -> dict[str, Arrays]:
    entries = hdf5_arrays(path)
    keys = {*streams, *PAIR, *BACKTAL_KEYS.values(), *JOINT_KEYS}
    if set(entries) <= keys and all(set(members) == {""} for members in entries.values()):
        return {video: _named({key: entries[key][""] for key in entries}, streams)}
    return {name: _named(members, streams) for name, members in entries.items()}


def _named(arrays: Arrays, streams: Sequence[str]) -> Arrays:
    """The only array of a file holds all streams, whatever it is called there."""
    if len(arrays) == 1 and not set(arrays) & set(streams):
        return {"": next(iter(arrays.values()))}
    return arrays


def _only(path: Path) -> StoredArray:
    """The array of a file that holds one stream of one video."""
    if path.suffix in (".h5", ".hdf5"):
        groups = hdf5_arrays(path).values()
        arrays = [array for members in groups for array in members.values()]
    else:
        arrays = list(READERS[path.suffix](path).values())
    if len(arrays) != 1:
        raise WorkbookError(f"{path} holds {len(arrays)} arrays, expected the one of its stream")
    return arrays[0]


@dataclass(frozen=True)
class _TorchArray(StoredArray):
    """A tensor in a .pt or .safetensors file."""

    def read(self) -> np.ndarray:
        """The values, as numbers that numpy has."""
        tensors = _tensors(self.path)
        values: np.ndarray = tensors[self.member].float().numpy()
        return values


def _tensors(path: Path) -> dict:
    """Name -> tensor; values stay on the disk until they are asked for. Nothing else than tensors
    is unpickled.
    """
    import torch

    if path.suffix == ".safetensors":
        return read_safetensors(path, "get it again")
    content = read_torch(path, "get it again", mmap=True)
    tensors = content if isinstance(content, dict) else {"": content}
    if not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise WorkbookError(f"{path} holds something else than tensors; save the tensor alone")
    return {str(name): tensor.detach() for name, tensor in tensors.items()}


def _torch_arrays(path: Path) -> dict[str, StoredArray]:
    arrays: dict[str, StoredArray] = {}
    for name, tensor in _tensors(path).items():
        kind = np.dtype(np.float32 if tensor.is_floating_point() else np.int64)
        arrays[name] = _TorchArray(path, name, tuple(tensor.shape), kind)
    return arrays


def _npy(path: Path) -> dict[str, StoredArray]:
    return {"": npy_array(path)}


READERS: dict[str, Callable[[Path], dict]] = {
    ".npy": _npy,
    ".npz": npz_arrays,
    ".pt": _torch_arrays,
    ".safetensors": _torch_arrays,
}


def _streams_of(arrays: Mapping[str, Arrays], asked: tuple[str, ...]) -> tuple[str, ...]:
    """The streams' names; every video has to have all of them."""
    keys = Counter(frozenset(keys) for keys in arrays.values())
    usual = keys.most_common(1)[0][0]
    for video, own in arrays.items():
        if frozenset(own) != usual:
            raise WorkbookError(
                f"video {video!r} has {_words(own)}, most videos have {_words(usual)}; add what is "
                "missing, or choose streams that all have with --streams"
            )
    if asked:
        if usual != {""} and not set(asked) <= usual:
            raise WorkbookError(
                f"--streams {' '.join(asked)}: the files hold {_words(usual)}; choose of these"
            )
        return asked
    if usual == {""}:
        return (ONE_STREAM,)
    if usual >= set(BACKTAL_KEYS.values()):
        return PAIR
    if usual & set(JOINT_KEYS):
        return (ONE_STREAM,)
    return tuple(sorted(usual, key=lambda name: (name == PAIR[1], name != PAIR[0], name)))


def _words(keys: frozenset[str] | Arrays) -> str:
    if not keys:
        return "no array"
    return ", ".join(sorted(keys)) if set(keys) != {""} else "one array"


def _common_size(arrays: Mapping[str, Arrays], streams: tuple[str, ...]) -> tuple[int, int]:
    """D of each stream, and D if the arrays are turned where their shapes do not tell that; other
    shapes are errors that name the video.
    """
    used = {(video, key): own[key] for video, own in arrays.items() for key in _used(own, streams)}
    for (video, _), array in used.items():
        if array.dtype.kind not in "fiu" or len(array.shape) != 2:
            raise WrongShape(
                f"{array.path}: features of video {video!r} have shape {array.shape} of "
                f"{array.dtype}, expected numbers [T, D], one row per snippet"
            )
    rows = Counter(array.shape[0] for array in used.values())
    columns = Counter(array.shape[1] for array in used.values())
    is_turned = len(columns) > 1 and len(rows) == 1
    (width, _), *others = (rows if is_turned else columns).most_common()
    misfits = ((video, array) for (video, _), array in used.items() if width not in array.shape)
    for video, array in misfits if others else ():
        raise WrongShape(
            f"{array.path}: features of video {video!r} have shape {array.shape}, most have "
            f"D = {width}; features of one kind are needed, and streams of equal size"
        )
    joint = any(key in JOINT_KEYS for _, key in used)
    parts = len(streams) if joint else 1
    if width == 0 or width % parts:
        raise WrongShape(f"D = {width} cannot be parted into {parts} streams of equal size")
    height = next(iter(rows)) if len(rows) == len(columns) == 1 else 0
    is_open = height not in (0, width) and height % parts == 0
    return width // parts, height // parts if is_open else 0


def _used(arrays: Arrays, streams: tuple[str, ...]) -> list[str]:
    """The keys that are read of a video."""
    plain = [stream for stream in streams if stream in arrays]
    if len(plain) == len(streams):
        return plain
    spatial = [key for key in BACKTAL_KEYS.values() if key in arrays]
    return spatial or [key for key in JOINT_KEYS if key in arrays][:1]
