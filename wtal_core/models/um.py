"""UM, also WUM: weakly supervised localization by uncertainty modelling (Lee, Wang, Lu, Byun; AAAI
2021). Read from top to bottom.

The background has no class of its own. The length of a snippet's feature vector says how sure it is
that there is an action: long for actions, short for the background, whose classes are to be
undecided.
Shapes: M snippets of a packed batch of B videos, N snippets once at most 750 of each are taken, the
streams side by side; D channels, C classes. `DIFFERS:` marks where official code, paper and this
file part.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate
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
from wtal_core.models.shared.layers import dropout
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    binary_entropy,
    learnt_labels,
    one_prediction,
)
from wtal_core.models.shared.sampling import pick, picked, thinned
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting, which is the paper's, too."""

    # T: in training one snippet of each T-th part of a video, drawn at random; in evaluation at
    # most so many; None: all
    samples: PositiveInt | None = 750
    width: PositiveInt = 2048  # D, channels of the embedding; in the code those of the features
    dropout: Rate = 0.7  # of the embedding before the classifier
    # of the snippets that may be picked as pseudo action or background. A dropped one has the
    # measure 0, and may still be picked where few are left
    pick_dropout: Rate = 0.7
    action_fraction: PositiveInt = 9  # the T // 9 longest snippets are pseudo action
    background_fraction: PositiveInt = 4  # the T // 4 shortest ones are pseudo background
    margin: NonNegativeFloat = 100.0  # length that the mean of the pseudo action is to have
    alpha: NonNegativeFloat = 5e-4  # weight of the lengths
    beta: NonNegativeFloat = 1.0  # weight of the undecided background
    # localization. DIFFERS: the paper says IoU; the code makes intervals a second longer
    # (`nms_iou`)
    rule: FrameRule = field(
        default_factory=lambda: FrameRule(
            class_threshold=0.2,
            outer_end="inclusive",
            nms=0.6,
            magnitude=tuple(np.arange(0.4, 0.625, 0.025).tolist()),
            grid=24,
            drop_frame0_run=False,
            at_least_one=True,
            magnitude_range="given",
            shortest=2,
        )
    )
    # 769 epochs of 13 steps are 9997 of the code's 10000, which scores the test set after each
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(769, 16, 1e-4, evaluations=100)
    )


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    samples=None,
    width=128,
    dropout=0.3,  # see `backtal.QUICK`
    pick_dropout=0.3,
    margin=10.0,  # vectors of fewer channels are shorter; alpha margin² is as there
    alpha=5e-2,
    schedule=averaged_adam(60, 5, 2e-3, evaluations=2, steps=SETTLING),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """What the network says of its snippets. x: the embedding; s_a: class logits; length: norms of
    the embedding.

    s_action, s_background: logits of videos, means over the longest of each class, and over the
    pseudo background. f_action, f_background: mean embedding of the pseudo action and background.
    longest, shortest: their mean lengths. snippets: the videos with the snippets that were taken.
    """

    x: Float[Tensor, "1 N D"]
    s_a: Float[Tensor, "1 N C"]
    length: Float[Tensor, " N"]
    s_action: Float[Tensor, "B C"]
    s_background: Float[Tensor, "B C"]
    f_action: Float[Tensor, "B D"]
    f_background: Float[Tensor, "B D"]
    longest: Float[Tensor, " B"]
    shortest: Float[Tensor, " B"]
    snippets: Packed


class Network(nn.Module):
    """One temporal convolution and a linear classifier without bias (12,625,920 parameters)."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.embed = Convolution(streams * size_in, config.width, 3, True, generator)
        self.classify = Convolution(config.width, classes, 1, False, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout and random snippets on."""
        config = self.config
        snippets = self.taken(batch, generator)
        features = snippets.features.transpose(0, 1).flatten(1)  # (N, streams side by side)
        x = self.embed(features, snippets).relu()
        logits = self.classify(dropout(x, config.dropout, generator), snippets)
        kept = dropout(torch.ones_like(x[:, 0]), config.pick_dropout, generator)
        return summed_up(x, logits, kept, snippets, config)

    def taken(self, batch: Packed, generator: torch.Generator | None) -> Packed:
        """The snippets that training picks, or that evaluation keeps of long videos."""
        samples = self.config.samples
        if samples is None:
            return batch
        return thinned(batch, samples) if generator is None else pick(batch, samples, generator)


