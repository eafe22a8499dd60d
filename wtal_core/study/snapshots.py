"""The network of one run while it learns: its weights after some epochs, kept beside the record."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from wtal_core.errors import WorkbookError
from wtal_core.runs.sweep import resolve_device
from wtal_core.runs.train import Trainer
from wtal_core.study.kept import keep_training
from wtal_core.study.trained import TrainedRun, new_network

NAME = "snapshots"


def snapshots(trained: TrainedRun, epochs: Sequence[int]) -> dict[int, nn.Module]:
    """The run's network after so many epochs (0: untrained), on the CPU, in evaluation, without
    gradients.

    What the record does not yet hold is trained anew, up to the last of `epochs`, and then kept
    beside it. So a notebook prints the same wherever it is read: training amplifies the last bits,
    in which processors differ. Raises WorkbookError for epochs that the schedule does not have.
    """
    whole = trained.run.config.schedule.epochs
    if not epochs or not 0 <= min(epochs) <= max(epochs) <= whole:
        raise WorkbookError(f"snapshots after epochs {list(epochs)}: expected some of 0 to {whole}")
    arrays = trained.record.arrays(NAME) or {}
    present = {int(name.split(".")[0]) for name in arrays}
    if not present.issuperset(epochs):
        arrays |= _train(trained, epochs)
        trained.record.keep_arrays(NAME, arrays)
    return {epoch: _network(trained, arrays, epoch) for epoch in epochs}


def _train(trained: TrainedRun, epochs: Sequence[int]) -> dict[str, np.ndarray]:
    """Weights and buffers by "<epoch>.<name>"."""
    run = trained.run
    device = resolve_device(trained.device)
    trainer = Trainer(run.method, run.config, trained.dataset, run.seed, device)
    arrays = _state(trainer, 0) if 0 in epochs else {}
    for done in range(1, max(epochs) + 1):
        trainer.epoch()
        if done in epochs:
            arrays |= _state(trainer, done)
    is_whole = max(epochs) == run.config.schedule.epochs
    if is_whole and run.source() is None and trained.record.weights("last") is None:
        keep_training(trained.record, trainer.run())  # only scores: every epoch is done
    return arrays


def _state(trainer: Trainer, epoch: int) -> dict[str, np.ndarray]:
    state = trainer.progress.network.state_dict()
    return {f"{epoch}.{name}": value.cpu().numpy().copy() for name, value in state.items()}


def _network(trained: TrainedRun, arrays: dict[str, np.ndarray], epoch: int) -> nn.Module:
    network = new_network(trained.run, trained.dataset)
    state = {
        # a file of arrays does not tell a number from an array of one
        name: torch.from_numpy(arrays[f"{epoch}.{name}"]).reshape(value.shape)
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
