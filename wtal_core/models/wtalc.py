"""W-TALC: weakly supervised temporal activity localization and classification (Paul, Roy,
Roy-Chowdhury; ECCV 2018). Read from top to bottom.

Each class is taught by its highest-scored snippets (MILL), and by pairs of videos that share it:
their features are to be alike where both show the class, and unlike elsewhere (CASL).
Shapes: M snippets of a packed batch of B videos, N snippets once training has cropped them, the
streams side by side; D channels, C classes, no background. `DIFFERS:` marks where official code,
paper and this file part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate, Share
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.co_activity import ALIKE, co_activity
from wtal_core.losses.video_labels import label_cross_entropy
from wtal_core.models import facnet
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.detected import detections, outside_ambiguous
from wtal_core.models.shared.layers import StackedLinear, dropout, top_mean_rounded_up
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels
from wtal_core.models.shared.peak_localization import PeakRule, peak_instances
from wtal_core.models.shared.sampling import picked, random_crops
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed

FACNET_RULE = replace(facnet.OFFICIAL, background=False)


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting, which is the paper's, too."""

    hidden: PositiveInt = 2048  # D, channels of the embedding; in the code those of the features
    dropout: Rate = 0.7  # of the embedding
    # snippets of the random window that training shows of a longer video; None: all. The code pads
    # shorter ones with zeros, which no layer and no loss lets count. DIFFERS: it takes all-zero
    # snippets of the video itself for padding, too, and then as many from the end
    crop: PositiveInt | None = 750
    # s: MILL averages the ceil(l / s) largest logits; a video scores the mean of its l // s largest
    fraction: PositiveInt = 8
    # weight of MILL; that of CASL is 1 - balance. DIFFERS: the code's help names them the other way
    # round, which changes nothing at 0.5
    balance: Share = 0.5
    margin: NonNegativeFloat = 0.5  # of CASL's hinges

    # localization: the code's own rule, or FAC-Net's, by which its authors may have read their
    # reproduction ("facnet"), with its constants
    post: Literal["official", "facnet"] = "official"
    shortest: PositiveInt = 2  # snippets that a run needs, by the code's own rule
    score_weight: NonNegativeFloat = 0.7  # of the video's score in that of a run, the same

    # 5000 epochs of 20 steps (200 videos) are the code's 100000 iterations, every 500th scored
    schedule: Schedule = field(
        default_factory=lambda: replace(
            averaged_adam(5000, 10, 1e-4, evaluations=200), pairs=3, repeat=True
        )
    )


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    hidden=128,
    dropout=0.3,  # see `backtal.QUICK`
    crop=None,
    schedule=replace(
        averaged_adam(40, 10, 5e-3, evaluations=4, steps=SETTLING),
        pairs=OFFICIAL.schedule.pairs,
        repeat=True,
    ),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


def trained_as(config: Config) -> Config:
    """The config whose training this one shares: how it is localized does not count."""
    return replace(
        config,
        post=OFFICIAL.post,
        shortest=OFFICIAL.shortest,
        score_weight=OFFICIAL.score_weight,
    )


@dataclass(frozen=True)
class Outputs:
    """x: the embedding; s_a: class logits; snippets: the batch, or while training its crops."""

    x: Float[Tensor, "1 N D"]
    s_a: Float[Tensor, "1 N C"]
    snippets: Packed


class Network(nn.Module):
    """One linear layer and a linear classifier (4,237,332 parameters; the code has a second linear
    layer that nothing uses).
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.embed = StackedLinear(1, streams * size_in, config.hidden, 1, generator)
        self.classify = StackedLinear(1, config.hidden, classes, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout and random crops on."""
        config = self.config
        snippets = batch
        if generator is not None and config.crop is not None:
            snippets = random_crops(batch, config.crop, generator)
        features = snippets.features.transpose(0, 1).flatten(1)[None]  # (1, N, S D)
        x = dropout(self.embed(features, snippets).relu(), config.dropout, generator)
        return Outputs(x, self.classify(x, snippets), snippets)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Cross entropy of the top-k mean logits "mill", co-activity similarity of the pairs that lead
    the batch "casl", and their weighted sum "total".

    casl is of the batch as a whole: its mean over the videos is the official code's number.
    """
    snippets = outputs.snippets
    scores = top_mean_rounded_up(outputs.s_a, snippets, config.fraction)
    mill = label_cross_entropy(scores[0], batch.labels)
    pairs = config.schedule.pairs
    casl = co_activity(outputs.x[0], outputs.s_a[0], snippets, pairs, config.margin)
    total = config.balance * mill + (1 - config.balance) * casl
    return {"mill": mill, "casl": casl, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The video scores tell the labels, and features are more alike where two videos show a class
    than elsewhere.
    """
    labels = supervision.labels
    bounds = []
    if config.balance:
        learnt = learnt_labels(labels, shares=config.schedule.shares(labels))
        bounds.append(Bound(("mill",), learnt, LABELS))
    if config.balance < 1 and config.schedule.pairs and config.margin:
        bounds.append(Bound(("casl",), config.margin, ALIKE))
    return tuple(bounds)


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = the logits; class scores = means of the largest. With
    `post="facnet"` the softmax of both over the classes.

    Attention, for display: the largest softmax probability. There is no column of the background.
    """
    snippets = outputs.snippets
    probabilities = outputs.s_a.softmax(-1)
    scores = snippets.top_mean(outputs.s_a, config.fraction)
    is_official = config.post == "official"
    return Activation(
        cas=as_array(outputs.s_a if is_official else probabilities),
        scores=as_array(scores if is_official else scores.softmax(-1)),
        attention=as_array(probabilities.amax(-1)),
        lengths=snippets.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, C) and the embedding x (1, N, D)."""
    return {"s_a": outputs.s_a, "x": outputs.x}


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 N C"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Runs above the middle of each class's range, of classes that score above 0, scored by peak
    and class score. No two of a class overlap, so that there is nothing to suppress or fuse.

    With `post="facnet"` FAC-Net's proposals, overlapping ones settled by `suppression` (None: NMS).
    classes: C of the data set.
    """
    if config.post == "facnet":
        return facnet.instances(activation, classes, FACNET_RULE, suppression)
    rule = PeakRule(shortest=config.shortest, score_weight=config.score_weight)
    return [peak_instances(activation, rule)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: all instances that meet no ambiguous interval; with `post="facnet"` as
    FAC-Net's.
    """
    if config.post == "facnet":
        return facnet.localize(activation, scene, FACNET_RULE, suppression)
    (joint,) = instances(activation, len(scene.classes), config)
    return detections(outside_ambiguous(joint, scene), scene)


METHOD = Method(
    name="wtalc",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    training_config=trained_as,
    host=Host(
        instances=instances,
        snippet_scores=snippet_scores,
        activate=activate,
        localize=localize,
        negative_labels="cut",
        snippets=picked,
        # the teacher sees whole videos
        label_settings=(("crop", None),),
    ),
)
