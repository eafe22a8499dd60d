"""SF-Net: single-frame supervision (Ma et al.; ECCV 2020). Read from top to bottom.

One click an action instance. Each stream classifies its snippets and scores their actionness; a
learned sum fuses the streams.
Shapes: S streams, O = S + 1 outputs with the fused one last, M snippets of a packed batch of B
videos, D features, C classes, J = C + 1 with the background last (DIFFERS: first in the official
code), N labelled and K mined background snippets. "Specification" is
`methods/backtal_basnet_sfnet.md`, C; `DIFFERS:` marks where paper, official code and this file
part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from wtal_core.errors import WorkbookError
from wtal_core.localization.detections import to_table
from wtal_core.localization.mean_threshold import runs_above_mean
from wtal_core.localization.sequences import class_sequences
from wtal_core.losses.mined_background import background_counts, hardest_background, last_background
from wtal_core.models.method import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.expansion import spread
from wtal_core.models.shared.inputs import Inputs, Refreshed
from wtal_core.models.shared.layers import StackedLinear, dropout
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident

VIDEOS_AT_ONCE = 32


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting; its released values were tuned after the paper (2000
    iterations there).

    inputs: whose clicks. DIFFERS: drawn by seed and video from files in their order, in the code by
    the file system's order.
    hidden: width of all layers; the code's is that of the features, 1024.
    labels: a video shows the classes that were clicked in it ("clicks"; inside the crop), or its
    video-level labels.
    fraction, shortest_video: the video loss averages the ceil(T / fraction) largest logits, of
    videos not shorter.
    mined_ratio: background snippets mined a labelled one; 0 mines none. mined_weight: of their
    cross entropy; None: 1 / (C + 1).
    act_background: which unlabelled snippets have no actionness. DIFFERS: the code means the
    highest-scored ones ("hard_topk"),
        but takes the last ones of the batch ("last_k").
    act_gate: the actionness loss counts only where it exceeds this.
    crops: longest length shown while training: the first one in odd steps and the first step, the
    second in the others.
    expand_epoch: after so many epochs labels spread once; None or the last epoch: never. DIFFERS:
    286 epochs are 2002
        iterations, 2001 in the code. expand_radius, expand_share: how far, and to snippets scored
        at least so well.
    restart: training then begins anew, weights and optimiser, with the labels found.
    class_fraction, class_ratio: a class is localized if the mean of its T // class_fraction largest
    logits is positive and
        more than 1 / class_ratio of the best class's. act_weight: of the actionness in the sequence
        that is thresholded.
    schedule: each step draws its videos from all. 1143 epochs of 7 steps (200 videos) are the
    code's 8001 iterations; the
        decay is 5e-4 and epsilon 1e-8 of the mean over a batch's 32 videos.
    """

    inputs: Inputs = field(default_factory=lambda: Inputs(clicks="action", annotator="video"))
    hidden: int = 1024
    dropout: float = 0.7
    labels: Literal["clicks", "video"] = "clicks"
    lambda_video: float = 1.0
    lambda_frame: float = 1.0
    lambda_act: float = 1.0
    fraction: int = 8
    shortest_video: int = 5
    mined_ratio: float = 7.0
    mined_weight: float | None = None
    act_background: Literal["last_k", "hard_topk"] = "last_k"
    act_gate: float = 0.1
    crops: tuple[int, int] | None = (750, 2800)
    expand_epoch: int | None = 286
    expand_radius: int = 3
    expand_share: float = 0.95
    restart: bool = True
    class_fraction: int = 12
    class_ratio: float = 1.5
    act_weight: float = 2.0
    shortest: int = 2
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            epochs=1143,
            batch_size=32,
            learning_rate=1e-4,
            betas=(0.9, 0.999),
            weight_decay=32 * 5e-4,
            epsilon=32e-8,
            reduction="mean",
            order="independent",
            evaluations=8,
        )
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inputs.clicks not in ("none", "action"):
            raise WorkbookError(
                f"sfnet: inputs.clicks is {self.inputs.clicks!r}; it mines its background, choose "
                f"'action'"
            )
        if self.inputs.clicks == "none" and self.labels == "clicks":
            raise WorkbookError(
                "sfnet: without clicks there are no labels from clicks; choose labels='video'"
            )


