"""Time of GauFuse's instance fusion against the plain loop: `python -m benchmarks.fusion`.

Simulated as in `benchmarks.localization`; proposals by GauFuse's thresholds of activations scaled
to pass them; Gaussian fusion, own overlap, limit 0.25, temperature 0.2. "One group": the first
1,000 proposals of a long sequence. "All groups": every (video, class) pair of 200 videos. Both
sides run in one process on the same input; shortest of 15 fast and 5 plain runs; instances are
compared to 1e-9.
"""

from dataclasses import replace

import numpy as np

from benchmarks.localization import RSKP, report, simulate
from benchmarks.plain.fusion import fuse_plain
from benchmarks.plain.localization import own_overlap_plain
from benchmarks.timing import seconds
from wtal_core.localization.fusion import LOCATIONS, FusionRule, fuse
from wtal_core.localization.proposals import propose
from wtal_core.localization.sequences import class_sequences, pick_classes

GAUFUSE = replace(RSKP, margin_scale=0.0785, margin_power=0.9)
SCALE, REQUIRED = 0.4, 10.0


def proposals(videos: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Group, start, end, score, inner of all (video, class) pairs."""
    cas, lengths, video_score = simulate(videos, 0.8, rng)
    activation, taken = class_sequences(cas, lengths, *pick_classes(video_score, 0.1))
    found = propose(SCALE * activation, taken, GAUFUSE)
    return found.sequence, found.start, found.end, found.score, found.inner


def one_group(size: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """The first `size` proposals of one sequence of 2,600 snippets, by start."""
    activation = SCALE * simulate(12, 0.8, rng)[0][:2600, 0]
    found = propose(activation, np.array([2600]), GAUFUSE)
    first = np.argsort(found.start, kind="stable")[:size]
    return tuple(
        a[first] for a in (found.sequence, found.start, found.end, found.score, found.inner)
    )


def plain_groups(found):
    """Per group, [(start, end, score, inner), ...], as the plain loop takes them."""
    group, *columns = found
    stop = np.searchsorted(group, np.unique(group), "right")
    return [
        list(zip(*(part.tolist() for part in parts), strict=True))
        for parts in zip(*(np.split(column, stop[:-1]) for column in columns), strict=True)
    ]


def measure(what, found):
    """Gaussian fusion, fast against plain, and the other distributions without."""
    listed = plain_groups(found)
    fast, fused = seconds(lambda: fuse(*found, FusionRule()), 15)
    slow, expected = seconds(
        lambda: [fuse_plain(rows, 0.25, 0.2, own_overlap_plain) for rows in listed], 5
    )
    flat = np.array([row for rows in expected for row in rows])
    np.testing.assert_allclose(
        np.column_stack((fused.start, fused.end, fused.score)), flat, rtol=0, atol=1e-9
    )
    report(f"{what}, {len(listed)} groups, fused to {len(flat)}", len(found[0]), fast, slow)
    for distribution in LOCATIONS:
        rule = FusionRule(distribution)
        report(
            f"  {distribution}", len(found[0]), seconds(lambda rule=rule: fuse(*found, rule), 7)[0]
        )
    return slow / fast


def main():
    """Print the table; fails below the ratio required."""
    rng = np.random.default_rng(0)
    print(f"{'':<52} {'rows':>9} {'fast s':>10} {'plain s':>10} {'ratio':>9}")
    ratios = [
        measure("one group", one_group(1000, rng)),
        measure("all groups of 200 videos", proposals(200, rng)),
    ]
    if min(ratios) < REQUIRED:
        raise SystemExit(
            f"fusion is {min(ratios):.1f} times faster than the plain loop, required are "
            f"{REQUIRED:.0f}"
        )


if __name__ == "__main__":
    main()
