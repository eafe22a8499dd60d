"""How many of the snippets that a top-k mean would choose lie in an instance (BackTAL, Fig. 2b)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset


def top_share(dataset: Dataset, cas: Float[np.ndarray, "M C"], fraction: int) -> float:
    """Share of the max(1, T // fraction) highest snippets of each labelled class of each test video
    that lie in an instance of the class, all videos together. A snippet lies where its centre does.
    """
    hits = []
    for truth, scores in _labelled(dataset, cas):
        k = max(1, len(scores) // fraction)
        highest = np.argsort(-scores, kind="stable")[:k]
        hits.append(truth[highest])
    return float(np.concatenate(hits).mean())


def top_share_bounds(dataset: Dataset, fraction: int = 8) -> tuple[float, float]:
    """`top_share` of snippets drawn at random, and of an oracle; below 1 where a video has fewer
    action snippets than k.
    """
    chance = 0.0
    oracle = 0.0
    counted = 0
    snippets = sum(video.length for video in dataset.test)
    for truth, _ in _labelled(dataset, np.zeros((snippets, len(dataset.classes)))):
        k = max(1, len(truth) // fraction)
        chance += k * truth.mean()
        oracle += min(k, truth.sum())
        counted += k
    return float(chance / counted), float(oracle / counted)


def _labelled(
    dataset: Dataset, cas: Float[np.ndarray, "M C"]
) -> Iterator[tuple[Bool[np.ndarray, " T"], Float[np.ndarray, " T"]]]:
    """(in an instance of the class, its activation) for each test video with snippets and each of
    its labels.
    """
    instances = dict(tuple(dataset.segments.groupby("video")))
    begin = 0
    for video in dataset.test:
        end = begin + video.length
        centre = np.asarray(dataset.timebase.seconds(np.arange(video.length) + 0.5))[:, None]
        for label in video.labels if video.length else ():
            rows = instances[video.id][instances[video.id]["label"] == label]
            starts = rows["t_start"].to_numpy()
            ends = rows["t_end"].to_numpy()
            truth = ((centre >= starts) & (centre < ends)).any(axis=1)
            yield truth, cas[begin:end, dataset.classes.index(label)]
        begin = end
