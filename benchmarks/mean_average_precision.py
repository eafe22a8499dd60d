"""Time and memory of the evaluation against the plain loop: `python -m benchmarks.mean_average_precision`.

Simulated: 212 videos of 2 to 10 minutes, 20 classes, 3358 instances; nine of ten detections are an instance with its
borders moved, of the right class nine times of ten, the others lie anywhere; scores have ties (3 decimals).
Each size runs in a process of its own, so that its peak memory is its own.
"""

import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from benchmarks.plain import evaluator as plain
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import THUMOS_TIOUS, protocol

VIDEOS, CLASSES, INSTANCES = 212, 20, 3358
SIZES = (20_000, 200_000, 500_000, 2_000_000)
LARGEST_PLAIN = 200_000          # the plain loop is not run on more


def simulate(n_detections: int, seed: int = 0) -> tuple[GroundTruth, pd.DataFrame]:
    """Ground truth and detections of the sizes above."""
    rng = np.random.default_rng(seed)
    duration = rng.uniform(120, 600, VIDEOS)
    video = np.sort(rng.integers(0, VIDEOS, INSTANCES))
    label = (video + (rng.random(INSTANCES) < 0.1)) % CLASSES        # mostly one class a video
    start, length = rng.random(INSTANCES) * duration[video], rng.exponential(4, INSTANCES) + 0.2
    chosen = rng.integers(0, INSTANCES, n_detections)
    near = rng.random(n_detections) < 0.9
    found_start = np.where(near, start[chosen] + rng.normal(0, 0.3, n_detections) * length[chosen],
                           rng.random(n_detections) * duration[video[chosen]])
    found_length = length[chosen] * np.exp(rng.normal(0, 0.3, n_detections))
    found_label = np.where(rng.random(n_detections) < 0.9, label[chosen], rng.integers(0, CLASSES, n_detections))
    score = np.round(rng.random(n_detections) * (0.5 + 0.5 * near), 3)
    videos = np.array([f"video_test_{number:07d}" for number in range(VIDEOS)])
    classes = np.array([f"class {number:02d}" for number in range(CLASSES)])
    truth = pd.DataFrame({"video": videos[video], "label": classes[label], "t_start": start, "t_end": start + length})
    found_start = np.maximum(found_start, 0)
    found = pd.DataFrame({"video": videos[video[chosen]], "label": classes[found_label], "t_start": found_start,
                          "t_end": found_start + found_length, "score": score})
    return GroundTruth(truth, tuple(videos.tolist()), tuple(classes.tolist())), found


def seconds(call, times: int = 1) -> tuple[float, object]:
    """Shortest of some runs, and the result."""
    best = float("inf")
    for _ in range(times):
        before = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - before)
    return best, result


def measure(n_detections: int, name: str) -> None:
    """Print one line for one size and protocol."""
    truth, found = simulate(n_detections)
    rules = protocol(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    first, score = seconds(lambda: evaluate(truth, found, rules))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    fast, score = seconds(lambda: evaluate(truth, found, rules), 3)
    line = (f"{n_detections:>9,} {name:<12} first {first:7.3f} s, best of 3 {fast:7.3f} s, peak {peak:5.2f} GiB "
            f"(data alone {before:4.2f}), average mAP {100 * score.average:.4f}")
    if n_detections <= LARGEST_PLAIN:
        slow, expected = seconds(lambda: plain.mean_average_precision(truth, found, rules, THUMOS_TIOUS))
        difference = np.abs(score.map - expected).max()
        line += f"; plain loop {slow:7.2f} s, {slow / fast:5.0f} times; largest difference of mAP {difference:.1e}"
        assert difference < 1e-12
    print(line, flush=True)


def main() -> None:
    """All sizes, each in a process of its own."""
    if len(sys.argv) == 3:
        measure(int(sys.argv[1]), sys.argv[2])
        return
    print(f"{VIDEOS} videos, {INSTANCES} instances, {len(THUMOS_TIOUS)} thresholds; numpy {np.__version__}")
    for size in SIZES:
        for name in ("activitynet", "wtalc", "wtalc-2019"):
            subprocess.run([sys.executable, "-m", "benchmarks.mean_average_precision", str(size), name], check=True)


if __name__ == "__main__":
    main()
