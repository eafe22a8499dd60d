"""BaS-Net: Background Suppression Network (Lee, Uh, Byun; AAAI 2020), the baseline that BackTAL
starts from. Top to bottom.

Snippets are classified twice by the same weights, as they are ("base", with the background in every
video) and weighted by an attention that has to filter the background out ("supp").
Shapes: M snippets of a packed batch of B videos, N snippets once T of each video are sampled, the
streams side by side; D channels, C classes, K = C + 1 with the background last. `DIFFERS:` marks
where the official code, the default here, departs from the paper or from what it means to do.
"Specification" is `methods/backtal_basnet_sfnet.md`, B.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from wtal_core.localization.frames import FrameRule
from wtal_core.losses.video_labels import LABEL_LOSSES
from wtal_core.models.method import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import Convolution, channel_blocks, inside, neighbours
from wtal_core.models.shared.frame_localization import localize_frames
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.layers import dropout, top_mean
from wtal_core.models.shared.sampling import pick
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting.

    samples: T snippets are picked from each video, in training one from each T-th part, drawn anew
    each time; None: the
        snippets as they come, which `inputs.length` may have interpolated.
    width, filter_width: channels of the classifier's and of the attention's hidden layers.
    conv_bias: of the former.
    top: k = ⌊top T⌋ of the top-k means.
    cls: the code takes the binary cross entropy of softmax probabilities; "ce": cross entropy, as
    BackTAL.
    rule: localization. DIFFERS: the code overwrites the class scores by 0 and 1, so that every
    detection of a video gets the
        same bonus ("binarised"), and loses videos that only show the first class (`fix_class0`).
    schedule: DIFFERS: the code re-creates its iterator in a local name, so that after 13 batches
    each one is drawn anew from
        all videos ("independent", here from the first on). 115 epochs of 13 steps are 1495 of its
        1500 steps.
    """

    inputs: Inputs = field(default_factory=Inputs)
    samples: int | None = 750
    width: int = 2048
    filter_width: int = 512
    conv_bias: bool = True
    dropout: float = 0.7
    top: float = 0.125
    cls: Literal["ce", "bce_on_softmax"] = "bce_on_softmax"
    lambda_norm: float = 1e-4
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
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(115, 16, 1e-4, evaluations=40, order="independent")
    )


PAPER = Config()
QUICK = replace(
    PAPER,
    samples=None,
    width=64,
    filter_width=64,
    dropout=0.1,  # see `backtal.QUICK`
    schedule=averaged_adam(40, 5, 5e-3, evaluations=2, order="independent"),
)
PROFILES = {"paper": PAPER, "quick": QUICK}


def ladder(start: Config, goal: Any) -> dict[str, Config]:
    """From BaS-Net to `goal`, BackTAL's baseline, one switch at a time, each rung on the one before
    (specification F, end).

    The last rung, where only details of localization are left, is the goal: same weights, same
    losses, same detections.
    """
    rule, left = goal.rule, ("outer_end", "grid", "drop_frame0_run")
    changes = {
        "BaS-Net": {},
        "(1) first class kept": {"rule": {"fix_class0": rule.fix_class0}},
        "(2) interpolated": {
            "samples": None,
            "inputs": replace(start.inputs, length=goal.inputs.length),
        },
        "(3) cross entropy": {"cls": goal.cls},
        "(4) no bias": {"conv_bias": goal.conv_bias},
        "(5) class probability": {"rule": {"score_class": rule.score_class}},
        "(6) NMS": {"rule": {"nms": rule.nms}},
        "(7) magnitude proposals": {"rule": {"magnitude": rule.magnitude}},
        "(8) steps": {"schedule": goal.schedule},
        "BackTAL's baseline": {"rule": {name: getattr(rule, name) for name in left}},
    }
    rungs, config = {}, start
    for name, change in changes.items():
        config = replace(
            config,
            **change
            | ({"rule": replace(config.rule, **change["rule"])} if "rule" in change else {}),
        )
        rungs[name] = config
    return rungs


