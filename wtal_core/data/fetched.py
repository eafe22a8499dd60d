"""A data set from an address that fsspec reads: copied once to this machine, then opened there."""

import tempfile
from functools import lru_cache
from pathlib import Path

from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.data.opening import open_dataset
from wtal_core.data.paths import inside
from wtal_core.errors import WorkbookError
from wtal_core.reading.values import file_name


@lru_cache(maxsize=8)
def fetched_dataset(address: str, name: str, fold: int | None) -> Dataset:
    """The data set of that name below a folder of data sets, such as "s3://bucket/data" or
    "file:///data"; copied into a folder that ends with this process.

    Raises WorkbookError where the address cannot be read.
    """
    root = Path(_kept().name)
    _fetch(address, root, _folder_of(name))
    return open_dataset(name, root, fold)


def _folder_of(name: str) -> str:
    """The folder of a data set; one that a user has added brings its manifest, and is called so."""
    try:
        return load_manifest(name).folder
    except WorkbookError:
        return file_name(name, "the name of a data set")


@lru_cache(maxsize=8)
def _fetch(address: str, root: Path, folder: str) -> None:
    import fsspec  # comes with Dask, which those who only read results need not have

    target = inside(root, folder)
    source = f"{address.rstrip('/')}/{folder}"
    try:
        system, path = fsspec.core.url_to_fs(source)
        system.get(f"{path}/", f"{target}/", recursive=True)
    except (OSError, ValueError, ImportError) as error:
        raise WorkbookError(f"{source} cannot be read ({error}); correct `data`") from error


@lru_cache(maxsize=1)
def _kept() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="wtal-data-")
