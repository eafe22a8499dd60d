"""SF-Net: single-frame supervision (Ma et al.; ECCV 2020). Read from top to bottom.

One click per action instance. Each stream classifies its snippets and scores their actionness; a
learned sum fuses the streams.
Shapes: S streams, O = S + 1 outputs with the fused one last, M snippets of a packed batch of B
videos, D features, C classes, J = C + 1 with the background last (DIFFERS: first in the official
code), N labelled and K mined background snippets. `DIFFERS:` marks where paper, official
code and this file part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from wtal_core.checks import (
    Finite,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Rate,
)
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.localization.mean_threshold import runs_above_mean
from wtal_core.localization.sequences import class_sequences
from wtal_core.losses.mined_background import background_counts, hardest_background, last_background
from wtal_core.losses.over_time import shares
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.detected import detections
from wtal_core.models.shared.inputs import Inputs, Refreshed
from wtal_core.models.shared.layers import StackedLinear, dropout, top_mean_rounded_up
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    distributions,
    entropy,
    learnt_labels,
    only_background,
    with_background,
)
from wtal_core.models.shared.sampling import random_crops
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed, Resident

VIDEOS_AT_ONCE = 32


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting; its released values were tuned after the paper (2000
    iterations there).
    """

    # whose clicks. DIFFERS: an annotator is drawn for each video by the seed from files in their
    # order, in the code by the file system's order
    inputs: Inputs = field(default_factory=lambda: Inputs(clicks="action", annotator="video"))
    hidden: PositiveInt = 1024  # width of all layers; in the code that of the features
    dropout: Rate = 0.7  # before the classifier

    # DIFFERS: the code pads a training batch with zeros, and a video shorter than the longest one
    # sees the first layer's answer to them ("batch"); "none": as if the video were alone
    padding: Literal["none", "batch"] = "none"

    # the classes that a video shows: those clicked in it (inside the crop), or its own labels
    labels: Literal["clicks", "video"] = "clicks"
    lambda_video: NonNegativeFloat = 1.0  # weight of the video loss
    lambda_frame: NonNegativeFloat = 1.0  # weight of the frame loss, mined background included
    lambda_act: NonNegativeFloat = 1.0  # weight of the actionness loss
    fraction: PositiveInt = 8  # the video loss averages the ceil(T / fraction) largest logits
    shortest_video: NonNegativeInt = 5  # snippets that a video needs for the video loss
    mined_ratio: NonNegativeFloat = 7.0  # background snippets mined per labelled one
    mined_weight: NonNegativeFloat | None = None  # of their cross entropy; None: 1 / (C + 1)
    # which unlabelled snippets have no actionness. DIFFERS: the code means the highest-scored ones
    # ("hard_topk"), but takes the last ones of the batch
    act_background: Literal["last_k", "hard_topk"] = "last_k"
    act_gate: NonNegativeFloat = 0.1  # the actionness loss counts only where it exceeds this

    # longest length in training: in odd steps and the first one, and in the others; None: whole
    crops: tuple[PositiveInt, PositiveInt] | None = (750, 2800)
    # after so many epochs labels spread once; None or the last epoch: never. DIFFERS: 286 epochs
    # are 2002 iterations, 2001 in the code
    expand_epoch: PositiveInt | None = 286
    expand_radius: NonNegativeInt = 3  # how far they spread, in snippets
    expand_share: NonNegativeFloat = 0.95  # least score of a snippet, as a share of the click's
    restart: bool = True  # training then begins anew, weights and optimiser, with the new labels

    # localization
    class_fraction: PositiveInt = 12  # a class scores the mean of its T // 12 largest logits
    class_ratio: PositiveFloat = 1.5  # and counts if positive and above 1 / 1.5 of the best class's
    act_weight: Finite = 2.0  # of the actionness in the sequence that is thresholded
    shortest: PositiveInt = 2  # snippets that a run needs

    # 1143 epochs of 7 steps (200 videos) are the code's 8001 iterations; the decay is 5e-4 and
    # epsilon 1e-8 of the mean over a batch's 32 videos
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


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    hidden=64,
    crops=None,
    expand_epoch=12,  # after a quarter of the steps, as there
    schedule=replace(
        OFFICIAL.schedule,
        epochs=48,
        batch_size=10,
        learning_rate=1e-2,
        weight_decay=10 * 5e-4,
        epsilon=10e-8,
        evaluations=4,
        steps=SETTLING,
    ),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}
