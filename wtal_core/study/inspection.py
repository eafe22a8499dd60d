"""A trained network on the whole test list, as a case to diagnose: what it saw and what it said."""

from typing import Any

import numpy as np
import pandas as pd

from wtal_core.data.dataset import Dataset
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.ground_truth import ground_truth_of
from wtal_core.models import method
from wtal_core.runs.inputs import inputs_of, on_grid, resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record
from wtal_core.runs.sweep import dataset_of, ensure
from wtal_core.runs.train import activations, scene
from wtal_core.study.session import Session
from wtal_core.study.signals import trained_network

NAME = "inspection"


def inspect(session: Session, method_name: str, config: Any, seed: int = 0) -> Case:
    """Detections, class activation and attention (of the leading stream) of one run at its last
    epoch, all test videos.

    Kept beside the record, because weights and detections are not committed: activation and
    attention as float32.
    """
    run = Run(method_name, config, session.dataset.name, seed)
    (record,) = ensure([run], session.store, session.device)
    dataset = dataset_of(run)
    arrays = record.arrays(NAME)
    if arrays is None:
        arrays = _compute(run, record, dataset)
        record.keep_arrays(NAME, arrays)
    title = f"{dataset.title} ({dataset.origin} data), profile {session.profile}, last epoch"
    return _case(f"{method_name}, seed {seed}", title, dataset, arrays)


def cases_of(session: Session) -> list[Case]:
    """What the diagnosis notebook shows of a data set: FAC-Net and the plain top-k baseline, seed
    0.
    """
    return [inspect(session, name, session.base(name)) for name in ("facnet", "topk_mil")]


def _compute(run: Run, record: Record, dataset: Dataset) -> dict[str, np.ndarray]:
    module, videos = (
        method(run.method),
        resident(dataset, "test", "cpu", inputs=inputs_of(run.config)),
    )
    found = activations(module, trained_network(run, record, dataset), run.config, videos)
    table = module.localize(found, scene(dataset), run.config)
    columns = [
        table["video"].map([v.id for v in dataset.test].index),
        table["label"].map(list(dataset.classes).index),
        table["t_start"],
        table["t_end"],
        table["score"],
    ]
    cas, attention = (
        _on_grid(a[-1].astype(np.float32), found.lengths, dataset)
        for a in (found.cas, found.attention)
    )
    return {
        "cas": cas,
        "attention": attention,
        "detections": np.column_stack(columns).astype(np.float64),
    }


def _on_grid(values: np.ndarray, lengths: tuple[int, ...], dataset: Dataset) -> np.ndarray:
    """Values of all test videos, one after another, on the data set's own snippet grid."""
    parts = np.split(values, np.cumsum(lengths)[:-1])
    return np.concatenate(
        [on_grid(part, video.length) for part, video in zip(parts, dataset.test, strict=True)]
    )


def _case(name: str, title: str, dataset: Dataset, arrays: dict[str, np.ndarray]) -> Case:
    videos = [v.id for v in dataset.test]
    borders = np.cumsum([v.length for v in dataset.test])[:-1]
    rows = arrays["detections"]
    table = pd.DataFrame(
        {
            "video": np.array(videos, dtype=object)[rows[:, 0].astype(int)],
            "label": np.array(dataset.classes, dtype=object)[rows[:, 1].astype(int)],
            "t_start": rows[:, 2],
            "t_end": rows[:, 3],
            "score": rows[:, 4],
        }
    )
    durations = {v.id: float(dataset.timebase.seconds(float(v.length))) for v in dataset.test}
    return Case(
        name,
        title,
        ground_truth_of(dataset, "activitynet"),
        table,
        durations,
        "a run of this workbook",
        dict(zip(videos, np.split(arrays["cas"], borders), strict=True)),
        dict(zip(videos, np.split(arrays["attention"], borders), strict=True)),
    )
