"""What a network says about one training video while it learns."""

from collections.abc import Sequence
from typing import Any

import torch

from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.packed import Packed
from wtal_core.runs.train import Trainer


def snapshots(
    method_name: str,
    config: Any,
    dataset: Dataset,
    video: str,
    epochs: Sequence[int],
    seed: int = 0,
) -> tuple[Packed, dict[int, Any]]:
    """The video as a batch of one, and the network's outputs on it after so many epochs (0:
    untrained), in evaluation.

    Trains anew, on the CPU, up to the last of `epochs`. Raises WorkbookError for a video that is
    not in the training set.
    """
    ids = [v.id for v in dataset.train]
    if video not in ids:
        raise WorkbookError(
            f"{video} is no training video of {dataset.name}; choose one such as {ids[0]}"
        )
    if not epochs or not 0 <= min(epochs) <= max(epochs) <= config.schedule.epochs:
        raise WorkbookError(
            f"snapshots after epochs {list(epochs)}: expected some of 0 to {config.schedule.epochs}"
        )
    trainer = Trainer(method_name, config, dataset, seed)
    batch, found = trainer.train_videos.batch([ids.index(video)]), {}
    for epoch in range(max(epochs) + 1):
        if epoch in epochs:
            found[epoch] = _outputs(trainer.progress.network, batch)
        if epoch < max(epochs):
            trainer.epoch()
    return batch, found


@torch.no_grad()
def _outputs(network: torch.nn.Module, batch: Packed) -> Any:
    network.eval()
    return network(batch)
