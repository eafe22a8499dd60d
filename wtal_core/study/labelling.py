"""What a network that GauFuse has trained would make pseudo labels from: its activation on one
training video.
"""

from dataclasses import replace

import numpy as np
import torch

from wtal_core.errors import WorkbookError
from wtal_core.models import gaufuse
from wtal_core.models.shared.activation import Activation
from wtal_core.runs.inputs import inputs_of, resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record
from wtal_core.runs.sweep import dataset_of, ensure
from wtal_core.study.session import Session
from wtal_core.study.signals import trained_network


def labelling_of(session: Session, config: gaufuse.Config, video: str, seed: int = 0) -> Activation:
    """Activation of all streams at the last epoch, without dropout, with the background where the
    config labels it.

    Kept beside the record, because weights are not committed. Raises WorkbookError for a video that
    is not in the training set.
    """
    run = Run("gaufuse", config, session.dataset.name, seed)
    ids = [v.id for v in dataset_of(run).train]
    if video not in ids:
        raise WorkbookError(
            f"{video} is no training video of {session.dataset.name}; choose one such as {ids[0]}"
        )
    (record,) = ensure([run], session.store, session.device)
    kept = record.arrays(f"labelling_{video}") or _compute(run, record, video, ids.index(video))
    return Activation(kept["cas"], kept["scores"], kept["attention"], (kept["cas"].shape[1],))


@torch.no_grad()
def _compute(run: Run, record: Record, video: str, index: int) -> dict[str, np.ndarray]:
    dataset, config = dataset_of(run), run.config
    network = trained_network(run, record, dataset)
    part = resident(
        dataset, "train", "cpu", config.schedule.labels, inputs_of(config), run.seed
    ).batch([index])
    found = gaufuse.host_of(config.host).activate(
        network.host(part),
        part,
        replace(config.base, **dict(config.label_settings)),
        config.label_background,
    )
    arrays = {"cas": found.cas, "scores": found.scores, "attention": found.attention}
    record.keep_arrays(f"labelling_{video}", arrays)
    return arrays
