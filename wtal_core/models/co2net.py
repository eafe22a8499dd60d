"""CO2-Net: Cross-modal Consensus Network for Weakly Supervised Temporal Action Localization (Hong,
Feng, Xu, Shan, Zheng; ACM MM 2021). Top to bottom.

Each stream is filtered by what it says of the whole video and the other stream of each snippet; the
filtered streams are classified together, and each has its own attention.
Shapes: S streams, M snippets of a packed batch of B videos, N snippets once T of each video are
sampled; I channels of a stream, D of the classifier, C classes, K = C + 1 with the background last.
`DIFFERS:` marks where paper and official code, the default here, part.
"""

from dataclasses import dataclass, field, replace

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate
from wtal_core.errors import WorkbookError
from wtal_core.localization.attention_proposals import AttentionRule
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.attended import guide_loss, lifted, top_label_loss
from wtal_core.losses.co_activity import ALIKE, MARGIN, co_activity
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.attended_localization import attended_activation, joint_instances
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import kaiming_convolution, moving_mean
from wtal_core.models.shared.detected import detections, outside_ambiguous
from wtal_core.models.shared.layers import dropout
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    learnt_labels,
    one_prediction,
    with_background,
)
from wtal_core.models.shared.sampling import pick, picked
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed

SLOPE = 0.2  # of all leaky ReLUs


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting (its run.sh)."""

    # network
    samples: PositiveInt | None = 500  # snippets drawn from a training video; None: all
    width: PositiveInt = 2048  # channels of the fused embedding and the classifier
    attention_width: PositiveInt = 512  # channels of the attentions' hidden layers
    consensus_dropout: Rate = 0.5  # of the layers that filter, and of the attentions' first one
    # of the attention's logit, so that half of the training attentions are 1/2; 0 leaves it out
    logit_dropout: Rate = 0.5
    dropout: Rate = 0.7  # of the embedding, and twice in the classifier
    smoothing: PositiveInt = 1  # snippets that logits and attentions are averaged over, odd

    # losses
    fraction: PositiveInt = 7  # k = T // fraction of the top-k means
    lambda_co_activity: NonNegativeFloat = 1.0  # of the two videos of each pair
    lambda_mutual: NonNegativeFloat = 1.0  # of each attention's distance from the other ones
    lambda_norm: NonNegativeFloat = 0.8  # of the mean attention
    lambda_guide: NonNegativeFloat = 0.8  # of the attention's distance from the logits

    # localization
    class_fraction: PositiveInt = 10  # k = T // class_fraction of the class scores
    rule: AttentionRule = field(default_factory=AttentionRule)
    # 250 epochs of 20 steps are the 5000 of run.sh; scored every 200. DIFFERS: the README says
    # 20000 steps of 320 snippets
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(250, 10, 5e-5, evaluations=25, decay=1e-3, pairs=3)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smoothing % 2 == 0:
            raise WorkbookError(
                f"{self.owner()}: smoothing is {self.smoothing}; expected an odd number"
            )


OFFICIAL = Config()
# 46 epochs of 482 steps are about the 22000 of run.sh
ACTIVITYNET12 = replace(
    OFFICIAL,
    samples=60,
    smoothing=13,
    fraction=5,
    schedule=averaged_adam(46, 10, 3e-5, pairs=3),
)
QUICK = replace(
    OFFICIAL,
    samples=None,
    width=64,
    attention_width=64,
    dropout=0.1,  # see `backtal.QUICK`
    schedule=averaged_adam(30, 10, 5e-3, evaluations=2, decay=1e-3, pairs=3, steps=SETTLING),
)  # chosen by the training loss
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """Of snippets. logits: of the classes. attention: mean over the streams, in (0, 1).

    own: attention of each stream. feature: the fused embedding, once dropout has passed.
    snippets: the videos with the snippets that were picked.
    """

    logits: Float[Tensor, "N K"]
    attention: Float[Tensor, " N"]
    own: Float[Tensor, "S N"]
    feature: Float[Tensor, "N D"]
    snippets: Packed

    @property
    def attentions(self) -> Float[Tensor, "Q N"]:
        """The mean one, then each stream's."""
        return torch.cat([self.attention[None], self.own])


class Consensus(nn.Module):
    """Filters a main stream by what it says of the whole video and an auxiliary stream of each
    snippet, and attends to what passes.
    """

    def __init__(self, config: Config, size_in: int, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        width = config.attention_width
        # sees a video's mean, a sequence of one, so that only its middle tap does anything
        self.whole = kaiming_convolution(size_in, size_in, 3, generator)
        self.each = kaiming_convolution(size_in, size_in, 3, generator)
        self.attend_1 = kaiming_convolution(size_in, width, 3, generator)
        self.attend_2 = kaiming_convolution(width, width, 3, generator)
        self.attend_3 = kaiming_convolution(width, 1, 1, generator)

    def forward(
        self,
        main: Float[Tensor, "N I"],
        auxiliary: Float[Tensor, "N I"],
        batch: Packed,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "N I"], Float[Tensor, " N"]]:
        """The filtered main stream, and its attention."""
        rate = self.config.consensus_dropout
        size = batch.membership.sum(1, keepdim=True).clamp_min(1)
        mean = (batch.membership @ main) / size  # (B, I)
        means = Packed(mean[None], (1,) * len(mean), batch.labels)
        whole = dropout(leaky_relu(self.whole(mean, means), SLOPE), rate, generator)
        each = dropout(leaky_relu(self.each(auxiliary, batch), SLOPE), rate, generator)
        filtered = (whole[batch.video] * each).sigmoid() * main
        hidden = leaky_relu(self.attend_1(filtered, batch), SLOPE)
        hidden = dropout(hidden, rate, generator)
        hidden = leaky_relu(self.attend_2(hidden, batch), SLOPE)
        logit = self.attend_3(hidden, batch)[:, 0]
        return filtered, dropout(logit, self.config.logit_dropout, generator).sigmoid()


