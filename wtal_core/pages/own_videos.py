"""The timeline of a user's own videos: those that a network is tested on, and those it has seen."""

from dataclasses import replace

import pandas as pd

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.error_types import outcomes
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.signals import Signals
from wtal_core.pages.timeline import Timeline, timeline_of

TIOU = 0.5  # overlap from which on a detection is called right


def whole(dataset: Dataset) -> Dataset:
    """The same with all its videos as test videos, by name: to detect in all of them."""
    videos = sorted((*dataset.train, *dataset.test), key=lambda video: video.id)
    return replace(dataset, test=tuple(videos))


def timeline_of_videos(
    dataset: Dataset, detections: pd.DataFrame, signals: Signals, name: str, source: str
) -> Timeline:
    """All videos of a data set against time; with segments, detections are told right or wrong.

    detections, signals: in all videos, see `whole`. name: of the network.
    """
    everything = whole(dataset)
    truth = replace(
        ground_truth_of(everything, dataset.default_protocol),
        segments=dataset.segments.reset_index(drop=True),
    )
    seconds = dataset.timebase.seconds
    tested = ", ".join(video.id for video in dataset.test)
    case = Case(
        name=name,
        title=f"{dataset.title}, {dataset.origin} videos",
        ground_truth=truth,
        detections=detections,
        durations={video.id: seconds(float(video.length)) for video in everything.test},
        source=source,
        activation=signals.activation,
        attention=signals.attention,
        notes=(
            f"Test videos: {tested}. On the others the network was trained: it has seen their "
            "labels, and no times.",
        ),
    )
    judged = outcomes(truth, detections, TIOU) if len(truth.segments) else None
    return timeline_of(case, judged)
