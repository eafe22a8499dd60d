"""How a method is trained: the optimiser and its steps. Shared by all methods, read by
`runs.train`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from wtal_core.checks import (
    Checked,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Rate,
    Share,
)
from wtal_core.errors import WorkbookError

# The learning rate falls twice near the end, so that a short training ends where it has settled
SETTLING = ((2 / 3, 0.2), (0.9, 0.04))
# ... and begins low, where a first large step would decide too much
WARM_UP = ((0.0, 0.2), (0.1, 1.0), *SETTLING)


@dataclass(frozen=True)
class Schedule(Checked):
    """Adam with coupled L2 decay, `epochs` passes over the training videos in batches of
    `batch_size` videos.

    reduction: "sum" adds the gradients of the videos of a batch, as the official codes of FAC-Net,
    RSKP and GauFuse do; "mean" averages them with weight decay and epsilon divided by the batch
    size, which takes the same steps because Adam is invariant to the scale of the gradient;
    exactly so where batch_size divides the videos.
    labels: what a training video is said to show: its published video-level labels (W-TALC's
    `labels_all`, as the official codes), or the classes of its segments, which differ in 8 of
    THUMOS14's training videos.
    order: "permutation" passes over all videos in an epoch; "independent" draws each batch anew
        from all of them, as BaS-Net's code does from its second epoch on; an epoch then still has
        as many steps. "repeated" is that with replacement, as 3C-Net's code does.
    whole_batches: an incomplete last batch is left out, as A2CL-PT's code does.
    pairs: so many pairs of videos that share a class lead each batch, which is then drawn anew
        from all videos, too: rows 0 and 1, 2 and 3, and so on; see `paired_batch`. 0: none.
    repeat: whether both videos of a pair may be the same one.
    evaluations: how often the test set is scored on the way, evenly spaced, the last epoch
    included.
    select: what makes an epoch the best one on the test set: "average" mAP by the data set's own
        protocol; mAP at tIoU .5 ("map50") or its mean over .5 to .95 ("activitynet"), both by the
        protocol `activitynet`, as BackTAL's code does on THUMOS14 and on ActivityNet and HACS.
    steps: (share of the epochs that are over, factor of the learning rate from then on), by share;
    before the first, 1.
    """

    epochs: PositiveInt = 100
    batch_size: PositiveInt = 10
    learning_rate: PositiveFloat = 1e-4
    betas: tuple[Rate, Rate] = (0.9, 0.99)
    weight_decay: NonNegativeFloat = 0.005
    epsilon: NonNegativeFloat = 1e-8
    reduction: Literal["sum", "mean"] = "sum"
    labels: Literal["video", "segments"] = "video"
    order: Literal["permutation", "independent", "repeated"] = "permutation"
    whole_batches: bool = False
    pairs: NonNegativeInt = 0
    repeat: bool = False
    evaluations: NonNegativeInt = 20
    select: Literal["average", "map50", "activitynet"] = "average"
    steps: tuple[tuple[Share, NonNegativeFloat], ...] = ()

    def optimizer(self, network: torch.nn.Module) -> torch.optim.Adam:
        """The optimiser, with the decay and epsilon that fit the reduction."""
        scale = self.batch_size if self.reduction == "mean" else 1
        return torch.optim.Adam(
            network.parameters(),
            self.learning_rate,
            self.betas,
            self.epsilon / scale,
            self.weight_decay / scale,
            fused=True,
        )

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch (0-based)."""
        over = [factor for share, factor in self.steps if epoch >= share * self.epochs - 1e-9]
        return self.learning_rate * over[-1] if over else self.learning_rate

    def reduce(self, per_video: torch.Tensor) -> torch.Tensor:
        """One number from the losses of the videos of a batch."""
        return per_video.sum() if self.reduction == "sum" else per_video.mean()

    def __post_init__(self) -> None:
        super().__post_init__()
        if 2 * self.pairs > self.batch_size:
            raise WorkbookError(
                f"schedule: {self.pairs} pairs do not fit in a batch of {self.batch_size} videos; "
                f"lower pairs or raise batch_size"
            )

    def batches(
        self, labels: Float[torch.Tensor, "B C"], generator: torch.Generator
    ) -> list[list[int]]:
        """The batches of an epoch: indices of training videos, of which these are the labels."""
        videos = len(labels)
        starts = range(0, videos, self.batch_size)
        if self.whole_batches and videos >= self.batch_size:
            starts = range(0, videos - self.batch_size + 1, self.batch_size)
        if self.pairs:
            return [self.paired_batch(labels, generator) for _ in starts]
        if self.order == "repeated":
            size = (self.batch_size,)
            return [torch.randint(videos, size, generator=generator).tolist() for _ in starts]
        if self.order == "independent":
            return [
                torch.randperm(videos, generator=generator)[: self.batch_size].tolist()
                for _ in starts
            ]
        order = torch.randperm(videos, generator=generator).tolist()
        return [order[i : i + self.batch_size] for i in starts]

    def paired_batch(
        self, labels: Float[torch.Tensor, "B C"], generator: torch.Generator
    ) -> list[int]:
        """`pairs` different classes, two videos of each, then videos drawn from all without
        replacement, which may be in a pair, too. A batch has fewer pairs where fewer classes have
        two videos (with `repeat`: one). Source: W-TALC, `video_dataset.py:47-65`.
        """
        members = labels.cpu() > 0
        frequent = torch.nonzero(members.sum(0) >= (1 if self.repeat else 2))[:, 0]
        order = torch.randperm(len(frequent), generator=generator)
        chosen = frequent[order[: self.pairs]]
        rest = self.batch_size - 2 * len(chosen)
        batch = []
        for label in chosen:
            videos = torch.nonzero(members[:, label])[:, 0]
            if self.repeat:
                drawn = torch.randint(len(videos), (2,), generator=generator)
            else:
                drawn = torch.randperm(len(videos), generator=generator)[:2]
            batch += videos[drawn].tolist()
        return batch + torch.randperm(len(members), generator=generator)[:rest].tolist()

    def shares(self, labels: Float[np.ndarray, "B C"]) -> Float[np.ndarray, " B"]:
        """How often each training video is expected in the batches, as shares with the sum 1: all
        alike, but for the videos of pairs, see `paired_batch`.
        """
        videos = len(labels)
        members = labels > 0
        counts = members.sum(0)
        frequent = counts >= (1 if self.repeat else 2)
        paired = 2 * min(self.pairs, int(frequent.sum()))
        rest = min(self.batch_size - paired, videos)
        expected = np.full(videos, rest / videos)
        if paired:
            of_class = members[:, frequent] / counts[frequent]
            expected = expected + paired * of_class.mean(1)
        return expected / (paired + rest)

    def is_evaluated(self, epoch: int) -> bool:
        """Whether the test set is scored after this epoch (0-based)."""
        done = epoch + 1
        return (
            done * self.evaluations // self.epochs > epoch * self.evaluations // self.epochs
            or done == self.epochs
        )
