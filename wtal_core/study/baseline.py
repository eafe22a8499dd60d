"""The three facts about a plain baseline that the simulator's constants were set by, measured on
the workbook's own baseline.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.error_types import background_error_share
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.models import method
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.inputs import inputs_of, resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record
from wtal_core.runs.train import activations, scene
from wtal_core.study.session import Session
from wtal_core.study.signals import trained_network

METHOD, TIOU = "topk_mil", 0.5


def baseline_facts(session: Session) -> pd.DataFrame:
    """A row a seed: seed, mAP@0.5, top-k share, background share (in percent).

    Kept in `<store>/<dataset>/baseline_facts.csv`, because detections and weights are not
    committed; computed again where the kept ones are of other runs, which their mAP gives away.
    """
    config = session.base(METHOD)
    results = session.run(METHOD, {"baseline": config})
    records, path = (
        results.records["baseline"],
        session.store.root / session.dataset.name / "baseline_facts.csv",
    )
    kept, known = _kept(path), [_map(record, session.dataset) for record in records]
    if (
        kept is None
        or kept["seed"].tolist() != list(session.seeds)
        or kept["mAP@0.5"].tolist() != known
    ):
        runs = [Run(METHOD, config, session.dataset.name, seed) for seed in session.seeds]
        kept = pd.DataFrame(
            [
                _facts(run, record, session.dataset)
                for run, record in zip(runs, records, strict=True)
            ]
        )
        note = f"# {METHOD}. {results.provenance()}. In percent, see wtal_core/study/baseline.py\n"
        path.write_text(note + kept.to_csv(index=False))
    return kept


def _kept(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path, comment="#") if path.exists() else None


def _map(record: Record, dataset: Dataset) -> float:
    return round(record.map(dataset.default_protocol)[TIOU], 4)


def _facts(run: Run, record: Record, dataset: Dataset) -> dict[str, object]:
    network, module = trained_network(run, record, dataset), method(METHOD)
    activation = activations(
        module, network, run.config, resident(dataset, "test", "cpu", inputs=inputs_of(run.config))
    )
    detections = module.localize(activation, scene(dataset), run.config)
    background = background_error_share(ground_truth_of(dataset, "activitynet"), detections)
    return {
        "seed": run.seed,
        "mAP@0.5": _map(record, dataset),
        "top-k share": round(100 * top_share(dataset, activation, run.config.fraction), 2),
        "background share": round(100 * background, 2),
    }


def top_share(dataset: Dataset, activation: Activation, fraction: int) -> float:
    """Share of the max(1, T // fraction) highest snippets of each labelled class of each test video
    that lie in an instance of the class, all videos together (BackTAL, Fig. 2b). A snippet lies
    where its centre does."""
    hits = [
        truth[np.argsort(-scores, kind="stable")[: max(1, len(scores) // fraction)]]
        for truth, scores in _labelled(dataset, activation.cas[-1])
    ]
    return float(np.concatenate(hits).mean())


def top_share_bounds(dataset: Dataset, fraction: int = 8) -> tuple[float, float]:
    """`top_share` of snippets drawn at random, and of an oracle; below 1 where a video has fewer
    action snippets than k.
    """
    length = sum(video.length for video in dataset.test)
    chance, oracle, counted = 0.0, 0.0, 0
    for truth, _ in _labelled(dataset, np.zeros((length, len(dataset.classes)))):
        k = max(1, len(truth) // fraction)
        chance, oracle, counted = (
            chance + k * truth.mean(),
            oracle + min(k, truth.sum()),
            counted + k,
        )
    return float(chance / counted), float(oracle / counted)


def _labelled(
    dataset: Dataset, cas: Float[np.ndarray, "M C"]
) -> list[tuple[Bool[np.ndarray, " T"], Float[np.ndarray, " T"]]]:
    """(in an instance of the class, its activation) for each test video with snippets and each of
    its labels.
    """
    pairs, begin = [], 0
    by_video = dict(tuple(dataset.segments.groupby("video")))
    for video in dataset.test:
        part, begin = cas[begin : begin + video.length], begin + video.length
        centre = np.asarray(dataset.timebase.seconds(np.arange(video.length) + 0.5))[:, None]
        for label in video.labels if video.length else ():
            rows = by_video[video.id][by_video[video.id]["label"] == label]
            truth = (
                (centre >= rows["t_start"].to_numpy()) & (centre < rows["t_end"].to_numpy())
            ).any(axis=1)
            pairs.append((truth, part[:, dataset.classes.index(label)]))
    return pairs
