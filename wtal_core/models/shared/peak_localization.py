"""Runs above one threshold, scored by their peak and the video's class score: the localization of
W-TALC and of the methods that follow it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wtal_core.checks import Checked, NonNegativeFloat, PositiveInt, Rate
from wtal_core.localization.instances import Instances
from wtal_core.localization.mean_threshold import runs_above_middle, runs_above_zero
from wtal_core.localization.sequences import class_sequences
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.detected import detections, outside_ambiguous

RUNS = {"middle": runs_above_middle, "zero": runs_above_zero}


@dataclass(frozen=True)
class PeakRule(Checked):
    """Its constants.

    class_ratio: a class is localized in a video where its score is positive and above this share of
        the best class's; 0: where it is positive.
    threshold: what runs lie above, the middle of the class's range in the video, or 0.
    shortest: snippets that a run needs.
    score_weight: score of a run = its peak + score_weight * the class's score.
    """

    class_ratio: Rate = 0.0
    threshold: Literal["middle", "zero"] = "middle"
    shortest: PositiveInt = 2
    score_weight: NonNegativeFloat = 1.0


def peak_instances(activation: Activation, rule: PeakRule) -> Instances:
    """Instances of all videos, on class activation sequences and class scores of one stream. Those
    of a class in a video do not overlap.
    """
    scores = activation.scores[0]
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    best = scores.max(1, keepdims=True, initial=0.0)
    video, label = np.nonzero((scores > 0) & (scores > rule.class_ratio * best))
    sequences, sizes = class_sequences(activation.cas[0], lengths, video, label)
    runs = RUNS[rule.threshold](sequences, sizes, rule.shortest)
    of_video = video[runs.sequence]
    of_class = label[runs.sequence]
    score = runs.peak + rule.score_weight * scores[of_video, of_class]
    start = runs.start.astype(np.float64)
    return Instances(of_video, of_class, start, runs.end.astype(np.float64), score)


def localize_peaks(activation: Activation, scene: Scene, rule: PeakRule) -> pd.DataFrame:
    """Detections: all instances that meet no ambiguous interval; no NMS."""
    return detections(outside_ambiguous(peak_instances(activation, rule), scene), scene)
