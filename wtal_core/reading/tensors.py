"""Weights and other tensors: .safetensors, and PyTorch's own files of which only tensors are made.

The pickle inside a file of PyTorch is looked at before anything is made of it, see `pickles`: its
own unpickler knows which globals it may name, but no bounds of depth and number. Files of before
PyTorch 1.6, as published weights often are, are no zip: their pickles follow each other, then the
values.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import ZipFile

import numpy as np

from wtal_core.reading.arrays import FREE
from wtal_core.reading.pickles import OF_TORCH, scan
from wtal_core.reading.places import refuse_special
from wtal_core.reading.refusal import AGAIN, reading
from wtal_core.reading.texts import read_bytes

DAMAGED = "is damaged or truncated"
LARGEST = 2**34  # bytes of weights that are read at once
PICKLE = "data.pkl"  # the member of PyTorch's zip that says which tensors there are
ZIP = b"PK\x03\x04"  # by these bytes PyTorch, too, tells a zip from an old file
OLD_PICKLES = 5  # of an old file: a number, version, machine, tensors, names of their values


def read_safetensors(path: Path, remedy: str = AGAIN, device: str = "cpu") -> dict[str, Any]:
    """Name -> torch tensor."""
    from safetensors.torch import load_file

    refuse_special(path)
    with reading(path, DAMAGED, remedy):
        return load_file(path, device)


def read_arrays(path: Path, remedy: str = AGAIN) -> dict[str, np.ndarray]:
    """Name -> numpy array of a .safetensors file."""
    from safetensors.numpy import load_file

    refuse_special(path)
    with reading(path, DAMAGED, remedy):
        return load_file(path)


def read_torch(path: Path, remedy: str = AGAIN, device: str = "cpu", mmap: bool = False) -> Any:
    """What `torch.save` wrote: tensors in lists, dictionaries, with texts and numbers.

    mmap: values stay on the disk until they are asked for; those of an old file never do.
    """
    import torch

    refuse_special(path)
    with reading(path, DAMAGED, remedy):
        is_old = not _is_zip(path)
        if is_old:
            _scan_old(read_bytes(path, remedy, LARGEST))
        else:
            with ZipFile(path) as archive:
                _scan(archive)
        mmap = mmap and not is_old
        try:
            content = torch.load(path, weights_only=True, mmap=mmap, map_location=device)
        except UnpicklingError:  # its text advises to load the file with all its code
            raise ValueError("it holds something else than tensors and numbers") from None
        if is_old:
            _check_bytes(content, path)
        return content


def checksum(path: Path, remedy: str = AGAIN) -> str:
    """By which weights are known again."""
    return hashlib.sha256(read_bytes(path, remedy, LARGEST)).hexdigest()


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ZIP)) == ZIP


def _scan_old(data: bytes) -> None:
    """Refuse an old file any of whose pickles could stop the process."""
    place = 0
    for _ in range(OLD_PICKLES):
        place = scan(data, place, OF_TORCH)


def _check_bytes(content: Any, path: Path) -> None:
    """Refuse an old file whose tensors promise more bytes than it has: nothing has filled these."""
    storages = (tensor.untyped_storage() for tensor in _tensors_of(content))
    promised = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    if promised > path.stat().st_size:
        raise ValueError(f"it promises {promised} bytes")


def _tensors_of(content: Any) -> Iterator[Any]:
    """The tensors in lists and dictionaries; the scan has bounded how deep these are."""
    import torch

    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _tensors_of(value)
    elif isinstance(content, list | tuple | set):
        for value in content:
            yield from _tensors_of(value)


def _scan(archive: ZipFile) -> None:
    """Refuse a pickle that could stop the process, and members that are packed: PyTorch packs none,
    so that no file unpacks to more than it holds.
    """
    for info in archive.infolist():
        if info.compress_size != info.file_size or info.file_size > FREE * 64:
            raise ValueError(f"it promises {info.file_size} bytes")
    names = [name for name in archive.namelist() if name.rpartition("/")[2] == PICKLE]
    if len(names) != 1:
        raise ValueError(f"it has {len(names)} lists of tensors")
    scan(archive.read(names[0]), 0, OF_TORCH)
