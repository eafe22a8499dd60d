"""Hashes of files, and the fingerprint that becomes part of every run's key."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from wtal_core.data.stored import AT_ONCE

BLOCK = 1 << 22
SAMPLE = 1 << 12  # bytes of a sample
SPACING = 1 << 24  # bytes from one sample of a large file to the next


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sampled_sha256_of(path: Path) -> str:
    """SHA-256 of samples of a file: its beginning, its end, and places evenly between.

    At least four samples of 4 KiB, one more for every 16 MiB. The end of an .npz file holds the
    checksums of all its arrays, so that of these no change is missed.
    """
    digest = hashlib.sha256()
    size = path.stat().st_size
    samples = 4 + size // SPACING
    with path.open("rb") as stream:
        for i in range(samples):
            stream.seek(max(0, size - SAMPLE) * i // (samples - 1))
            digest.update(stream.read(SAMPLE))
    return digest.hexdigest()


def fingerprint(
    folder: Path, files: Iterable[Path], *facts: object, features: Collection[Path] = ()
) -> str:
    """16 hexadecimal digits over files and facts.

    files: their contents, and their names inside `folder`.
    facts: whatever else decides the content (fold, cutting rule).
    features: files that are hashed like the others while they can be held in memory together
        (`AT_ONCE`); of more than that, their names, sizes and samples are hashed, because reading
        terabytes to open a data set is no use.
    """
    digest = hashlib.sha256(repr(facts).encode())
    sampled = set(features)
    if sum(path.stat().st_size for path in sampled) <= AT_ONCE:
        sampled = set()
    for path in sorted({*files, *features}):
        name = path.relative_to(folder) if path.is_relative_to(folder) else path.name
        content = sampled_sha256_of(path) if path in sampled else sha256_of(path)
        digest.update(f"\n{Path(name).as_posix()} {path.stat().st_size} {content}".encode())
    return digest.hexdigest()[:16]
