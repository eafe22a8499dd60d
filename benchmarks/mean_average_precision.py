"""Time and memory of the evaluation against two plain loops: `python -m
benchmarks.mean_average_precision [--quick]`.

Simulated: 212 videos of 2 to 10 minutes, 20 classes, 3358 instances; nine of ten detections are an
instance with its borders moved, of the right class nine times of ten, the others lie anywhere;
scores have ties (3 decimals).
Then a million detections of one video: 100 instances of one class, short ones and ones that overlap
a lot.

Plain forms: `plain.evaluator`, lists and loops; `plain.table_evaluator`, a loop over detections
with a look-up in a table, as published evaluators have it. The latter takes minutes at 100,000 and
is run at most once a size; --quick leaves it out there. Each size runs in a process of its own, so
that its peak memory is its own. Ratios and growth are of CPU seconds, which other work on the
machine lengthens less than seconds.
"""

import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmarks.plain import evaluator as plain
from benchmarks.plain import table_evaluator
from benchmarks.timing import peak_memory, seconds
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import PROTOCOLS, THUMOS_TIOUS, protocol

VIDEOS, CLASSES, INSTANCES = 212, 20, 3358
SIZES = (10_000, 30_000, 100_000, 300_000, 500_000, 1_000_000, 2_000_000)
GROWTH = ("activitynet", "wtalc")  # at all sizes; the other protocols at MIDDLE only
MIDDLE = 100_000  # the largest size for the plain forms
REPEATS = 5
AGREES = 1e-12
CROWD, CROWD_INSTANCES = 1_000_000, 100


def simulate(n_detections: int, seed: int = 0) -> tuple[GroundTruth, pd.DataFrame]:
    """Ground truth and detections of the sizes above."""
    rng = np.random.default_rng(seed)
    duration = rng.uniform(120, 600, VIDEOS)
    video = np.sort(rng.integers(0, VIDEOS, INSTANCES))
    label = (video + (rng.random(INSTANCES) < 0.1)) % CLASSES  # mostly one class a video
    start, length = rng.random(INSTANCES) * duration[video], rng.exponential(4, INSTANCES) + 0.2
    chosen = rng.integers(0, INSTANCES, n_detections)
    near = rng.random(n_detections) < 0.9
    found_start = np.where(
        near,
        start[chosen] + rng.normal(0, 0.3, n_detections) * length[chosen],
        rng.random(n_detections) * duration[video[chosen]],
    )
    found_length = length[chosen] * np.exp(rng.normal(0, 0.3, n_detections))
    found_label = np.where(
        rng.random(n_detections) < 0.9, label[chosen], rng.integers(0, CLASSES, n_detections)
    )
    score = np.round(rng.random(n_detections) * (0.5 + 0.5 * near), 3)
    videos = np.array([f"video_test_{number:07d}" for number in range(VIDEOS)])
    classes = np.array([f"class {number:02d}" for number in range(CLASSES)])
    truth = pd.DataFrame(
        {"video": videos[video], "label": classes[label], "t_start": start, "t_end": start + length}
    )
    found_start = np.maximum(found_start, 0)
    found = pd.DataFrame(
        {
            "video": videos[video[chosen]],
            "label": classes[found_label],
            "t_start": found_start,
            "t_end": found_start + found_length,
            "score": score,
        }
    )
    return GroundTruth(truth, tuple(videos.tolist()), tuple(classes.tolist())), found


def simulate_crowd(
    n_detections: int, mean_length: float, tied: bool
) -> tuple[GroundTruth, pd.DataFrame]:
    """One video of 600 s and one class, CROWD_INSTANCES instances, every detection near one of
    them.
    """
    rng = np.random.default_rng(0)
    start, length = (
        rng.random(CROWD_INSTANCES) * 600,
        rng.exponential(mean_length, CROWD_INSTANCES) + 0.2,
    )
    chosen = rng.integers(0, CROWD_INSTANCES, n_detections)
    found_start = np.maximum(start[chosen] + rng.normal(0, 0.3, n_detections) * length[chosen], 0)
    found_end = found_start + length[chosen] * np.exp(rng.normal(0, 0.3, n_detections))
    names = {"video": "v", "label": "A"}
    truth = pd.DataFrame({**names, "t_start": start, "t_end": start + length})
    score = 0.5 if tied else np.round(rng.random(n_detections), 3)
    return (
        GroundTruth(truth, ("v",), ("A",)),
        pd.DataFrame({**names, "t_start": found_start, "t_end": found_end, "score": score}),
    )


def crowd_plain(truth: GroundTruth, found: pd.DataFrame, tious: tuple[float, ...]) -> list[float]:
    """mAP of a crowd by the definition (ActivityNet): a loop over detections that ends when no
    instance is free.
    """
    rows = plain.rows(found.sort_values("score", ascending=False, kind="stable"))
    values = []
    for threshold in tious:
        free, hits = (
            [(start, end) for _, _, start, end in plain.rows(truth.segments)],
            [False] * len(rows),
        )
        for rank, (_, _, start, end) in enumerate(rows):
            choice = plain.choose(
                start, end, free, [True] * len(free), threshold, PROTOCOLS["activitynet"]
            )
            if choice is not None:
                hits[rank] = True
                del free[choice]
            if not free:
                break
        values.append(plain.area(hits, len(truth.segments), "envelope"))
    return values


