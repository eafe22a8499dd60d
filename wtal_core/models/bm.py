"""BM: Background Modelling (Nguyen, Ramanan, Fowlkes; ICCV 2019). Read from top to bottom.

The authors published no code. Settings marked [R] are recollections of the paper, which could not
be read; those marked [C] are an early baseline of DGAM's public history, by others; all else is a
choice.
An attention splits each video into foreground and background: the one shows the video's classes,
the other the background class. What the classifier says of snippets guides the attention, and two
cluster centres keep the halves apart. Every stream has a network of its own.
Shapes: S streams, M snippets of a packed batch of B videos, N once T of each video are sampled, D
channels, C classes, K = C + 1 with the background last.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from wtal_core.checks import NonNegativeFloat, PositiveFloat, PositiveInt, Share
from wtal_core.errors import WorkbookError
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.over_time import mean_over_time
from wtal_core.losses.video_labels import label_cross_entropy
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.layers import SnippetAttention, StackedLinear, xavier
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    learnt_labels,
    one_prediction,
    only_background,
    with_background,
)
from wtal_core.models.shared.sampling import pick, picked
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.models.shared.smoothing import smoothed
from wtal_core.models.shared.stream_proposals import (
    Candidates,
    StreamRule,
    find_candidates,
    pooled_detections,
    settled,
)
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """BM on THUMOS14."""

    # T: one snippet of each T-th part of a video, while training a random one [C]; None: all
    samples: PositiveInt | None = 400
    # channels of the attention's hidden layer
    attention_hidden: PositiveInt | None = 256
    # what the weighted snippets of both halves are divided by: T [R]; or the "sum" of their
    # weights, + 1 in the foreground [C]
    pool: Literal["one_over_T", "sum"] = "one_over_T"
    # weights of the losses: 0.1 each [R]; 0.03, 0.1 and 0.3 [C]
    lambda_background: NonNegativeFloat = 0.1
    lambda_guide: NonNegativeFloat = 0.1
    lambda_cluster: NonNegativeFloat = 0.1
    # of the Gaussian that smooths the guide, in snippets
    sigma: PositiveFloat = 1.0
    # whether the guide is a fixed target for the attention [C], or teaches the classifier, too
    guide_detach: bool = True
    # whether the classifier's bias is part of the class activations, too
    cam_bias: bool = False
    # proposals of each stream, or of the streams' mean [R]
    streams: Literal["pooled", "averaged"] = "pooled"
    # λ² has this share of what proposals are made of, the rest is λ σ(class activation); 0.2 [C]
    attention_share: Share = 0.0
    # runs and their outer-inner contrast. `thresholds` from 0 on, not 0.05 [R]
    rule: StreamRule = field(
        default_factory=lambda: StreamRule(
            class_threshold=0.1,
            thresholds=tuple((np.arange(50, 501, 25) / 1000).tolist()),
            upsampling=24,
            grid="centre",
            outer_weight=1.0,
            score_class=0.2,
        )
    )
    # thresholds of each stream in the place of the rule's: 0.03 of RGB and 0.08 of flow [C]
    thresholds_by_stream: tuple[NonNegativeFloat, ...] = ()
    # of all proposals
    suppression: FusionRule = field(
        default_factory=lambda: FusionRule("nms", limit=0.5, overlap="iou")
    )
    # learning rate 1e-4 [R], or 1e-3 [C]; batches of 32 [C]; as many passes over the videos as STPN
    schedule: Schedule = field(
        default_factory=lambda: replace(averaged_adam(679, 32, 1e-4, 20), weight_decay=0.0)
    )


OFFICIAL = Config()
# The features of small data sets are short. Divided by T, their sum would only let the attention
# open or close altogether, a guess of 2 log K in the loss of two streams.
QUICK = replace(
    OFFICIAL,
    samples=None,
    attention_hidden=None,
    pool="sum",
    schedule=replace(averaged_adam(100, 5, 2e-2, 2, steps=SETTLING), weight_decay=0.0),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


def as_recollected(config: Config) -> Config:
    """Localization by all that is recollected of the paper [R]."""
    thresholds = tuple((np.arange(0, 501, 25) / 1000).tolist())
    return replace(config, streams="averaged", rule=replace(config.rule, thresholds=thresholds))


def as_in_dgam(config: Config) -> Config:
    """All that is known of the baseline in DGAM's history [C], `lib/core/loss.py`, `function.py`
    and `utils.py` of its commit 8e58599. A quick config keeps its own learning rate.
    """
    rule = replace(
        config.rule,
        upsampling=20,
        outer_weight=0.3,
        outer_sides="each",
        score_class=0.0,
        fix_class0=False,
    )
    schedule = config.schedule
    if schedule == OFFICIAL.schedule:
        schedule = replace(schedule, learning_rate=1e-3)
    return replace(
        config,
        pool="sum",
        lambda_background=0.03,
        lambda_cluster=0.3,
        attention_share=0.2,
        rule=rule,
        thresholds_by_stream=(0.03, 0.08),
        schedule=schedule,
    )


@dataclass(frozen=True)
class Outputs:
    """s_a: class activations. attention: λ, in (0, 1). foreground, background: class logits of
    both halves of a video. clusters: how much nearer both halves are to the foreground's centre.
    x: the features of the snippets that were picked; snippets: the videos with these.
    """

    s_a: Float[Tensor, "S N K"]
    attention: Float[Tensor, "S N"]
    foreground: Float[Tensor, "S B K"]
    background: Float[Tensor, "S B K"]
    clusters: tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]
    x: Float[Tensor, "S N D"]
    snippets: Packed


class Network(nn.Module):
    """Attention, classifier, and the centres u of foreground and background, of each stream;
    Xavier-uniform weights, zero biases.
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.attend = SnippetAttention(streams, size_in, config.attention_hidden, generator)
        self.classify = StackedLinear(streams, size_in, classes + 1, 1, generator)
        self.u = xavier(streams, size_in, 2, generator)  # (S, D, 2), foreground first

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches random picks on."""
        config = self.config
        snippets = batch if config.samples is None else pick(batch, config.samples, generator)
        x = snippets.features
        attention = self.attend(x, snippets)
        x_fg, x_bg = self.halves(x, attention, snippets)
        s_a = x @ self.classify.weight
        if config.cam_bias:
            s_a = s_a + self.classify.bias
        difference = self.u[..., :1] - self.u[..., 1:]  # (S, D, 1)
        return Outputs(
            s_a=s_a,
            attention=attention,
            foreground=self.classify(x_fg, snippets),
            background=self.classify(x_bg, snippets),
            clusters=((x_fg @ difference)[..., 0], (x_bg @ difference)[..., 0]),
            x=x,
            snippets=snippets,
        )

    def halves(
        self, x: Float[Tensor, "S N D"], attention: Float[Tensor, "S N"], snippets: Packed
    ) -> tuple[Float[Tensor, "S B D"], Float[Tensor, "S B D"]]:
        """Foreground and background of each video, its snippets weighted by λ and by 1 - λ; 0 of a
        video without snippets.
        """
        weights = torch.stack([attention, 1 - attention], -1)  # (S, N, 2)
        pooled = snippets.pool(weights, x)  # (S, B, 2, D)
        if self.config.pool == "one_over_T":
            pooled = pooled / snippets.membership.sum(1).clamp_min(1)[:, None, None]
        else:
            extra = weights.new_tensor([1.0, 1e-6])
            pooled = pooled / (snippets.sum(weights) + extra)[..., None]
        return pooled[:, :, 0], pooled[:, :, 1]


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Foreground, background, guide, cluster, and their weighted sum "total", one value per video,
    summed over streams.
    """
    labels = pad(batch.labels, (0, 1))
    by_stream = [label_cross_entropy(logits, labels) for logits in outputs.foreground]
    foreground = torch.stack(by_stream).sum(0)
    background = -outputs.background.log_softmax(-1)[..., -1].sum(0)
    guide = guide_loss(outputs, batch, config)
    of_fg, of_bg = outputs.clusters
    cluster = -(logsigmoid(of_fg) + logsigmoid(-of_bg)).sum(0)
    total = (
        foreground
        + config.lambda_background * background
        + config.lambda_guide * guide
        + config.lambda_cluster * cluster
    )
    return {
        "foreground": foreground,
        "background": background,
        "guide": guide,
        "cluster": cluster,
        "total": total,
    }


