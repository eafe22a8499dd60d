"""Memory that a training frees and takes again in every step."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of glibc's mallopt, `malloc.h`
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT = 2**30  # bytes: larger than any tensor of a step, and than what lies free between two steps
USUAL = 2**25  # bytes: what glibc's own thresholds grow to in a process with large arrays


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Tensors reuse the memory of those before them; at the end it goes back to the system.

    By default glibc hands blocks of a few megabytes back at once. The system then fills each tensor
    of the next step with zeros, page by page, before it is written: a fifth of the time of a
    FAC-Net step at `quick` size. Nothing changes on systems without glibc.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    _keep(library, KEPT)
    try:
        yield
    finally:
        _keep(library, USUAL)
        library.malloc_trim(0)


def _keep(library: ctypes.CDLL, limit: int) -> None:
    """Blocks up to so many bytes come from the heap, and so much of it may lie free."""
    library.mallopt(MMAP_THRESHOLD, limit)
    library.mallopt(TRIM_THRESHOLD, limit)
