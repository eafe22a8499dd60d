"""From an activation and a scene to what `frame_detections` takes: durations and frames of
videos; and the same proposals as instances, for GauFuse.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Int

from wtal_core.localization.frames import FrameRule, frame_detections, frame_proposals
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import detections

FRAMES_PER_SNIPPET = 16


def localize_frames(
    activation: Activation,
    scene: Scene,
    rule: FrameRule,
    suppression: FusionRule | None = None,
) -> pd.DataFrame:
    """Detections of the one joint stream of an activation, `video, label, t_start, t_end, score` in
    seconds.

    A video's duration is the time that its snippets before rescaling (`scene.lengths`) span, so
    that BackTAL's duration and BaS-Net's 16 L / 25 are both met. suppression: settles overlapping
    proposals; None: the rule's own NMS, in seconds.
    """
    if suppression is not None:
        return _fused(activation, scene, rule, suppression)
    native = np.asarray(scene.lengths, dtype=np.int64)
    begin = float(scene.timebase.seconds(0.0))
    magnitude = None if activation.magnitude is None else activation.magnitude[0]
    found = frame_detections(
        activation.cas[0],
        activation.scores[0],
        magnitude,
        np.asarray(activation.lengths, dtype=np.int64),
        np.asarray(scene.timebase.seconds(native)) - begin,
        frames_of(scene),
        activation.scaled(rule),
        scene.videos,
        scene.classes,
    )
    return found.assign(t_start=found["t_start"] + begin, t_end=found["t_end"] + begin)


def frames_of(scene: Scene) -> Int[np.ndarray, " B"]:
    """Frames of each video: its snippets before rescaling times the stride, as BackTAL's
    frame_num.
    """
    native = np.asarray(scene.lengths, dtype=np.int64)
    one_frame_per_second = replace(scene.timebase, fps=1.0, offset=0.0)
    return np.rint(one_frame_per_second.seconds(native)).astype(np.int64)


def frame_instances(
    activation: Activation,
    classes: int,
    rule: FrameRule,
    suppression: FusionRule | None,
    frames: Int[np.ndarray, " B"] | None = None,
) -> Instances:
    """Instances of the one joint stream, in snippets of the activation; proposals of a class that
    overlap are settled by `suppression`.

    classes: C, the background not among them.
    suppression: None is NMS by the true IoU at the rule's limit, as overlaps in seconds ask for a
        time base; it is there in `localize_frames`.
    frames: of each video, for the grid "frames"; None: 16 per snippet.
    """
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    proposals = frame_proposals(
        activation.cas[0],
        activation.scores[0],
        None if activation.magnitude is None else activation.magnitude[0],
        lengths,
        lengths,
        FRAMES_PER_SNIPPET * lengths if frames is None else frames,
        activation.scaled(rule),
    )
    settled = fuse(
        proposals.video * (classes + 1) + proposals.label,
        proposals.start,
        proposals.end,
        proposals.score,
        proposals.inner,
        suppression or FusionRule("nms", limit=rule.nms, overlap="iou"),
    )
    return Instances(
        proposals.video[settled.head],
        proposals.label[settled.head],
        settled.start,
        settled.end,
        settled.score,
    )


def _fused(
    activation: Activation, scene: Scene, rule: FrameRule, suppression: FusionRule
) -> pd.DataFrame:
    """Detections whose overlapping proposals another rule than NMS in seconds settles."""
    classes = len(scene.classes)
    instances = frame_instances(activation, classes, rule, suppression, frames_of(scene))
    return detections(instances.rescaled(activation.lengths, scene.lengths), scene)