def measure(n_detections: int, name: str, with_plain: bool, with_table: bool) -> dict:
    """Seconds, CPU seconds, GiB and differences of mAP of one size and protocol."""
    truth, found = simulate(n_detections)
    rules, before = protocol(name), peak_memory()
    first, score = seconds(lambda: evaluate(truth, found, rules))
    row = {
        "detections": n_detections,
        "protocol": name,
        "first": first,
        "peak": peak_memory(),
        "data": before,
    }
    row["fast"] = min(first, seconds(lambda: evaluate(truth, found, rules), REPEATS)[0])
    row["fast cpu"] = seconds(lambda: evaluate(truth, found, rules), REPEATS, time.process_time)[0]
    forms = {
        "plain": lambda: plain.mean_average_precision(truth, found, rules, THUMOS_TIOUS),
        "table": lambda: table_evaluator.mean_average_precision(truth, found, THUMOS_TIOUS),
    }
    for form in ["plain"] * with_plain + ["table"] * with_table:
        row[f"{form} cpu"], expected = seconds(forms[form], clock=time.process_time)
        row[f"{form} difference"] = float(np.abs(score.map - expected).max())
    return row


def measure_crowd(n_detections: int, mean_length: float, tied: bool) -> dict:
    """The same of a million detections of one video."""
    truth, found = simulate_crowd(n_detections, mean_length, tied)
    before = peak_memory()
    fast, score = seconds(lambda: evaluate(truth, found, PROTOCOLS["activitynet"]))
    peak = peak_memory()
    slow, expected = seconds(lambda: crowd_plain(truth, found, THUMOS_TIOUS))
    difference = np.abs(score.map - expected).max()
    assert difference < AGREES, (mean_length, tied, difference)
    return {
        "detections": f"{n_detections:,}",
        "mean length, s": str(mean_length),
        "scores": "equal" if tied else "3 decimals",
        "s": f"{fast:.2f}",
        "peak GiB": f"{peak:.2f}",
        "data alone GiB": f"{before:.2f}",
        "plain check s": f"{slow:.2f}",
        "difference of mAP": f"{difference:.0e}",
    }


def in_a_process(*call: object) -> dict:
    """Run `measure` or `measure_crowd` by name in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mean_average_precision", "--one", json.dumps(call)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def as_line(row: dict, base: dict) -> dict:
    """A row for reading. `base`: the smallest size of the protocol, to compare growth with."""

    def growth(one: dict) -> float:
        return one["fast cpu"] / (one["detections"] * math.log(one["detections"]))

    line = {
        "detections": f"{row['detections']:,}",
        "protocol": row["protocol"],
        "s": f"{row['fast']:.3f}",
        "first s": f"{row['first']:.3f}",
        "CPU s": f"{row['fast cpu']:.3f}",
        "CPU / (n log n), relative": f"{growth(row) / growth(base):.2f}",
        "peak GiB": f"{row['peak']:.2f}",
        "data alone GiB": f"{row['data']:.2f}",
    }
    for form in ("plain", "table"):
        if f"{form} cpu" in row:
            assert row[f"{form} difference"] < AGREES, row
            line |= {
                f"{form} CPU s": f"{row[f'{form} cpu']:.1f}",
                f"{form} ratio": f"{row[f'{form} cpu'] / row['fast cpu']:.0f}",
                f"{form} difference of mAP": f"{row[f'{form} difference']:.0e}",
            }
    return line


def sizes(quick: bool) -> None:
    """The table of sizes and protocols."""
    base, lines = {}, []
    for size in SIZES:
        for name in PROTOCOLS if size == MIDDLE else GROWTH:
            table = size <= MIDDLE and name == "activitynet" and not (quick and size == MIDDLE)
            if table:
                print(
                    f"… {size:,} detections with the table form, about {size * 1e-3:.0f} s",
                    flush=True,
                )
            row = in_a_process("measure", size, name, size <= MIDDLE, table)
            lines.append(as_line(row, base.setdefault(name, row) if name in GROWTH else row))
            print(
                "  " + ", ".join(f"{key} {value}" for key, value in lines[-1].items()), flush=True
            )
    print("\n" + tabulate(lines, headers="keys", disable_numparse=True, stralign="right"))


def crowds() -> None:
    """The table of a million detections of one video."""
    rows = [
        in_a_process("measure_crowd", CROWD, length, tied)
        for length in (4, 60)
        for tied in (False, True)
    ]
    print(f"\nOne video, {CROWD_INSTANCES} instances of one class, activitynet\n")
    print(tabulate(rows, headers="keys", disable_numparse=True, stralign="right"))


def main() -> None:
    """Both tables; with --one, one measurement as JSON."""
    if "--one" in sys.argv:
        name, *arguments = json.loads(sys.argv[-1])
        print(json.dumps({"measure": measure, "measure_crowd": measure_crowd}[name](*arguments)))
        return
    print(
        f"{VIDEOS} videos, {INSTANCES} instances, {len(THUMOS_TIOUS)} thresholds, best of "
        f"{REPEATS + 1}, plain forms once\n"
        f"numpy {np.__version__}, pandas {pd.__version__}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}"
    )
    sizes("--quick" in sys.argv)
    crowds()


if __name__ == "__main__":
    main()
