"""`wtal evaluate` on ActivityNet's and HACS's size: python -m benchmarks.evaluation_size [--quick]

Invented: 4,926 and 5,981 validation videos, 200 classes, 1.5 and 3 instances per video, a million
and 1.2 million detections in ActivityNet's JSON, 200 per video, nine of ten near an instance and of
its class, with the digits that Python prints. The command runs in a process of its own; told are
its seconds, its CPU seconds, which other work on the machine changes less, and its peak memory,
less that of the same command on two detections: libraries, which do not grow. Beside it, the plain
form of `plain.table_evaluator`, which we wrote as the toolkits' evaluation is described: a loop
over the detections of each class, a look-up in a table for each. It is timed on a thousand
detections of one class and scaled to all; the toolkits' own code is not at hand.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measured import Measured, as_table, write
from benchmarks.plain import table_evaluator
from benchmarks.timing import seconds
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET, ACTIVITYNET_TIOUS
from wtal_core.evaluation.tables import write_detections, write_ground_truth

# The peak is of the program itself: what the system says of a child begins with its parent's.
PROGRAM = """
import sys
from pathlib import Path
from wtal_core.cli import main
try:
    main(sys.argv[1:])
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    print([line.split()[1] for line in lines if line.startswith("VmHWM")][0], file=sys.stderr)
"""
GOAL = 1.5  # memory by the file's size
PART = 1_000  # detections that the plain form is timed on
AGREES = 1e-12


@dataclass(frozen=True)
class Size:
    """Of a validation set and its detections."""

    name: str
    videos: int
    instances: int
    detections: int
    classes: int = 200


SIZES = (
    Size("ActivityNet 1.3", 4_926, 7_654, 1_000_000),
    Size("HACS", 5_981, 18_244, 1_200_000),
)
QUICK = Size("a thousandth", 50, 80, 1_000, 20)


def simulate(size: Size, seed: int = 0) -> tuple[GroundTruth, pd.DataFrame]:
    """Ground truth and detections."""
    rng = np.random.default_rng(seed)
    duration = rng.uniform(30, 230, size.videos)
    video = np.sort(rng.integers(0, size.videos, size.instances))
    label = rng.integers(0, size.classes, size.videos)[video]
    start = rng.random(size.instances) * 0.8 * duration[video]
    length = np.minimum(rng.exponential(40, size.instances) + 1, duration[video] - start)
    chosen = np.sort(rng.integers(0, size.instances, size.detections))
    near = rng.random(size.detections) < 0.9
    moved = rng.normal(0, 0.3, (2, size.detections)) * length[chosen]
    begin = np.maximum(
        np.where(
            near, start[chosen] + moved[0], duration[video[chosen]] * rng.random(size.detections)
        ),
        0,
    )
    end = begin + np.abs(length[chosen] + moved[1])
    right = rng.random(size.detections) < 0.9
    videos = np.array([f"v_{number:011d}" for number in range(size.videos)])
    classes = np.array([f"Doing class {number:03d}" for number in range(size.classes)])
    anything = rng.integers(0, size.classes, size.detections)
    found = {
        "video": videos[video[chosen]],
        "label": classes[np.where(right, label[chosen], anything)],
        "t_start": begin,
        "t_end": end,
        "score": rng.random(size.detections) * np.where(near & right, 1.0, 0.5),
    }
    truth = {"video": videos[video], "label": classes[label]}
    table = pd.DataFrame({**truth, "t_start": start, "t_end": start + length})
    names = (tuple(videos.tolist()), tuple(classes.tolist()))
    return GroundTruth(table, *names), pd.DataFrame(found)


def command(truth: Path, found: Path) -> dict[str, float]:
    """Seconds, CPU seconds, peak GiB and average mAP of `wtal evaluate` on two files."""
    words = [sys.executable, "-c", PROGRAM, "evaluate", truth, found]
    words += ["--benchmark", "activitynet", "--json"]
    begin = time.perf_counter()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        said = process.stdout.read()
        peak = int(process.stderr.read().split()[-1])  # KiB, after notes if there are any
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"wtal evaluate ended with {process.returncode}")
    return {
        "seconds": time.perf_counter() - begin,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": 1024 * peak,
        "average": json.loads(said)["average"],
    }


def of_one_class(
    truth: GroundTruth, found: pd.DataFrame, most: int
) -> tuple[GroundTruth, pd.DataFrame]:
    """The instances of a class, and its first detections."""
    label = truth.segments["label"].iloc[0]
    own = truth.segments[truth.segments["label"] == label].reset_index(drop=True)
    part = found[found["label"] == label][:most].reset_index(drop=True)
    return GroundTruth(own, truth.videos, truth.classes), part


def plain(truth: GroundTruth, found: pd.DataFrame) -> float:
    """CPU seconds of the plain form per detection; its values have to be ours."""
    own, part = of_one_class(truth, found, PART)
    taken, expected = seconds(
        lambda: table_evaluator.mean_average_precision(own, part, ACTIVITYNET_TIOUS),
        clock=time.process_time,
    )
    ours = evaluate(own, part, ACTIVITYNET, ACTIVITYNET_TIOUS)
    difference = float(np.abs(ours.map - expected).max())
    assert difference < AGREES, difference
    return taken / len(part)


def measure(size: Size) -> dict[str, str]:
    """A row of the table."""
    truth, found = simulate(size)
    per_detection = plain(truth, found)
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "truth.json", Path(folder) / "found.json"
        few = Path(folder) / "few.json"
        write_ground_truth(truth, paths[0])
        write_detections(found, paths[1])
        write_detections(found[:2], few)
        del found, truth
        libraries = command(paths[0], few)
        whole = command(*paths)
        bytes_ = paths[1].stat().st_size
    grown = whole["peak"] - libraries["peak"]
    return {
        "data": size.name,
        "detections": f"{size.detections:,}",
        "s": f"{whole['seconds']:.1f}",
        "CPU s": f"{whole['cpu']:.1f}",
        "of it libraries": f"{libraries['cpu']:.1f}",
        "plain form, CPU s, scaled": f"{per_detection * size.detections:,.0f}",
        "ratio": f"{per_detection * size.detections / whole['cpu']:.0f}",
        "file MB": f"{bytes_ / 1e6:.0f}",
        "peak MB": f"{whole['peak'] / 1e6:.0f}",
        "of it libraries MB": f"{libraries['peak'] / 1e6:.0f}",
        "grown by the file's size": f"{grown / bytes_:.2f}",
    }


def main() -> None:
    is_quick = "--quick" in sys.argv
    rows = []
    for size in (QUICK,) if is_quick else SIZES:
        rows.append(measure(size))
        print(rows[-1], flush=True)
        if not is_quick:  # after each, because the next one takes as long
            about = f"{__doc__}\n\nThe goal for memory is {GOAL} times the file."
            title = "Evaluation at ActivityNet's and HACS's size"
            write(Measured("evaluation_size", title, about, as_table(rows)))


if __name__ == "__main__":
    main()
