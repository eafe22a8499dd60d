"""BaS-Net: Background Suppression Network (Lee, Uh, Byun; AAAI 2020), the baseline that BackTAL
starts from. Top to bottom.

Snippets are classified twice by the same weights, as they are ("base", with the background in every
video) and weighted by an attention that has to filter the background out ("supp").
Shapes: M snippets of a packed batch of B videos, N snippets once T of each video are sampled, the
streams side by side; D channels, C classes, K = C + 1 with the background last. `DIFFERS:` marks
where the official code, the default here, departs from the paper or from what it means to do.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from wtal_core.checks import NonNegativeFloat, PositiveInt, Rate, Share
from wtal_core.localization.frames import FrameRule
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.video_labels import LABEL_LOSSES
from wtal_core.models import backtal
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import Convolution, channel_blocks, inside, neighbours
from wtal_core.models.shared.frame_localization import (
    frame_instances,
    localize_frames,
)
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.layers import dropout, top_mean
from wtal_core.models.shared.objective import Bound, Supervision
from wtal_core.models.shared.sampling import pick
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.models.shared.two_passes import (
    activation_of,
    blind_passes,
    learnt_passes,
    pass_weights,
    supp_scores,
)
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting."""

    # no clicks; a length that all videos are interpolated to, None: as they come
    inputs: Inputs = field(default_factory=Inputs)
    # T: one snippet of each T-th part of a video, while training a random one; None: all
    samples: PositiveInt | None = 750
    width: PositiveInt = 2048  # channels of the classifier's hidden layers
    filter_width: PositiveInt = 512  # channels of the attention's hidden layer
    conv_bias: bool = True  # in the classifier's hidden layers
    dropout: Rate = 0.7  # of the second hidden layer
    top: Share = 0.125  # k = ⌊top T⌋ of the top-k means
    # the code takes the binary cross entropy of softmax probabilities; "ce": as BackTAL
    cls: Literal["ce", "bce_on_softmax"] = "bce_on_softmax"
    lambda_norm: NonNegativeFloat = 1e-4  # weight of the attention's length
    # localization. DIFFERS: the code overwrites the class scores by 0 and 1, so that every
    # detection of a video gets the same bonus ("binarised"), and loses videos that only show the
    # first class (`fix_class0`)
    rule: FrameRule = field(
        default_factory=lambda: FrameRule(
            outer_end="inclusive",
            score_class="binarised",
            nms=0.7,
            magnitude=(),
            grid=24,
            fix_class0=False,
        )
    )
    # 115 epochs of 13 steps are 1495 of the code's 1500. DIFFERS: the code re-creates its iterator
    # in a local name, so that after 13 batches each one is drawn anew from all videos
    # ("independent", here from the first on)
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(115, 16, 1e-4, evaluations=40, order="independent")
    )


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    samples=None,
    width=64,
    filter_width=64,
    dropout=0.1,  # see `backtal.QUICK`
    schedule=averaged_adam(80, 5, 2e-3, evaluations=10, order="independent", steps=SETTLING),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


def ladder(start: Config, goal: backtal.Config) -> dict[str, Config]:
    """From BaS-Net to `goal`, BackTAL's baseline, one switch at a time, each on the one before.

    The last rung, where only details of localization are left, is the goal: same weights, same
    losses, same detections.
    """
    rule = goal.rule
    first_class = with_rule(start, fix_class0=rule.fix_class0)
    inputs = replace(start.inputs, length=goal.inputs.length)
    interpolated = replace(first_class, samples=None, inputs=inputs)
    cross_entropy = replace(interpolated, cls=goal.cls)
    no_bias = replace(cross_entropy, conv_bias=goal.conv_bias)
    probability = with_rule(no_bias, score_class=rule.score_class)
    nms = with_rule(probability, nms=rule.nms)
    magnitude = with_rule(nms, magnitude=rule.magnitude)
    steps = replace(magnitude, schedule=goal.schedule)
    details = with_rule(
        steps, outer_end=rule.outer_end, grid=rule.grid, drop_frame0_run=rule.drop_frame0_run
    )
    return {
        "BaS-Net": start,
        "(1) first class kept": first_class,
        "(2) interpolated": interpolated,
        "(3) cross entropy": cross_entropy,
        "(4) no bias": no_bias,
        "(5) class probability": probability,
        "(6) NMS": nms,
        "(7) magnitude proposals": magnitude,
        "(8) steps": steps,
        "BackTAL's baseline": details,
    }


def with_rule(config: Config, **changes: Any) -> Config:
    """A config whose rule of localization has changed."""
    return replace(config, rule=replace(config.rule, **changes))


