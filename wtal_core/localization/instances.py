"""Class activations of many videos -> action instances.

Classes are picked, proposals made, and overlapping ones fused or suppressed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Num

from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.upsampling import upsample


@dataclass(frozen=True)
class Instances:
    """N action instances, by video, then class, then decreasing score of the best proposal of each.

    video, label: indices.
    start, end: snippets.
    score: outer-inner contrast.
    """

    video: Int[np.ndarray, " N"]
    label: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]
    score: Float[np.ndarray, " N"]

    def rescaled(self, lengths: Sequence[int], others: Sequence[int]) -> "Instances":
        """On another grid: a video of `lengths` snippets has as many as in `others` there. Videos
        whose number is the same keep their borders to the bit; elsewhere none ends behind the
        video.
        """
        here = np.asarray(lengths)[self.video]
        there = np.asarray(others)[self.video]
        start = np.where(here == there, self.start, self.start * there / here)
        end = np.where(here == there, self.end, np.minimum(self.end * there / here, there))
        return replace(self, start=start, end=end)


def find_instances(
    cas: Num[np.ndarray, "M K"],
    scores: Num[np.ndarray, "B K"],
    lengths: Int[np.ndarray, " B"],
    class_threshold: float,
    rule: ProposalRule,
    suppression: FusionRule,
    upsampling: int = 1,
    scale: float = 1.0,
) -> Instances:
    """Instances of the classes that each of B videos is taken to show, score >= `class_threshold`.

    scale: factor of activations and thresholds, and so of scores and of the temperature of fusion.
        The instances are the same, but of less weight beside those of another stream.
    """
    video, label = pick_classes(scores, class_threshold)
    snippets, snippet_lengths = class_sequences(cas, lengths, video, label)
    activation, fine_lengths = upsample(snippets, snippet_lengths, upsampling)
    scaled_rule = replace(rule, thresholds=tuple(scale * level for level in rule.thresholds))
    proposals = propose(scale * activation, fine_lengths, scaled_rule)
    fused = fuse(
        proposals.sequence,
        proposals.start,
        proposals.end,
        proposals.score,
        proposals.inner,
        replace(suppression, temperature=scale * suppression.temperature),
    )
    return Instances(
        video[fused.group],
        label[fused.group],
        fused.start / upsampling,
        fused.end / upsampling,
        fused.score,
    )
