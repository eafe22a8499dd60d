"""Memory and time to the first training step at HACS's size: `python -m benchmarks.hacs_size`.

Invented, in temporary folders that are removed at the end: annotations of 37,613 training and 5,981
validation videos in HACS's own JSON, 200 classes, one to four instances each, log-normal durations
with a mean of 150 s; features of two streams of 1024 channels, in BackTAL's layout (one .npz per
video, rescaled to 200 snippets; 71 GB if every file were one of its own, but all names are links to
one file) and one sparse .npy file `[T, 2048]` per video on the grid of 25 frames per second and
stride 16 (about 84 GB that take no room on the disk), each layout in a process of its own. So no
time is spent on reading a real disk: what is measured is what the workbook itself does and holds.
BackTAL trains with its published settings for HACS (batches of 64 videos, clicks), at the width of
its quick profile, on a CPU with one thread. After each stage: seconds, CPU seconds (which other
processes change less), and the peak of memory so far.
"""

import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from benchmarks.measured import Measured, as_table, write
from benchmarks.timing import peak_memory
from wtal_core.data.opening import open_dataset
from wtal_core.models import backtal
from wtal_core.runs.train import Trainer

VIDEOS = {"training": 37_613, "validation": 5_981}
CLASSES = 200
SNIPPETS = 200
CHANNELS = 1024


def annotate(folder: Path, rng: np.random.Generator) -> dict[str, tuple[str, float]]:
    """Write the JSON. Video -> subset and duration."""
    database, videos = {}, {}
    for subset, count in VIDEOS.items():
        durations = np.clip(150 * np.exp(0.6 * rng.standard_normal(count) - 0.18), 8, 900)
        labels = rng.integers(CLASSES, size=count)
        labels[:CLASSES] = np.arange(CLASSES)
        for i, (seconds, label) in enumerate(zip(durations.tolist(), labels.tolist(), strict=True)):
            edges = np.sort(rng.uniform(0, seconds, 2 * rng.integers(1, 5))).tolist()
            instances = [
                {"label": f"class {label:03d}", "segment": [edges[j], edges[j + 1]]}
                for j in range(0, len(edges), 2)
            ]
            video = f"{subset[:3]}{i:08d}"
            database[video] = {
                "annotations": instances,
                "subset": subset,
                "duration": f"{seconds:.6f}",
            }
            videos[video] = (subset, float(f"{seconds:.6f}"))
    (folder / "HACS_segments_v1.1.1.json").write_text(json.dumps({"database": database}))
    return videos


def write_npz(folder: Path, videos: dict[str, tuple[str, float]]) -> None:
    """BackTAL's layout, one file under all names."""
    values = np.random.default_rng(0).random((CHANNELS, SNIPPETS), dtype=np.float32)
    first = folder / "one.npz"
    np.savez(first, feat_spa=values, feat_tem=values)
    for video, (subset, _) in videos.items():
        os.link(first, folder / subset / f"v_{video}.npz")
    first.unlink()


def write_npy(folder: Path, videos: dict[str, tuple[str, float]]) -> None:
    """Sparse files: a header, then a hole of the right size."""
    for video, (subset, seconds) in videos.items():
        shape = (max(1, int(seconds * 25 / 16)), 2 * CHANNELS)
        path = folder / subset / f"v_{video}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


class Report:
    """A row per stage: seconds since the stage before, and the peak so far."""

    def __init__(self, layout: str) -> None:
        self.layout = layout
        self.rows: list[dict[str, str]] = []
        self.waited = time.perf_counter()
        self.worked = time.process_time()

    def line(self, stage: str) -> None:
        seconds = time.perf_counter() - self.waited
        worked = time.process_time() - self.worked
        row = {
            "layout": f".{self.layout}",
            "stage": stage,
            "s": f"{seconds:.1f}",
            "CPU s": f"{worked:.1f}",
            "peak so far, GiB": f"{peak_memory():.2f}",
        }
        print(*row.values(), sep=", ", flush=True)
        self.rows.append(row)
        self.waited += seconds
        self.worked += worked


def measured(layout: str) -> list[dict[str, str]]:
    """The rows of a layout."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="hacs_size_") as root:
        folder = Path(root) / "hacs"
        for subset in VIDEOS:
            (folder / subset).mkdir(parents=True)
        report = Report(layout)
        videos = annotate(folder, np.random.default_rng(0))
        {"npz": write_npz, "npy": write_npy}[layout](folder, videos)
        del videos
        report.line("invented files written")
        dataset = open_dataset("hacs", root)
        report.line(f"opened {len(dataset.train):,} + {len(dataset.test):,} videos")
        narrow = replace(backtal.HACS, width=64, filter_width=64, emb_hidden=64)
        trainer = Trainer("backtal", narrow, dataset, 0)
        report.line("trainer made (labels, clicks, network)")
        first = narrow.schedule.batches(trainer.train_videos.labels, trainer.order)[0]
        batch = trainer.train_videos.batch(first)
        report.line(f"a batch of {len(batch.lengths)} videos, {sum(batch.lengths):,} snippets")
        trainer.step(first)
        report.line("first step of the optimiser")
        return report.rows


def main() -> None:
    rows = []
    for layout in ("npz", "npy"):
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            rows += alone.submit(measured, layout).result()
    about = (__doc__ or "").partition("\n\n")[2]
    write(
        Measured("hacs_size", "A data set of HACS's size, to the first step", about, as_table(rows))
    )


if __name__ == "__main__":
    main()