@dataclass(frozen=True)
class Outputs:
    """Logits of the passes at hand, "supp" last and alone in evaluation. cas: of snippets; s: of
    videos, their top-k means.

    w: attention logits. feature: the first hidden layer of the supp pass. snippets: the videos with
    the snippets that were picked.
    """

    cas: Float[Tensor, "P N K"]
    s: Float[Tensor, "P B K"]
    w: Float[Tensor, " N"]
    feature: Float[Tensor, "N D"]
    snippets: Packed


class Network(nn.Module):
    """Attention and classifier (26,262,529 parameters)."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = streams * size_in
        self.filter_1 = Convolution(size, config.filter_width, 1, True, generator)
        self.filter_2 = Convolution(config.filter_width, 1, 1, True, generator)
        self.conv_1 = Convolution(size, config.width, 3, config.conv_bias, generator)
        self.conv_2 = Convolution(config.width, config.width, 3, config.conv_bias, generator)
        self.classify = Convolution(config.width, classes + 1, 1, False, generator)

    def forward(
        self, batch: Packed, generator: torch.Generator | None = None, both: bool | None = None
    ) -> Outputs:
        """A generator switches dropout and random picks on. both: also the base pass, which losses
        need; None: where gradients are recorded."""
        config = self.config
        snippets = batch if config.samples is None else pick(batch, config.samples, generator)
        x = snippets.features.transpose(0, 1).flatten(1)  # (N, streams side by side)
        w = self.filter_2(leaky_relu(self.filter_1(x, snippets)), snippets)[:, 0]
        passes = pass_weights(w.sigmoid(), both)
        f_1, f_2 = self.features(x, passes, snippets, generator)
        cas = f_2 @ self.classify.weight[0]
        s = top_mean(cas, snippets, config.top)
        return Outputs(cas, s, w, f_1[-1], snippets)

    def features(
        self,
        x: Float[Tensor, "N I"],
        passes: Float[Tensor, "P N"],
        snippets: Packed,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "P N D"], Float[Tensor, "P N D"]]:
        """Both hidden layers of each pass, which weights the snippets by `passes`; the first
        layer's products are shared.

        Dropout comes before the second leaky ReLU, which is the same.
        """
        mask = inside(snippets, 3)
        weights = neighbours(passes.T, 3).movedim(2, 0)  # (P, taps, N)
        blocks_1 = channel_blocks(self.conv_1.weight.shape[1], 3, "paper_eq15")
        blocks_2 = channel_blocks(self.conv_2.weight.shape[1], 3, "paper_eq15")
        f_1 = leaky_relu(self.conv_1.shared(x, mask * weights, blocks_1), inplace=True)
        f_2 = dropout(self.conv_2.modulated(f_1, mask, blocks_2), self.config.dropout, generator)
        return f_1, leaky_relu(f_2, inplace=True)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """Both branches' classification, the attention's length "norm", and their weighted sum "total",
    one value per video.
    """
    classify = LABEL_LOSSES[config.cls]
    background_present = pad(batch.labels, (0, 1), value=1.0)
    background_filtered_out = pad(batch.labels, (0, 1))
    base = classify(outputs.s[0], background_present)
    supp = classify(outputs.s[1], background_filtered_out)
    norm = outputs.snippets.membership @ outputs.w.sigmoid()
    total = base + supp + config.lambda_norm * norm
    return {"base": base, "supp": supp, "norm": norm, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """Both passes tell the labels, and the attention makes two predictions of them."""
    labels = supervision.labels
    return learnt_passes(labels, config.cls), blind_passes(labels, config.cls)


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = logits of the supp pass; class scores = softmax of its video
    logits; attention = w; magnitude = length of the supp pass's first hidden layer, which BackTAL
    proposes segments by.
    """
    return activation_of(outputs, outputs.snippets.lengths, background)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, K), the attention w (1, N) and the first hidden layer x (1, N,
    D).
    """
    return {"s_a": outputs.cas[-1:], "w": outputs.w.sigmoid()[None], "x": outputs.feature[None]}


def snippets(outputs: Outputs, batch: Packed) -> Packed:
    """The videos with the snippets that were picked, and their pseudo labels."""
    return outputs.snippets


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """The proposals in snippets of the activation, overlapping ones settled by `suppression`, see
    `frame_instances`. classes: C of the data set.
    """
    return [frame_instances(activation, classes, config.rule, suppression)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Thresholded runs of each class, outer-inner contrast, NMS."""
    return localize_frames(activation, scene, config.rule, suppression)


METHOD = Method(
    name="basnet",
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
        snippet_scores=supp_scores,
        activate=activate,
        localize=localize,
        negative_labels="cut",
        snippets=snippets,
    ),
)
