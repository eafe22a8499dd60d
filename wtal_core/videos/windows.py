"""Windows of frames, one per snippet, with nothing kept but the frames of one window."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import UInt8

Window = UInt8[np.ndarray, "window pixels pixels 3"]


def windows_of(frames: Iterable[np.ndarray], window: int, stride: int) -> Iterator[Window]:
    """The window of every snippet: `window` frames around the middle of its `stride` frames.

    Before the first frame and after the last one these are repeated. A last snippet counts if at
    least half of its frames are there; a video has at least one.
    """
    lead = (window - stride) // 2  # frames of a window that lie before its snippet
    kept: deque[np.ndarray] = deque(maxlen=window)
    first: np.ndarray | None = None
    number = 0
    snippet = 0
    for frame in frames:
        if first is None:
            first = frame
            kept.extend([first] * window)  # as if it had been there before
        kept.append(frame)
        number += 1
        if number == snippet * stride - lead + window:
            yield np.stack(kept)
            snippet += 1
    if first is None:
        return
    last = kept[-1]
    snippets = max(1, (2 * number + stride) // (2 * stride))
    while snippet < snippets:
        kept.append(last)
        number += 1
        if number == snippet * stride - lead + window:
            yield np.stack(kept)
            snippet += 1


def batches_of(windows: Iterable[Window], size: int) -> Iterator[np.ndarray]:
    """At most `size` windows at once, [n, window, pixels, pixels, 3]."""
    waiting: list[Window] = []
    for window in windows:
        waiting.append(window)
        if len(waiting) == size:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)
