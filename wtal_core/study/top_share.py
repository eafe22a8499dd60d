"""How many of the snippets that a top-k mean would choose lie in an instance (BackTAL, Fig. 2b)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset


def top_share(
    dataset: Dataset,
    cas: Float[np.ndarray, "M C"],
    fraction: int,
    subset: str = "test",
    any_class: bool = False,
) -> float:
    """Share of the max(1, T // fraction) highest snippets of each labelled class of each video that
    lie in an instance of the class, all videos together. A snippet lies where its centre does.

    cas: on the snippets of the subset, "test" or "train", video after video. any_class: an instance
    of another class does as well.
    """
    hits = []
    for truth, scores in _labelled(dataset, cas, subset, any_class):
        k = max(1, len(scores) // fraction)
        highest = np.argsort(-scores, kind="stable")[:k]
        hits.append(truth[highest])
    return float(np.concatenate(hits).mean())


def top_share_bounds(
    dataset: Dataset, fraction: int = 8, subset: str = "test", any_class: bool = False
) -> tuple[float, float]:
    """`top_share` of snippets drawn at random, and of an oracle; below 1 where a video has fewer
    action snippets than k.
    """
    chance = 0.0
    oracle = 0.0
    counted = 0
    snippets = sum(video.length for video in getattr(dataset, subset))
    nothing = np.zeros((snippets, len(dataset.classes)))
    for truth, _ in _labelled(dataset, nothing, subset, any_class):
        k = max(1, len(truth) // fraction)
        chance += k * truth.mean()
        oracle += min(k, truth.sum())
        counted += k
    return float(chance / counted), float(oracle / counted)


def _labelled(
    dataset: Dataset, cas: Float[np.ndarray, "M C"], subset: str, any_class: bool
) -> Iterator[tuple[Bool[np.ndarray, " T"], Float[np.ndarray, " T"]]]:
    """(in an instance of the class, or of any; its activation) for each video with snippets and
    each of its labels.
    """
    instances = dict(tuple(dataset.segments.groupby("video")))
    begin = 0
    for video in getattr(dataset, subset):
        end = begin + video.length
        centre = np.asarray(dataset.timebase.seconds(np.arange(video.length) + 0.5))[:, None]
        for label in video.labels if video.length else ():
            rows = instances[video.id]
            if not any_class:
                rows = rows[rows["label"] == label]
            starts = rows["t_start"].to_numpy()
            ends = rows["t_end"].to_numpy()
            truth = ((centre >= starts) & (centre < ends)).any(axis=1)
            yield truth, cas[begin:end, dataset.classes.index(label)]
        begin = end
