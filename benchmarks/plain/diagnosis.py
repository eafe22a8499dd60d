"""DETAD's analyses as one would first write them: loops over thresholds, classes and detections.
For checks and comparison.

It shares no code with wtal_core but the fields of the protocol and of the buckets.
"""

import math

from benchmarks.plain.evaluator import choose, kept_detections, kept_instances, tiou

OUTCOMES = (
    "true positive",
    "double detection",
    "wrong label",
    "localization",
    "confusion",
    "background",
)


def named(ground_truth, detections, rules, level, g=math.inf, as_published=False):
    """The instances, the detections by class, then by score, int(g n) a class, and of each
    (instance taken or None, outcome).
    """
    instances = kept_instances(ground_truth, rules)
    found = limited(
        kept_detections(ground_truth, detections, rules, instances),
        instances,
        ground_truth.classes,
        g,
    )
    taken = matched(found, instances, level, rules)
    by_video = {}
    for one in instances:
        by_video.setdefault(one[0], []).append(one)
    errors = (
        published_errors(
            found, taken, by_video, level, list(dict.fromkeys(one[1] for one in instances))
        )
        if as_published
        else [error_of(one, by_video.get(one[0], []), level) for one in found]
    )
    return (
        instances,
        found,
        [
            (instance, OUTCOMES[0] if instance is not None else error)
            for instance, error in zip(taken, errors, strict=True)
        ],
    )


def limited(found, instances, classes, g):
    """By class, then by score as given; of each class int(g n)."""
    kept = []
    for label in classes:
        n, of_class = (
            sum(one[1] == label for one in instances),
            [one for one in found if one[1] == label],
        )
        if n:
            kept += of_class if math.isinf(g) else of_class[: int(g * n)]
    return kept


def matched(found, instances, level, rules):
    """Number of the instance that each detection takes, or None."""
    by_key = {}
    for number, (video, label, start, end) in enumerate(instances):
        by_key.setdefault((video, label), []).append((number, start, end))
    free = {number: True for number in range(len(instances))}
    taken = []
    for video, label, start, end, _ in found:
        own = by_key.get((video, label), [])
        choice = choose(
            start, end, [one[1:] for one in own], [free[one[0]] for one in own], level, rules
        )
        taken.append(None if choice is None else own[choice][0])
        if choice is not None:
            free[taken[-1]] = False
    return taken


def error_of(one, others, level):
    """The error that an unmatched detection is, by the first of the instances of largest tIoU."""
    best, best_label = -1.0, None
    for _, label, start, end in others:
        overlap = tiou(one[2], one[3], start, end)
        if overlap > best:
            best, best_label = overlap, label
    if best < 0.1 and best < level:
        return "background"
    if best >= level:
        return "double detection" if best_label == one[1] else "wrong label"
    return "localization" if best_label == one[1] else "confusion"


def published_errors(found, taken, by_video, level, listed):
    """The published tool's: what it judges by is left over from the video before, where a video has
    no instance.
    """
    order = [number for number in range(len(found)) if taken[number] is None]
    order.sort(key=lambda number: (found[number][0], listed.index(found[number][1])))
    errors, current, others = ["background"] * len(found), None, []
    for number in order:
        one = found[number]
        first, current = one[0] != current, one[0]
        others = by_video.get(one[0], others)
        if one[0] in by_video or not first:
            errors[number] = error_of(one, others, level)
    return errors


def profile(instances, found, outcomes, n_blocks):
    """Shares of the outcomes in each block, all classes together; None for an empty block."""
    counts = [dict.fromkeys(OUTCOMES, 0) for _ in range(n_blocks)]
    n = {
        label: sum(one[1] == label for one in instances) for label in {one[1] for one in instances}
    }
    place = dict.fromkeys(n, 0)
    for one, (_, outcome) in zip(found, outcomes, strict=True):
        counts[place[one[1]] // n[one[1]]][outcome] += 1
        place[one[1]] += 1
    return [
        {name: value / sum(block.values()) for name, value in block.items()}
        if sum(block.values())
        else None
        for block in counts
    ]


def mean_normalised_ap(instances, found, outcomes, removed=None):
    """Mean over classes; `removed`: an error type to delete."""
    classes = {one[1] for one in instances}
    reference, values = len(instances) / len(classes), []
    for label in classes:
        hits = [
            instance is not None
            for one, (instance, outcome) in zip(found, outcomes, strict=True)
            if one[1] == label and outcome != removed
        ]
        values.append(normalised_ap(hits, sum(one[1] == label for one in instances), reference))
    return sum(values) / len(values)


def normalised_precisions(hits, n, reference):
    """P_N at every rank."""
    values, true = [], 0
    for rank, hit in enumerate(hits, start=1):
        true += hit
        scaled = true / n * reference
        values.append(scaled / (scaled + rank - true))
    return values


def normalised_ap(hits, n, reference):
    """Area under the envelope of P_N."""
    values = normalised_precisions(hits, n, reference)
    return sum(max(values[place:]) for place, hit in enumerate(hits) if hit) / n


def sensitivity(instances, found, per_level, bucket_of, bucket):
    """Normalised mAP on the instances of a bucket; None without any. per_level: outcomes at each
    threshold.
    """
    reference, values = len(instances) / len({one[1] for one in instances}), []
    inside = [number for number in range(len(instances)) if bucket_of[number] == bucket]
    for label in {instances[number][1] for number in inside}:
        n = sum(instances[number][1] == label for number in inside)
        kept = [
            place
            for place, one in enumerate(found)
            if one[1] == label
            and all(
                outcomes[place][0] is None or outcomes[place][0] in inside for outcomes in per_level
            )
        ]
        areas = [
            normalised_ap([outcomes[place][0] is not None for place in kept], n, reference)
            for outcomes in per_level
        ]
        values.append(sum(areas) / len(areas))
    return sum(values) / len(values) if values else None


def missed(instances, found, outcomes):
    """Numbers of the instances that no detection matched at P_N > .05."""
    reference, hit = len(instances) / len({one[1] for one in instances}), set()
    for label in {one[1] for one in instances}:
        of_class = [
            taken for one, (taken, _) in zip(found, outcomes, strict=True) if one[1] == label
        ]
        n = sum(one[1] == label for one in instances)
        precision = normalised_precisions([taken is not None for taken in of_class], n, reference)
        hit |= {
            taken
            for taken, value in zip(of_class, precision, strict=True)
            if taken is not None and value > 0.05
        }
    return set(range(len(instances))) - hit


def bucket_number(value, edges):
    """Right-closed, the lowest edge included; None outside."""
    for number in range(len(edges) - 1):
        if edges[number] < value <= edges[number + 1] or (number == 0 and value == edges[0]):
            return number
    return None
