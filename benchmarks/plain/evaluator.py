"""A plain evaluator, as one would write it from the definition: loops over thresholds, classes and
detections.

Tests compare the fast one with it, and the benchmark measures against it. It shares no code with
wtal_core.evaluation but the protocol's fields, and is written for reading.
"""

import math


def evaluate(ground_truth, detections, protocol, tious):
    """AP per threshold and class, as a list of dictionaries class -> fraction."""
    instances = kept_instances(ground_truth, protocol)
    found = kept_detections(ground_truth, detections, protocol, instances)
    present = {label for _, label, _, _ in instances}
    of_class = {
        label: (
            [one for one in instances if one[1] == label],
            [one for one in found if one[1] == label],
        )
        for label in ground_truth.classes
        if label in present
    }
    return [
        {label: average_precision(*both, threshold, protocol) for label, both in of_class.items()}
        for threshold in tious
    ]


def mean_average_precision(ground_truth, detections, protocol, tious):
    """mAP per threshold, as fractions."""
    return [
        sum(ap.values()) / len(ap) for ap in evaluate(ground_truth, detections, protocol, tious)
    ]


def kept_instances(ground_truth, protocol):
    """(video, label, start, end) of the instances to score, in file order and in the unit of the
    protocol.
    """
    kept = []
    for video, label, start, end in rows(ground_truth.segments):
        if video in ground_truth.blocked or end - start < protocol.shortest:
            continue
        if protocol.duplicates is not None and any(
            video == v
            and label == c
            and abs(start - s) <= protocol.duplicates
            and abs(end - e) <= protocol.duplicates
            for v, c, s, e in kept
        ):
            continue
        kept.append((video, label, start, end))
    if protocol.unit == "snippets":
        kept = [
            (v, c, rounded(s, ground_truth.timebase), rounded(e, ground_truth.timebase))
            for v, c, s, e in kept
        ]
    return kept


def kept_detections(ground_truth, detections, protocol, instances):
    """(video, label, start, end, score) of the detections to score, by decreasing score, then as
    listed.
    """
    kept = []
    base = ground_truth.timebase
    with_instances = {video for video, _, _, _ in instances}
    ambiguous = [
        (v, rounded(s, base), rounded(e, base)) for v, _, s, e in rows(ground_truth.ambiguous)
    ]
    scores = detections["score"].tolist()
    for (video, label, start, end), score in zip(rows(detections), scores, strict=True):
        if protocol.unit == "snippets":
            start, end = truncated(start, base), truncated(end, base)
        if video in ground_truth.blocked:
            continue
        if protocol.without_ground_truth == "dropped" and video not in with_instances:
            continue
        if protocol.ambiguity_filter and any(
            video == v and min(end, e) > max(start, s) for v, s, e in ambiguous
        ):
            continue
        kept.append((video, label, start, end, score))
    return sorted(kept, key=lambda detection: -detection[4])


def average_precision(instances, found, threshold, protocol):
    """AP at one threshold of the instances and the sorted detections of one class."""
    by_video = {}
    for video, _, start, end in instances:
        by_video.setdefault(video, []).append((start, end))
    free = {video: [True] * len(segments) for video, segments in by_video.items()}
    hits = []
    for video, _, start, end, _ in found:
        choice = choose(
            start, end, by_video.get(video, []), free.get(video, []), threshold, protocol
        )
        if choice is not None:
            free[video][choice] = False
        hits.append(choice is not None)
    return area(hits, len(instances), protocol.ap)


def choose(start, end, segments, free, threshold, protocol):
    """Number of the instance that a detection takes, or None."""
    choice, best = None, -math.inf
    for number, (other_start, other_end) in enumerate(segments):
        overlap = tiou(start, end, other_start, other_end)
        if not free[number] or overlap < threshold:
            continue
        if protocol.matching == "first":
            return number
        if overlap > best or (overlap == best and protocol.tie == "later"):
            choice, best = number, overlap
    return choice


def tiou(start, end, other_start, other_end):
    """Temporal intersection over union; 0 without a union."""
    shared = max(min(end, other_end) - max(start, other_start), 0)
    union = (end - start) + (other_end - other_start) - shared
    return shared / union if union > 0 else 0.0


def area(hits, n_instances, rule):
    """Area under the precision-recall points of a class."""
    precision, found = [], 0
    for rank, hit in enumerate(hits, start=1):
        found += hit
        precision.append(found / rank)
    if rule == "envelope":
        for place in reversed(range(len(precision) - 1)):
            precision[place] = max(precision[place], precision[place + 1])
    return sum(value for value, hit in zip(precision, hits, strict=True) if hit) / n_instances


def rows(table):
    """(video, label, start, end) of each row."""
    return list(
        zip(*(table[name].tolist() for name in ("video", "label", "t_start", "t_end")), strict=True)
    )


def rounded(seconds, base):
    """Nearest snippet border, halves to the even one."""
    return round((seconds * base.fps - base.offset) / base.stride)


def truncated(seconds, base):
    """Snippet border towards zero."""
    return int(round((seconds * base.fps - base.offset) / base.stride, 9))
