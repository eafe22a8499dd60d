"""CoLA: snippet contrastive learning to localize actions (Zhang, Cao, Yang, Chen, Zou; CVPR 2021).
Read from top to bottom.

Snippets at the borders of actions are hard to classify. They are found by morphology on the
actionness, and a contrastive loss pulls those inside a border towards snippets that are surely
action, and those outside towards snippets that are surely background.
Shapes: M snippets of a packed batch of B videos, N snippets once T of each video are sampled, the
streams side by side; D channels, C classes. Sets of snippets are masks (B, L) over the padded
videos, L the longest length. `DIFFERS:` marks where this file departs from the official code, which
the defaults are.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import max_pool1d, pad

from wtal_core.checks import NonNegativeFloat, PositiveFloat, PositiveInt, Rate
from wtal_core.localization.frames import FrameRule
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.video_labels import label_binary_cross_entropy
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import Convolution
from wtal_core.models.shared.frame_localization import (
    frame_instances,
    localize_frames,
)
from wtal_core.models.shared.layers import cosine, dropout
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    binary_entropy,
    learnt_labels,
)
from wtal_core.models.shared.sampling import pick, picked, thinned
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting."""

    # T: while training one random snippet of each T-th part of a video, in evaluation all snippets
    # of a video that is not longer; None: always all
    samples: PositiveInt | None = 750
    width: PositiveInt = 2048  # D, channels of the embedding
    dropout: Rate = 0.7  # of the embedding before the classifier
    easy: PositiveInt = 5  # T // 5 snippets are surely action, as many surely background
    # share of the snippets that are passed over, at random, in the choice of easy ones
    easy_dropout: Rate = 0.6
    hard: PositiveInt = 20  # T // 20 snippets inside and outside of borders are hard
    # the hard ones lie between the actionness mask eroded (or dilated) over so many snippets ..
    narrow: PositiveInt = 3
    wide: PositiveInt = 6  # .. and over so many
    temperature: PositiveFloat = 0.07  # of the contrast
    lambda_snico: NonNegativeFloat = 0.01  # weight of the contrast
    # localization: runs of each class and of the actionness
    rule: FrameRule = field(
        default_factory=lambda: FrameRule(
            class_threshold=0.2,
            at_least_one=True,
            outer_end="inclusive",
            nms=0.6,
            magnitude=tuple(np.arange(0.1, 0.925, 0.025).tolist()),
            grid=24,
            shortest=2,
            times="step",
        )
    )
    # 462 epochs of 13 steps are 6006, 6000 in the code; the test set is scored every 100 steps
    schedule: Schedule = field(default_factory=lambda: averaged_adam(462, 16, 1e-4, evaluations=60))


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    samples=None,
    width=64,
    dropout=0.1,  # see `backtal.QUICK`
    schedule=averaged_adam(40, 5, 5e-3, evaluations=2, steps=SETTLING),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """x: embedding. s_a: class activations, not negative. s: their top means, the videos' logits.

    considered: 0 where a snippet is passed over in the choice of easy ones, else 1 / (1 - rate).
    snippets: the videos with the snippets that were picked.
    """

    x: Float[Tensor, "1 N D"]
    s_a: Float[Tensor, "1 N C"]
    s: Float[Tensor, "B C"]
    considered: Float[Tensor, " N"]
    snippets: Packed

    @property
    def actionness(self) -> Float[Tensor, " N"]:
        """How much a snippet is of any class: the sum of its activations."""
        return self.s_a[0].sum(-1)


class Network(nn.Module):
    """Embedding over three snippets and classifier (12,625,920 parameters)."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.embed = Convolution(streams * size_in, config.width, 3, True, generator)
        self.classify = Convolution(config.width, classes, 1, False, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout and random picks on."""
        config = self.config
        snippets = sampled(batch, config.samples, generator)
        features = snippets.features.transpose(0, 1).flatten(1)  # (N, streams side by side)
        x = self.embed(features, snippets).relu()
        s_a = self.classify(dropout(x, config.dropout, generator), snippets).relu()
        s = snippets.top_mean(s_a[None], config.easy)[0]
        considered = dropout(torch.ones_like(x[:, 0]), config.easy_dropout, generator)
        return Outputs(x[None], s_a[None], s, considered, snippets)


