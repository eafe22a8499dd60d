"""Proposals and suppression as plain loops, the way that one would first write them. Slow; for
checks and comparison.
"""

import math


def propose_plain(sequence, thresholds, shortest, kappa, rho, beta):
    """[(start, end, score, inner mean), ...] of one class activation sequence, a list of T
    numbers.
    """
    found = []
    for threshold in thresholds:
        start = None
        for t in range(len(sequence) + 1):
            if t < len(sequence) and sequence[t] > threshold:
                if start is None:
                    start = t
            elif start is not None:
                if t - start >= shortest:
                    found.append(score_plain(sequence, start, t, kappa, rho, beta))
                start = None
    return found


def score_plain(sequence, start, end, kappa, rho, beta):
    """The proposal of the run [start, end)."""
    length, margin = len(sequence), kappa * float(end - start) ** rho
    inner = [sequence[t] for t in range(start, min(end, length - 1) + 1)]
    outer = [sequence[t] for t in range(max(0, math.floor(start - margin)), start)]
    outer += [sequence[t] for t in range(end + 1, min(length - 1, math.floor(end + margin + 1)))]
    inner_mean = sum(inner) / len(inner)
    outer_mean = sum(outer) / len(outer) if outer else 0.0
    return start, end + 1, inner_mean - beta * outer_mean, inner_mean


def suppress_plain(detections, limit, overlap):
    """Indices kept of one group's [(start, end, score), ...], best first; equal scores in the order
    given.
    """
    waiting = sorted(range(len(detections)), key=lambda k: -detections[k][2])
    kept = []
    while waiting:
        best, *others = waiting
        kept.append(best)
        waiting = [k for k in others if overlap(detections[best], detections[k]) <= limit]
    return kept


def own_overlap_plain(winner, other):
    """Share of `other` that `winner` covers, both ends counted in."""
    shared = min(winner[1], other[1]) - max(winner[0], other[0]) + 1
    return max(0, shared) / (other[1] - other[0] + 1)


def iou_plain(winner, other):
    """Intersection over union, 0 without a union."""
    shared = max(0, min(winner[1], other[1]) - max(winner[0], other[0]))
    union = winner[1] - winner[0] + other[1] - other[0] - shared
    return shared / union if union else 0.0


OVERLAPS_PLAIN = {"own": own_overlap_plain, "iou": iou_plain}


def localize_plain(sequences, rule, limit):
    """Per sequence, the proposals kept [(start, end, score), ...], best first."""
    kept = []
    for sequence in sequences:
        found = propose_plain(
            sequence,
            rule.thresholds,
            rule.shortest,
            rule.margin_scale,
            rule.margin_power,
            rule.outer_weight,
        )
        kept.append([found[k][:3] for k in suppress_plain(found, limit, own_overlap_plain)])
    return kept