@dataclass(frozen=True)
class Outputs:
    """Logits of the passes at hand, "supp" last and alone in evaluation. cas: of snippets; s: of
    videos, their top-k means.

    w: attention logits. feature: the first hidden layer of the supp pass. shown: the videos with
    the snippets that were picked.
    """

    cas: Float[Tensor, "P N K"]
    s: Float[Tensor, "P B K"]
    w: Float[Tensor, " N"]
    feature: Float[Tensor, "N D"]
    shown: Packed


class Network(nn.Module):
    """Attention and classifier (specification B2; 26,262,529 parameters)."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config, size = config, streams * size_in
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
        shown = (
            batch if self.config.samples is None else pick(batch, self.config.samples, generator)
        )
        x = shown.features.transpose(0, 1).flatten(1)
        w = self.filter_2(leaky_relu(self.filter_1(x, shown)), shown)[:, 0]
        weight = w.sigmoid()
        with_base = torch.is_grad_enabled() if both is None else both
        passes = torch.stack([torch.ones_like(weight), weight]) if with_base else weight[None]
        f_1, f_2 = self.features(x, passes, shown, generator)
        cas = f_2 @ self.classify.weight[0]
        return Outputs(cas, top_mean(cas, shown, self.config.top), w, f_1[-1], shown)

    def features(
        self,
        x: Float[Tensor, "N I"],
        passes: Float[Tensor, "P N"],
        shown: Packed,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "P N D"], Float[Tensor, "P N D"]]:
        """Both hidden layers of each pass, which weights the snippets by `passes`; the first
        layer's products are shared.

        Dropout comes before the second leaky ReLU, which is the same.
        """
        mask, weights = inside(shown, 3), neighbours(passes.T, 3).movedim(2, 0)
        blocks = [
            channel_blocks(conv.weight.shape[1], 3, "paper_eq15")
            for conv in (self.conv_1, self.conv_2)
        ]
        f_1 = leaky_relu(self.conv_1.shared(x, mask * weights, blocks[0]), inplace=True)
        f_2 = dropout(self.conv_2.modulated(f_1, mask, blocks[1]), self.config.dropout, generator)
        return f_1, leaky_relu(f_2, inplace=True)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Both branches' classification, the attention's length "norm", and their weighted sum "total",
    a value a video.

    The background is in every video (1 in base) and filtered out by the attention (0 in supp).
    """
    classify, labels = LABEL_LOSSES[config.cls], batch.labels
    losses = {
        "base": classify(outputs.s[0], pad(labels, (0, 1), value=1.0)),
        "supp": classify(outputs.s[1], pad(labels, (0, 1))),
        "norm": outputs.shown.membership @ outputs.w.sigmoid(),
    }
    return losses | {"total": losses["base"] + losses["supp"] + config.lambda_norm * losses["norm"]}


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = logits of the supp pass; class scores = softmax of its video
    logits; attention = w; magnitude = length of the supp pass's first hidden layer, which BackTAL
    proposes segments by.
    """
    magnitude = torch.linalg.vector_norm(outputs.feature, dim=-1)[None]
    arrays = (
        outputs.cas[-1:, :, :-1],
        outputs.s[-1:].softmax(-1)[..., :-1],
        outputs.w.sigmoid()[None],
        magnitude,
    )
    cas, scores, attention, magnitude = (a.detach().double().cpu().numpy() for a in arrays)
    return Activation(cas, scores, attention, outputs.shown.lengths, magnitude)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, K), the attention w (1, N) and the first hidden layer x (1, N,
    D).
    """
    return {"s_a": outputs.cas[-1:], "w": outputs.w.sigmoid()[None], "x": outputs.feature[None]}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Thresholded runs of each class, outer-inner contrast, NMS (specification B5)."""
    return localize_frames(activation, scene, config.rule)


METHOD = Method(
    name="basnet",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
)
