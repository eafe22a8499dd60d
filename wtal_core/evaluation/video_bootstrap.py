"""mAP of resampled test sets: how sure a number, or a difference of two, is given these videos.

A video is drawn with all its instances and detections. Matching happens inside of a video, so it is
done once; a resample only weighs videos, and its mAP is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from wtal_core.evaluation.ground_truth import Detections, GroundTruth, checked
from wtal_core.evaluation.mean_average_precision import thresholds
from wtal_core.evaluation.preparation import matches_of, prepare
from wtal_core.evaluation.protocols import Protocol
from wtal_core.evaluation.worst import envelope

AT_ONCE = 100  # resamples whose curves are held in memory together


@dataclass(frozen=True)
class Matched:
    """Detections of one method, matched once, for any weights of videos.

    video: of each detection, an index into the ground truth's videos; -1 is in none.
    start, stop: where the detections of each class begin and end, by decreasing score.
    hit: whether a detection is a true positive at each tIoU.
    instances: of each class in each video.
    ap: the protocol's rule for the area under the curve.
    """

    video: Int[np.ndarray, " N"]
    start: Int[np.ndarray, " C"]
    stop: Int[np.ndarray, " C"]
    hit: Bool[np.ndarray, "K N"]
    instances: Int[np.ndarray, "C V"]
    ap: Literal["envelope", "sum"] = "envelope"


def matched(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    protocol: Protocol,
    tious: tuple[float, ...] | None = None,
) -> Matched:
    """Match detections (seconds) under a protocol, as `evaluate` does.

    Raises WorkbookError as `evaluate` does.
    """
    levels = thresholds(protocol, tious)
    prepared = prepare(ground_truth, checked(detections), protocol)
    pairs = matches_of(prepared, protocol, levels)
    hit = np.zeros((len(levels), len(prepared.label)), dtype=bool)
    hit[pairs.level, pairs.detection] = True
    classes = np.arange(len(prepared.classes))
    counts = np.zeros((len(classes), len(ground_truth.videos)), dtype=np.int64)
    of_instance = prepared.instances.key // len(classes)
    np.add.at(counts, (prepared.instance_label, of_instance), 1)
    return Matched(
        video=prepared.detections.key // len(classes),
        start=np.searchsorted(prepared.label, classes),
        stop=np.searchsorted(prepared.label, classes, "right"),
        hit=hit,
        instances=counts,
        ap=protocol.ap,
    )


def resampled_map(detections: Matched, weights: Int[np.ndarray, "R V"]) -> Float[np.ndarray, "R K"]:
    """mAP (fraction) of each resample at each tIoU; weights: how often each video is drawn.

    A class without instances in a resample is left out of its mean. Copies of a detection stand
    next to each other. Videos outside the list are never drawn.
    """
    padded = np.concatenate((weights, np.zeros((len(weights), 1), dtype=weights.dtype)), axis=1)
    instances = weights @ detections.instances.T  # (R, C)
    area_of = _envelope if detections.ap == "envelope" else _sum
    total = np.zeros((len(weights), len(detections.hit)))
    for label, (start, stop) in enumerate(zip(detections.start, detections.stop, strict=True)):
        drawn = padded[:, detections.video[start:stop]]
        seen = np.cumsum(drawn, axis=1)
        for level, hit in enumerate(detections.hit[:, start:stop]):
            area = area_of(drawn, seen, hit)
            total[:, level] += area / np.maximum(instances[:, label], 1)
    return total / (instances > 0).sum(axis=1)[:, None]


def _envelope(
    drawn: Int[np.ndarray, "R N"], seen: Int[np.ndarray, "R N"], hit: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, " R"]:
    """Sum over true positives of the best precision at their rank or later.

    drawn: how many copies of each detection there are. seen: copies down to it, its own included.
    """
    found = np.cumsum(drawn * hit, axis=1)
    precision = found / np.maximum(seen, 1)
    return (drawn * hit * envelope(precision)).sum(axis=1)


def _sum(
    drawn: Int[np.ndarray, "R N"], seen: Int[np.ndarray, "R N"], hit: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, " R"]:
    """Sum over true positives of the precision at their rank, arguments as `_envelope`.

    Each of w copies has a precision of its own: 1 - missed / rank. Their sum is
    w - missed (H(seen) - H(seen - w)), H the harmonic numbers.
    """
    missed = np.cumsum(drawn * ~hit, axis=1)
    ranks = np.arange(1, int(seen.max(initial=0)) + 1)
    harmonic = np.concatenate(([0.0], np.cumsum(1 / ranks)))
    precisions = drawn - missed * (harmonic[seen] - harmonic[seen - drawn])
    return (precisions * hit).sum(axis=1)


def draws(videos: int, count: int, seed: int = 0) -> Int[np.ndarray, "R V"]:
    """How often each of `videos` videos is drawn in each of `count` resamples of as many."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(videos, np.full(videos, 1 / videos), size=count)


@dataclass(frozen=True)
class Paired:
    """Difference of two methods' mAP on the same test list, in points, with a 95 % interval.

    One value per tIoU, the last one of their average. difference: of the test list itself.
    low, high: of resampled test lists. share: of the resamples in which the first one is better.
    resamples: how many.
    """

    difference: Float[np.ndarray, " K"]
    low: Float[np.ndarray, " K"]
    high: Float[np.ndarray, " K"]
    share: Float[np.ndarray, " K"]
    resamples: int


def paired_difference(
    ground_truth: GroundTruth,
    detections: pd.DataFrame | Detections,
    other: pd.DataFrame | Detections,
    protocol: Protocol,
    tious: tuple[float, ...] | None = None,
    count: int = 2000,
) -> Paired:
    """mAP of `detections` minus that of `other`; both are scored on the same drawn videos.

    Raises WorkbookError as `evaluate` does.
    """
    first, second = (matched(ground_truth, found, protocol, tious) for found in (detections, other))
    return paired_differences([first, second], count)[0, 1]


def paired_differences(
    methods: Sequence[Matched], count: int = 2000
) -> dict[tuple[int, int], Paired]:
    """Differences of every ordered pair of methods, matched on one ground truth.

    All are scored on the same drawn videos, once each. Keys are two numbers of methods: of the
    first one's mAP that of the second one is taken away.
    """
    videos = methods[0].instances.shape[1]
    itself = np.ones((1, videos), dtype=np.int64)
    drawn = draws(videos, count)
    drawn = drawn[(drawn @ methods[0].instances.T).sum(axis=1) > 0]
    on_all = [_points(method, itself)[0] for method in methods]
    resampled = [_resampled(method, drawn) for method in methods]
    pairs = permutations(range(len(methods)), 2)
    return {(a, b): _paired(on_all[a] - on_all[b], resampled[a] - resampled[b]) for a, b in pairs}


def _resampled(method: Matched, drawn: Int[np.ndarray, "R V"]) -> Float[np.ndarray, "R K"]:
    """`_points` of all resamples, some at once."""
    begins = range(0, len(drawn), AT_ONCE)
    return np.concatenate([_points(method, drawn[begin : begin + AT_ONCE]) for begin in begins])


def _paired(difference: Float[np.ndarray, " K"], resampled: Float[np.ndarray, "R K"]) -> Paired:
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    return Paired(difference, low, high, (resampled > 0).mean(axis=0), len(resampled))


def _points(detections: Matched, weights: Int[np.ndarray, "R V"]) -> Float[np.ndarray, "R K"]:
    """mAP in points at each tIoU, then their average."""
    of_tiou = 100 * resampled_map(detections, weights)
    return np.concatenate((of_tiou, of_tiou.mean(axis=1, keepdims=True)), axis=1)
