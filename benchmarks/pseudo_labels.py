"""Time of GauFuse's pseudo labels against the plain form: `python -m benchmarks.pseudo_labels`.

Simulated as in `benchmarks.localization`, 200 videos, once with few instances and once with many,
of small scores, as real
activations have: proposals by GauFuse's thresholds, Gaussian fusion, own overlap, limit 0.25,
temperature 0.02, labels by +-1 rows. Plain: loops, and one SciPy `linprog` a (video, class) pair on
all its snippets, with the interior point method of the published runs. Both sides run in one
process on the same input, and cut fused boundaries after adding 1e-6: they add up weights in
different orders, and the last bit decides about a snippet else. One thread: with two, the plain
form's small matrices wait for each other and take six times as long, which would flatter ours.
"""

from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.fusion import GAUFUSE
from benchmarks.localization import cut, report, simulate
from benchmarks.plain.fusion import fuse_plain
from benchmarks.plain.linpro import labels_plain
from benchmarks.plain.localization import own_overlap_plain, propose_plain
from benchmarks.timing import seconds
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.proposals import propose
from wtal_core.localization.pseudo_labels import LabelRule, pseudo_labels
from wtal_core.localization.sequences import class_sequences, pick_classes

TEMPERATURE, SNAP = 0.02, 1e-6
CASES = {
    "few instances": (0.8, 0.4),
    "many instances": (2.5, 0.05),
}  # spread and scale of the activations
FUSION, RULE = FusionRule(temperature=TEMPERATURE), LabelRule(snap=SNAP)
REQUIRED, CLOSE = 4.0, 1e-3


def instances(sequences, lengths):
    """Fused instances of packed sequences."""
    found = propose(sequences, lengths, GAUFUSE)
    return fuse(found.sequence, found.start, found.end, found.score, found.inner, FUSION)


def instances_plain(sequence):
    """[(start, end, score), ...] of one sequence, a list."""
    rows = propose_plain(
        sequence,
        GAUFUSE.thresholds,
        GAUFUSE.shortest,
        GAUFUSE.margin_scale,
        GAUFUSE.margin_power,
        GAUFUSE.outer_weight,
    )
    return fuse_plain(rows, 0.25, TEMPERATURE, own_overlap_plain)


def labels(found, lengths, rule=RULE):
    """Labels of fused instances."""
    return pseudo_labels(found.group, found.start, found.end, found.score, lengths, rule)


def compare(what, found, expected):
    """Prints how far labels are from the plain form's, and fails if not close."""
    flat = np.concatenate([values for values, _ in expected])
    infeasible = np.array([bad for _, bad in expected])
    assert np.isfinite(found.values).all()
    np.testing.assert_array_equal(found.infeasible, infeasible)
    np.testing.assert_allclose(found.values, flat, rtol=0, atol=CLOSE)
    print(
        f"{what}: largest difference {np.abs(found.values - flat).max():.1e} of labels up to "
        f"{flat.max():.3f}, "
        f"{infeasible.sum()} of {len(infeasible)} programmes infeasible, none NaN"
    )


def measure(sequences, lengths):
    """Labels alone, from the same instances, and the whole chain; the chain's ratio."""
    fused, listed = instances(sequences, lengths), cut(sequences, lengths)
    rows = list(zip(fused.start.tolist(), fused.end.tolist(), fused.score.tolist(), strict=True))
    first = np.searchsorted(fused.group, np.arange(len(lengths) + 1)).tolist()
    segments = [rows[a:b] for a, b in pairwise(first)]
    fast, found = seconds(lambda: labels(fused, lengths), 5)
    slow, expected = seconds(
        lambda: [labels_plain(s, len(a), snap=SNAP) for s, a in zip(segments, listed, strict=True)]
    )
    report("pseudo labels", len(rows), fast, slow)
    compare("pseudo labels", found, expected)
    fast, found = seconds(lambda: labels(instances(sequences, lengths), lengths), 5)
    slow, expected = seconds(
        lambda: [labels_plain(instances_plain(a), len(a), snap=SNAP) for a in listed]
    )
    report("proposals, fusion and pseudo labels", len(rows), fast, slow)
    compare("whole chain", found, expected)
    return slow / fast


def run(case, spread, scale):
    """One simulated data set; its ratio."""
    cas, lengths, video_score = simulate(200, spread, np.random.default_rng(0))
    sequences, taken = class_sequences(cas, lengths, *pick_classes(video_score, 0.1))
    print(
        f"\n{case}: {len(lengths)} videos, {len(taken)} (video, class) pairs of {taken.sum()} "
        f"snippets"
    )
    return measure(np.minimum(scale * sequences, 1), taken)


def main():
    """Print the table; fails below the ratio required."""
    print(f"{'':<52} {'segments':>9} {'fast s':>10} {'plain s':>10} {'ratio':>9}")
    with threadpool_limits(1):
        ratio = min(run(case, *numbers) for case, numbers in CASES.items())
    if ratio < REQUIRED:
        raise SystemExit(
            f"labels are {ratio:.1f} times faster than the plain form, required are {REQUIRED:.0f}"
        )


if __name__ == "__main__":
    main()
