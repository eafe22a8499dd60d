"""Class activations of a set of videos -> action instances: classes, proposals, and what is done
with overlapping ones.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Num

from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.upsampling import upsample


@dataclass(frozen=True)
class Instances:
    """N action instances. video, label: indices; start, end: snippets; score: outer-inner contrast.

    By video, then by class, then by decreasing score of the best proposal of each.
    """

    video: Int[np.ndarray, " N"]
    label: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]
    score: Float[np.ndarray, " N"]


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

    scale: what activations and their thresholds are multiplied by, and so the instances' scores and
    the temperature that they
    are fused at: the same instances, but of less weight beside those of another stream.
    """
    video, label = pick_classes(scores, class_threshold)
    sequences, taken = upsample(*class_sequences(cas, lengths, video, label), upsampling)
    scaled = ProposalRule(
        tuple(scale * t for t in rule.thresholds),
        rule.shortest,
        rule.margin_scale,
        rule.margin_power,
        rule.outer_weight,
    )
    found = propose(scale * sequences, taken, scaled)
    settled = fuse(
        found.sequence,
        found.start,
        found.end,
        found.score,
        found.inner,
        replace(suppression, temperature=scale * suppression.temperature),
    )
    return Instances(
        video[settled.group],
        label[settled.group],
        settled.start / upsampling,
        settled.end / upsampling,
        settled.score,
    )
