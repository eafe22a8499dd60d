"""Fuse or suppress? Published detections of real detectors, one or several, by GauFuse's templates.

All tables are `video, label, t_start, t_end, score` in seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.evaluation.video_bootstrap import Matched, draws, matched, resampled_map
from wtal_core.localization.detections import to_table
from wtal_core.localization.fusion import FusionRule, clusters, fuse
from wtal_core.segments import intersection, pairs_by_key
from wtal_core.timebase import Timebase

SIGMA = 0.3  # of the Gaussian soft suppression in CO2-Net's published test detections
DIGITS = 10  # a score that is undone is rounded to so many, so that repeats tie again
Template = Literal["nms", "gaussian", "laplace", "t", "uniform"]
TEMPLATES: tuple[Template, ...] = get_args(Template)
WEIGHTLESS = ("nms", "uniform")  # templates that no temperature changes
LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5)
RESAMPLES = 200
FOLDS = 5


def before_soft_suppression(
    detections: pd.DataFrame, timebase: Timebase, sigma: float = SIGMA
) -> pd.DataFrame:
    """Detections with the scores that they had before Gaussian soft suppression.

    It takes the best one left, multiplies the scores of all others left by exp(-o² / sigma), where
    o is their overlap with it, and goes on. So each score is divided by the factors of all that
    were taken before it.
    detections: of each video and class in the order in which they were taken, on the snippet grid.
    The overlap is intersection over union of snippets, with both ends counted in.
    Raises WorkbookError where times do not lie on the grid.
    """
    start = timebase.snippets(detections["t_start"].to_numpy(dtype=np.float64))
    end = timebase.snippets(detections["t_end"].to_numpy(dtype=np.float64))
    off_grid = np.abs(np.concatenate((start - np.rint(start), end - np.rint(end)))).max(initial=0)
    if off_grid > 1e-6:
        raise WorkbookError(
            f"detections lie up to {off_grid:.3g} snippets beside the grid; give the time base in "
            "which they were made"
        )
    key = detections.groupby(["video", "label"], sort=False).ngroup().to_numpy()
    i, j = pairs_by_key(key, key)
    earlier = i < j
    i = i[earlier]
    j = j[earlier]
    shared = intersection(start[i], end[i] + 1, start[j], end[j] + 1)
    overlap = shared / ((end[i] - start[i] + 1) + (end[j] - start[j] + 1) - shared)
    exponent = np.bincount(j, overlap**2 / sigma, minlength=len(detections))
    scores = detections["score"].to_numpy(dtype=np.float64) * np.exp(exponent)
    return detections.assign(score=np.round(scores, DIGITS))


def by_rank(detections: pd.DataFrame, longest: Mapping[str, int]) -> pd.DataFrame:
    """Scores replaced by 1 - log(rank) / log(n + 1), so that detectors can be compared.

    rank: among the detections of the class, the best has 1; of equal scores, the first listed.
    longest: class -> n, the most detections that any of the detectors has of it.
    """
    order = np.lexsort((-detections["score"].to_numpy(), detections["label"].to_numpy(str)))
    ranked = detections.iloc[order]
    label = pd.factorize(ranked["label"])[0]
    rank = ragged.rank_in_group(label) + 1
    count = ranked["label"].map(longest).to_numpy(dtype=np.float64)
    return ranked.assign(score=1 - np.log(rank) / np.log(count + 1)).sort_index(kind="stable")


def together(detectors: Mapping[str, pd.DataFrame], weights: Mapping[str, float]) -> pd.DataFrame:
    """Detections of several detectors in one table, in the order given, with ranks for scores.

    weights: factor of each detector's scores. The column `detector` numbers them from 0.
    """
    counts = [table["label"].value_counts() for table in detectors.values()]
    longest = pd.concat(counts, axis=1).max(axis=1).astype(int).to_dict()
    parts = []
    for number, (name, table) in enumerate(detectors.items()):
        ranked = by_rank(table.reset_index(drop=True), longest)
        parts.append(ranked.assign(score=weights[name] * ranked["score"], detector=number))
    return pd.concat(parts, ignore_index=True)


def resolved(
    detections: pd.DataFrame, truth: GroundTruth, rule: FusionRule, agreement: bool = False
) -> pd.DataFrame:
    """Detections with overlapping ones of a video and class made one by `rule`.

    Of the classes and in the time base of `truth`.
    agreement: the score is also multiplied by the share of the detectors (column `detector`) that
        have a detection in the cluster.
    """
    video, videos = pd.factorize(detections["video"])
    label = pd.Index(truth.classes).get_indexer(pd.Index(detections["label"])).astype(np.int64)
    group = video.astype(np.int64) * len(truth.classes) + label
    start = truth.timebase.snippets(detections["t_start"].to_numpy(dtype=np.float64))
    end = truth.timebase.snippets(detections["t_end"].to_numpy(dtype=np.float64))
    score = detections["score"].to_numpy(dtype=np.float64)
    fused = fuse(group, start, end, score, score, replace(rule, logit="score"))
    scores = fused.score
    if agreement:
        _, owner = clusters(group, start, end, score, rule.limit, rule.overlap)
        scores = scores * _share_of_detectors(owner, detections["detector"].to_numpy())
    return to_table(
        video[fused.head].astype(np.int64),
        label[fused.head],
        fused.start,
        fused.end,
        scores,
        list(videos),
        truth.classes,
        truth.timebase,
    )


def _share_of_detectors(
    owner: Int[np.ndarray, " N"], detector: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " K"]:
    """Of each cluster, how many detectors have a detection in it, over how many there are."""
    count = int(detector.max()) + 1
    pairs = np.unique(owner * count + detector)
    return np.bincount(pairs // count, minlength=int(owner.max()) + 1) / count


@dataclass(frozen=True)
class Choice:
    """A way to make several detections one. weights: factor of each detector's ranks."""

    rule: FusionRule
    agreement: bool = False
    weights: tuple[float, ...] = ()


