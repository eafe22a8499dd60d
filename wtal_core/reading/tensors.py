"""Weights and other tensors: .safetensors, and PyTorch's own files of which only tensors are made.

The pickle inside a file of PyTorch is looked at before anything is made of it, see `pickles`: its
own unpickler knows which globals it may name, but no bounds of depth and number.
"""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import ZipFile

import numpy as np

from wtal_core.reading.arrays import FREE
from wtal_core.reading.pickles import OF_TORCH, scan
from wtal_core.reading.refusal import AGAIN, reading

DAMAGED = "is damaged or truncated"
PICKLE = "data.pkl"  # the member of PyTorch's zip that says which tensors there are


def read_safetensors(path: Path, remedy: str = AGAIN, device: str = "cpu") -> dict[str, Any]:
    """Name -> torch tensor."""
    from safetensors.torch import load_file

    with reading(path, DAMAGED, remedy):
        return load_file(path, device)


def read_arrays(path: Path, remedy: str = AGAIN) -> dict[str, np.ndarray]:
    """Name -> numpy array of a .safetensors file."""
    from safetensors.numpy import load_file

    with reading(path, DAMAGED, remedy):
        return load_file(path)


def read_torch(path: Path, remedy: str = AGAIN, device: str = "cpu", mmap: bool = False) -> Any:
    """What `torch.save` wrote: tensors in lists, dictionaries, with texts and numbers.

    mmap: values stay on the disk until they are asked for.
    """
    import torch

    with reading(path, DAMAGED, remedy):
        with ZipFile(path) as archive:
            _scan(archive)
        try:
            return torch.load(path, weights_only=True, mmap=mmap, map_location=device)
        except UnpicklingError:  # its text advises to load the file with all its code
            raise ValueError("it holds something else than tensors and numbers") from None


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
