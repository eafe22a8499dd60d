"""The ActivityNet protocol as published evaluators have it: a loop over detections, each with a
look-up in a table of instances.

In our own words. The look-ups are theirs: per detection the group of its video, its two times by
name, and per threshold and candidate a row, then its number. It shares no code with
wtal_core.evaluation; `evaluator` is the form without tables.
"""

import numpy as np

TIMES = ["t_start", "t_end"]


def mean_average_precision(ground_truth, detections, tious):
    """mAP [thresholds], fractions: the mean over the classes that have instances."""
    instances = ground_truth.segments[~ground_truth.segments["video"].isin(ground_truth.blocked)]
    found = detections[~detections["video"].isin(ground_truth.blocked)]
    labels = [label for label in ground_truth.classes if (instances["label"] == label).any()]
    return np.mean(
        [
            average_precision(
                instances[instances["label"] == label], found[found["label"] == label], tious
            )
            for label in labels
        ],
        axis=0,
    )


def average_precision(instances, found, tious):
    """AP [thresholds] of one class."""
    by_video = instances.reset_index(drop=True).groupby("video")
    found = found.sort_values("score", ascending=False, kind="stable")
    hits, taken = (
        np.zeros((len(tious), len(found)), dtype=bool),
        np.zeros((len(tious), len(instances)), dtype=bool),
    )
    for rank, (_, detection) in enumerate(found.iterrows()):
        if detection["video"] not in by_video.groups:
            continue
        candidates = by_video.get_group(detection["video"]).reset_index()
        overlap = overlaps(detection[TIMES].to_numpy(dtype=float), candidates[TIMES].to_numpy())
        by_choice = np.argsort(overlap, kind="stable")[::-1]  # of equal ones the one listed later
        for level, threshold in enumerate(tious):
            for choice in by_choice:
                if overlap[choice] < threshold:
                    break
                number = candidates.loc[choice]["index"]
                if not taken[level, number]:
                    taken[level, number] = hits[level, rank] = True
                    break
    return [area(row, len(instances)) for row in hits]


def overlaps(segment, candidates):
    """tIoU [n] of a segment [2] with candidates [n, 2]; 0 without a union."""
    shared = np.clip(
        np.minimum(candidates[:, 1], segment[1]) - np.maximum(candidates[:, 0], segment[0]), 0, None
    )
    union = (candidates[:, 1] - candidates[:, 0]) + (segment[1] - segment[0]) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def area(hits, n_instances):
    """Area under the precision envelope."""
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return envelope[hits].sum() / n_instances
