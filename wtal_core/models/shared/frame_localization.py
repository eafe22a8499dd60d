"""From an activation and a scene to what `frame_detections` takes: durations and frames of
videos; and the same proposals as instances, for GauFuse.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from wtal_core.localization.frames import FrameRule, frame_detections, frame_proposals
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import detections


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


def frame_instances(
    activation: Activation, classes: int, rule: FrameRule, suppression: FusionRule | None
) -> Instances:
    """Instances of the one joint stream, in snippets of the activation; proposals of a class that
    overlap are settled by `suppression`.

    None: NMS by the true IoU at the rule's limit, as overlaps in seconds ask for a time base; it is
    there in `localize_frames`. On the grid "frames", a snippet has 16 of them.
    """
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    proposals = frame_proposals(
        activation.cas[0],
        activation.scores[0],
        None if activation.magnitude is None else activation.magnitude[0],
        lengths,
        lengths,
        16 * lengths,
        rule,
    )
    settled = fuse(
        proposals.video * classes + proposals.label,
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


def on_native_grid(instances: Instances, lengths: tuple[int, ...], scene: Scene) -> Instances:
    """Instances of videos brought to `lengths` snippets, in the snippets of the time base."""
    native = np.asarray(scene.lengths, dtype=np.float64)
    factor = (native / np.maximum(lengths, 1))[instances.video]
    return replace(instances, start=instances.start * factor, end=instances.end * factor)


def localize_fused(
    activation: Activation, scene: Scene, rule: FrameRule, suppression: FusionRule
) -> pd.DataFrame:
    """Detections as `localize_frames`, overlapping proposals settled by another rule."""
    instances = frame_instances(activation, len(scene.classes), rule, suppression)
    return detections(on_native_grid(instances, activation.lengths, scene), scene)