def summed_up(
    x: Float[Tensor, "N D"],
    logits: Float[Tensor, "N C"],
    kept: Float[Tensor, " N"],
    snippets: Packed,
    config: Config,
) -> Outputs:
    """What videos are summed up to. kept: 0 for snippets that dropout has taken from the picks."""
    length = torch.linalg.vector_norm(x, dim=-1)
    lengths = length.detach()
    longest_of_video = snippets.padded(lengths).amax(1)[snippets.video] if len(x) else lengths
    action = top_shares(lengths * kept, snippets, config.action_fraction)
    background = top_shares(
        (longest_of_video - lengths) * kept, snippets, config.background_fraction
    )
    shares = torch.stack([action, background], -1)[None]  # (1, N, 2)
    means = snippets.pool(shares, x[None])[0]  # (B, 2, D)
    mean_lengths = snippets.pool(shares, length[None, :, None])[0]  # (B, 2, 1)
    return Outputs(
        x=x[None],
        s_a=logits[None],
        length=length,
        s_action=snippets.top_mean(logits[None], config.action_fraction)[0],
        s_background=snippets.pool(shares[..., 1:], logits[None])[0, :, 0],
        f_action=means[:, 0],
        f_background=means[:, 1],
        longest=mean_lengths[:, 0, 0],
        shortest=mean_lengths[:, 1, 0],
        snippets=snippets,
    )


def top_shares(values: Float[Tensor, " N"], snippets: Packed, fraction: int) -> Float[Tensor, " N"]:
    """1 / k for the k = max(1, T // fraction) largest values of each video, 0 for the others. Of
    equal ones the first are taken.
    """
    shares = []
    for of_video in values.split(snippets.lengths):
        count = max(1, len(of_video) // fraction)
        order = of_video.argsort(descending=True, stable=True)
        shares.append(torch.zeros_like(of_video).index_fill(0, order[:count], 1 / count))
    return torch.cat(shares)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Classification "cls", lengths of the mean embeddings "um", the background's undecided classes
    "be", and their weighted sum "total", one value per video.
    """
    cls = label_binary_cross_entropy(outputs.s_action, batch.labels)
    too_short = (config.margin - torch.linalg.vector_norm(outputs.f_action, dim=-1)).relu()
    um = (too_short + torch.linalg.vector_norm(outputs.f_background, dim=-1)) ** 2
    be = label_binary_cross_entropy(outputs.s_background, torch.ones_like(batch.labels))
    return {"cls": cls, "um": um, "be": be, "total": cls + config.alpha * um + config.beta * be}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The pseudo action tells the labels, the pseudo background none of them, and it has shorter
    embeddings. The means of both are over shares of their own of the snippets, which the bounds
    leave out.
    """
    labels = supervision.labels
    bounds = [Bound(("cls",), learnt_labels(labels, least=binary_entropy), LABELS)]
    if config.beta:
        weights = (1.0, config.beta)
        targets = (labels, np.ones_like(labels))
        alike = one_prediction(*targets, weights=weights, least=binary_entropy)
        undecided = "a background whose classes are undecided"
        bounds.append(Bound(("cls", "be"), alike, undecided, weights))
    if config.alpha and config.margin:
        # (margin - length + length)² where both have one length
        longer = "embeddings that are longer in action than in background"
        bounds.append(Bound(("um",), config.margin**2, longer))
    return tuple(bounds)


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = softmax of the logits times the relative length; class scores =
    softmax of the pseudo action's logits.

    Magnitude and attention = the relative length: 0 at the mean of the pseudo background, 1 at that
    of the pseudo action, and nothing beyond. There is no column of the background.
    """
    snippets = outputs.snippets
    span = outputs.longest - outputs.shortest
    span = torch.where(span > 0, span, 1.0)
    relative = (outputs.length - outputs.shortest[snippets.video]) / span[snippets.video]
    relative = relative.clamp(0, 1)[None]
    return Activation(
        cas=as_array(outputs.s_a.softmax(-1) * relative[..., None]),
        scores=as_array(outputs.s_action.softmax(-1)[None]),
        attention=as_array(relative),
        lengths=snippets.lengths,
        magnitude=as_array(relative),
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, C), the embedding x (1, N, D) and its lengths (1, N)."""
    return {"s_a": outputs.s_a, "x": outputs.x, "length": outputs.length[None]}


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 N C"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Proposals by class activations and by lengths, overlapping ones settled by `suppression`, see
    `frame_instances`. classes: C of the data set.
    """
    return [frame_instances(activation, classes, config.rule, suppression)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: runs above many thresholds of class activations and of lengths, outer-inner
    contrast, NMS. No ambiguous interval takes any away.
    """
    return localize_frames(activation, scene, config.rule, suppression)


METHOD = Method(
    name="um",
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
        negative_labels="cut",
        snippets=picked,
    ),
)