PAPER = Config()
QUICK = replace(
    PAPER,
    hidden=64,
    crops=None,
    expand_epoch=6,  # after a quarter of the steps, as there
    schedule=replace(
        PAPER.schedule,
        epochs=24,
        batch_size=10,
        learning_rate=1e-2,
        weight_decay=10 * 5e-4,
        epsilon=10e-8,
        evaluations=4,
    ),
)
PROFILES = {"paper": PAPER, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """Logits and actionness of each stream and of their fusion. shown: the batch, or while training
    its random crops.
    """

    logits: Float[Tensor, "O M J"]
    actionness: Float[Tensor, "O M"]
    shown: Packed


class Network(nn.Module):
    """Classification and actionness branches, one set a stream, and their fusion (specification C2;
    16,830,552 parameters).
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config, size = config, config.hidden
        self.embed_1 = StackedLinear(streams, size_in, size, 1, generator)
        self.embed_2 = StackedLinear(streams, size, size, 1, generator)
        self.classify = StackedLinear(streams, size, classes + 1, 1, generator)
        self.act_1 = convolution(streams, size_in, size, generator)
        self.act_2 = convolution(streams, size, size, generator)
        self.act = StackedLinear(streams, size, 1, 1, generator)
        self.fuse_logits = nn.Parameter(torch.ones(streams, 1, classes + 1))
        self.fuse_act = nn.Parameter(torch.zeros(streams, 1, 1))  # the fused actionness begins as 0
        self.register_buffer(
            "steps", torch.zeros((), dtype=torch.int64)
        )  # which crop comes next; kept in checkpoints

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """All outputs. A generator switches dropout and random crops on."""
        shown = batch if generator is None else self.cropped(batch, generator)
        hidden = self.embed_2(self.embed_1(shown.features, shown).relu(), shown).relu()
        logits = self.classify(dropout(hidden, self.config.dropout, generator), shown)  # (S, M, J)
        moving = self.act_2(self.act_1(shown.features, shown).relu(), shown).relu()
        actionness = self.act(moving, shown)  # (S, M, 1)
        logits = torch.cat([logits, (self.fuse_logits * logits).sum(0, keepdim=True)])
        actionness = torch.cat([actionness, (self.fuse_act * actionness).sum(0, keepdim=True)])
        return Outputs(logits, actionness.squeeze(-1), shown)

    def cropped(self, batch: Packed, generator: torch.Generator) -> Packed:
        """The batch as this training step shows it."""
        if self.config.crops is None:
            return batch
        step = int(self.steps)
        self.steps += 1
        return random_crops(batch, self.config.crops[int(step > 0 and step % 2 == 0)], generator)


def convolution(
    streams: int, size_in: int, size_out: int, generator: torch.Generator
) -> StackedLinear:
    """Temporal convolution over three snippets; Xavier's bound counts the taps at both ends: √(6 /
    (3 D_in + 3 D_out)).

    DIFFERS: the official code pads a batch to its longest video, so that there the second
    convolution sees the first one's bias beyond the end of a video while training; here, as in its
    own tests, zero.
    """
    layer = StackedLinear(streams, size_in, size_out, 3, generator)
    layer.weight.data *= ((3 * size_in + size_out) / (3 * size_in + 3 * size_out)) ** 0.5
    return layer


def random_crops(batch: Packed, longest: int, generator: torch.Generator) -> Packed:
    """Longer videos cut to a random window of `longest` snippets. As in the official code it never
    holds the last one.

    DIFFERS: the official code goes on to another video if no click lies in the window; here it
    counts in none of the means.
    """
    lengths = torch.tensor(batch.lengths)
    surplus = (lengths - longest).clamp_min(0)
    if not surplus.any():
        return batch
    draws = torch.rand(
        len(lengths), generator=generator, device=generator.device, dtype=torch.float64
    ).cpu()
    taken = lengths - surplus
    shift = (draws * surplus).long() + (lengths.cumsum(0) - lengths) - (taken.cumsum(0) - taken)
    rows = (torch.arange(int(taken.sum())) + shift.repeat_interleave(taken)).to(
        batch.features.device
    )
    clicks = None if batch.clicks is None else batch.clicks[rows]
    return Packed(batch.features[:, rows], tuple(taken.tolist()), batch.labels, clicks)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Video, frame, mined background and actionness losses, and "total", summed over the outputs
    (specification C3).

    Each is a mean over videos or snippets of the batch, given as shares of the videos whose mean it
    is. A term without anything to average is 0 (DIFFERS: not a number in the official code). The
    terms stand before their weights and the gate.
    """
    shown, logits, actionness = outputs.shown, outputs.logits, outputs.actionness
    clicks = logits.new_zeros(logits.shape[1:]) if shown.clicks is None else shown.clicks
    labelled = clicks.sum(1) > 0
    counts = background_counts(labelled, shown, config.mined_ratio)
    hard = hardest_background(labelled, counts, logits[..., -1], shown)
    still = (
        last_background(labelled, counts, shown).expand(len(logits), -1)
        if config.act_background == "last_k"
        else hardest_background(labelled, counts, actionness, shown)
    )
    terms = {
        "video": video_loss(logits, clicks, shown, config),
        "frame": frame_loss(logits, clicks, labelled, shown),
        "mined": mined_loss(logits, hard, shown),
        "act": actionness_loss(actionness, labelled, still, shown),
    }
    gate = (terms["act"].detach().mean() > config.act_gate).to(logits.dtype)
    mined_weight = 1 / logits.shape[-1] if config.mined_weight is None else config.mined_weight
    weights = {
        "video": config.lambda_video,
        "frame": config.lambda_frame,
        "mined": config.lambda_frame * mined_weight,
        "act": config.lambda_act * gate,
    }
    return terms | {"total": sum(weights[name] * term for name, term in terms.items())}


