"""What a trained network hands to localization for one test video, kept beside its record: enough
to localize step by step.
"""

from typing import Any

import numpy as np

from wtal_core.models import method
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.runs.inputs import inputs_of, resident
from wtal_core.runs.run import Run
from wtal_core.runs.store import Record
from wtal_core.runs.sweep import dataset_of, ensure
from wtal_core.runs.train import activations, scene
from wtal_core.study.session import Session
from wtal_core.study.signals import trained_network


def activation_of(
    session: Session, method_name: str, config: Any, video: str, seed: int = 0
) -> tuple[Activation, Scene]:
    """Activation of all streams at the last epoch, of this video alone, and the scene that goes
    with it.
    """
    run = Run(method_name, config, session.dataset.name, seed)
    (record,) = ensure([run], session.store, session.device)
    kept = record.arrays(f"activation_{video}") or _compute(run, record, video)
    whole = scene(dataset_of(run))
    length = (kept["cas"].shape[1],)
    return (
        Activation(kept["cas"], kept["scores"], kept["attention"], length, kept.get("magnitude")),
        Scene(
            (video,),
            whole.classes,
            whole.timebase,
            whole.ambiguous,
            (whole.lengths[whole.videos.index(video)],),
        ),
    )


def _compute(run: Run, record: Record, video: str) -> dict[str, np.ndarray]:
    dataset = dataset_of(run)
    index = [v.id for v in dataset.test].index(video)
    network, videos = (
        trained_network(run, record, dataset),
        resident(dataset, "test", "cpu", inputs=inputs_of(run.config)),
    )
    found = activations(method(run.method), network, run.config, videos)
    part = slice(sum(found.lengths[:index]), sum(found.lengths[: index + 1]))
    arrays = {
        "cas": found.cas[:, part],
        "scores": found.scores[:, index : index + 1],
        "attention": found.attention[:, part],
    }
    if found.magnitude is not None:
        arrays["magnitude"] = found.magnitude[:, part]
    record.keep_arrays(f"activation_{video}", arrays)
    return arrays
