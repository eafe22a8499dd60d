"""Time of post-processing against plain loops: `python -m benchmarks.localization`.

Simulated: 212 videos, snippets log-normal with THUMOS14's median 253 and mean 339, at most 2615;
activations are 0.05 exp(z) of smooth noise z, so that FAC-Net's thresholds cut through them; 1.2
classes a video pass the class threshold. Both sides run in one process, one thread, on the same
input; shortest of 7 fast and 3 plain runs; results are compared to 1e-9. The plain loops are lean
(one pass a threshold, no numpy calls in them).
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from benchmarks.plain.localization import (
    localize_plain,
    own_overlap_plain,
    propose_plain,
    suppress_plain,
)
from benchmarks.timing import seconds
from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.suppression import suppress
from wtal_core.timebase import Timebase

CLASSES, TIMEBASE = 20, Timebase()
NO_INTERVALS = pd.DataFrame({"video": pd.Series(dtype=str), "t_start": [], "t_end": []})
FACNET = ProposalRule(tuple(np.arange(0.03, 0.055, 0.005).tolist()), 3, 0.25, 1.0, 0.6)
FACNET_DIM = replace(
    FACNET, thresholds=tuple(0.1 * t for t in FACNET.thresholds)
)  # RGB, activations x 0.1
RSKP = ProposalRule(tuple(np.arange(0.001, 0.04, 0.002).tolist()), 2, 0.25, 1.0, 1.0)


def simulate(
    videos: int, spread: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class activations (M, 20), video lengths, video scores. `spread`: standard deviation of z."""
    sigma = np.sqrt(2 * np.log(339 / 253))
    lengths = np.clip(253 * np.exp(sigma * rng.standard_normal(videos)), 10, 2615).astype(np.int64)
    smooth = gaussian_filter1d(rng.standard_normal((lengths.sum(), CLASSES)), 2, axis=0)
    return (
        0.05 * np.exp(spread * smooth / smooth.std()),
        lengths,
        (rng.random((videos, CLASSES)) < 1.2 / CLASSES) * 1.0,
    )


def one_stream(cas, lengths, video_score, rule, limit, scale=1.0):
    """Video, class, start, end, score after suppression and an ambiguity filter of no intervals."""
    video, label = pick_classes(video_score, 0.1)
    activation, taken = class_sequences(cas, lengths, video, label)
    found = propose(scale * activation, taken, rule)
    kept = suppress(found.sequence, found.start, found.end, found.score, limit)
    owner = found.sequence[kept]
    clear = drop_ambiguous(
        video[owner],
        found.start[kept],
        found.end[kept],
        NO_INTERVALS,
        names(len(lengths)),
        TIMEBASE,
    )
    return [
        a[clear]
        for a in (video[owner], label[owner], found.start[kept], found.end[kept], found.score[kept])
    ]


def two_streams(flow, rgb, lengths, video_score):
    """FAC-Net's whole post-processing, to the table of detections."""
    parts = zip(
        one_stream(flow, lengths, video_score, FACNET, 0.2),
        one_stream(rgb, lengths, video_score, FACNET_DIM, 0.2, 0.1),
        strict=True,
    )
    video, label, start, end, score = (np.concatenate(part) for part in parts)
    kept = suppress(video * CLASSES + label, start, end, score, 0.9)
    rows = (a[kept] for a in (video, label, start, end, score))
    return to_table(*rows, names(len(lengths)), [f"class {c}" for c in range(CLASSES)], TIMEBASE)


def two_streams_plain(flow, rgb):
    """The same with loops, per (video, class) pair; not counted: picking the pairs, and
    the table.
    """
    both = zip(localize_plain(flow, FACNET, 0.2), localize_plain(rgb, FACNET_DIM, 0.2), strict=True)
    merged = [one + other for one, other in both]
    return [[rows[k] for k in suppress_plain(rows, 0.9, own_overlap_plain)] for rows in merged]


def names(videos):
    """Video names."""
    return [f"video {v}" for v in range(videos)]


