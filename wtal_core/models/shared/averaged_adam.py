"""The optimiser of many official codes: Adam on the mean over a batch."""

from typing import Literal

from wtal_core.models.shared.schedule import Schedule


def averaged_adam(
    epochs: int,
    batch_size: int,
    learning_rate: float,
    evaluations: int | None = None,
    order: Literal["permutation", "independent", "repeated"] = "permutation",
    decay: float = 5e-4,
    pairs: int = 0,
    steps: tuple[tuple[float, float], ...] = (),
) -> Schedule:
    """Adam with torch's betas and epsilon on the mean gradient of a batch; decay 5e-4 as BaS-Net's
    and BackTAL's codes, 1e-3 as HAM-Net's and CO2-Net's. pairs, steps: see `Schedule`.

    `Schedule` holds both for the sum, so they are times the batch size. evaluations: None scores
    the test set each epoch.
    """
    return Schedule(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        betas=(0.9, 0.999),
        weight_decay=batch_size * decay,
        epsilon=batch_size * 1e-8,
        reduction="mean",
        order=order,
        pairs=pairs,
        steps=steps,
        evaluations=evaluations or epochs,
    )
