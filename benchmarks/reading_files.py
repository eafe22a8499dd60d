"""Time to read a detections file of 40 MB against `json.loads` alone: `python -m
benchmarks.reading_files`.

Simulated: 2,350 videos with 200 detections each, as ActivityNet's JSON. `json.loads` gets the text
that lies in memory; reading begins at the file and ends with a checked table. Both are timed in
turn in one process, CPU seconds, the shortest of three.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measured import Measured, as_table, write
from benchmarks.timing import seconds
from wtal_core.evaluation.tables import load_detections

VIDEOS, EACH = 2350, 200


def simulate(videos: int = VIDEOS, each: int = EACH, seed: int = 0) -> str:
    """The text of a detections file."""
    rng = np.random.default_rng(seed)
    results = {}
    for video in range(videos):
        start = np.round(100 * rng.random(each), 4)
        end = np.round(start + 10 * rng.random(each), 4)
        values = zip(start.tolist(), end.tolist(), rng.random(each).tolist(), strict=True)
        results[f"video_{video:07d}"] = [
            {"label": f"Class {number % 20}", "segment": [first, last], "score": score}
            for number, (first, last, score) in enumerate(values)
        ]
    return json.dumps({"version": "VERSION 1.3", "results": results, "external_data": {}})


def ratio(text: str, times: int = 3) -> tuple[float, float, float]:
    """CPU seconds of reading and of `json.loads`, and the first by the second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detections.json"
        path.write_text(text)
        plain, _ = seconds(lambda: json.loads(text), times, time.process_time)
        ours, _ = seconds(lambda: load_detections(path), times, time.process_time)
    return ours, plain, ours / plain


def main() -> None:
    text = simulate()
    ours, plain, by = ratio(text)
    row = {
        "MB": f"{len(text) / 1e6:.0f}",
        "read, CPU s": f"{ours:.2f}",
        "json.loads, CPU s": f"{plain:.2f}",
        "ratio": f"{by:.2f}",
    }
    print(*row.items())
    about = (__doc__ or "").partition("\n\n")[2]
    write(Measured("reading_files", "Reading a detections file", about, as_table([row])))


if __name__ == "__main__":
    main()
