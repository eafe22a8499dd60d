"""A whole run of the paper profile at THUMOS14's size on a GPU: 200 training and 212 test videos, D
= 1024.

Run: python -m benchmarks.gpu_run [METHOD]. Without a method it is FAC-Net, 100 epochs; gaufuse has
350, whose training is to take less than four minutes. Features are simulated in memory, nothing is
downloaded. Prints the seconds of training (without test-set scores), of one test-set pass
(inference, localization, mAP) and of the whole run, the peak of GPU memory; for FAC-Net also the
table of `benchmarks.training_step` on the same GPU: a packed step against one video at a time.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import training_step
from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video, check_dataset
from wtal_core.data.simulator import draw_directions, draw_features, draw_timeline, load_constants
from wtal_core.models import method
from wtal_core.runs.train import Trainer
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


def make(size: Size) -> Dataset:
    """Videos of the simulator at THUMOS14's durations. Its ten classes come twice, to make
    twenty.
    """
    constants, rng, timebase = load_constants(), np.random.default_rng(0), Timebase()
    timelines = constants.timelines | {
        f"{name} 2": values for name, values in constants.timelines.items()
    }
    constants = replace(
        constants, timelines=timelines, duration_range=(constants.duration_range[0], size.longest)
    )
    classes = tuple(timelines)
    directions = draw_directions(len(classes), size.features, constants, rng)
    subsets, segments = {}, []
    for subset, count in (("train", size.train), ("test", size.test)):
        videos = []
        for i in range(count):
            labels, duration, rows = draw_timeline(i, classes, constants, rng)
            segments += [(f"{subset}_{i:04d}", *row) for row in rows]
            features = draw_features(
                rows, labels, duration, classes, directions, constants, timebase, rng
            )
            videos.append(Video(f"{subset}_{i:04d}", features, labels))
        subsets[subset] = tuple(videos)
    return check_dataset(
        Dataset(
            name="benchmark",
            title="Simulated at THUMOS14's size",
            origin="simulated",
            classes=classes,
            streams=("rgb", "flow"),
            timebase=timebase,
            segments=pd.DataFrame(segments, columns=SEGMENT_COLUMNS),
            default_protocol="wtalc",
            fingerprint="benchmark",
            **subsets,
        )
    )


def timed(work: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Seconds until the device has finished, and the result."""
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin, result


def measure(dataset: Dataset, name: str, device: str) -> None:
    """Train a method once, as `wtal reproduce` would, and print where the time went."""
    config = method(name).profiles["official"]
    loading, trainer = timed(lambda: Trainer(name, config, dataset, 0, device), device)
    passes, score_test_set = [], trainer._evaluate

    def score_timed() -> float:
        seconds, average = timed(score_test_set, device)
        passes.append(seconds)
        return average

    trainer._evaluate = score_timed
    whole, trained = timed(trainer.run, device)
    snippets = [sum(v.length for v in videos) for videos in (dataset.train, dataset.test)]
    print(
        f"{len(dataset.train)} training videos of {snippets[0]} snippets, {len(dataset.test)} "
        f"test videos of {snippets[1]}, "
        f"2 x {dataset.feature_size()} features, {config.schedule.epochs} epochs"
    )
    print(f"features to the device            {loading:8.2f} s")
    print(f"training                          {trained.seconds - sum(passes):8.2f} s")
    print(
        f"a test-set pass, of {len(passes):3d}: shortest {min(passes):8.2f} s, median "
        f"{np.median(passes):.2f} s "
        "(inference, localization, mAP)"
    )
    print(f"whole run, with scores            {whole:8.2f} s")
    if device == "cuda":
        print(
            f"peak of GPU memory                {torch.cuda.max_memory_allocated() / 2**30:8.2f} "
            f"GiB"
        )
    average = 100 * trained.scores["last"]["wtalc"].average
    print(
        f"average mAP at the last epoch     {average:8.2f} % (simulated, seed 0: a sign that it "
        f"learnt, no result)"
    )


def main(name: str = "facnet") -> None:
    if not torch.cuda.is_available():
        sys.exit(
            "this benchmark needs a CUDA GPU and found none; `python -m benchmarks.training_step` "
            "runs on the CPU"
        )
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    making, dataset = timed(lambda: make(Size()), "cpu")
    print(f"features made in {making:.0f} s on the CPU")
    measure(dataset, name, "cuda")
    if name == "facnet":
        training_step.main("cuda")


if __name__ == "__main__":
    main(*sys.argv[1:2])
