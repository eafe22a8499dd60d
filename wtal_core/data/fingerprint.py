"""Hashes of files, and the fingerprint that becomes part of every run's key."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

BLOCK = 1 << 22


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(folder: Path, files: Iterable[Path], *facts: object) -> str:
    """16 hexadecimal digits over files and facts.

    files: their contents, and their names inside `folder`.
    facts: whatever else decides the content (fold, cutting rule).
    """
    digest = hashlib.sha256(repr(facts).encode())
    for path in sorted(files):
        name = path.relative_to(folder) if path.is_relative_to(folder) else path.name
        digest.update(f"\n{Path(name).as_posix()} {path.stat().st_size} {sha256_of(path)}".encode())
    return digest.hexdigest()[:16]
