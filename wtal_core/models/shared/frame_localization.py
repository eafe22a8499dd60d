"""From an activation and a scene to what `frame_detections` takes: durations and frames of
videos.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from wtal_core.localization.frames import FrameRule, frame_detections
from wtal_core.models.shared.activation import Activation, Scene


def localize_frames(activation: Activation, scene: Scene, rule: FrameRule) -> pd.DataFrame:
    """Detections of the one joint stream of an activation, `video, label, t_start, t_end, score` in
    seconds.

    A video's frames are its snippets before rescaling (`scene.lengths`) times the stride, and its
    duration is the time that these snippets span, so that BackTAL's frame_num and duration, and
    BaS-Net's 16 L / 25, are both met.
    """
    native = np.asarray(scene.lengths, dtype=np.int64)
    begin = float(scene.timebase.seconds(0.0))
    one_frame_per_second = replace(scene.timebase, fps=1.0, offset=0.0)
    frames = np.rint(one_frame_per_second.seconds(native)).astype(np.int64)
    magnitude = None if activation.magnitude is None else activation.magnitude[0]
    found = frame_detections(
        activation.cas[0],
        activation.scores[0],
        magnitude,
        np.asarray(activation.lengths, dtype=np.int64),
        np.asarray(scene.timebase.seconds(native)) - begin,
        frames,
        rule,
        scene.videos,
        scene.classes,
    )
    return found.assign(t_start=found["t_start"] + begin, t_end=found["t_end"] + begin)