class Network(nn.Module):
    """A consensus module per stream, whose auxiliary is the next stream (of one stream: itself),
    and a classifier of all filtered streams.
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.consensus = nn.ModuleList(
            Consensus(config, size_in, generator) for _ in range(streams)
        )
        self.fuse = kaiming_convolution(streams * size_in, width, 1, generator)
        self.hidden = kaiming_convolution(width, width, 3, generator)
        self.classify = kaiming_convolution(width, classes + 1, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches sampling and dropout on."""
        config = self.config
        snippets = batch
        if generator is not None and config.samples is not None:
            snippets = pick(batch, config.samples, generator)
        filtered = []
        attentions = []
        auxiliary = snippets.features.roll(-1, 0)
        for stream, module in enumerate(self.consensus):
            main = snippets.features[stream]
            passed, attention = module(main, auxiliary[stream], snippets, generator)
            filtered.append(passed)
            attentions.append(attention)
        fused = leaky_relu(self.fuse(torch.cat(filtered, 1), snippets), SLOPE)
        feature = dropout(fused, config.dropout, generator)
        hidden = self.hidden(dropout(feature, config.dropout, generator), snippets)
        hidden = dropout(leaky_relu(hidden, SLOPE), config.dropout, generator)
        logits = moving_mean(self.classify(hidden, snippets), snippets, config.smoothing)
        own = moving_mean(torch.stack(attentions, 1), snippets, config.smoothing).T
        return Outputs(logits, own.mean(0), own, feature, snippets)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """Label losses of the logits and of those that the attention suppresses, co-activity of the
    pairs that lead the batch, distance between the streams' attentions, all attentions' mean and
    distance from the logits; and their weighted sum "total". One value per video.
    """
    logits = outputs.logits
    snippets = outputs.snippets
    suppressed = lifted(logits, outputs.attention)
    pairs = config.schedule.pairs
    guides = [guide_loss(logits, attention, snippets) for attention in outputs.attentions]
    losses = {
        "orig": top_label_loss(logits, snippets, config.fraction, background=1.0),
        "supp": top_label_loss(suppressed, snippets, config.fraction, background=0.0),
        "co_activity": co_activity(outputs.feature, suppressed[:, :-1], snippets, pairs),
        "mutual": mutual_loss(outputs.own, snippets),
        "norm": mean_over_time(outputs.attentions.mean(0), snippets),
        "guide": torch.stack(guides).mean(0),
    }
    total = (
        losses["orig"]
        + losses["supp"]
        + config.lambda_co_activity * losses["co_activity"]
        + config.lambda_mutual * losses["mutual"]
        + config.lambda_norm * losses["norm"]
        + config.lambda_guide * losses["guide"]
    )
    return {**losses, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The logits tell the labels, the attention makes two predictions of them, with and without the
    background, and features are more alike where two videos show a class than elsewhere. The other
    losses have no bound: constant attentions can agree with each other and with the background.
    """
    labels = supervision.labels
    shares = config.schedule.shares(labels)
    targets = (with_background(labels, 1.0), with_background(labels, 0.0))
    learnt = learnt_labels(*targets, shares=shares)
    alike = one_prediction(*targets, shares=shares)
    tells = "an attention that takes the background out of the video scores"
    bounds = [Bound(("orig", "supp"), learnt, LABELS), Bound(("orig", "supp"), alike, tells)]
    if config.lambda_co_activity and config.schedule.pairs:
        bounds.append(Bound(("co_activity",), MARGIN, ALIKE))
    return tuple(bounds)


def mutual_loss(own: Float[Tensor, "S N"], batch: Packed) -> Float[Tensor, " B"]:
    """Mean squared distance of each stream's attention from the next one's, which does not learn
    from it; mean over the streams.
    """
    squares = (own - own.detach().roll(-1, 0)) ** 2
    return mean_over_time(squares.mean(0), batch)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 N K"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.logits[None])]


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = logits times attention; class scores = softmax of their top-k
    means. The background has no column: proposals by attention are of actions.
    """
    return attended_activation(
        outputs.logits, outputs.attention, outputs.snippets, config.class_fraction
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, K), the attention w (1, N), the streams' own ones w_own (S, N)
    and the embedding x (1, N, D).
    """
    return {
        "s_a": outputs.logits[None],
        "w": outputs.attention[None],
        "w_own": outputs.own,
        "x": outputs.feature[None],
    }


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Instances of the joint stream, overlapping ones settled by `suppression` (None: soft
    suppression). classes: C of the data set, which nothing here depends on.
    """
    return [joint_instances(activation, config.rule, suppression)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: instances that meet no ambiguous interval."""
    (joint,) = instances(activation, len(scene.classes), config, suppression)
    return detections(outside_ambiguous(joint, scene), scene)


METHOD = Method(
    name="co2net",
    Config=Config,
    profiles=PROFILES,
    benchmarks={"activitynet1.2": {"official": ACTIVITYNET12}},
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
        label_settings=(("samples", None),),
        snippets=picked,
    ),
)
