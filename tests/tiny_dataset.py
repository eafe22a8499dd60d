"""A data set of a few short videos for the tests of runs: each class has a direction of its own in
both streams.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video
from wtal_core.models import facnet
from wtal_core.models.shared.schedule import Schedule
from wtal_core.runs import sweep
from wtal_core.timebase import Timebase

CLASSES = ("jump", "run", "throw")
SCHEDULE = Schedule(epochs=4, batch_size=4, learning_rate=5e-3, evaluations=2)
CONFIG = replace(facnet.QUICK, embedding=32, schedule=SCHEDULE)


def tiny_dataset(fingerprint="tiny 1", train=9, test=6) -> Dataset:
    """Videos of 12 to 30 seconds, one snippet a second, one instance each. Deterministic."""
    rng, segments = np.random.default_rng(0), []

    def video(name: str, number: int) -> Video:
        label, length = CLASSES[number % 3], 12 + 3 * (number % 7)
        start = 2 + number % 4
        segments.append((name, label, float(start), float(start + 5)))
        shown = np.zeros((length, 6), np.float32)
        shown[start : start + 5, number % 3] = 2
        noise = [np.abs(rng.normal(0, 0.3, shown.shape)).astype(np.float32) for _ in range(2)]
        return Video(name, {"rgb": shown + noise[0], "flow": shown + noise[1]}, (label,))

    subsets = {
        "train": tuple(video(f"train_{i}", i) for i in range(train)),
        "test": tuple(video(f"test_{i}", i) for i in range(test)),
    }
    return Dataset(
        name="simulated",
        title="Tiny",
        origin="simulated",
        classes=CLASSES,
        streams=("rgb", "flow"),
        timebase=Timebase(fps=1.0, stride=1.0),
        segments=pd.DataFrame(segments, columns=SEGMENT_COLUMNS),
        default_protocol="wtalc",
        fingerprint=fingerprint,
        probes=("test_0", "test_1"),
        **subsets,
    )


def start_worker(jobs: int) -> None:
    """The first thing in a worker process: the tiny data set in place of any other, there as in the
    process that asks.
    """
    sweep.torch.set_num_threads(1)
    sweep._opened = lambda name, fold: tiny_dataset()
