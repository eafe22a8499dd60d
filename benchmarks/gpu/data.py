"""Invented data of THUMOS14's size, in memory: nothing is downloaded."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from wtal_core.data.clicks import KINDS, simulate_clicks
from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video, check_dataset
from wtal_core.data.simulator import draw_directions, draw_features, draw_timeline, load_constants
from wtal_core.timebase import Timebase


@dataclass(frozen=True)
class Size:
    """THUMOS14's. longest: seconds of the longest video; `simulated` cuts at 240, THUMOS14's
    longest training video has 1409.
    """

    train: int = 200
    test: int = 212
    features: int = 1024
    longest: float = 1409.0


TINY = Size(train=20, test=6, features=8, longest=20.0)


def make(size: Size) -> Dataset:
    """Videos of the simulator at these sizes, with clicks. Its ten classes come twice, to make
    twenty.
    """
    constants = load_constants()
    rng = np.random.default_rng(0)
    timebase = Timebase()
    twice = {f"{name} 2": values for name, values in constants.timelines.items()}
    constants = replace(
        constants,
        timelines=constants.timelines | twice,
        duration_range=(constants.duration_range[0], size.longest),
    )
    classes = tuple(constants.timelines)
    directions = draw_directions(len(classes), size.features, constants, rng)
    subsets: dict[str, tuple[Video, ...]] = {}
    segments: list[tuple[str, str, float, float]] = []
    durations: dict[str, float] = {}
    for subset, count in (("train", size.train), ("test", size.test)):
        videos = []
        for i in range(count):
            name = f"{subset}_{i:04d}"
            labels, duration, rows = draw_timeline(i, classes, constants, rng)
            durations[name] = duration
            segments += [(name, *row) for row in rows]
            features = draw_features(
                rows, labels, duration, classes, directions, constants, timebase, rng
            )
            videos.append(Video(name, features, labels))
        subsets[subset] = tuple(videos)
    table = pd.DataFrame(segments, columns=SEGMENT_COLUMNS)
    return check_dataset(
        Dataset(
            name="benchmark",
            title="Simulated at THUMOS14's size",
            origin="simulated",
            classes=classes,
            streams=("rgb", "flow"),
            timebase=timebase,
            segments=table,
            default_protocol="wtalc",
            clicks={kind: simulate_clicks(table, durations, kind, 0) for kind in KINDS},
            fingerprint="benchmark",
            **subsets,
        )
    )
