"""Attention -> scored proposals of the classes of a video -> instances, as in HAM-Net, CO2-Net and
DELU.

All classes of a video share its proposals, runs of snippets above thresholds on the attention.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, Num

from wtal_core.checks import Checked, NonNegativeFloat, PositiveFloat, Share
from wtal_core.errors import WorkbookError
from wtal_core.localization.frame_proposals import Margin, Runs, find_runs, inner_and_outer
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.soft_suppression import softened
from wtal_core.segments import pairs_by_key


@dataclass(frozen=True)
class AttentionRule(Checked):
    """Every constant of the localization; the defaults are CO2-Net's."""

    # a class is localized in a video where its video-level score is at least this
    class_threshold: Share = 0.2
    # a video without such a class gets its best one
    at_least_one: bool = True
    # a proposal is a run of snippets whose attention is above one of them
    thresholds: tuple[Share, ...] = tuple(np.linspace(0.1, 0.9, 10).tolist())
    # outer area on either side, as a share of the proposal's length
    outer: NonNegativeFloat = 0.25
    # score = inner mean - outer mean + gamma times the class's video-level score
    gamma: NonNegativeFloat = 0.2
    # of the Gaussian soft suppression; nothing is removed
    sigma: PositiveFloat = 0.3
    # snippets that intervals are longer by in its overlaps. DIFFERS: 0 is the IoU of the papers
    extra: NonNegativeFloat = 1.0
    # only what is longer than so many snippets is kept, after it has suppressed others
    longer_than: NonNegativeFloat = 0.0
    # DIFFERS: the codes ask whether any of the *numbers* of the snippets above a threshold is true,
    # so where snippet 0 is the only one it is passed over; True proposes it
    fix_any: bool = False


def attention_instances(
    cas: Num[np.ndarray, "M C"],
    scores: Num[np.ndarray, "B C"],
    attention: Num[np.ndarray, " M"],
    lengths: Int[np.ndarray, " B"],
    rule: AttentionRule,
    suppression: FusionRule | None = None,
) -> Instances:
    """Instances of B videos, M snippets altogether, no background among the classes.

    cas: what proposals are scored by. scores: video-level probabilities.
    suppression: what settles overlapping proposals in place of soft suppression.
    Equal scores of a video and class are settled in this order: by threshold, then by start.
    Source: HAM-Net, `system/tester.py`; CO2-Net and DELU, `proposal_methods.py`.
    Raises WorkbookError where a number is not finite.
    """
    read = {"class activation": cas, "video-level score": scores, "attention": attention}
    for name, values in read.items():
        if not np.isfinite(values).all():
            raise WorkbookError(f"a {name} is not finite; has training diverged?")
    video, label = pick_classes(scores, rule.class_threshold, rule.at_least_one)
    values, sizes = class_sequences(cas, lengths, video, label)
    runs = _runs_of_pairs(attention, lengths, video, rule)
    pair = runs.sequence
    margin = Margin(rule.outer, "inclusive")
    inner, outer = inner_and_outer(values, sizes, runs, margin, thresholded=False)
    score = inner - outer + rule.gamma * scores[video, label].astype(np.float64)[pair]
    start = runs.start.astype(np.float64)
    end = runs.end.astype(np.float64)
    if suppression is None:
        score = softened(pair, start, end, score, rule.sigma, rule.extra)
    else:
        settled = fuse(pair, start, end, score, inner, suppression)
        pair = settled.group
        start = settled.start
        end = settled.end
        score = settled.score
    kept = np.flatnonzero(end - start > rule.longer_than)
    kept = kept[np.lexsort((-score[kept], pair[kept]))]
    pair = pair[kept]
    return Instances(video[pair], label[pair], start[kept], end[kept], score[kept])


def _runs_of_pairs(
    attention: Num[np.ndarray, " M"],
    lengths: Int[np.ndarray, " B"],
    video: Int[np.ndarray, " P"],
    rule: AttentionRule,
) -> Runs:
    """Runs of P pairs of a video and a class, by pair, then threshold, then start; sequence = the
    pair.
    """
    each, own = np.unique(video, return_inverse=True)  # runs are looked for once per video
    rows, sizes = class_sequences(attention[:, None], lengths, each, np.zeros_like(each))
    # strictly above a threshold is from the next number on
    above = tuple(float(np.nextafter(level, np.inf)) for level in rule.thresholds)
    runs = find_runs(rows, sizes, above, drop_frame0_run=not rule.fix_any)
    pair, index = pairs_by_key(own, runs.sequence)
    return replace(runs.where(index), sequence=pair)
