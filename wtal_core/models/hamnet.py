"""HAM-Net: A Hybrid Attention Mechanism for Weakly-Supervised Temporal Action Localization (Islam,
Long, Radke; AAAI 2021). Top to bottom.

An attention says how much a snippet is action. Its soft, semi-soft and hard forms weight the class
logits; the last two hide the most telling snippets, so that the less telling ones have to do.
Shapes: M snippets of a packed batch of B videos, N snippets once T of each video are sampled, the
streams side by side; D channels, C classes, K = C + 1 with the background last. `DIFFERS:` marks
where paper and official code, the default here, part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate, Share
from wtal_core.errors import WorkbookError
from wtal_core.localization.attention_proposals import AttentionRule
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.attended import guide_loss, lifted, top_label_loss
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.attended_localization import attended_activation, joint_instances
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import kaiming_convolution, moving_mean
from wtal_core.models.shared.detected import detections
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
SECOND = 25 / 16  # snippets of a second on THUMOS14


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting."""

    # network
    samples: PositiveInt | None = 500  # snippets drawn from a training video; None: all
    width: PositiveInt = 2048  # channels of the classifier's hidden layers
    attention_width: PositiveInt = 512  # channels of the attention's hidden layers
    dropout: Rate = 0.7  # before the last layer of the classifier
    smoothing: PositiveInt = 1  # snippets that logits and attention are averaged over, odd

    # snippets are hidden whose attention is at least this share
    hide: Share = 0.2
    # of what. DIFFERS: of the video's largest attention ("largest"), because the code trains
    # without the flag that makes it the way from the least to the largest ("range"); of 1 ("one")
    # in the paper, as far as it is recollected
    hide_by: Literal["largest", "range", "one"] = "largest"

    # losses. k = T // fraction of the top-k means, for the class scores, too
    fraction: PositiveInt = 10
    lambda_base: NonNegativeFloat = 0.8  # of the logits as they are
    lambda_hard: NonNegativeFloat = 0.2  # of those that are not hidden
    lambda_soft: NonNegativeFloat = 0.8  # weighted by the attention
    lambda_semi: NonNegativeFloat = 0.2  # weighted by the attention that is not hidden
    lambda_norm: NonNegativeFloat = 0.8  # of the mean attention
    lambda_guide: NonNegativeFloat = 0.8  # of the attention's distance from the logits

    # localization. The code's soft suppression makes intervals longer by a second
    rule: AttentionRule = field(
        default_factory=lambda: AttentionRule(at_least_one=False, extra=SECOND)
    )
    # the code scores the test set after the last epoch only
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(100, 20, 1e-5, evaluations=1, decay=1e-3)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smoothing % 2 == 0:
            raise WorkbookError(f"hamnet: smoothing is {self.smoothing}; expected an odd number")


OFFICIAL = Config()
# 20 epochs are an option of the code, which it does not hand to its trainer
ACTIVITYNET12 = replace(
    OFFICIAL,
    samples=80,
    dropout=0.5,
    smoothing=17,
    fraction=20,
    lambda_base=0.125,
    lambda_hard=0.125,
    lambda_soft=1.0,
    lambda_semi=1.0,
    lambda_norm=0.5,
    lambda_guide=0.1,
    schedule=averaged_adam(20, 20, 1e-5, decay=1e-3),
)
QUICK = replace(
    OFFICIAL,
    samples=None,
    width=64,
    attention_width=64,
    dropout=0.1,  # see `backtal.QUICK`
    schedule=averaged_adam(40, 5, 2e-3, evaluations=2, decay=1e-3, steps=SETTLING),
)  # chosen by the training loss
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """Of snippets. logits: of the classes. attention: in (0, 1). feature: what is classified.

    snippets: the videos with the snippets that were picked.
    """

    logits: Float[Tensor, "N K"]
    attention: Float[Tensor, " N"]
    feature: Float[Tensor, "N D"]
    snippets: Packed


