"""Downloads a data set's files, or takes them from a mirror.

Everything with a known checksum is checked.
"""

import fnmatch
import logging
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch

from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.manifests import ArchiveEntry, DatasetManifest, FileEntry, load_manifest
from wtal_core.data.paths import data_root, inside
from wtal_core.data.verify import check_file
from wtal_core.errors import WorkbookError


@dataclass(frozen=True)
class Fetched:
    """fetched: paths now there.

    by_hand: path -> what the manifest says about obtaining it.
    failed: path -> why.
    """

    fetched: tuple[str, ...]
    by_hand: dict[str, str]
    failed: dict[str, str]


def fetch(
    name: str,
    root: str | Path | None = None,
    mirror: str | Path | None = None,
    progress: bool = True,
) -> Fetched:
    """Fetch the files that are not there or not right, into `<root>/<folder of the data set>`.

    mirror: a local folder or the beginning of a URL, laid out as the data root. A file is written
    beside its place and renamed once its checksum agrees, so a wrong or broken download leaves
    nothing behind. One file's failure does not stop the others.
    """
    manifest = load_manifest(name)
    folder = data_root(root) / manifest.folder
    wanted = [
        entry for entry in manifest.files if check_file(folder, entry, manifest).status != "ok"
    ]
    fetched: list[str] = []
    by_hand: dict[str, str] = {}
    failed: dict[str, str] = {}
    if mirror is None:
        fetched += _fetch_archives(manifest, folder, wanted, failed, progress)
    unpacked = set(fetched)
    for entry in wanted:
        if entry.path in unpacked:
            continue
        addresses = _addresses(mirror, manifest, entry)
        if not addresses:
            by_hand[entry.path] = entry.note or f"see {manifest.homepage}"
            continue
        reason = _try_addresses(addresses, folder, entry, progress)
        if reason:
            failed[entry.path] = reason
        else:
            fetched.append(entry.path)
    return Fetched(tuple(fetched), by_hand, failed)


def _addresses(mirror: str | Path | None, manifest: DatasetManifest, entry: FileEntry) -> list[str]:
    """Where to try; nowhere for a file that is not needed and not in a local mirror."""
    if mirror is None:
        return list(entry.urls)
    address = f"{str(mirror).rstrip('/')}/{manifest.folder}/{entry.path}"
    return [address] if entry.needed or "://" in address or Path(address).is_file() else []


def _try_addresses(addresses: list[str], folder: Path, entry: FileEntry, progress: bool) -> str:
    """Fetch a file from the first address that gives it right; returns why none did, or nothing."""
    reasons = []
    for address in addresses:
        try:
            _retrieve(address, inside(folder, entry.path), entry.sha256, progress)
            return ""
        except WorkbookError as error:
            reasons.append(str(error))
    return "; ".join(reasons)


def _retrieve(address: str, target: Path, sha256: str | None, progress: bool) -> None:
    """One file by pooch: to a temporary name, checksum, rename."""
    remote = "://" in address
    if not remote and not Path(address).is_file():
        raise WorkbookError(f"{address} is not in the mirror")
    stale = target.exists() and sha256 is None
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        if stale:  # without a checksum pooch would keep what verify refused
            target.unlink()
        pooch.retrieve(
            address,
            known_hash=sha256 and f"sha256:{sha256}",
            fname=target.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(progressbar=progress, timeout=60) if remote else _copy,
        )
    except (OSError, ValueError) as error:
        # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise WorkbookError(f"{address}: {' '.join(str(error).split())[:300]}") from error
    finally:
        logger.setLevel(level)


def _copy(address: str, output: str | Path, pup: object) -> None:
    """A downloader for pooch, called as pooch calls one, that takes a local file."""
    shutil.copyfile(address, output)


def _fetch_archives(
    manifest: DatasetManifest,
    folder: Path,
    wanted: list[FileEntry],
    failed: dict[str, str],
    progress: bool,
) -> list[str]:
    """Fetch and unpack the zips of a data set, if files that it needs are not there.

    Returns the wanted paths now there.
    """
    if not any(entry.needed for entry in wanted):
        return []
    for archive in manifest.archives:
        target = inside(folder, PurePosixPath(archive.url).name.replace("+", "_"))
        try:
            _retrieve(archive.url, target, archive.sha256, progress)
            unpack(target, folder, archive, {entry.path: entry for entry in manifest.files})
        except WorkbookError as error:
            failed[archive.url] = str(error)
        finally:
            target.unlink(missing_ok=True)
    return [entry.path for entry in wanted if check_file(folder, entry, manifest).status == "ok"]


def unpack(
    archive: Path, folder: Path, entry: ArchiveEntry, known: dict[str, FileEntry]
) -> list[str]:
    """Unpack the members that the manifest names.

    Each is checked against its checksum where that is known.
    A damaged zip, a member that leads out of `folder`, and a pattern without any member are errors.
    Returns the paths.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            targets = _targets(content.namelist(), folder, entry)
            for member, path in targets.items():
                _extract(content, member, path, known.get(path.relative_to(folder).as_posix()))
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise WorkbookError(
            f"{archive} is not a readable zip ({error}); remove it and fetch again"
        ) from error
    return [path.relative_to(folder).as_posix() for path in targets.values()]


def _targets(members: list[str], folder: Path, entry: ArchiveEntry) -> dict[str, Path]:
    targets = {}
    for pattern, place in entry.members.items():
        matching = fnmatch.filter(members, pattern)
        files = [member for member in matching if not member.endswith("/")]
        if not files:
            raise WorkbookError(
                f"{entry.url} has no member {pattern}; it differs from what the manifest describes"
            )
        for member in files:
            # a member named to escape betrays a forged archive, wherever it would go
            inside(folder, member)
            targets[member] = inside(folder, f"{place}/{PurePosixPath(member).name}")
    return targets


def _extract(content: zipfile.ZipFile, member: str, path: Path, entry: FileEntry | None) -> None:
    """Write one member beside its place, check it, rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with content.open(member) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        if entry and entry.sha256 and sha256_of(part) != entry.sha256:
            raise WorkbookError(f"{member}: its checksum is not the manifest's {entry.sha256[:12]}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