def video_loss(
    logits: Float[Tensor, "O M J"],
    clicks: Float[Tensor, "M J"],
    shown: Packed,
    config: Config,
) -> Float[Tensor, " B"]:
    """Cross entropy of the top-k mean logits with the video's classes, the background not among
    them.
    """
    present = (
        shown.labels
        if config.labels == "video"
        else shown.membership @ (clicks[:, :-1] > 0).to(logits.dtype)
    )
    present = pad((present > 0).to(logits.dtype), (0, 1))
    lengths = torch.tensor(shown.lengths, device=logits.device)
    counted = ((lengths >= config.shortest_video) & (present.sum(1) > 0)).nonzero()[:, 0]
    target = present / present.sum(1, keepdim=True).clamp_min(1)
    values = -(target * top_mean(logits, shown, config.fraction).log_softmax(-1)).sum(-1)
    return shares(values[:, counted], counted, shown)


def frame_loss(
    logits: Float[Tensor, "O M J"],
    clicks: Float[Tensor, "M J"],
    labelled: Bool[Tensor, " M"],
    shown: Packed,
) -> Float[Tensor, " B"]:
    """Cross entropy of the labelled snippets; several classes on one share its target."""
    return shares(
        -(clicks[labelled] * logits[:, labelled].log_softmax(-1)).sum(-1),
        shown.video[labelled],
        shown,
    )


def mined_loss(
    logits: Float[Tensor, "O M J"], hard: Int[Tensor, "O K"], shown: Packed
) -> Float[Tensor, " B"]:
    """Cross entropy of the mined snippets with the background."""
    return shares(-logits.log_softmax(-1)[..., -1].gather(1, hard), shown.video[hard], shown)


