"""BackTAL's Figure 2b in every reading of its text.

The paper says "the ratio that the highest k scores fall into action segments". It does not say of
which pass, on which videos, nor whether the segment has to be of the class that is scored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.files import write_whole
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.models.backtal import BRANCHES
from wtal_core.reading.frames import read_frame
from wtal_core.runs.inputs import inputs_of, on_grid, resident
from wtal_core.runs.sweep import resolve_device
from wtal_core.runs.train import TEST_BATCH, suited_threads
from wtal_core.study.facts import FRACTION
from wtal_core.study.session import Session
from wtal_core.study.top_share import top_share, top_share_bounds
from wtal_core.study.trained import TrainedRun

SUBSETS = {"test": "test videos", "train": "training videos"}
MAP = "mAP@0.5"


@dataclass(frozen=True)
class Reading:
    """Whose logits choose the snippets; of which videos; and whether an instance of another class
    is an action segment, too.
    """

    branch: str
    subset: str
    any_class: bool

    @property
    def name(self) -> str:
        """As tables call it, such as "supp, own class, test videos"."""
        scope = "any class" if self.any_class else "own class"
        return f"{self.branch}, {scope}, {SUBSETS[self.subset]}"


READINGS = tuple(
    Reading(branch, subset, any_class)
    for subset, branch, any_class in product(SUBSETS, reversed(BRANCHES), (False, True))
)


def top_readings(session: Session, rows: Mapping[str, Any]) -> pd.DataFrame:
    """Shares of top-k snippets in percent: a line per row and seed, a column per reading.

    rows: name -> config of BackTAL. Further columns: row, seed, run; network, "recorded" or
    "another" where this machine trains another one than the record's; `MAP` of that network.
    Kept in `<store>/<dataset>/top_readings.csv`, because weights are not committed; computed again
    where the kept ones are of other runs.
    """
    trained = {row: session.trained_runs("backtal", config) for row, config in rows.items()}
    path = session.store.root / session.dataset.name / "top_readings.csv"
    wanted = [run.record.key for runs in trained.values() for run in runs]
    kept = read_frame(path, ("run",), "delete it") if path.exists() else None
    if kept is not None and kept["run"].tolist() == wanted:
        return kept
    lines = [_line(row, run) for row, runs in trained.items() for run in runs]
    table = pd.DataFrame(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda partial: table.to_csv(partial, index=False))
    return table


def reading_bounds(session: Session, config: Any) -> pd.DataFrame:
    """Percent of snippets drawn at random, and of an oracle: a line per reading without its branch,
    mean over the seeds' folds.
    """
    datasets = [run.dataset for run in session.trained_runs("backtal", config)]
    bounds = {
        reading.name: 100 * np.mean([_bounds(dataset, reading) for dataset in datasets], axis=0)
        for reading in READINGS
    }
    return pd.DataFrame(bounds, index=["drawn at random", "oracle"]).T


def _bounds(dataset: Dataset, reading: Reading) -> tuple[float, float]:
    return top_share_bounds(dataset, FRACTION, reading.subset, reading.any_class)


def _line(row: str, trained: TrainedRun) -> dict[str, Any]:
    logits = {subset: pass_logits(trained, subset) for subset in SUBSETS}
    shares = {
        reading.name: top_share(
            trained.dataset,
            logits[reading.subset][BRANCHES.index(reading.branch)],
            FRACTION,
            reading.subset,
            reading.any_class,
        )
        for reading in READINGS
    }
    truth = ground_truth_of(trained.dataset, "activitynet")
    score = evaluate(truth, trained.detections, ACTIVITYNET, (0.5,))
    network = "another" if trained.record.is_another_network_here else "recorded"
    about = {"row": row, "seed": trained.run.seed, "run": trained.record.key, "network": network}
    percent = {name: round(100 * share, 2) for name, share in shares.items()}
    return about | {MAP: round(100 * float(score.map[0]), 2)} | percent


@torch.no_grad()
def pass_logits(trained: TrainedRun, subset: str) -> Float[np.ndarray, "P M C"]:
    """Class logits of both passes, in the order of `BRANCHES`, on the snippets of the data set,
    video after video of a subset. Dropout is off.
    """
    dataset = trained.dataset
    inputs = inputs_of(trained.run.config)
    videos = resident(dataset, subset, resolve_device(trained.device), inputs=inputs)
    network = trained.network.eval()
    parts = []
    with suited_threads(network):
        for first in range(0, len(videos), TEST_BATCH):
            batch = videos.batch(range(first, min(first + TEST_BATCH, len(videos))))
            logits = network(batch, both=True).cas[..., : len(dataset.classes)].transpose(0, 1)
            parts += logits.cpu().double().split(batch.lengths)
    native = [
        on_grid(part.numpy(), video.length)
        for part, video in zip(parts, getattr(dataset, subset), strict=True)
    ]
    return np.concatenate(native).transpose(1, 0, 2)
