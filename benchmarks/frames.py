"""Time of BackTAL's and BaS-Net's localization against plain loops: `python -m benchmarks.frames`.

Simulated: 210 videos of 750 snippets (THUMOS14's test set as BackTAL rescales it), log-normal
durations with a median of 158 s and a mean of 212 s at 30 frames a second, so 6,400 frames on
average; smooth activations; 1.2 classes a video, at least one. And one video of 6,000, of 20,000
and of 40,000 frames, with two classes. Both sides run in one process, one thread, on the same
input, from activations to detections; shortest of 50 fast and 10 plain runs of one video, of 7 and
1 of all; results are compared to 1e-9. The plain loops are lean (one pass a threshold, no numpy
calls in them).
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from benchmarks.localization import report, seconds
from benchmarks.plain.frames import detect_plain
from wtal_core.localization.frames import FrameRule, frame_detections

SNIPPETS, CLASSES, RATE = 750, 20, 30
BACKTAL = FrameRule()
BASNET = FrameRule(
    score_class="binarised", nms=0.7, magnitude=(), grid=24, outer_end="inclusive", fix_class0=False
)
ACTIVITYNET = FrameRule(
    class_threshold=0.1,
    thresholds=tuple(np.arange(0, 0.15, 0.025).tolist()),
    outer_scale=20.0,
    gamma=0.6,
    nms=0.7,
    magnitude=(),
    whole_video=0.6,
    shrink=0.02,
)


def simulate(frames: np.ndarray, classes: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Activations (M, 20), class scores, feature magnitudes, lengths, durations and frames of
    videos.
    """
    videos = len(frames)
    smooth = gaussian_filter1d(rng.standard_normal((videos, SNIPPETS, CLASSES + 1)), 4, axis=1)
    smooth = (smooth / smooth.std()).reshape(-1, CLASSES + 1)
    scores = 0.4 * (rng.random((videos, CLASSES)) < 0.2 / CLASSES)
    scores[:, 1 : 1 + classes] = rng.uniform(0.3, 0.5, (videos, classes))
    return (
        3 * smooth[:, :-1] - 2,
        scores,
        np.exp(smooth[:, -1]),
        np.full(videos, SNIPPETS),
        frames / RATE,
        frames,
    )


def fast_rows(cas, scores, magnitude, lengths, durations, frames, rule):
    """Detections as an array: video, class, start, end, score."""
    names = [str(v) for v in range(len(lengths))], [str(c) for c in range(CLASSES)]
    return frame_detections(
        cas, scores, magnitude if rule.magnitude else None, lengths, durations, frames, rule, *names
    )


def plain_rows(videos, rule):
    """The same with loops."""
    return [(v, *row) for v, video in enumerate(videos) for row in detect_plain(*video, rule)]


def lists(cas, scores, magnitude, lengths, durations, frames):
    """What the plain loops take, a tuple a video."""
    shape = len(lengths), SNIPPETS
    return list(
        zip(
            cas.reshape(*shape, -1).transpose(0, 2, 1).tolist(),
            scores.tolist(),
            magnitude.reshape(shape).tolist(),
            durations.tolist(),
            frames.tolist(),
            strict=True,
        )
    )


def measure(name, arrays, rule, fast_runs, plain_runs):
    """One line of the table."""
    fast, table = seconds(lambda: fast_rows(*arrays, rule), fast_runs)
    videos = lists(*arrays)
    slow, expected = seconds(lambda: plain_rows(videos, rule), plain_runs)
    got = table.assign(video=table["video"].astype(int), label=table["label"].astype(int)).to_numpy(
        dtype=np.float64
    )
    np.testing.assert_allclose(got, np.array(expected), rtol=0, atol=1e-9)
    report(name, len(table), fast, slow)


def main():
    """Print the table."""
    rng = np.random.default_rng(0)
    print(f"{'':<52} {'rows':>9} {'fast s':>10} {'plain s':>10} {'ratio':>9}")
    for frames in (6000, 20_000, 40_000):
        measure(
            f"BackTAL, one video of {frames} frames",
            simulate(np.array([frames]), 2, rng),
            BACKTAL,
            50,
            10,
        )
    frames = np.rint(
        RATE * 158 * np.exp(np.sqrt(2 * np.log(212 / 158)) * rng.standard_normal(210))
    ).astype(np.int64)
    arrays = simulate(frames, 1, rng)
    print(
        f"210 videos, {frames.sum()} frames (mean {frames.mean():.0f}, max {frames.max()}), "
        f"{np.count_nonzero(arrays[1])} (video, class) pairs"
    )
    for name, rule in (
        ("BackTAL", BACKTAL),
        ("BaS-Net", BASNET),
        ("BackTAL's ActivityNet rule", ACTIVITYNET),
    ):
        measure(f"{name}, 210 videos", arrays, rule, 7, 1)


if __name__ == "__main__":
    main()
