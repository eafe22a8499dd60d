"""Localization of BackTAL, BaS-Net, UM, CoLA and ASM-Loc as plain loops over one video, the way
that one would first write it. Slow.
"""

import math


def detect_plain(activations, probabilities, magnitude, seconds, frames, rule):
    """[(class, start, end, score), ...] of one video, by class, then best first; times in seconds.

    activations: a list of T numbers a class. magnitude: T numbers, or None. rule: a `FrameRule`.
    """
    labels = [c for c, p in enumerate(probabilities) if p >= rule.class_threshold]
    if rule.at_least_one and not labels:
        labels = [max(range(len(probabilities)), key=lambda c: probabilities[c])]
    if not rule.fix_class0 and not any(labels):
        labels = []
    found = []
    for label in labels:
        score = probabilities[label] if rule.score_class == "probability" else 1.0
        proposals = propose_class_plain(activations[label], magnitude, seconds, frames, rule, score)
        found += [(label, *proposals[k]) for k in keep_plain(proposals, rule)]
    return found


def propose_class_plain(activation, magnitude, seconds, frames, rule, score):
    """[(start, end, score), ...] of one class, in the order in which ties are settled."""
    in_range = activation if rule.cas_range == "given" else normalised_plain(activation)
    row = on_grid_plain(in_range, frames, rule)
    share = rule.magnitude_share
    strength = [0.0] * len(row)
    if rule.magnitude or share:
        in_range = magnitude if rule.magnitude_range == "given" else normalised_plain(magnitude)
        strength = on_grid_plain([min(max(a, 0.0), 1.0) for a in in_range], frames, rule)
    runs = []
    for level in rule.thresholds:
        kept = [a if a >= level and a > 0 else 0.0 for a in row]
        blend = [(1 - share) * a + share * s for a, s in zip(kept, strength, strict=True)]
        runs += [(run, blend, rule.gamma) for run in runs_plain(kept, rule)]
    for level in rule.magnitude:
        gamma = rule.gamma if rule.magnitude_gamma is None else rule.magnitude_gamma
        kept = [a if a >= level else 0.0 for a in strength]
        blend = [(1 - share) * a + share * s for a, s in zip(row, kept, strict=True)]
        runs += [(run, blend, gamma) for run in runs_plain(kept, rule)]
    proposals = []
    for run, values, gamma in runs:
        if run[1] - run[0] >= rule.shortest:
            contrast = contrast_plain(values, *run, rule) + gamma * score
            proposals.append((*timed_plain(run, len(row), seconds, rule), contrast))
    if rule.whole_video is not None:
        proposals += [(0.0, seconds, rule.whole_video) for _ in proposals]
    return proposals


def normalised_plain(values):
    """(a - m) / (M - m) with m = max(0, min), M = max(0, max)."""
    if not values:
        return []
    top, bottom = max(0.0, max(values)), max(0.0, min(values))
    span = top - bottom if top > bottom else 1.0
    return [(a - bottom) / span for a in values]


def on_grid_plain(values, frames, rule):
    """On the frame grid, or with a fixed factor."""
    if not values:
        return []
    if rule.grid == "frames":
        return [
            between_plain(
                values, min(max((j + 0.5) * (len(values) / frames) - 0.5, 0.0), len(values) - 1)
            )
            for j in range(frames)
        ]
    return [between_plain(values, j / rule.grid) for j in range(len(values) * rule.grid)]


def between_plain(values, position):
    """Linear between two values; beyond the last one on the line through the last two."""
    left = max(0, min(math.floor(position), len(values) - 2))
    right = min(left + 1, len(values) - 1)
    return values[left] + (position - left) * (values[right] - values[left])


def runs_plain(kept, rule):
    """[(start, end), ...] of the positive values."""
    runs, start = [], None
    for t in range(len(kept) + 1):
        if t < len(kept) and kept[t] > 0:
            if start is None:
                start = t
        elif start is not None:
            runs.append((start, t))
            start = None
    return [] if rule.drop_frame0_run and runs == [(0, 1)] else runs


def contrast_plain(values, start, end, rule):
    """Inner mean less outer mean."""
    reach = rule.outer_scale * (end - start)
    stop = int(end - 1 + reach)
    stop = (
        min(len(values), stop) if rule.outer_end == "exclusive" else min(len(values) - 1, stop) + 1
    )
    inner = [values[t] for t in range(start, end)]
    outer = [values[t] for t in range(max(0, int(start - reach)), start)] + [
        values[t] for t in range(end, stop)
    ]
    return sum(inner) / len(inner) - (sum(outer) / len(outer) if outer else 0.0)


def timed_plain(run, frames, seconds, rule):
    """Start and end in seconds, shrunk."""
    if rule.times == "share":
        start, end = run[0] / frames * seconds, run[1] / frames * seconds
    else:
        start, end = run[0] * (seconds / frames), run[1] * (seconds / frames)
    lost = rule.shrink * (end - start)
    return start + lost, end - lost


def plus_one_plain(winner, other):
    """Intersection over union of intervals made a second longer."""
    shared = max(0.0, min(winner[1], other[1]) - max(winner[0], other[0]) + 1)
    return shared / ((winner[1] - winner[0] + 1) + (other[1] - other[0] + 1) - shared)


def iou_plain(winner, other):
    """Intersection over union, 0 without a union."""
    shared = max(0.0, min(winner[1], other[1]) - max(winner[0], other[0]))
    union = (winner[1] - winner[0]) + (other[1] - other[0]) - shared
    return shared / union if union > 0 else 0.0


def keep_plain(proposals, rule):
    """Indices of the proposals kept, best first; a worse one goes if it overlaps by the limit or
    more.
    """
    overlap = {"plus_one_seconds": plus_one_plain, "iou": iou_plain}[rule.nms_iou]
    waiting = sorted(range(len(proposals)), key=lambda k: -proposals[k][2])
    kept = []
    while waiting:
        best, *others = waiting
        kept.append(best)
        waiting = [k for k in others if overlap(proposals[best], proposals[k]) < rule.nms]
    return kept