def cut(activation, lengths):
    """Packed sequences as a list of lists, as the plain loops take them."""
    return [part.tolist() for part in np.split(activation, np.cumsum(lengths)[:-1])]


def report(what, found, fast, plain=None):
    """One line of the table."""
    compared = f"{plain:10.3f} {plain / fast:8.0f}x" if plain else f"{'-':>10} {'-':>9}"
    print(f"{what:<52} {found:>9} {fast:10.4f} {compared}", flush=True)


def measure_proposals(name, rule, sequences, lengths):
    """(a) Proposals of all pairs, and their suppression."""
    plain_input = cut(sequences, lengths)
    arguments = (
        rule.thresholds,
        rule.shortest,
        rule.margin_scale,
        rule.margin_power,
        rule.outer_weight,
    )
    fast, found = seconds(lambda: propose(sequences, lengths, rule), 7)
    slow, expected = seconds(lambda: [propose_plain(s, *arguments) for s in plain_input], 3)
    flat = np.array([row for rows in expected for row in rows])
    np.testing.assert_allclose(
        np.column_stack((found.start, found.end, found.score, found.inner)), flat, rtol=0, atol=1e-9
    )
    report(f"proposals, {name}, {len(rule.thresholds)} thresholds", len(flat), fast, slow)
    fast, kept = seconds(
        lambda: suppress(found.sequence, found.start, found.end, found.score, 0.5), 7
    )
    slow, expected = seconds(
        lambda: [suppress_plain(rows, 0.5, own_overlap_plain) for rows in expected], 3
    )
    first = np.searchsorted(found.sequence, np.arange(len(lengths)))
    np.testing.assert_array_equal(
        kept, np.concatenate([first[p] + np.array(k, int) for p, k in enumerate(expected)])
    )
    report(f"suppression at 0.5 of these, kept {len(kept)}", len(flat), fast, slow)


def measure_whole(flow, rgb, lengths, video_score):
    """(b) Everything after the network: two streams, suppression 0.2, merging 0.9, table."""
    fast, table = seconds(lambda: two_streams(flow, rgb, lengths, video_score), 7)
    video, label = pick_classes(video_score, 0.1)
    packed = [class_sequences(cas, lengths, video, label) for cas in (flow, rgb)]
    lists = cut(*packed[0]), cut(0.1 * packed[1][0], packed[1][1])
    slow, expected = seconds(lambda: two_streams_plain(*lists), 3)
    flat = np.array([row for rows in expected for row in rows])
    got = np.column_stack(
        (
            TIMEBASE.snippets(table["t_start"].to_numpy()),
            TIMEBASE.snippets(table["t_end"].to_numpy()),
            table["score"],
        )
    )
    np.testing.assert_allclose(got, flat, rtol=0, atol=1e-9)
    report("whole FAC-Net post-processing, two streams", len(table), fast, slow)


def main():
    """Print the table."""
    rng = np.random.default_rng(0)
    flow, lengths, video_score = simulate(212, 0.8, rng)
    rgb = np.exp(0.5 * np.log(flow) + 0.5 * np.log(rng.permutation(flow)))
    sequences, taken = class_sequences(flow, lengths, *pick_classes(video_score, 0.1))
    print(
        f"{len(lengths)} videos, {lengths.sum()} snippets (mean {lengths.mean():.0f}, median "
        f"{np.median(lengths):.0f}, "
        f"max {lengths.max()}), {len(taken)} (video, class) pairs of {taken.sum()} snippets\n"
    )
    print(f"{'':<52} {'rows':>9} {'fast s':>10} {'plain s':>10} {'ratio':>9}")
    measure_proposals("FAC-Net", FACNET, sequences, taken)
    measure_proposals("RSKP", RSKP, 0.4 * sequences, taken)
    measure_whole(flow, rgb, lengths, video_score)
    cas, lengths, video_score = simulate(4926, 0.8, rng)
    fast, kept = seconds(lambda: one_stream(0.4 * cas, lengths, video_score, RSKP, 0.5))
    report(f"4926 videos, one stream, RSKP, {lengths.sum()} snippets", len(kept[0]), fast)


if __name__ == "__main__":
    main()