def guide_loss(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """How far the attention is from what the classifier says of snippets: from the smoothed
    probability of the video's likeliest class, and from 1 - that of the background. Mean over the
    snippets, sum over streams; 0 for a video without snippets.
    """
    snippets = outputs.snippets
    s_a = outputs.s_a.detach() if config.guide_detach else outputs.s_a
    q = s_a.softmax(-1)
    of_labels = (q[..., :-1] * batch.labels[snippets.video]).amax(-1)  # (S, N)
    top_down = smoothed(of_labels, snippets, config.sigma)
    not_background = 1 - smoothed(q[..., -1], snippets, config.sigma)
    attention = outputs.attention
    distance = (attention - top_down).abs() + (attention - not_background).abs()
    return mean_over_time(distance.sum(0), snippets)


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The foreground tells the labels, and the attention makes two halves of a video, of which one
    is told as background and each lies at its own centre. The guide has no bound: a constant
    attention can agree with a constant classifier.

    Divided by T, halves of one mean can have two sizes. Wholly open, the attention then leaves the
    background's logits to the bias alone, and its centre's loss at log 2.
    """
    labels = supervision.labels
    bounds = [Bound(("foreground",), streams * learnt_labels(labels), LABELS)]
    of_one_size = config.pool == "sum"
    tells = "an attention that tells background from action"
    if config.lambda_background and of_one_size:
        weights = (1.0, config.lambda_background)
        targets = (with_background(labels, 0.0), only_background(labels))
        alike = streams * one_prediction(*targets, weights=weights)
        bounds.append(Bound(("foreground", "background"), alike, tells, weights))
    if config.lambda_cluster:
        undecided = streams * np.log(2) * (2 if of_one_size else 1)
        bounds.append(Bound(("cluster",), undecided, tells))
    return tuple(bounds)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "S N K"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = λ σ(class activation), with a share of λ²; class scores = the
    foreground's class probabilities.

    background: with the background class as the last column, which a video's pseudo labels may
    have, but not its detections.
    """
    columns = batch.labels.shape[1] + background
    weight = outputs.attention[..., None]
    activated = weight * outputs.s_a[..., :columns].sigmoid()
    cas = (1 - config.attention_share) * activated + config.attention_share * weight**2
    scores = outputs.foreground.softmax(-1)[..., :columns]
    attention = outputs.attention
    if config.streams == "averaged":
        cas = cas.mean(0, keepdim=True)
        scores = scores.mean(0, keepdim=True)
        attention = attention.mean(0, keepdim=True)
    return Activation(
        cas=as_array(cas),
        scores=as_array(scores),
        attention=as_array(attention),
        lengths=outputs.snippets.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (S, N, K), the attention w (S, N) and the features x (S, N, D)."""
    return {"s_a": outputs.s_a, "w": outputs.attention, "x": outputs.x}


def candidates(activation: Activation, config: Config) -> list[Candidates]:
    """The proposals of each stream, of the classes that it is sure of itself. Raises WorkbookError
    where there are thresholds for another number of streams.
    """
    streams = len(activation.cas)
    joint = activation.scaled(config.rule)
    rules = [joint] * streams
    if config.thresholds_by_stream:
        if len(config.thresholds_by_stream) != streams:
            raise WorkbookError(
                f"bm: thresholds_by_stream has {len(config.thresholds_by_stream)} numbers for "
                f"{streams} streams; give one each, or () for the rule's own thresholds"
            )
        rules = [replace(joint, thresholds=(t,)) for t in config.thresholds_by_stream]
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    return [
        find_candidates(cas, cas, scores, lengths, rule)
        for cas, scores, rule in zip(activation.cas, activation.scores, rules, strict=True)
    ]


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Proposals of each stream in the snippets that were picked, overlapping ones settled by
    `suppression` (None: the config's).
    """
    rule = suppression or config.suppression
    return [settled(of_stream, rule) for of_stream in candidates(activation, config)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: the proposals of all streams together, overlapping ones settled."""
    rule = suppression or config.suppression
    return pooled_detections(candidates(activation, config), activation.lengths, scene, rule)


def foreground(network: Network) -> Float[Tensor, "S 1 D"]:
    """The centre of the foreground."""
    return network.u[..., :1].transpose(1, 2)


METHOD = Method(
    name="bm",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    host=Host(
        instances=instances,
        snippet_scores=snippet_scores,
        activate=activate,
        localize=localize,
        snippets=picked,
        negative_labels="cut",
        foreground=foreground,
    ),
)
