"""The network of one run while it learns: what it says of one training video after some epochs.

What a figure draws is kept beside the record, as arrays. Weights are not: they lie in the working
folder, outside git.
"""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from wtal_core.errors import WorkbookError
from wtal_core.packed import Packed
from wtal_core.reading.tensors import read_arrays
from wtal_core.runs.inputs import inputs_of, resident
from wtal_core.runs.sweep import resolve_device
from wtal_core.runs.train import Trainer
from wtal_core.study.kept import keep_training
from wtal_core.study.trained import TrainedRun, new_network

Arrays = dict[str, np.ndarray]


def training_video(trained: TrainedRun, video: str) -> Packed:
    """A training video as the run's network takes it, as a batch of one.

    Raises WorkbookError for a video that is not in the training set.
    """
    names = [v.id for v in trained.dataset.train]
    if video not in names:
        raise WorkbookError(
            f"{video} is no training video of {trained.dataset.name}; choose one such as {names[0]}"
        )
    config = trained.run.config
    inputs = inputs_of(config)
    labels = config.schedule.labels
    videos = resident(trained.dataset, "train", "cpu", labels, inputs, trained.run.seed)
    return videos.batch([names.index(video)])


def values_while_learning(
    trained: TrainedRun, epochs: Sequence[int], video: str, names: Sequence[str]
) -> dict[int, dict[str, Tensor]]:
    """What the network says of a training video after so many epochs (0: untrained), in evaluation.

    names: of tensors of the method's Outputs, dotted, such as "base.attention". On the CPU. Kept
    beside the record, so that a notebook prints the same wherever it is read: training amplifies
    the last bits, in which processors differ.
    Raises WorkbookError for epochs that the schedule does not have, or an unknown video.
    """
    _check_epochs(trained, epochs)
    place = f"learning_{video}"
    arrays = trained.record.arrays(place) or {}
    wanted = {f"{epoch}.{name}" for epoch in epochs for name in names}
    if not wanted <= set(arrays):
        batch = training_video(trained, video)
        for epoch, network in networks_while_learning(trained, epochs).items():
            arrays |= _values(network, batch, names, epoch)
        trained.record.keep_arrays(place, arrays)
    return {
        epoch: {name: torch.from_numpy(arrays[f"{epoch}.{name}"]) for name in names}
        for epoch in epochs
    }


@torch.no_grad()
def _values(network: nn.Module, batch: Packed, names: Sequence[str], epoch: int) -> Arrays:
    outputs = network(batch)
    return {f"{epoch}.{name}": attrgetter(name)(outputs).cpu().numpy() for name in names}


def networks_while_learning(trained: TrainedRun, epochs: Sequence[int]) -> dict[int, nn.Module]:
    """The run's network after so many epochs, on the CPU, in evaluation, without gradients.

    Trained on the spot, up to the last of `epochs`; weights are then found in the working folder.
    What such a network says differs in its last digits from one processor to another.
    Raises WorkbookError for epochs that the schedule does not have.
    """
    _check_epochs(trained, epochs)
    path = trained.record.working_folder / "snapshots.safetensors"
    arrays = read_arrays(path, "delete it") if path.exists() else {}
    present = {int(key.split(".")[0]) for key in arrays}
    if not present.issuperset(epochs):
        arrays |= _train(trained, epochs)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, path)
    return {epoch: _network(trained, arrays, epoch) for epoch in epochs}


def _check_epochs(trained: TrainedRun, epochs: Sequence[int]) -> None:
    whole = trained.run.config.schedule.epochs
    if not epochs or not 0 <= min(epochs) <= max(epochs) <= whole:
        raise WorkbookError(f"snapshots after epochs {list(epochs)}: expected some of 0 to {whole}")


def _train(trained: TrainedRun, epochs: Sequence[int]) -> Arrays:
    """Weights and buffers by "<epoch>.<name>"."""
    run = trained.run
    device = resolve_device(trained.device)
    with torch.enable_grad():  # the caller may have switched it off
        trainer = Trainer(run.method, run.config, trained.dataset, run.seed, device)
        arrays = _state(trainer) if 0 in epochs else {}
        while trainer.progress.epoch < max(epochs):
            trainer.epoch()
            if trainer.progress.epoch in epochs:
                arrays |= _state(trainer)
        is_whole = trainer.progress.epoch == run.config.schedule.epochs
        if is_whole and run.source() is None and trained.record.weights("last") is None:
            keep_training(trained.record, trainer.run())  # only scores: every epoch is done
    return arrays


def _state(trainer: Trainer) -> Arrays:
    epoch = trainer.progress.epoch
    state = trainer.progress.network.state_dict()
    return {f"{epoch}.{name}": value.cpu().numpy().copy() for name, value in state.items()}


def _network(trained: TrainedRun, arrays: Arrays, epoch: int) -> nn.Module:
    network = new_network(trained.run, trained.dataset)
    state = {
        # a file of arrays does not tell a number from an array of one
        name: torch.from_numpy(arrays[f"{epoch}.{name}"]).reshape(value.shape)
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
