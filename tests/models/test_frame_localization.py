"""From activation and scene to detections: frames and durations come from the snippets before
rescaling.
"""

import numpy as np
import pandas as pd
import pytest

from wtal_core.localization.frames import FrameRule
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.frame_localization import localize_frames
from wtal_core.timebase import Timebase

NOTHING = pd.DataFrame({"video": pd.Series(dtype=str), "t_start": [], "t_end": []})
RULE = FrameRule(class_threshold=0.5, thresholds=(0.5,), gamma=0.0, nms=1.0, magnitude=())


def localize(rows, native, rule, timebase, magnitude=None):
    lengths = tuple(len(row) for row in rows)
    joined = np.concatenate(rows)
    activation = Activation(
        joined[None, :, None], np.ones((1, len(rows), 1)), joined[None], lengths, magnitude
    )
    scene = Scene(tuple("ab")[: len(rows)], ("x",), timebase, NOTHING, native)
    return localize_frames(activation, scene, rule)


@pytest.mark.parametrize("offset", [0.0, 8.0])
@pytest.mark.parametrize(("grid", "start"), [("frames", 40 / 80), (24, 36 / 96)])
def test_times_are_those_of_the_native_snippets(grid, start, offset):
    """4 snippets stand for 5 of 16 frames at 25 a second: 3.2 s; the other video has none.

    1/2 is reached between snippets 1 and 2: in the middle of the video by their centres, at 1.5 / 4
    by their begins.
    """
    row = np.array([0.0, 0.0, 1.0, 1.0])
    found = localize(
        [row, np.zeros(0)],
        (5, 0),
        FrameRule(**{**vars(RULE), "grid": grid}),
        Timebase(25.0, 16.0, offset),
    )
    assert found["video"].tolist() == ["a"]
    begin = offset / 25
    assert found["t_start"].tolist() == pytest.approx([begin + start * 3.2])
    assert found["t_end"].tolist() == pytest.approx([begin + 3.2])


def test_magnitudes_of_the_joint_stream_are_used():
    rule = FrameRule(**{**vars(RULE), "thresholds": (), "magnitude": (0.5,), "grid": 1})
    found = localize(
        [np.array([0.0, 1.0, 1.0])], (3,), rule, Timebase(1.0, 1.0), np.array([[0.0, 0.0, 7.0]])
    )
    assert found[["t_start", "t_end"]].to_numpy().tolist() == [[2, 3]]
