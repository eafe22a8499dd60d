"""Arrays that lie in files, known by their shapes, and read when they are asked for.

Plain .npy files are memory-mapped; members of .npz archives and of HDF5 files are read one by one.
Nothing here unpickles.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from wtal_core.errors import WorkbookError
from wtal_core.reading.arrays import HIGHEST_DEFLATE, npy_header, npz_headers, read_npz_member
from wtal_core.reading.places import refuse_special
from wtal_core.reading.refusal import words

AT_ONCE = 4 * 2**30  # bytes of features up to which they are read at once and kept in memory


class Stored(Mapping):
    """Features of one video, read whenever a stream is asked for.

    shape: (T, D) of each stream. read: stream -> its array, checked. The values' type is not among
    the bases, because a check of types would then read values.
    """

    def __init__(
        self,
        streams: tuple[str, ...],
        shape: tuple[int, int],
        read: Callable[[str], Float[np.ndarray, "T D"]],
    ):
        self.streams = streams
        self.shape = shape
        self._read = read

    def __getitem__(self, stream: str) -> Float[np.ndarray, "T D"]:
        if stream not in self.streams:
            raise KeyError(stream)
        return self._read(stream)

    def __iter__(self) -> Iterator[str]:
        return iter(self.streams)

    def __len__(self) -> int:
        return len(self.streams)


# stream -> [T, D], float32; T differs from one argument to the next, so it has no name here
Features = dict[str, Float[np.ndarray, "_ _"]] | Stored


def shapes_of(features: Features) -> set[tuple[int, ...]]:
    """The different shapes of the streams, read from nothing but headers."""
    if isinstance(features, Stored):
        return {features.shape}
    return {array.shape for array in features.values()}


def length_of(features: Features) -> int:
    """T of the first stream."""
    if isinstance(features, Stored):
        return features.shape[0]
    return len(next(iter(features.values())))


def bytes_of(features: Features) -> int:
    """What the streams take in memory, as float32."""
    values = sum(int(np.prod(shape)) for shape in shapes_of(features))
    return 4 * values * len(features)


def in_memory(features: Features) -> dict[str, Float[np.ndarray, "T D"]]:
    """All streams, read and kept."""
    return {stream: np.array(features[stream]) for stream in features}


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, of which only the header has been read.

    member: name inside an .npz or HDF5 file, "" in a .npy file.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def read(self) -> np.ndarray:
        """The values; those of a .npy file as a memory map.

        A damaged file is named.
        """
        try:
            if self.path.suffix == ".npy":
                npy_header(self.path)
                return np.load(self.path, mmap_mode="r", allow_pickle=False)
            if self.path.suffix == ".npz":
                return read_npz_member(self.path, self.member, "get it again")
            with hdf5().File(self.path, "r") as file:
                return file[self.member][()]
        except WorkbookError:
            raise
        except Exception as error:  # numpy and HDF5 each raise their own
            raise damaged(self.path, error) from error


def damaged(path: Path, error: Exception) -> WorkbookError:
    """What is said of a file that cannot be read."""
    return WorkbookError(f"{path} is damaged or truncated ({words(error)}); get it again")


def hdf5() -> ModuleType:
    """The package h5py; where it is not installed, an error says how to get it."""
    try:
        import h5py
    except ImportError as error:
        raise WorkbookError(
            "reading HDF5 needs h5py; run `pip install h5py`, or use another layout of features"
        ) from error
    return h5py


def npy_array(path: Path) -> StoredArray:
    """The array of a .npy file."""
    header = npy_header(path, "get it again")
    return StoredArray(path, "", header.shape, header.dtype)


def npz_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of an .npz file by their keys; only headers are read."""
    return {
        key: StoredArray(path, key, header.shape, header.dtype)
        for key, header in npz_headers(path, "get it again").items()
    }


def hdf5_arrays(path: Path) -> dict[str, dict[str, StoredArray]]:
    """Entry of an HDF5 file -> key -> array; only headers are read.

    An entry that is an array has the key ""; one that is a group has those of its members. Links,
    and values that are kept in another file, are refused.
    """
    h5py = hdf5()
    refuse_special(path)
    entries: dict[str, dict[str, StoredArray]] = {}
    try:
        with h5py.File(path, "r") as file:
            for name in file:
                entry = _member(file, name, path)
                if isinstance(entry, h5py.Dataset):
                    entries[name] = {"": _hdf5_array(entry, path)}
                    continue
                members = {key: _member(entry, key, path) for key in entry}
                entries[name] = {
                    key: _hdf5_array(member, path)
                    for key, member in members.items()
                    if isinstance(member, h5py.Dataset)
                }
    except WorkbookError:
        raise
    except Exception as error:
        raise damaged(path, error) from error
    return entries


def _member(group: Any, name: str, path: Path) -> Any:
    if not isinstance(group.get(name, getlink=True), hdf5().HardLink):
        raise WorkbookError(f"{path}: {name} is a link, which is not followed; copy what it names")
    return group[name]


def _hdf5_array(array: Any, path: Path) -> StoredArray:
    if array.external or array.is_virtual:
        raise WorkbookError(f"{path}: {array.name} is kept in another file; copy it into this one")
    if array.shape is None:
        raise WorkbookError(f"{path}: {array.name} holds no values; write the file again")
    promised = array.size * array.dtype.itemsize
    kept = array.id.get_storage_size()
    if promised > kept * (HIGHEST_DEFLATE if array.compression else 1):
        raise WorkbookError(
            f"{path}: {array.name} promises {promised} bytes, of which the file holds {kept}; get "
            "it again"
        )
    return StoredArray(path, array.name, tuple(array.shape), array.dtype)