BEOID = replace(OFFICIAL, crops=(100, 400))
GTEA = replace(OFFICIAL, crops=(100, 150))
BENCHMARKS = {"beoid": {"official": BEOID}, "gtea": {"official": GTEA}}


@dataclass(frozen=True)
class Outputs:
    """Logits and actionness of each stream and of their fusion. snippets: the batch, or while
    training its random crops. x: what the classifiers see, before dropout.
    """

    logits: Float[Tensor, "O M J"]
    actionness: Float[Tensor, "O M"]
    snippets: Packed
    x: Float[Tensor, "S M D"]


class Network(nn.Module):
    """Classification and actionness branches, one set per stream, and their fusion (16,830,552
    parameters).
    """

    steps: Tensor  # training steps so far, which decide the next crop; kept in checkpoints

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = config.hidden
        self.embed_1 = StackedLinear(streams, size_in, size, 1, generator)
        self.embed_2 = StackedLinear(streams, size, size, 1, generator)
        self.classify = StackedLinear(streams, size, classes + 1, 1, generator)
        self.act_1 = convolution(streams, size_in, size, generator)
        self.act_2 = convolution(streams, size, size, generator)
        self.act = StackedLinear(streams, size, 1, 1, generator)
        self.fuse_logits = nn.Parameter(torch.ones(streams, 1, classes + 1))
        self.fuse_act = nn.Parameter(torch.zeros(streams, 1, 1))  # the fused actionness begins as 0
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """All outputs. A generator switches dropout, random crops and padding on."""
        snippets = batch if generator is None else self.cropped(batch, generator)
        hidden = self.embed_1(snippets.features, snippets).relu()
        hidden = self.embed_2(hidden, snippets).relu()
        dropped = dropout(hidden, self.config.dropout, generator)
        logits = self.classify(dropped, snippets)  # (S, M, J)

        moving = self.act_1(snippets.features, snippets).relu()
        moving = self.act_2(moving, snippets)
        if generator is not None and self.config.padding == "batch":
            moving = moving + self.leak_from_padding(snippets)
        actionness = self.act(moving.relu(), snippets)  # (S, M, 1)

        fused_logits = (self.fuse_logits * logits).sum(0, keepdim=True)
        fused_actionness = (self.fuse_act * actionness).sum(0, keepdim=True)
        return Outputs(
            torch.cat([logits, fused_logits]),
            torch.cat([actionness, fused_actionness]).squeeze(-1),
            snippets,
            hidden,
        )

    def cropped(self, batch: Packed, generator: torch.Generator) -> Packed:
        """The batch as this training step shows it."""
        if self.config.crops is None:
            return batch
        step = int(self.steps)
        self.steps += 1
        first, second = self.config.crops
        longest = second if step > 0 and step % 2 == 0 else first
        return random_crops(batch, longest, generator)

    def leak_from_padding(self, snippets: Packed) -> Float[Tensor, "S M D"]:
        """What the second actionness layer gets at the last snippet of a video that the official
        code pads with zeros to the length of the batch's longest one.

        The first layer's answer at the first zero snippet still sees the video's last one, and has
        its bias; elsewhere nothing is added.
        """
        lengths = torch.tensor(snippets.lengths, device=snippets.features.device)
        is_padded = (lengths > 0) & (lengths < lengths.max())
        last = (lengths.cumsum(0) - 1)[is_padded]
        size_in = snippets.features.shape[2]
        before = self.act_1.weight[:, :size_in]  # the tap that looks at the snippet before
        after = self.act_2.weight[:, 2 * self.config.hidden :]
        beyond = torch.baddbmm(self.act_1.bias, snippets.features[:, last], before).relu()
        nothing = beyond.new_zeros(len(beyond), sum(snippets.lengths), self.config.hidden)
        return nothing.index_copy(1, last, beyond @ after)