def sampled(batch: Packed, samples: int | None, generator: torch.Generator | None) -> Packed:
    """The snippets that the network sees."""
    if samples is None:
        return batch
    if generator is None:
        return thinned(batch, samples)
    return pick(batch, samples, generator)


@dataclass(frozen=True)
class Mined:
    """Which snippets of each video are easy or hard, as action or as background."""

    easy_action: Bool[Tensor, "B L"]
    easy_background: Bool[Tensor, "B L"]
    hard_action: Bool[Tensor, "B L"]
    hard_background: Bool[Tensor, "B L"]


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Classification of the videos "action", both contrasts, and their weighted sum "total", one
    value per video.
    """
    action = label_binary_cross_entropy(outputs.s, batch.labels)
    x = outputs.snippets.padded(outputs.x[0])
    mined = mine(outputs, config)
    hard_action = contrast(
        x, mined.hard_action, mined.easy_action, mined.easy_background, config.temperature
    )
    hard_background = contrast(
        x, mined.hard_background, mined.easy_background, mined.easy_action, config.temperature
    )
    total = action + config.lambda_snico * (hard_action + hard_background)
    return {
        "action": action,
        "hard_action": hard_action,
        "hard_background": hard_background,
        "total": total,
    }


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The video scores tell the labels, and the contrasts are better than among embeddings that are
    all alike, log(1 + number of negatives). That number is known where all videos have one length.
    """
    learnt = learnt_labels(supervision.labels, least=binary_entropy)
    bounds = [Bound(("action",), learnt, LABELS)]
    if config.lambda_snico and config.samples is not None:
        negatives = max(1, config.samples // config.easy)
        tells = "an embedding that tells background from action"
        for name in ("hard_action", "hard_background"):
            bounds.append(Bound((name,), float(np.log1p(negatives)), tells))
    return tuple(bounds)


@torch.no_grad()
def mine(outputs: Outputs, config: Config) -> Mined:
    """Easy snippets: largest and smallest actionness, some passed over at random. Hard ones: just
    inside and outside of where the actionness is above its median.

    A snippet that is passed over, or that is in no region, counts as 0 and is chosen where there
    are too few others. DIFFERS: which of equal ones is undefined in the code, here the first.
    """
    snippets = outputs.snippets
    inside = snippets.inside
    actionness = snippets.padded(outputs.actionness)
    considered = snippets.padded(outputs.considered)
    lengths = inside.sum(1)
    easy = at_least_one(lengths // config.easy, lengths)
    hard = at_least_one(lengths // config.hard, lengths)
    easy_action = largest(actionness * considered, easy, inside)
    peak = pad(actionness, (0, 1)).amax(1, keepdim=True)  # 0 for a video without snippets
    easy_background = largest((peak - actionness) * considered, easy, inside)
    active = (actionness > median(actionness, inside)).to(actionness.dtype)
    inner = eroded(active, config.narrow) - eroded(active, config.wide)
    outer = dilated(active, config.wide) - dilated(active, config.narrow)
    hard_action = largest(actionness * inner, hard, inside)
    hard_background = largest(actionness * outer, hard, inside)
    return Mined(easy_action, easy_background, hard_action, hard_background)


def at_least_one(counts: Int[Tensor, " B"], lengths: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """How many snippets are chosen. DIFFERS: of a short video none in the code, whose loss is then
    not a number.
    """
    return torch.minimum(counts.clamp_min(1), lengths)


def largest(
    scores: Float[Tensor, "B L"], counts: Int[Tensor, " B"], inside: Bool[Tensor, "B L"]
) -> Bool[Tensor, "B L"]:
    """The snippets with the largest scores of each video, the first of equal ones."""
    ranked = scores.masked_fill(~inside, -torch.inf)
    order = ranked.sort(dim=1, descending=True, stable=True).indices
    place = torch.arange(scores.shape[1], device=scores.device)
    is_chosen = (place < counts[:, None]).expand_as(order)
    return torch.zeros_like(inside).scatter(1, order, is_chosen)


def median(values: Float[Tensor, "B L"], inside: Bool[Tensor, "B L"]) -> Float[Tensor, "B 1"]:
    """Median of each video; of an even number, the mean of the two in the middle."""
    ascending = pad(values.masked_fill(~inside, torch.inf), (0, 1), value=torch.inf).sort(1).values
    lengths = inside.sum(1, keepdim=True)
    below = ascending.gather(1, (lengths - 1).clamp_min(0) // 2)
    above = ascending.gather(1, lengths // 2)
    return (below + above) / 2


def dilated(active: Float[Tensor, "B L"], width: int) -> Float[Tensor, "B L"]:
    """1 where any of `width` snippets around is active: as many on both sides, of an even width one
    more after it.
    """
    around = pad(active, ((width - 1) // 2, width // 2))
    return max_pool1d(around, width, stride=1) if active.shape[1] else active


def eroded(active: Float[Tensor, "B L"], width: int) -> Float[Tensor, "B L"]:
    """1 where all of `width` snippets around are active: as many on both sides, of an even width
    one more before it. Beyond the ends of a video nothing is active.
    """
    idle = pad(1 - active, (width // 2, (width - 1) // 2), value=1.0)
    return 1 - max_pool1d(idle, width, stride=1) if active.shape[1] else active


def contrast(
    x: Float[Tensor, "B L D"],
    query: Bool[Tensor, "B L"],
    key: Bool[Tensor, "B L"],
    negatives: Bool[Tensor, "B L"],
    temperature: float,
) -> Float[Tensor, " B"]:
    """InfoNCE: that the mean of a video's `query` snippets is told, by its cosines, to belong to
    the mean of the `key` snippets and to none of the negatives. 0 without any.
    """
    q = mean_of(x, query)
    positive = cosine(q, mean_of(x, key))[..., 0]  # (B, 1)
    others = cosine(x, q)[..., 0].masked_fill(~negatives, -torch.inf)
    logits = torch.cat([positive, others], 1) / temperature
    return logits.logsumexp(1) - logits[:, 0]


def mean_of(x: Float[Tensor, "B L D"], chosen: Bool[Tensor, "B L"]) -> Float[Tensor, "B 1 D"]:
    """Mean of the chosen snippets of each video; 0 without any."""
    weight = chosen.to(x.dtype) / chosen.sum(1, keepdim=True).clamp_min(1)
    return weight[:, None] @ x


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class scores = softmax of the videos' logits. Attention and magnitude, which segments are
    proposed by, too: the actionness. There is no column of the background.
    """
    actionness = as_array(outputs.actionness[None])
    return Activation(
        cas=as_array(outputs.s_a),
        scores=as_array(outputs.s.softmax(-1)[None]),
        attention=actionness,
        lengths=outputs.snippets.lengths,
        magnitude=actionness,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: class activations s_a (1, N, C), actionness s_f (1, N), embedding x (1, N,
    D).
    """
    return {"s_a": outputs.s_a, "s_f": outputs.actionness[None], "x": outputs.x}


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 N C"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Proposals by class activations and by actionness, overlapping ones settled by `suppression`,
    see `frame_instances`. classes: C of the data set.
    """
    return [frame_instances(activation, classes, config.rule, suppression)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: runs of each class and of the actionness above many thresholds, outer-inner
    contrast, NMS. No ambiguous interval takes any away.
    """
    return localize_frames(activation, scene, config.rule, suppression)


METHOD = Method(
    name="cola",
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
    ),
)
