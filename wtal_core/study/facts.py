"""What the trained networks of a configuration do on the whole test list, in a few numbers a seed
that need no weights.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from wtal_core.data.dataset import Dataset
from wtal_core.data.grid import inside
from wtal_core.evaluation.error_types import MATCHED_TIOU, OUTCOMES, TRUE_POSITIVE, assign
from wtal_core.evaluation.ground_truth import GroundTruth, ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.operating_point import best_f1_scores
from wtal_core.evaluation.protocols import ACTIVITYNET, ACTIVITYNET_TIOUS
from wtal_core.models import method
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.inputs import inputs_of, on_grid, resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record
from wtal_core.runs.sweep import dataset_of, ensure
from wtal_core.runs.train import TEST_BATCH, activations, scene
from wtal_core.study.baseline import top_share, top_share_bounds
from wtal_core.study.session import Session
from wtal_core.study.signals import trained_network

NAME, WINDOW, FRACTION = "facts", 8, 8
POOLS = (10, 1)


def facts_of(session: Session, method_name: str, config: Any) -> list[dict[str, np.ndarray]]:
    """One dictionary a seed, at the last epoch, kept beside the records:

    outcomes (2, 6): detections of each of OUTCOMES at tIoU .5, among the first 10 G of each class
    and among the first G. top (1): share of the T // 8 highest snippets of a labelled class that
    lie in its instances (`baseline.top_share`). bounds (2): the same of snippets drawn at random,
    and of an oracle (`baseline.top_share_bounds`). levels (2): mean normalised activation of
    labelled classes, in their instances and outside of all instances. strict (10): mAP at
    ACTIVITYNET_TIOUS by the `activitynet` protocol, a fraction. f1_scores (C): see
    `evaluation.operating_point`. similarity (2, 8): where the method has an embedding, mean cosine
    of snippets 1, ..., 8 apart, of the same kind (both in
        an instance, or neither) and of different kinds; NaN where there are no such snippets.
    """
    runs = [Run(method_name, config, session.dataset.name, seed) for seed in session.seeds]
    records = ensure(runs, session.store, session.device, session.jobs)
    return [
        record.arrays(NAME) or _keep(run, record) for run, record in zip(runs, records, strict=True)
    ]


def error_table(
    facts: list[dict[str, np.ndarray]], seeds: tuple[int, ...], pool: int = 0
) -> pd.DataFrame:
    """Counts of the outcomes: a row a seed, a column one of OUTCOMES. pool: 0 for the first 10 G, 1
    for the first G.
    """
    return pd.DataFrame(
        [one["outcomes"][pool] for one in facts], index=list(seeds), columns=list(OUTCOMES)
    )


def background_share(
    facts: list[dict[str, np.ndarray]],
    seeds: tuple[int, ...],
    pool: int = 0,
    with_right: bool = False,
) -> pd.Series:
    """Background errors in percent of all errors, or of all detections (with_right), a value a
    seed; NaN where there are none.
    """
    counts = error_table(facts, seeds, pool)
    whole = counts.sum(axis=1) if with_right else counts.drop(columns=TRUE_POSITIVE).sum(axis=1)
    return 100 * counts["background"] / whole.where(whole > 0)


def strict_of(session: Session, method_name: str, config: Any) -> pd.DataFrame:
    """mAP in percent at ACTIVITYNET_TIOUS and their mean "AVG", by the `activitynet` protocol: a
    row a seed, a column a tIoU.
    """
    values = 100 * np.array([one["strict"] for one in facts_of(session, method_name, config)])
    columns = [f"{tiou:.2f}" for tiou in ACTIVITYNET_TIOUS]
    return pd.DataFrame(values, index=list(session.seeds), columns=columns).assign(
        AVG=values.mean(axis=1)
    )


def _keep(run: Run, record: Record) -> dict[str, np.ndarray]:
    dataset, module = dataset_of(run), method(run.method)
    network, videos = (
        trained_network(run, record, dataset),
        resident(dataset, "test", "cpu", inputs=inputs_of(run.config)),
    )
    found = activations(module, network, run.config, videos)
    detections = module.localize(found, scene(dataset), run.config)
    truth, cas = (
        ground_truth_of(dataset, "activitynet"),
        _on_grid(found.cas[-1], found.lengths, dataset),
    )
    native = Activation(
        cas[None], found.scores[-1:], cas[None, :, 0], tuple(v.length for v in dataset.test)
    )
    arrays = {
        "outcomes": outcomes(truth, detections),
        "top": np.array([top_share(dataset, native, FRACTION)]),
        "bounds": np.array(top_share_bounds(dataset, FRACTION)),
        "levels": levels(dataset, cas),
        "f1_scores": best_f1_scores(truth, detections),
        "strict": np.asarray(
            evaluate(truth, detections, ACTIVITYNET, ACTIVITYNET_TIOUS).map, dtype=np.float64
        ),
    }
    embedding = _embedding(module, network, videos, found.lengths, dataset)
    if embedding is not None:
        arrays["similarity"] = similarity(dataset, embedding)
    record.keep_arrays(NAME, arrays)
    return arrays


def outcomes(truth: GroundTruth, detections: pd.DataFrame) -> Int[np.ndarray, "2 6"]:
    """See `facts_of`."""
    found = [assign(truth, detections, np.array([MATCHED_TIOU]), g) for g in POOLS]
    return np.array(
        [np.bincount(one.code[0, one.within], minlength=len(OUTCOMES)) for one in found]
    )


def levels(dataset: Dataset, cas: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "2"]:
    """See `facts_of`; normalised: 0 is the lowest value of a class in its video and 1 the
    highest.
    """
    action, background = [], []
    for video, part in zip(dataset.test, _by_video(cas, dataset), strict=True):
        for label in video.labels if video.length else ():
            row = part[:, dataset.classes.index(label)]
            row = (row - row.min()) / (np.ptp(row) or 1.0)
            action.append(row[inside(dataset, video.id, label)])
            background.append(row[~inside(dataset, video.id)])
    return np.array([np.concatenate(action).mean(), np.concatenate(background).mean()])


def similarity(dataset: Dataset, embedding: Float[np.ndarray, "M E"]) -> Float[np.ndarray, "2 W"]:
    """See `facts_of`; vectors of unit length."""
    total, count = np.zeros((2, WINDOW)), np.zeros((2, WINDOW))
    for video, part in zip(dataset.test, _by_video(embedding, dataset), strict=True):
        kind = inside(dataset, video.id)
        for apart in range(1, min(WINDOW, video.length - 1) + 1):
            cosine, same = (part[apart:] * part[:-apart]).sum(1), kind[apart:] == kind[:-apart]
            for number, chosen in enumerate((same, ~same)):
                total[number, apart - 1] += cosine[chosen].sum()
                count[number, apart - 1] += chosen.sum()
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _by_video(values: Float[np.ndarray, "M K"], dataset: Dataset) -> list[Float[np.ndarray, "T K"]]:
    return np.split(values, np.cumsum([v.length for v in dataset.test])[:-1])


def _on_grid(
    values: Float[np.ndarray, "L K"], lengths: tuple[int, ...], dataset: Dataset
) -> Float[np.ndarray, "M K"]:
    """On the data set's own snippets."""
    parts = np.split(values, np.cumsum(lengths)[:-1])
    return np.concatenate(
        [on_grid(part, video.length) for part, video in zip(parts, dataset.test, strict=True)]
    )


@torch.no_grad()
def _embedding(
    module: Any,
    network: torch.nn.Module,
    videos: Any,
    lengths: tuple[int, ...],
    dataset: Dataset,
) -> Float[np.ndarray, "M E"] | None:
    """The embedding `e` that affinities are cosines of, of unit length, on the data set's own
    snippets.
    """
    batches = [
        range(i, min(i + TEST_BATCH, len(videos))) for i in range(0, len(videos), TEST_BATCH)
    ]
    found = [module.signals(network(videos.batch(batch))).get("e") for batch in batches]
    if found[0] is None:
        return None
    e = _on_grid(torch.cat([one[-1] for one in found]).double().numpy(), lengths, dataset)
    return e / np.maximum(np.linalg.norm(e, axis=1, keepdims=True), 1e-12)
