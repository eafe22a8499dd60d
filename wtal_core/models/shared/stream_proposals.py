"""Runs of each stream's class activations on a finer grid -> scored proposals, which are pooled
before suppression, as in STPN and BM.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num

from wtal_core.checks import Checked, NonNegativeFloat, PositiveInt
from wtal_core.errors import WorkbookError
from wtal_core.localization.frame_proposals import Margin, Runs, find_runs
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.proposals import PrefixSums
from wtal_core.localization.sequences import (
    class_sequences,
    in_parts,
    pick_classes,
    without_lone_first_class,
)
from wtal_core.localization.upsampling import stretch, upsample
from wtal_core.models.shared.activation import Scene
from wtal_core.models.shared.detected import detections, joined

POINTS_AT_ONCE = 2**20  # about 60 MB of arrays


@dataclass(frozen=True)
class StreamRule(Checked):
    """How class activations become proposals.

    class_threshold: a class is localized in a video where its score is above this.
    thresholds: a run is where the activation is >= one of them, and > 0.
    upsampling: points per snippet.
    grid: where they lie: point j at j / upsampling, extrapolated after the last snippet ("left"),
        by which detections are half a snippet early; or between the snippets' centres ("centre").
    outer_weight: w of score = mean of the ranking inside - w * its mean in the outer area.
    outer: width of the outer area at either side, as a share of the run's length.
    outer_sides: the mean over both sides "together", or the sum of the means of "each" side.
    score_class: times the class's video score, added to the score.
    drop_frame0_run: where point 0 alone passes a threshold, nothing is proposed there.
    fix_class0: False loses a video whose only class is the first one.
    """

    class_threshold: NonNegativeFloat = 0.1
    thresholds: tuple[NonNegativeFloat, ...] = (0.05,)
    upsampling: PositiveInt = 24
    grid: Literal["left", "centre"] = "left"
    outer_weight: NonNegativeFloat = 0.0
    outer: NonNegativeFloat = 0.25
    outer_sides: Literal["together", "each"] = "together"
    score_class: NonNegativeFloat = 0.0
    drop_frame0_run: bool = False
    fix_class0: bool = True


@dataclass(frozen=True)
class Candidates:
    """N scored proposals before suppression. inner: mean of the class activation inside, by which
    GauFuse weighs them.
    """

    instances: Instances
    inner: Float[np.ndarray, " N"]


def find_candidates(
    cas: Num[np.ndarray, "M K"],
    ranking: Num[np.ndarray, "M K"],
    scores: Num[np.ndarray, "B K"],
    lengths: Int[np.ndarray, " B"],
    rule: StreamRule,
) -> Candidates:
    """The proposals of one stream's B videos, in snippets; a run's end is its last point + 1.

    cas: what thresholds are compared with. ranking: what proposals are scored by, often the same.
    Order: by parts of the videos, then threshold, then video and class, then start. Raises
    WorkbookError where a value is not finite.
    """
    for name, values in {"class activation": cas, "ranking": ranking, "score": scores}.items():
        if not np.isfinite(values).all():
            raise WorkbookError(f"a {name} is not finite; has training diverged?")
    video, label = pick_classes(scores, np.nextafter(rule.class_threshold, np.inf))
    if not rule.fix_class0:
        video, label = without_lone_first_class(video, label, scores.shape[1])
    parts = in_parts(lengths[video] * rule.upsampling, POINTS_AT_ONCE)
    candidates = []
    for part in parts:
        sequences, sizes = class_sequences(cas, lengths, video[part], label[part])
        ranks, _ = class_sequences(ranking, lengths, video[part], label[part])
        runs, score, inner = _scored_runs(sequences, ranks, sizes, rule)
        own_video = video[part][runs.sequence]
        own_label = label[part][runs.sequence]
        score += rule.score_class * scores[own_video, own_label]
        start = runs.start / rule.upsampling
        end = runs.end / rule.upsampling
        instances = Instances(own_video, own_label, start, end, score)
        candidates.append(Candidates(instances, inner))
    return pooled(candidates)


def _scored_runs(
    cas: Float[np.ndarray, " S"],
    ranking: Float[np.ndarray, " S"],
    lengths: Int[np.ndarray, " P"],
    rule: StreamRule,
) -> tuple[Runs, Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Runs of P sequences, the contrast of the ranking and the mean of the activation of each."""
    finer = stretch if rule.grid == "left" else upsample
    values, sizes = finer(cas, lengths, rule.upsampling)
    ranks, _ = finer(ranking, lengths, rule.upsampling)
    runs = find_runs(values, sizes, rule.thresholds, rule.drop_frame0_run)
    score = _contrast(PrefixSums(ranks, sizes), runs, rule)
    inner = _mean(PrefixSums(values, sizes), runs.sequence, runs.start, runs.end)
    return runs, score, inner


def _contrast(sums: PrefixSums, runs: Runs, rule: StreamRule) -> Float[np.ndarray, " N"]:
    """Mean inside less the weighted mean of the outer area."""
    margin = Margin(rule.outer, "inclusive")
    left, right = margin.bounds(runs.start, runs.end, sums.lengths[runs.sequence])
    inner = _mean(sums, runs.sequence, runs.start, runs.end)
    if rule.outer_sides == "each":
        before = _mean(sums, runs.sequence, left, runs.start)
        after = _mean(sums, runs.sequence, runs.end, right)
        return inner - rule.outer_weight * (before + after)
    both = sums.total(runs.sequence, left, right) - sums.total(runs.sequence, runs.start, runs.end)
    size = right - left - (runs.end - runs.start)
    outer = sums.value(runs.sequence, both) / np.maximum(size, 1)
    return inner - rule.outer_weight * outer


def _mean(
    sums: PrefixSums,
    sequence: Int[np.ndarray, " N"],
    start: Int[np.ndarray, " N"],
    stop: Int[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """Mean over [start, stop), 0 where that is empty."""
    total = sums.value(sequence, sums.total(sequence, start, stop))
    return total / np.maximum(stop - start, 1)


def pooled(parts: list[Candidates]) -> Candidates:
    """The candidates of several streams, one after another."""
    return Candidates(
        joined([part.instances for part in parts]),
        np.concatenate([part.inner for part in parts]),
    )


def settled(candidates: Candidates, rule: FusionRule) -> Instances:
    """One instance of each cluster of overlapping candidates of a video and class."""
    instances = candidates.instances
    classes = int(instances.label.max(initial=0)) + 1
    fused = fuse(
        instances.video * classes + instances.label,
        instances.start,
        instances.end,
        instances.score,
        candidates.inner,
        rule,
    )
    video, label = np.divmod(fused.group, classes)
    return Instances(video, label, fused.start, fused.end, fused.score)


def pooled_detections(
    streams: list[Candidates], lengths: tuple[int, ...], scene: Scene, rule: FusionRule
) -> pd.DataFrame:
    """Detections of all streams together. lengths: snippets that each video was brought to, which
    span as much time as its own, `scene.lengths`.
    """
    pool = pooled(streams)
    own_lengths = np.asarray(scene.lengths, dtype=np.float64)
    scale = (own_lengths / np.maximum(lengths, 1))[pool.instances.video]
    start = pool.instances.start * scale
    end = pool.instances.end * scale
    on_own_snippets = replace(pool, instances=replace(pool.instances, start=start, end=end))
    return detections(settled(on_own_snippets, rule), scene)
