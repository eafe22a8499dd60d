"""Data set manifests: what files, where from, under which licence.

Also checksums, shapes and counts. Those of the workbook lie in the package, those of data sets that
a user has added (`own_data`) beside their folders.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from wtal_core.data import paths
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.reading.yaml_files import read_yaml
from wtal_core.timebase import Timebase

# what a field may hold whose declaration names this type; the first one that fits
PLAIN_TYPES: dict[str, type | tuple[type, ...]] = {
    "dict": dict,
    "float": (float, int),
    "bool": bool,
    "int": int,
    "str": str,
}
STATES_VARIANTS = re.compile(rb"^variants:", re.MULTILINE)


@dataclass(frozen=True)
class FileEntry:
    """One file of a data set.

    path: relative to the data set's folder.
    urls: public addresses; empty if it can only be had behind a form, then `note` says so.
    sha256, bytes: None where unknown.
    shape, dtype: of an array file.
    needed: whether the data set cannot be opened without it.
    alternatives: glob patterns; if one matches, the file itself is not missing (another published
        layout).
    features: whether it stands for the features, which may come in any layout of `features.LAYOUTS`
        and are checked as opening checks them.
    """

    path: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    bytes: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    needed: bool = True
    alternatives: tuple[str, ...] = ()
    features: bool = False
    note: str = ""


@dataclass(frozen=True)
class ArchiveEntry:
    """A zip that holds files of the data set.

    members: name or glob inside the zip -> folder in the data set ("." = top).
    """

    url: str
    members: dict[str, str]
    sha256: str | None = None
    bytes: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """Numbers of videos and of action instances of one split.

    None where nobody states how many instances.
    """

    videos: int
    instances: int | None


@dataclass(frozen=True)
class DatasetManifest:
    """What `data_manifests/datasets/<name>.yaml` states.

    files_of: another data set whose folder, files and archives are this one's, too.
    fps: frames per second. stride: in frames. offset: the frame of snippet 0.
    splits: split name -> counts.
    left_out: protocol id -> test videos that it does not use.
    simulator: free constants. variants: ending of a variant's name -> the constants of `simulator`
    that it changes; the variant `<name>-<ending>` is a data set of its own.
    own: of a data set that a user has added, where its features lie and how it is split, see
    `own_data`.
    """

    name: str
    title: str
    origin: str
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    folder: str = ""
    files_of: str = ""
    files: tuple[FileEntry, ...] = ()
    archives: tuple[ArchiveEntry, ...] = ()
    classes: int | None = None
    fps: float | None = None
    stride: float | None = None
    offset: float = 0.0
    streams: tuple[str, ...] = ()
    feature_size: int | None = None
    folds: int = 1
    splits: dict[str, Counts] = field(default_factory=dict)
    default_protocol: str = ""
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    simulator: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)

    def timebase(self) -> Timebase:
        """The snippet grid; a manifest that states none is an error."""
        if self.fps is None or self.stride is None:
            raise WorkbookError(f"manifest {self.name} states no fps and stride; add both keys")
        return Timebase(self.fps, self.stride, self.offset)

    def channels(self) -> int:
        """D, values per snippet and stream; a manifest that states none is an error."""
        if self.feature_size is None:
            raise WorkbookError(f"manifest {self.name} states no feature_size; add the key")
        return self.feature_size

    def file(self, path: str) -> FileEntry:
        """The entry of that path."""
        return next(entry for entry in self.files if entry.path == path)


def dataset_names(root: str | Path | None = None) -> list[str]:
    """Names of all manifests and of their variants, sorted, and of those that a user has added.

    root: folder of the data sets, as `open_dataset` takes it.
    """
    return sorted(_files(root))


def own_manifest(name: str, root: str | Path | None = None) -> Path:
    """Where the manifest of an added data set lies: in its folder among the data sets."""
    return paths.data_root(root) / name / f"{name}.yaml"


def manifest_path(name: str, root: str | Path | None = None) -> Path:
    """Path of a manifest file, for a variant that of the manifest which states it; an unknown name
    raises an error that lists the known ones.
    """
    known = _shipped()
    if name not in known:
        known = _files(root)
    if name not in known:
        raise WorkbookError(
            f"unknown data set {name!r}; known ones: {', '.join(sorted(known))} (see `wtal data "
            f"list`)"
        )
    return known[name]


def load_manifest(name: str, root: str | Path | None = None) -> DatasetManifest:
    """The manifest of that name, or of that variant, read strictly, and once as long as its file
    does not change.
    """
    manifest = _read(manifest_path(name, root))
    return manifest if name == manifest.name else variant(manifest, name)


def variant(manifest: DatasetManifest, name: str) -> DatasetManifest:
    """The manifest of a variant: that one with the constants which it changes."""
    ending = name.removeprefix(f"{manifest.name}-")
    changes = manifest.variants[ending]
    unknown = sorted(set(changes) - set(manifest.simulator))
    if unknown:
        raise WorkbookError(
            f"{manifest.name}.yaml: variant {ending} changes the constant {unknown[0]!r}, which "
            "`simulator` does not have; correct its name"
        )
    return replace(
        manifest,
        name=name,
        title=f"{manifest.title}, {ending.replace('-', ' ')}",
        simulator={**manifest.simulator, **changes},
        variants={},
    )


def _shipped() -> dict[str, Path]:
    """Name of each manifest of the workbook -> its file, without variants."""
    return {path.stem: path for path in paths.MANIFEST_FOLDER.glob("*.yaml")}


def _files(root: str | Path | None = None) -> dict[str, Path]:
    """Name of each manifest and of each variant -> the file that states it. An added data set never
    takes the name of one of the workbook's.
    """
    files = _shipped()
    for name, path in list(files.items()):
        if STATES_VARIANTS.search(path.read_bytes()):
            files |= {f"{name}-{ending}": path for ending in _read(path).variants}
    folder = paths.data_root(root)
    names = os.listdir(folder) if folder.is_dir() else []
    added = {name: own_manifest(name, root) for name in names}
    return {name: path for name, path in added.items() if path.is_file()} | files


def _read(path: Path) -> DatasetManifest:
    """The manifest in that file, read again if the file has changed."""
    state = path.stat()
    manifest = _read_once(path, state.st_mtime_ns, state.st_size)
    if not manifest.files_of:
        return manifest
    owner = load_manifest(manifest.files_of)
    return replace(manifest, folder=owner.folder, files=owner.files, archives=owner.archives)


@lru_cache(maxsize=128)
def _read_once(path: Path, modified: int, size: int) -> DatasetManifest:
    """modified, size: of the file, so that a changed one is read again."""
    return read_manifest(path)


def read_manifest(path: Path) -> DatasetManifest:
    """Read a manifest file, strictly.

    Unknown keys, missing keys and malformed values are errors that name them.
    """
    content = read_yaml(path, "is a manifest that cannot be read", "correct it")
    manifest = _build(DatasetManifest, content, path.name)
    if manifest.name != path.stem:
        raise WorkbookError(
            f"{path.name}: name is {manifest.name!r}, expected {path.stem!r} as the file is called"
        )
    if manifest.files_of and (manifest.folder or manifest.files or manifest.archives):
        raise WorkbookError(
            f"{path.name}: states files_of and files of its own; remove folder, files and archives"
        )
    if manifest.files_of == manifest.name:
        raise WorkbookError(f"{path.name}: files_of must name another data set")
    return manifest


def _build(kind: type, content: object, where: str) -> Any:
    """An instance of dataclass `kind` from a mapping; nested entries are built by `_NESTED`."""
    if not isinstance(content, Mapping):
        raise WorkbookError(f"{where}: expected a mapping of keys, found {type(content).__name__}")
    known = [field.name for field in fields(kind)]
    unknown = sorted(map(str, set(content) - set(known)))
    if unknown:
        raise WorkbookError(
            f"{where}: unknown key {shown(unknown[0])}; known keys: {', '.join(known)}"
        )
    needed = _keys_without_default(kind)
    missing = sorted(needed - set(content))
    if missing:
        raise WorkbookError(f"{where}: key {missing[0]!r} is missing; add it")
    fields_of = {
        key: _value(kind, key, value, f"{where}: {key}")
        for key, value in content.items()
        if value is not None or key in needed
    }
    try:
        return kind(**fields_of)
    except Exception as error:  # beartype's in tests
        raise WorkbookError(f"{where}: {' '.join(str(error).split())}") from error


def _keys_without_default(kind: type) -> set[str]:
    return {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }


def _value(kind: type, key: str, value: Any, where: str) -> Any:
    if key == "splits":
        return {
            values.name(split, where): _build(Counts, counts, f"{where} {split}")
            for split, counts in _typed(value, dict, where).items()
        }
    if key in ("files", "archives"):
        nested = FileEntry if key == "files" else ArchiveEntry
        return tuple(
            _build(nested, item, f"{where}[{i}]")
            for i, item in enumerate(_typed(value, list, where))
        )
    if key == "variants":
        return {
            values.name(ending, where): _typed(changes, dict, f"{where}: {ending}")
            for ending, changes in _typed(value, dict, where).items()
        }
    if key == "left_out":
        return {
            values.name(protocol, where): _names(videos, where)
            for protocol, videos in _typed(value, dict, where).items()
        }
    if key == "members":
        return {
            values.text(member, where): values.text(place, where)
            for member, place in _typed(value, dict, where).items()
        }
    return _checked(key, _plain(kind, key, value, where), where)


def _plain(kind: type, key: str, value: Any, where: str) -> Any:
    """A value of a plain field, with its declared type enforced."""
    declared = {field.name: str(field.type) for field in fields(kind)}[key]
    if value is None and "None" in declared:
        return None
    if "tuple[int" in declared:
        return tuple(_typed(size, int, where) for size in _typed(value, list, where))
    if "tuple" in declared:
        return _names(value, where)
    for name, accepted in PLAIN_TYPES.items():
        if name in declared:
            value = _typed(value, accepted, where)
            return values.number(value, where) if name == "float" else value
    return value


def _names(value: Any, where: str) -> tuple[str, ...]:
    return tuple(values.text(item, where) for item in _typed(value, list, where))


def _typed(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        name = kind.__name__ if isinstance(kind, type) else "number"
        raise WorkbookError(f"{where}: expected a {name}, found {shown(value)}")
    return value


def _checked(key: str, value: Any, where: str) -> Any:
    if key == "sha256" and not re.fullmatch(r"[0-9a-f]{64}", value):
        raise WorkbookError(
            f"{where}: expected 64 hexadecimal digits or null, found {shown(value)}"
        )
    if key in ("path", "folder"):
        parts = PurePosixPath(value).parts
        if not parts or ".." in parts or parts[0] == "/" or "\\" in value:
            raise WorkbookError(
                f"{where}: {shown(value)} must be a relative path inside the data set's folder"
            )
    return value
