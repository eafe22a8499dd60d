"""Windows of frames against their definition."""

import numpy as np
import pytest

from wtal_core.videos.windows import batches_of, windows_of


def frames(number):
    return [np.full((1, 1, 3), k, dtype=np.uint8) for k in range(number)]


def defined(number, window, stride):
    """The frames of each window, written down without a loop over frames."""
    snippets = max(1, int(np.floor(number / stride + 0.5)))
    begin = np.arange(snippets)[:, None] * stride - (window - stride) // 2
    return np.clip(begin + np.arange(window), 0, number - 1).tolist()


@pytest.mark.parametrize("window", [1, 2, 4, 5, 16])
@pytest.mark.parametrize("stride", [1, 2, 4, 7, 16])
@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 30, 31])
def test_windows_lie_around_their_snippets(number, window, stride):
    windows = list(windows_of(frames(number), window, stride))
    assert [w[:, 0, 0, 0].tolist() for w in windows] == defined(number, window, stride)


def test_without_frames_there_is_no_window():
    assert list(windows_of([], 4, 4)) == []


def test_batches_hold_all_windows_in_order():
    batches = list(batches_of(windows_of(frames(22), 2, 2), 4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert np.concatenate(batches)[:, 0, 0, 0, 0].tolist() == list(range(0, 22, 2))
