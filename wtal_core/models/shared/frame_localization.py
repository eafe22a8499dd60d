"""From an activation and a scene to what the localization on frames takes: durations and frames of
videos.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Int

from wtal_core.localization.frames import FrameRule, frame_detections, frame_instances
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import detections

FRAMES_PER_SNIPPET = 16  # where there is no scene to say how many frames a video has


def localize_frames(
    activation: Activation, scene: Scene, rule: FrameRule, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections of the one joint stream of an activation, `video, label, t_start, t_end, score` in
    seconds.

    A video's frames are its snippets before rescaling (`scene.lengths`) times the stride, and its
    duration is the time that these snippets span, so that BackTAL's frame_num and duration, and
    BaS-Net's 16 L / 25, are both met.
    suppression: None is the NMS of the rule, in seconds; another settles overlapping proposals in
        snippets of the activation.
    """
    native = np.asarray(scene.lengths, dtype=np.int64)
    begin = float(scene.timebase.seconds(0.0))
    one_frame_per_second = replace(scene.timebase, fps=1.0, offset=0.0)
    frames = np.rint(one_frame_per_second.seconds(native)).astype(np.int64)
    if suppression is not None:
        (joint,) = instances_on_frames(activation, rule, suppression, frames)
        return detections(joint.rescaled(activation.lengths, scene.lengths), scene)
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


def instances_on_frames(
    activation: Activation,
    rule: FrameRule,
    suppression: FusionRule | None = None,
    frames: Int[np.ndarray, " B"] | None = None,
) -> list[Instances]:
    """Instances of the one joint stream, in snippets of the activation; overlapping ones settled by
    `suppression`, None: NMS at the rule's limit by the true IoU, as no seconds are known here.

    frames: of each video; None: 16 per snippet of the activation.
    """
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    return [
        frame_instances(
            activation.cas[0],
            activation.scores[0],
            None if activation.magnitude is None else activation.magnitude[0],
            lengths,
            FRAMES_PER_SNIPPET * lengths if frames is None else frames,
            rule,
            suppression or FusionRule("nms", limit=rule.nms, overlap="iou"),
        )
    ]
