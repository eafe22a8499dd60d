"""The network of one run while it learns: its weights after some epochs, kept beside the run's record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import dataset_of, ensure, resolve_device
from wtal_core.runs.train import Trainer
from wtal_core.study.session import Session

NAME = "snapshots"


def snapshots(
    session: Session,
    method_name: str,
    config: Any,
    epochs: Sequence[int],
    seed: int = 0,
) -> dict[int, torch.nn.Module]:
    """The run's network after so many epochs (0: untrained), on the CPU, in evaluation, without gradients.

    What the record does not yet hold is trained anew, up to the last of `epochs`, and then kept beside it. So a notebook
    prints the same wherever it is read: training amplifies the last bits, in which processors differ.
    Raises WorkbookError for epochs that the schedule does not have.
    """
    if not epochs or not 0 <= min(epochs) <= max(epochs) <= config.schedule.epochs:
        raise WorkbookError(
            f"snapshots after epochs {list(epochs)}: expected some of 0 to {config.schedule.epochs}"
        )
    run = Run(method_name, config, session.dataset.name, seed)
    (record,) = ensure([run], session.store, session.device)
    kept = record.arrays(NAME) or {}
    if not set(epochs) <= {int(name.split(".")[0]) for name in kept}:
        kept |= _compute(run, epochs, session.device)
        record.keep_arrays(NAME, kept)
    dataset = dataset_of(run)
    return {epoch: _network(run, dataset, kept, epoch) for epoch in epochs}


def _compute(run: Run, epochs: Sequence[int], device: str) -> dict[str, np.ndarray]:
    """Weights and buffers by "<epoch>.<name>"."""
    trainer = Trainer(run.method, run.config, dataset_of(run), run.seed, resolve_device(device))
    arrays = {}
    for epoch in range(max(epochs) + 1):
        if epoch in epochs:
            state = trainer.progress.network.state_dict()
            arrays |= {
                f"{epoch}.{name}": value.detach().cpu().numpy().copy()
                for name, value in state.items()
            }
        if epoch < max(epochs):
            trainer.epoch()
    return arrays


def _network(
    run: Run, dataset: Dataset, kept: dict[str, np.ndarray], epoch: int
) -> torch.nn.Module:
    draw = torch.Generator().manual_seed(run.seed)
    network = method(run.method).Network(
        run.config, len(dataset.streams), dataset.feature_size(), len(dataset.classes), draw
    )
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    network.load_state_dict(
        {
            name: torch.from_numpy(kept[f"{epoch}.{name}"]).reshape(shape)
            for name, shape in shapes.items()
        }
    )
    return network.eval().requires_grad_(False)
