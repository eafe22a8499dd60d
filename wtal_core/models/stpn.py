"""STPN: Sparse Temporal Pooling Network (Nguyen, Liu, Prasad, Han; CVPR 2018), and "STPN +
embedding" as FAC-Net and GauFuse run it. Read from top to bottom.

The authors published no code. "The code" here is the public one that comes to the paper's numbers
(bellos1203/STPN), which is the default; where its description leaves something open, its published
detections decide (`tests/models/test_stpn_published.py`).
An attention pools the snippets of a video; the video is classified, and the attention is asked to
be sparse. Every stream has a network of its own; they meet in the scores of proposals only.
Shapes: S streams, M snippets of a packed batch of B videos, N once T of each video are sampled, D
channels, C classes. There is no background class.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate, Share
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.layers import SnippetAttention, StackedLinear, dropout
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels_binary
from wtal_core.models.shared.sampling import pick, picked
from wtal_core.models.shared.schedule import SETTLING, Schedule
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
    """The code's THUMOS14 setting."""

    # T: one snippet of each T-th part of a video, while training a random one; None: all
    samples: PositiveInt | None = 400
    # what the attention and the classifier look at: the features as they are; an embedding of two
    # layers of one snippet each, FAC-Net's code; or of three snippets each, FAC-Net's text
    embed: Literal["none", "linear2", "conv3x2"] = "none"
    # channels of the embedding
    embedding: PositiveInt = 1024
    # of both layers of the embedding. FAC-Net's text has it before their ReLU, which is the same
    dropout: Rate = 0.5
    # channels of the attention's hidden layer; None: a single linear layer
    attention_hidden: PositiveInt | None = 256
    # how the weighted snippets are added up; another public implementation takes the "sum", by
    # which logits are T times as large
    pool: Literal["mean", "sum"] = "mean"
    # weight of the attention's length, the sum over the T snippets
    beta: NonNegativeFloat = 1e-4
    # whether the classifier's bias is part of the class activations, too
    cam_bias: bool = False
    # share of a proposal's own stream in its score
    alpha: Share = 0.5
    # what a proposal's score is the mean of: attention times class activations, which have no upper
    # bound, as in the code; or what its runs are made of, which lies in (0, 1)
    ranks: Literal["logits", "probabilities"] = "logits"
    # runs of attention * σ(class activation). DIFFERS: the code asks whether any of the *numbers*
    # of classes and points is true, and loses videos that only show the first class (`fix_class0`)
    # and runs of point 0 alone (`drop_frame0_run`)
    rule: StreamRule = field(
        default_factory=lambda: StreamRule(
            class_threshold=0.1,
            thresholds=(0.05,),
            upsampling=24,
            drop_frame0_run=True,
            fix_class0=False,
        )
    )
    # of the proposals of all streams
    suppression: FusionRule = field(
        default_factory=lambda: FusionRule("nms", limit=0.5, overlap="iou")
    )
    # 679 epochs of 34 steps are the code's 23,100; the order of videos is a choice
    schedule: Schedule = field(
        default_factory=lambda: replace(averaged_adam(679, 6, 1e-4, 20), weight_decay=0.0)
    )