def convolution(
    streams: int, size_in: int, size_out: int, generator: torch.Generator
) -> StackedLinear:
    """Temporal convolution over three snippets, zero beyond both ends of a video; Xavier's bound
    counts the taps at both ends: √(6 / (3 D_in + 3 D_out)).
    """
    layer = StackedLinear(streams, size_in, size_out, 3, generator)
    layer.weight.data *= ((3 * size_in + size_out) / (3 * size_in + 3 * size_out)) ** 0.5
    return layer


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """Video, frame, mined background and actionness losses, and "total", summed over the outputs.

    Each is a mean over videos or snippets of the batch, given as shares of the videos whose mean it
    is. A term without anything to average is 0 (DIFFERS: not a number in the official code). The
    terms stand before their weights and the gate.
    """
    snippets = outputs.snippets
    logits = outputs.logits
    actionness = outputs.actionness
    clicks = logits.new_zeros(logits.shape[1:]) if snippets.clicks is None else snippets.clicks
    labelled = clicks.sum(1) > 0
    counts = background_counts(labelled, snippets, config.mined_ratio)
    hard = hardest_background(labelled, counts, logits[..., -1], snippets)
    if config.act_background == "last_k":
        still = last_background(labelled, counts, snippets).expand(len(logits), -1)
    else:
        still = hardest_background(labelled, counts, actionness, snippets)

    video = video_loss(logits, clicks, snippets, config)
    frame = frame_loss(logits, clicks, labelled, snippets)
    mined = mined_loss(logits, hard, snippets)
    act = actionness_loss(actionness, labelled, still, snippets)

    mined_weight = 1 / logits.shape[-1] if config.mined_weight is None else config.mined_weight
    gate = (act.detach().mean() > config.act_gate).to(logits.dtype)
    total = config.lambda_video * video
    total = total + config.lambda_frame * frame
    total = total + config.lambda_frame * mined_weight * mined
    total = total + config.lambda_act * gate * act
    return {"video": video, "frame": frame, "mined": mined, "act": act, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """All outputs tell the labels of the videos; and they say more of clicked and mined snippets,
    classes and actionness, than if they said the same of all snippets. The classes of the clicks
    are taken to be as frequent as the videos' labels.
    """
    labels = supervision.labels
    outputs = streams + 1
    bounds = []
    if config.lambda_video:
        bounds.append(Bound(("video",), outputs * learnt_labels(labels), LABELS))
    if config.inputs.clicks == "none":
        return tuple(bounds)
    looks = "looking at the snippet"
    if config.lambda_frame:
        weight = config.mined_weight
        if weight is None:
            weight = 1 / (labels.shape[1] + 1)
        mined = weight * bool(config.mined_ratio)
        clicked = distributions(with_background(labels, 0.0))
        each = clicked + mined * only_background(labels)
        same = outputs * float(entropy(each.mean(0, keepdims=True))[0])
        bounds.append(Bound(("frame", "mined"), same, looks, (1.0, mined)))
    if config.lambda_act and config.mined_ratio:
        undecided = -2 * np.log((1 + 1e-3) / 2)  # -log σ - log(1.001 - σ) is least in the middle
        bounds.append(Bound(("act",), outputs * undecided, looks))
    return tuple(bounds)


def video_loss(
    logits: Float[Tensor, "O M J"],
    clicks: Float[Tensor, "M J"],
    snippets: Packed,
    config: Config,
) -> Float[Tensor, " B"]:
    """Cross entropy of the top-k mean logits with the video's classes, the background not among
    them.
    """
    classes = snippets.labels
    if config.labels == "clicks":
        classes = snippets.membership @ (clicks[:, :-1] > 0).to(logits.dtype)
    present = pad((classes > 0).to(logits.dtype), (0, 1))
    lengths = torch.tensor(snippets.lengths, device=logits.device)
    counted = ((lengths >= config.shortest_video) & (present.sum(1) > 0)).nonzero()[:, 0]
    target = present / present.sum(1, keepdim=True).clamp_min(1)
    scores = top_mean_rounded_up(logits, snippets, config.fraction)
    values = -(target * scores.log_softmax(-1)).sum(-1)
    return shares(values[:, counted], counted, len(snippets.lengths))


def frame_loss(
    logits: Float[Tensor, "O M J"],
    clicks: Float[Tensor, "M J"],
    labelled: Bool[Tensor, " M"],
    snippets: Packed,
) -> Float[Tensor, " B"]:
    """Cross entropy of the labelled snippets; several classes on one share its target."""
    values = -(clicks[labelled] * logits[:, labelled].log_softmax(-1)).sum(-1)
    return shares(values, snippets.video[labelled], len(snippets.lengths))


def mined_loss(
    logits: Float[Tensor, "O M J"], hard: Int[Tensor, "O K"], snippets: Packed
) -> Float[Tensor, " B"]:
    """Cross entropy of the mined snippets with the background."""
    values = -logits.log_softmax(-1)[..., -1].gather(1, hard)
    return shares(values, snippets.video[hard], len(snippets.lengths))


def actionness_loss(
    actionness: Float[Tensor, "O M"],
    labelled: Bool[Tensor, " M"],
    still: Int[Tensor, "O K"],
    snippets: Packed,
) -> Float[Tensor, " B"]:
    """-log σ(A) on labelled snippets, -log(1.001 - σ(A)) on mined ones."""
    moving_values = -logsigmoid(actionness[:, labelled])
    moving = shares(moving_values, snippets.video[labelled], len(snippets.lengths))
    still_values = -(1 + 1e-3 - actionness.gather(1, still).sigmoid()).log()
    return moving + shares(still_values, snippets.video[still], len(snippets.lengths))


@torch.no_grad()
def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> Refreshed | None:
    """Once, after `expand_epoch` epochs: labels spread from clicked snippets to those beside."""
    is_last = epochs_done >= config.schedule.epochs
    if epochs_done != config.expand_epoch or is_last or videos.clicks is None:
        return None
    logits = torch.cat([part.logits[-1, :, :-1] for part in outputs_of(network, videos)])
    lengths = torch.tensor(videos.lengths)
    video = torch.arange(len(videos)).repeat_interleave(lengths).to(logits.device)
    clicks = expanded(videos.clicks, logits, video, config.expand_radius, config.expand_share)
    return Refreshed(clicks, restart=config.restart)


def outputs_of(network: Network, videos: Resident) -> list[Outputs]:
    """What the network says about all videos, a few at a time, without dropout or crops."""
    parts = []
    for first in range(0, len(videos), VIDEOS_AT_ONCE):
        part = range(first, min(first + VIDEOS_AT_ONCE, len(videos)))
        parts.append(network(videos.batch(part)))
    return parts


def expanded(
    clicks: Float[Tensor, "M J"],
    logits: Float[Tensor, "M C"],
    video: Int[Tensor, " M"],
    radius: int,
    share: float,
) -> Float[Tensor, "M J"]:
    """Click targets after each labelled snippet has given its own to the `radius` snippets on
    either side.

    No label passes another one, and the earlier one goes first. So to the right clicks alone stop
    it, and to the left, last, clicks and what came from there: all clicks spread at once, with the
    result of one after another.
    """
    rightwards = spread(clicks, clicks, logits, video, 1, radius, share)
    return spread(rightwards, clicks, logits, video, -1, radius, share)


def spread(
    targets: Float[Tensor, "M J"],
    clicks: Float[Tensor, "M J"],
    logits: Float[Tensor, "M C"],
    video: Int[Tensor, " M"],
    side: int,
    radius: int,
    share: float,
) -> Float[Tensor, "M J"]:
    """`targets` with what clicks give to one side (`side` 1 or -1).

    A snippet takes the label if it, the one next to the click and the one beyond have the same best
    class (of any name), and if its logits are at least `share` of the click's on the click's
    classes. Ends at a labelled snippet or the video's end.
    """
    targets = targets.clone()
    blocked = targets.sum(1) > 0
    best = logits.argmax(1)
    end_of_all = len(video) - 1
    click = (clicks.sum(1) > 0).nonzero()[:, 0]
    label = clicks[click]
    least = share * (label[:, :-1] * logits[click]).sum(1)
    going = torch.ones_like(click, dtype=torch.bool)
    for step in range(1, radius + 1):
        first = (click + side).clamp(0, end_of_all)
        here = (click + side * step).clamp(0, end_of_all)
        beyond = click + side * (step + 1)
        end = beyond.clamp(0, end_of_all)
        in_video = (end == beyond) & (video[end] == video[click])
        going = going & in_video & ~blocked[here]
        agree = (best[first] == best[here]) & (best[here] == best[end])
        high = (label[:, :-1] * logits[here]).sum(1) >= least
        takes = going & agree & high
        targets[here[takes]] = label[takes]
    return targets


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = fused logits + act_weight * fused actionness; scores: the mean
    of the top logits, raw.

    Attention, for display: σ of the actionness. There is no column of the background, which no
    actionness is of.
    """
    logits = outputs.logits[-1:, :, :-1].double()
    actionness = outputs.actionness[-1:].double()
    sequences = logits + config.act_weight * actionness[..., None]
    scores = batch.top_mean(logits, config.class_fraction)
    return Activation(
        cas=as_array(sequences),
        scores=as_array(scores),
        attention=as_array(actionness.sigmoid()),
        lengths=batch.lengths,
    )


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 M J"]]]:
    """What pseudo labels of snippets are compared with, and its share: the fused logits."""
    return [(1.0, outputs.logits[-1:])]


def snippets(outputs: Outputs, batch: Packed) -> Packed:
    """The videos as they were cropped, and their pseudo labels."""
    return outputs.snippets


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw, the fused output last: logits s_a (O, M, J), actionness s_f (O, M) and the
    streams' hidden layer x (S, M, D).
    """
    return {"s_a": outputs.logits, "s_f": outputs.actionness, "x": outputs.x}


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Runs of each class above the mean of its sequence, scored by peak and class score.

    classes: C of the data set, which nothing here depends on.

    There is one threshold per class, so its runs never overlap: `suppression` finds nothing to do.
    """
    scores = activation.scores[0]
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    best = scores.max(1, keepdims=True)
    video, label = np.nonzero((scores > 0) & (scores > best / config.class_ratio))
    sequences, sequence_lengths = class_sequences(activation.cas[0], lengths, video, label)
    runs = runs_above_mean(sequences, sequence_lengths, config.shortest)
    of_video = video[runs.sequence]
    of_class = label[runs.sequence]
    score = (runs.peak + scores[of_video, of_class]) / 100
    start = runs.start.astype(np.float64)
    end = runs.end.astype(np.float64)
    return [Instances(of_video, of_class, start, end, score)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: all instances; no NMS."""
    (joint,) = instances(activation, len(scene.classes), config, suppression)
    return detections(joint, scene)


METHOD = Method(
    name="sfnet",
    Config=Config,
    profiles=PROFILES,
    benchmarks=BENCHMARKS,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
    host=Host(
        instances=instances,
        snippet_scores=snippet_scores,
        activate=activate,
        localize=localize,
        negative_labels="cut",
        snippets=snippets,
        # the teacher sees whole videos
        label_settings=(("crops", None),),
    ),
)