def actionness_loss(
    actionness: Float[Tensor, "O M"],
    labelled: Bool[Tensor, " M"],
    still: Int[Tensor, "O K"],
    shown: Packed,
) -> Float[Tensor, " B"]:
    """-log σ(A) on labelled snippets, -log(1.001 - σ(A)) on mined ones."""
    inside = shares(-logsigmoid(actionness[:, labelled]), shown.video[labelled], shown)
    outside = -(1 + 1e-3 - actionness.gather(1, still).sigmoid()).log()
    return inside + shares(outside, shown.video[still], shown)


def shares(
    values: Float[Tensor, "O N"], owner: Int[Tensor, "*O N"], shown: Packed
) -> Float[Tensor, " B"]:
    """The sum over outputs of the mean over N, as shares of the videos (`owner`) whose mean over
    the batch it is.
    """
    videos, owner = len(shown.lengths), owner.expand(values.shape)
    total = values.new_zeros(videos).index_add(0, owner.flatten(), values.flatten())
    return total * (videos / max(1, values.shape[1]))


def top_mean(
    scores: Float[Tensor, "O M J"], shown: Packed, fraction: int
) -> Float[Tensor, "O B J"]:
    """Mean of the ceil(T / fraction) largest scores of each video, per column; 0 for a video
    without snippets.
    """
    tops = [
        s.topk(-(-s.shape[1] // fraction), dim=1).values.mean(1) if s.shape[1] else s.sum(1)
        for s in scores.split(shown.lengths, 1)
    ]
    return torch.stack(tops, 1)


@torch.no_grad()
def refresh(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> Refreshed | None:
    """Once, after `expand_epoch` epochs: labels spread from clicked snippets to those beside them
    (specification C3).
    """
    if (
        epochs_done != config.expand_epoch
        or epochs_done >= config.schedule.epochs
        or videos.clicks is None
    ):
        return None
    parts = [
        videos.batch(range(i, min(i + VIDEOS_AT_ONCE, len(videos))))
        for i in range(0, len(videos), VIDEOS_AT_ONCE)
    ]
    logits = torch.cat([network(part).logits[-1, :, :-1] for part in parts])
    video = torch.repeat_interleave(torch.arange(len(videos)), torch.tensor(videos.lengths)).to(
        logits.device
    )
    return Refreshed(
        spread(videos.clicks, logits, video, config.expand_radius, config.expand_share),
        restart=config.restart,
    )


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = fused logits + act_weight * fused actionness; scores: the mean
    of the top logits, raw.

    Attention, for display: σ of the actionness.
    """
    logits, actionness = outputs.logits[-1:, :, :-1].double(), outputs.actionness[-1:].double()
    sequences = logits + config.act_weight * actionness[..., None]
    arrays = (sequences, batch.top_mean(logits, config.class_fraction), actionness.sigmoid())
    return Activation(*(a.detach().cpu().numpy() for a in arrays), batch.lengths)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw, the fused output last: logits s_a (O, M, J) and actionness s_f (O, M)."""
    return {"s_a": outputs.logits, "s_f": outputs.actionness}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Runs of each class above the mean of its sequence, scored by peak and class score; no NMS
    (specification C5).
    """
    scores, lengths = activation.scores[0], np.asarray(activation.lengths)
    best = scores.max(1, keepdims=True)
    video, label = np.nonzero((scores > 0) & (scores > best / config.class_ratio))
    found = runs_above_mean(
        *class_sequences(activation.cas[0], lengths, video, label), config.shortest
    )
    video, label = video[found.sequence], label[found.sequence]
    return to_table(
        video,
        label,
        found.start,
        found.end,
        (found.peak + scores[video, label]) / 100,
        scene.videos,
        scene.classes,
        scene.timebase,
    )


METHOD = Method(
    name="sfnet",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    between_epochs=refresh,
)
