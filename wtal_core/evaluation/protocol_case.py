"""What a comparison of protocols needs.

Detections, their ground truth, and the videos that the shorter test list lacks.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.annotations import read_ambiguous
from wtal_core.data.dataset import Dataset
from wtal_core.data.manifests import load_manifest
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, GroundTruth, ground_truth_of
from wtal_core.evaluation.tables import read_detections, read_ground_truth
from wtal_core.segments import tiou

# of the instances of a simulated case
AMBIGUOUS_EVERY = 25
COPIED_EVERY = 100
EMPTY_VIDEOS = 2
LEFT_OUT_VIDEOS = 2
# with these four, mAP is about 60 at tIoU .1 and 30 at .5, as in the field
FALSE_PER_VIDEO = 15
SCORE_NOISE = 0.4
NEAR = (0.6, 0.35)  # share of instances that get such a detection, deviation of its borders
WORSE = (0.6, 0.9)


@dataclass(frozen=True)
class ProtocolCase:
    """title: data set and origin, for captions.

    left_out: videos of the ground truth that the shorter test list lacks.
    """

    title: str
    ground_truth: GroundTruth
    detections: pd.DataFrame
    left_out: tuple[str, ...]


def read_case(
    ground_truth: str | Path, detections: str | Path, ambiguous: str | Path = "", subset: str = ""
) -> ProtocolCase:
    """Detections from files.

    ambiguous: lines `video start end`, as THUMOS14's `Ambiguous_test.txt`; "" keeps the filter off.
    subset: of the ground truth's videos; "" takes all. The shorter list is THUMOS14's of 210
    videos: for other ids it is the whole list.
    """
    truth = read_ground_truth(ground_truth, subset or None)
    if ambiguous:
        if not Path(ambiguous).is_file():
            raise WorkbookError(
                f"{ambiguous}: there is no such file; name the list of ambiguous intervals, or none"
            )
        truth = replace(truth, ambiguous=read_ambiguous(Path(ambiguous)))
    missing = [
        video
        for video in load_manifest("thumos14").left_out["activitynet"]
        if video in truth.videos
    ]
    title = f"your files, {Path(detections).name} on {Path(ground_truth).name}"
    return ProtocolCase(title, truth, read_detections(detections), tuple(missing))


def simulate_case(dataset: Dataset, seed: int = 0) -> ProtocolCase:
    """Simulated detections: made from the ground truth by a seeded jitter, never by a network.

    Same seed, same table.
    The ground truth is a variant in which each detail has something to decide: every
    AMBIGUOUS_EVERY-th instance is called ambiguous, EMPTY_VIDEOS test videos lose their instances,
    some instances are listed twice and one has no length.
    """
    truth = ground_truth_of(dataset, dataset.default_protocol)
    place = np.arange(len(truth.segments))
    doubtful = place % AMBIGUOUS_EVERY == AMBIGUOUS_EVERY - 1
    empty = truth.segments["video"].isin(truth.videos[-EMPTY_VIDEOS:])
    kept = truth.segments[~doubtful & ~empty.to_numpy()]
    copies = kept[::COPIED_EVERY].assign(t_end=lambda rows: rows["t_end"] + 5e-4)
    point = kept[:1].assign(t_end=kept["t_start"].iloc[0])
    variant = replace(
        truth,
        segments=pd.concat([kept, copies, point], ignore_index=True),
        ambiguous=truth.segments[doubtful].assign(label="Ambiguous").reset_index(drop=True),
    )
    seconds = {video.id: video.length * dataset.timebase.snippet_seconds for video in dataset.test}
    return ProtocolCase(
        f"simulated detections on a variant of {dataset.heading}",
        variant,
        _jittered(truth, seconds, np.random.default_rng(seed)),
        truth.videos[:LEFT_OUT_VIDEOS],
    )


def _jittered(
    truth: GroundTruth, seconds: dict[str, float], draw: np.random.Generator
) -> pd.DataFrame:
    """Detections with continuous borders and scores of one decimal, so that many are equal.

    In random order.
    Of some instances one NEAR it, of some a WORSE one; of some neighbours in a video and class, one
    over both; and FALSE_PER_VIDEO anywhere in each video, half of them of a class that the video
    has.
    """
    instances = truth.segments
    near = _some_moved(instances, *NEAR, draw)
    worse = _some_moved(instances, *WORSE, draw)
    following = instances.groupby(["video", "label"])["t_end"].shift(-1)
    joined = following.notna() & (draw.random(len(instances)) < 0.3)
    both = instances.assign(t_end=following)[joined]
    table = pd.concat([near, worse, both, _anywhere(truth, seconds, draw)], ignore_index=True)
    closeness = _closeness(table, instances)
    table["score"] = np.round(closeness + SCORE_NOISE * draw.normal(size=len(table)), 1)
    return table.iloc[draw.permutation(len(table))].reset_index(drop=True)[DETECTION_COLUMNS]


def _some_moved(
    every: pd.DataFrame, share: float, deviation: float, draw: np.random.Generator
) -> pd.DataFrame:
    """A share of the instances, both borders moved by normal noise.

    deviation: of the noise, as a share of the length.
    """
    instances = every[draw.random(len(every)) < share]
    start = instances["t_start"].to_numpy()
    end = instances["t_end"].to_numpy()
    borders = np.stack([start, end]) + deviation * (end - start) * draw.normal(size=(2, len(start)))
    return instances.assign(
        t_start=np.maximum(borders.min(axis=0), 0), t_end=np.maximum(borders.max(axis=0), 0)
    )


def _anywhere(
    truth: GroundTruth, seconds: dict[str, float], draw: np.random.Generator
) -> pd.DataFrame:
    video = np.repeat(np.array(truth.videos, dtype=object), FALSE_PER_VIDEO)
    own = truth.segments.groupby("video")["label"].first().reindex(video).to_numpy(dtype=object)
    other = np.array(truth.classes, dtype=object)[
        draw.integers(len(truth.classes), size=len(video))
    ]
    length = np.exp(draw.normal(1.0, 0.6, size=len(video)))
    latest = np.maximum(np.array([seconds[name] for name in video]) - length, 0)
    start = latest * draw.random(len(video))
    label = np.where(draw.random(len(video)) < 0.5, own, other)
    return pd.DataFrame({"video": video, "label": label, "t_start": start, "t_end": start + length})


def _closeness(table: pd.DataFrame, instances: pd.DataFrame) -> Float[np.ndarray, " N"]:
    """Largest tIoU of each row with an instance of its video and class; 0 without one."""
    pairs = table.reset_index().merge(instances, on=["video", "label"], suffixes=("", "_of"))
    overlap = tiou(
        pairs["t_start"].to_numpy(),
        pairs["t_end"].to_numpy(),
        pairs["t_start_of"].to_numpy(),
        pairs["t_end_of"].to_numpy(),
    )
    largest = pd.Series(overlap).groupby(pairs["index"]).max()
    return largest.reindex(range(len(table)), fill_value=0.0).to_numpy()
