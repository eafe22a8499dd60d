"""Downloads a data set's files, or takes them from a mirror.

Everything with a known checksum is checked.
"""

import fnmatch
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch

from wtal_core.data.archives import Member, opened
from wtal_core.data.download import download
from wtal_core.data.fingerprint import sha256_of
from wtal_core.data.manifests import ArchiveEntry, DatasetManifest, FileEntry, load_manifest
from wtal_core.data.paths import data_root, inside
from wtal_core.data.verify import check_file
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import refuse_special


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
        # who names a server means it, http included
        reason = _try_addresses(addresses, folder, entry, progress, plain=mirror is not None)
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


def _try_addresses(
    addresses: list[str], folder: Path, entry: FileEntry, progress: bool, plain: bool
) -> str:
    """Fetch a file from the first address that gives it right; returns why none did, or nothing."""
    reasons = []
    for address in addresses:
        try:
            target = inside(folder, entry.path)
            _retrieve(address, target, entry.sha256, progress, entry.bytes, plain)
            return ""
        except WorkbookError as error:
            reasons.append(str(error))
    return "; ".join(reasons)


def _retrieve(
    address: str,
    target: Path,
    sha256: str | None,
    progress: bool,
    size: int | None = None,
    plain: bool = False,
) -> None:
    """One file by pooch: to a temporary name, checksum, rename. plain: http is allowed, too."""
    remote = "://" in address
    if not remote and not Path(address).is_file():
        raise WorkbookError(f"{address} is not in the mirror")
    refuse_special(target)
    part = target.with_name(f"{target.name}.part")
    if sha256 is None:  # nothing would tell that the rest is of another version
        part.unlink(missing_ok=True)

    def download_to(address: str, output: str | Path, pup: object) -> None:
        download(address, part, size, plain, progress)
        shutil.move(part, output)

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
            downloader=download_to if remote else _copy,
        )
    except WorkbookError:
        if sha256 is None:
            part.unlink(missing_ok=True)
        raise
    except (OSError, ValueError) as error:
        # a wrong checksum is a ValueError
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
    A damaged or hostile archive (see `archives.opened`), a member that leads out of `folder`, and a
    pattern without any member are errors.
    Returns the paths.
    """
    with opened(archive) as members:
        by_name = {member.name: member for member in members}
        targets = _targets(list(by_name), folder, entry)
        for name, path in targets.items():
            _extract(by_name[name], path, known.get(path.relative_to(folder).as_posix()))
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


def _extract(member: Member, path: Path, entry: FileEntry | None) -> None:
    """Write one member beside its place, check it, rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with member.open() as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        if entry and entry.sha256 and sha256_of(part) != entry.sha256:
            raise WorkbookError(
                f"{member.name}: its checksum is not the manifest's {entry.sha256[:12]}"
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