OFFICIAL = Config()
# The features of small data sets are short. At the official weight the attention opens altogether,
# and has no gradient left before its length begins to count; so it does at a rate of 0.02.
QUICK = replace(
    OFFICIAL,
    samples=None,
    embedding=64,
    attention_hidden=64,
    beta=3e-4,
    schedule=replace(averaged_adam(150, 5, 1e-2, 2, steps=SETTLING), weight_decay=0.0),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


def with_embedding(config: Config) -> Config:
    """ "STPN + embedding" (FAC-Net, Table 5; GauFuse, Table 5): FAC-Net's embedding, videos at full
    length, and in the place of the official schedule FAC-Net's; a quick config keeps its own. How
    they trained it is not stated.
    """
    schedule = Schedule() if config.schedule == OFFICIAL.schedule else config.schedule
    return replace(config, embed="linear2", samples=None, schedule=schedule)


def for_plug_in(config: Config) -> Config:
    """STPN + embedding with an attention of one linear layer, whose weights FAC-Net's class-wise
    branch can share; both rows of such a pair need it.
    """
    return replace(with_embedding(config), attention_hidden=None)


def many_thresholds(config: Config) -> Config:
    """Proposals at 0.05, 0.075, ... 0.5, not at 0.05 alone."""
    thresholds = tuple((np.arange(50, 501, 25) / 1000).tolist())
    return replace(config, rule=replace(config.rule, thresholds=thresholds))


@dataclass(frozen=True)
class Outputs:
    """s_a: class activations. attention: in (0, 1). video_logits: of the pooled video. x: what
    both look at. snippets: the videos with the snippets that were picked.
    """

    s_a: Float[Tensor, "S N C"]
    attention: Float[Tensor, "S N"]
    video_logits: Float[Tensor, "S B C"]
    x: Float[Tensor, "S N D"]
    snippets: Packed


class Network(nn.Module):
    """Attention and classifier of each stream (283,157 parameters each), Xavier-uniform weights,
    zero biases; an embedding before them where the config has one.
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.ModuleList()
        size = size_in
        if config.embed != "none":
            kernel: Literal[1, 3] = 3 if config.embed == "conv3x2" else 1
            size = config.embedding
            for layer_in in (size_in, size):
                self.embed.append(StackedLinear(streams, layer_in, size, kernel, generator))
        self.attend = SnippetAttention(streams, size, config.attention_hidden, generator)
        self.classify = StackedLinear(streams, size, classes, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout and random picks on."""
        config = self.config
        snippets = batch if config.samples is None else pick(batch, config.samples, generator)
        x = snippets.features
        for layer in self.embed:
            x = dropout(layer(x, snippets).relu(), config.dropout, generator)
        attention = self.attend(x, snippets)
        video = snippets.pool(attention[..., None], x).squeeze(2)  # (S, B, D)
        if config.pool == "mean":
            video = video / snippets.membership.sum(1).clamp_min(1)[:, None]
        s_a = x @ self.classify.weight
        if config.cam_bias:
            s_a = s_a + self.classify.bias
        return Outputs(s_a, attention, self.classify(video, snippets), x, snippets)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Binary cross entropy "class", mean over the classes, the attention's length "sparsity", and
    their weighted sum "total", one value per video, summed over streams.
    """
    logits = outputs.video_logits
    labels = batch.labels.expand_as(logits)
    each = binary_cross_entropy_with_logits(logits, labels, reduction="none")
    classification = each.mean(-1).sum(0)
    sparsity = outputs.snippets.membership @ outputs.attention.sum(0)
    total = classification + config.beta * sparsity
    return {"class": classification, "sparsity": sparsity, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The videos tell the labels. A constant attention can do that, too: nothing but its length is
    asked of it, which has no bound.
    """
    return (Bound(("class",), streams * learnt_labels_binary(supervision.labels), LABELS),)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "S N C"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = attention * σ(class activation), which proposals are made of;
    ranking = attention times the mix of the class activations of its own and the other streams,
    which they are scored by. There is no column of the background.
    """
    weight = outputs.attention[..., None]
    s_a = outputs.s_a
    mixed = config.alpha * s_a + (1 - config.alpha) * of_other_streams(s_a)
    return Activation(
        cas=as_array(weight * s_a.sigmoid()),
        scores=as_array(outputs.video_logits.sigmoid()),
        attention=as_array(outputs.attention),
        lengths=outputs.snippets.lengths,
        ranking=as_array(weight * mixed) if config.ranks == "logits" else None,
    )


def of_other_streams(values: Float[Tensor, "S *N"]) -> Float[Tensor, "S *N"]:
    """The mean of all other streams' values; a single stream's own."""
    others = [values.roll(shift, 0) for shift in range(1, len(values))]
    return torch.stack(others or [values]).mean(0)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (S, N, C), the attention w (S, N) and x (S, N, D)."""
    return {"s_a": outputs.s_a, "w": outputs.attention, "x": outputs.x}


def candidates(activation: Activation, config: Config) -> list[Candidates]:
    """The proposals of each stream, of the classes that it is sure of itself."""
    ranking = activation.cas if activation.ranking is None else activation.ranking
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    rule = activation.scaled(config.rule)
    return [
        find_candidates(cas, ranks, scores, lengths, rule)
        for cas, ranks, scores in zip(activation.cas, ranking, activation.scores, strict=True)
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


def foreground(network: Network) -> Float[Tensor, "S 1 D"] | None:
    """The weights of the attention, where it is one linear layer."""
    is_linear = network.attend.hidden is None
    return network.attend.last.weight.transpose(1, 2) if is_linear else None


METHOD = Method(
    name="stpn",
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
        # a label is at most 1, so that no score above 1 could be met
        label_settings=(("ranks", "probabilities"),),
        foreground=foreground,
    ),
)