def rules_of(
    template: Template,
    limits: Sequence[float] = LIMITS,
    temperatures: Sequence[float] = TEMPERATURES,
) -> list[FusionRule]:
    """The rules among which one of a template is chosen."""
    warm = temperatures[:1] if template in WEIGHTLESS else temperatures
    return [
        FusionRule(template, temperature, "score", limit, "iou")
        for limit, temperature in product(limits, warm)
    ]


def scored(
    detections: pd.DataFrame, truth: GroundTruth, weights: Int[np.ndarray, "R V"] | None = None
) -> Float[np.ndarray, "R K"]:
    """mAP in percent at tIoU 0.1 to 0.7 (activitynet), a row per weighting of the videos."""
    return 100 * resampled_map(match_of(detections, truth), _weights(truth, weights))


def match_of(detections: pd.DataFrame, truth: GroundTruth) -> Matched:
    """Matched under `activitynet`."""
    return matched(truth, detections, ACTIVITYNET)


def _weights(truth: GroundTruth, weights: Int[np.ndarray, "R V"] | None) -> Int[np.ndarray, "R V"]:
    return np.ones((1, len(truth.videos)), dtype=np.int64) if weights is None else weights


def best_rule(
    candidates: pd.DataFrame, truth: GroundTruth, rules: Iterable[FusionRule]
) -> tuple[FusionRule, float]:
    """The rule of the highest average mAP, and that average; of equal ones the first."""
    averages = {}
    for rule in rules:
        averages[rule] = float(scored(resolved(candidates, truth, rule), truth).mean())
    best = max(averages, key=averages.__getitem__)
    return best, averages[best]


def cross_fitted(
    detectors: Mapping[str, pd.DataFrame], truth: GroundTruth, choices: Sequence[Choice]
) -> tuple[pd.DataFrame, list[Choice]]:
    """Detections of all videos, each fold resolved as is best on the other folds; the choices.

    A fold holds every FOLDS-th video.
    """
    fold = np.arange(len(truth.videos)) % FOLDS
    others = (fold[None] != np.arange(FOLDS)[:, None]).astype(np.int64)
    averages = []
    for choice in choices:
        averages.append(scored(chosen(detectors, truth, choice), truth, others).mean(axis=1))
    best = np.argmax(averages, axis=0)
    tables = {place: chosen(detectors, truth, choices[place]) for place in np.unique(best)}
    parts = []
    for number, place in enumerate(best):
        videos = np.array(truth.videos, dtype=object)[fold == number]
        table = tables[place]
        parts.append(table[table["video"].isin(videos)])
    return pd.concat(parts, ignore_index=True), [choices[place] for place in best]


def chosen(
    detectors: Mapping[str, pd.DataFrame], truth: GroundTruth, choice: Choice
) -> pd.DataFrame:
    """The detectors together, resolved as `choice` says."""
    weights = dict(zip(detectors, choice.weights or [1.0] * len(detectors), strict=True))
    return resolved(together(detectors, weights), truth, choice.rule, choice.agreement)


def compared(rows: Mapping[Any, pd.DataFrame], truth: GroundTruth, reference: Any) -> pd.DataFrame:
    """mAP in percent of each row, and its average's difference to the reference's.

    Columns: tIoUs, average, difference, low, high: the middle 95 % of RESAMPLES resamples of the
    videos, the same ones for all rows.
    """
    kept = np.array([video not in truth.blocked for video in truth.videos])
    weights = np.zeros((RESAMPLES, len(truth.videos)), dtype=np.int64)
    weights[:, kept] = draws(int(kept.sum()), RESAMPLES)
    points = {}
    averages = {}
    for name, table in rows.items():
        match = match_of(table, truth)
        points[name] = 100 * resampled_map(match, _weights(truth, None))[0]
        averages[name] = 100 * resampled_map(match, weights).mean(axis=1)
    columns = [f"{tiou:g}" for tiou in ACTIVITYNET.tious]
    table = pd.DataFrame(points, index=columns).T
    table["average"] = table.mean(axis=1)
    table["difference"] = table["average"] - table.loc[[reference], "average"].item()
    for column, quantile in (("low", 0.025), ("high", 0.975)):
        table[column] = [
            np.quantile(values - averages[reference], quantile) for values in averages.values()
        ]
    return table
