"""A plain baseline, of no paper: one temporal convolution, top-k multiple-instance learning,
outer-inner contrast.

It is what the simulator's constants are set by, and the yardstick beside every method. One network
for all streams.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate, Share
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.proposals import ProposalRule, propose
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.detected import detections
from wtal_core.models.shared.layers import StackedLinear, dropout
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """All values are choices."""

    # channels of the hidden layer
    hidden: PositiveInt = 512
    # share of the hidden channels that are switched off while training
    dropout: Rate = 0.5
    # the T // fraction largest logits of a video are averaged
    fraction: PositiveInt = 8
    # how it is trained
    schedule: Schedule = field(
        default_factory=lambda: Schedule(weight_decay=5e-4, reduction="mean")
    )
    # least video score of a localized class, times the uniform 1 / C
    class_ratio: NonNegativeFloat = 2.0
    # shares of a sequence's range, from its least to its largest value, above which proposals lie
    thresholds: tuple[Share, ...] = tuple(i / 20 for i in range(1, 19))
    # snippets of the shortest proposal
    shortest: PositiveInt = 2
    # outer area on either side of a proposal, as a share of its length
    margin: NonNegativeFloat = 0.25
    # IoU above which NMS drops a proposal
    overlap: Share = 0.5


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    hidden=128,
    schedule=replace(
        OFFICIAL.schedule, epochs=40, learning_rate=1e-3, evaluations=5, steps=SETTLING
    ),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """Snippet logits, the video's class probabilities, and the hidden layer x, of the one
    network.
    """

    logits: Float[Tensor, "1 M C"]
    p: Float[Tensor, "1 B C"]
    x: Float[Tensor, "1 M D"]


class Network(nn.Module):
    """Temporal convolution over three snippets, ReLU, dropout, linear classifier."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config = config
        self.embed = StackedLinear(1, streams * size_in, config.hidden, 3, generator)
        self.classify = StackedLinear(1, config.hidden, classes, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """All streams side by side; top-k mean of the logits, softmax over classes."""
        features = batch.features.transpose(0, 1).flatten(1)[None]  # (1, M, S D)
        hidden = dropout(self.embed(features, batch).relu(), self.config.dropout, generator)
        logits = self.classify(hidden, batch)
        p = batch.top_mean(logits, self.config.fraction).softmax(-1)
        return Outputs(logits, p, hidden)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Normalised cross entropy of the video scores."""
    value = normalised_cross_entropy(outputs.p[0], batch.labels)
    return {"mil": value, "total": value}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The video scores tell the labels."""
    return (Bound(("mil",), learnt_labels(supervision.labels), LABELS),)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 M C"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.logits)]


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = the logits. Attention, for display: the largest softmax
    probability. There is no column of the background."""
    return Activation(
        cas=as_array(outputs.logits),
        scores=as_array(outputs.p),
        attention=as_array(outputs.logits.softmax(-1).amax(-1)),
        lengths=batch.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, M, C) and the hidden layer x (1, M, D)."""
    return {"s_a": outputs.logits, "x": outputs.x}


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Runs above thresholds on each sequence's own range, outer-inner contrast times video score;
    overlapping ones settled by `suppression` (None: NMS). classes: C of the data set.
    """
    lengths = np.asarray(activation.lengths)
    scores = activation.scores[0] * (lengths > 0)[:, None]
    threshold = activation.of_classes(config.class_ratio / classes)
    video, label = pick_classes(scores, threshold, at_least_one=False)
    sequences, sizes = class_sequences(activation.cas[0], lengths, video, label)
    rule = ProposalRule(config.thresholds, config.shortest, config.margin, 1.0, 1.0)
    proposals = propose(_to_unit_range(sequences, sizes), sizes, rule)
    settled = fuse(
        proposals.sequence,
        proposals.start,
        proposals.end,
        proposals.score * scores[video, label][proposals.sequence],
        proposals.inner,
        suppression or FusionRule("nms", limit=config.overlap, overlap="iou"),
    )
    pair = settled.group
    return [Instances(video[pair], label[pair], settled.start, settled.end, settled.score)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: all instances."""
    (joint,) = instances(activation, len(scene.classes), config, suppression)
    return detections(joint, scene)


def _to_unit_range(sequences: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Each sequence (none empty) moved and scaled to [0, 1]; a flat one becomes 0."""
    if not len(lengths):
        return sequences
    starts = np.cumsum(lengths) - lengths
    low = np.minimum.reduceat(sequences, starts)
    high = np.maximum.reduceat(sequences, starts)
    span = np.where(high > low, high - low, 1)
    return (sequences - np.repeat(low, lengths)) / np.repeat(span, lengths)


METHOD = Method(
    name="topk_mil",
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
    ),
)
