"""Instance fusion as plain loops, the way that one would first write it. Slow; for checks and
comparison.
"""

import math


def clusters_plain(proposals, limit, overlap):
    """[[head, removed, ...], ...] of one group's [(start, end, score, ...), ...], best head first;
    ties in the order given.
    """
    waiting = sorted(range(len(proposals)), key=lambda k: -proposals[k][2])
    found = []
    while waiting:
        head, *others = waiting
        hit = [overlap(proposals[head], proposals[k]) > limit for k in others]
        found.append([head, *(k for k, taken in zip(others, hit, strict=True) if taken)])
        waiting = [k for k, taken in zip(others, hit, strict=True) if not taken]
    return found


def weights_plain(logits, temperature):
    """Softmax of a cluster's logits."""
    peak = max(logits)
    weights = [math.exp((logit - peak) / temperature) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def fuse_plain(proposals, limit, temperature, overlap):
    """[(start, end, score), ...] of one group's [(start, end, score, inner), ...]: Gaussian,
    weighed by inner means.
    """
    fused = []
    for members in clusters_plain(proposals, limit, overlap):
        weights = weights_plain([proposals[k][3] for k in members], temperature)
        fused.append(
            tuple(
                sum(w * proposals[k][x] for w, k in zip(weights, members, strict=True))
                for x in range(3)
            )
        )
    return fused