class Network(nn.Module):
    """Classifier and attention, both of the features as they are."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = streams * size_in
        width = config.width
        self.hidden_1 = kaiming_convolution(size, width, 3, generator)
        self.hidden_2 = kaiming_convolution(width, width, 3, generator)
        self.classify = kaiming_convolution(width, classes + 1, 1, generator)
        self.attend_1 = kaiming_convolution(size, config.attention_width, 3, generator)
        self.attend_2 = kaiming_convolution(
            config.attention_width, config.attention_width, 3, generator
        )
        self.attend_3 = kaiming_convolution(config.attention_width, 1, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches sampling and dropout on."""
        config = self.config
        snippets = batch
        if generator is not None and config.samples is not None:
            snippets = pick(batch, config.samples, generator)
        x = snippets.features.transpose(0, 1).flatten(1)  # (N, streams side by side)
        feature = leaky_relu(self.hidden_1(x, snippets), SLOPE)
        feature = leaky_relu(self.hidden_2(feature, snippets), SLOPE)
        logits = self.classify(dropout(feature, config.dropout, generator), snippets)
        hidden = leaky_relu(self.attend_1(x, snippets), SLOPE)
        hidden = leaky_relu(self.attend_2(hidden, snippets), SLOPE)
        attention = self.attend_3(hidden, snippets).sigmoid()
        return Outputs(
            moving_mean(logits, snippets, config.smoothing),
            moving_mean(attention, snippets, config.smoothing)[:, 0],
            feature,
            snippets,
        )


def hidden_above(
    attention: Float[Tensor, " N"], batch: Packed, config: Config
) -> Float[Tensor, " N"]:
    """The attention from which on a snippet is hidden, of each snippet's video."""
    if config.hide_by == "one":
        return torch.full_like(attention, config.hide)
    limits = [
        torch.stack([row.min(), row.max()]) if len(row) else row.new_zeros(2)
        for row in attention.detach().split(batch.lengths)
    ]
    low, high = torch.stack(limits).T
    start = low if config.hide_by == "range" else torch.zeros_like(low)
    return (start + config.hide * (high - start))[batch.video]


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """Label losses of the logits, their three attended forms, the attention's mean and its distance
    from the logits; and their weighted sum "total". One value per video.

    The background counts as present where the attention does not suppress it.
    """
    logits = outputs.logits
    attention = outputs.attention
    snippets = outputs.snippets
    is_shown = (attention < hidden_above(attention, snippets, config)).to(logits.dtype)
    hard = lifted(logits, is_shown)
    soft = attention[:, None] * logits
    semi = lifted(logits, is_shown * attention)
    losses = {
        "base": top_label_loss(logits, snippets, config.fraction, background=1.0),
        "hard": top_label_loss(hard, snippets, config.fraction, background=1.0),
        "soft": top_label_loss(soft, snippets, config.fraction, background=0.0),
        "semi": top_label_loss(semi, snippets, config.fraction, background=0.0),
        "norm": mean_over_time(attention, snippets),
        "guide": guide_loss(logits, attention, snippets),
    }
    total = (
        config.lambda_base * losses["base"]
        + config.lambda_hard * losses["hard"]
        + config.lambda_soft * losses["soft"]
        + config.lambda_semi * losses["semi"]
        + config.lambda_norm * losses["norm"]
        + config.lambda_guide * losses["guide"]
    )
    return {**losses, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The logits tell the labels, and the attention makes two predictions of them, with and without
    the background. In the place of the soft attention stands the semi-soft one where that is alone.
    """
    labels = supervision.labels
    attended = "soft" if config.lambda_soft else "semi"
    terms = ("base", attended)
    weights = (config.lambda_base, config.lambda_soft or config.lambda_semi)
    targets = (with_background(labels, 1.0), with_background(labels, 0.0))
    learnt = learnt_labels(*targets, weights=weights)
    bounds = [Bound(terms, learnt, LABELS, weights)]
    if all(weights):
        alike = one_prediction(*targets, weights=weights)
        tells = "an attention that takes the background out of the video scores"
        bounds.append(Bound(terms, alike, tells, weights))
    return tuple(bounds)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 N K"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.logits[None])]


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = logits times attention; class scores = softmax of their top-k
    means. The background has no column: proposals by attention are of actions.
    """
    return attended_activation(outputs.logits, outputs.attention, outputs.snippets, config.fraction)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, K), the attention w (1, N) and the embedding x (1, N, D)."""
    return {
        "s_a": outputs.logits[None],
        "w": outputs.attention[None],
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
    """Detections: all instances. The code passes over test videos without a label; here they
    count.
    """
    (joint,) = instances(activation, len(scene.classes), config, suppression)
    return detections(joint, scene)


METHOD = Method(
    name="hamnet",
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
