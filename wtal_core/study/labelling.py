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
from wtal_core.runs.sweep import resolve_device
from wtal_core.study.trained import TrainedRun


def labelling_of(trained: TrainedRun, video: str) -> Activation:
    """Activation of all streams at the last epoch, without dropout, with the background where the
    config labels it. trained: a run of GauFuse.

    Kept beside the record, because weights are not committed. Raises WorkbookError for a video that
    is not in the training set.
    """
    ids = [v.id for v in trained.dataset.train]
    if video not in ids:
        raise WorkbookError(
            f"{video} is no training video of {trained.dataset.name}; choose one such as {ids[0]}"
        )
    name = f"labelling_{video}"
    arrays = trained.record.arrays(name)
    if arrays is None:
        arrays = _labelling(trained, ids.index(video))
        trained.record.keep_arrays(name, arrays)
    length = arrays["cas"].shape[1]
    return Activation(
        arrays["cas"],
        arrays["scores"],
        arrays["attention"],
        (length,),
        ranking=arrays.get("ranking"),
    )


@torch.no_grad()
def _labelling(trained: TrainedRun, number: int) -> dict[str, np.ndarray]:
    config: gaufuse.Config = trained.run.config
    device = resolve_device(trained.device)
    labels = config.schedule.labels
    videos = resident(trained.dataset, "train", device, labels, inputs_of(config), trained.run.seed)
    batch = videos.batch([number])
    network = trained.network
    assert isinstance(network, gaufuse.Network)
    activation = gaufuse.host_of(config.host).activate(
        network.host(batch),
        batch,
        replace(config.base, **dict(config.label_settings)),
        config.label_background,
    )
    arrays = {
        "cas": activation.cas,
        "scores": activation.scores,
        "attention": activation.attention,
    }
    if activation.ranking is not None:
        arrays["ranking"] = activation.ranking
    return arrays
