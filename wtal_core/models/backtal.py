"""BackTAL: Background-Click Supervision for Temporal Action Localization (Yang et al.; TPAMI 2021).
Read from top to bottom.

An annotator clicks one frame of each background segment. The network classifies snippets twice, as
they are ("base") and weighted by an attention ("supp"); its convolutions scale neighbours by how
alike a learned embedding finds them.
Shapes: M snippets of a packed batch of B videos, the streams side by side; P passes, D channels, C
classes, K = C + 1 with the background last (0 in the paper, last in the code), h neighbours, E
embedding. Equation numbers are the paper's; `DIFFERS:` marks where the official code, the default
here, departs from it. "Specification" is `methods/backtal_basnet_sfnet.md`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize, pad

from wtal_core.errors import WorkbookError
from wtal_core.localization.frames import FrameRule
from wtal_core.losses.affinity import affinity_loss
from wtal_core.losses.clicks import (
    attention_loss,
    background_loss,
    clicked,
    clicked_background,
    frame_loss,
)
from wtal_core.losses.mined_background import background_counts, hardest_background
from wtal_core.losses.separation import separation_loss
from wtal_core.losses.video_labels import LABEL_LOSSES
from wtal_core.models.method import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import (
    Convolution,
    channel_blocks,
    coefficients,
    inside,
    neighbours,
)
from wtal_core.models.shared.frame_localization import localize_frames
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.layers import dropout, top_mean, top_times
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting. Where the paper differs, its value comes after
    `paper:`.

    inputs: which clicks, and the length T that all videos are brought to.
    width, filter_width: channels of the base module and of the attention's hidden layer. conv_bias:
    in the base module.
    affinity: modulate the base module's convolutions. layout: DIFFERS: "official_groups" scales a
    third of the channels by
        the similarity to each neighbour, whatever the tap; paper: "paper_eq15", each tap by that to
        its own neighbour.
    window: h. mode: how h ≠ 3 is read, as taps of the convolution ("modulate") or as a weighted sum
    before one of 3 ("presum").
    emb_hidden: paper: 0, a single layer. emb_dim: E.
    top: k = ⌊top T⌋ of the top-k means. top_sep: the same for separation, None: as `top`.
    cls: "bce_on_softmax" is BaS-Net's. frame_mean: paper: "per_video" (Eq. 3). sep_form: paper:
    "eq8", twice the code's.
    sep_branch, fg_branch: whose logits are separated, and whose top snippets are the affinity
    loss's foreground.
    hard: each snippet's hardest partner; paper: "global_max", the one hardest pair, three terms.
    weight_sup: the attention learns from the clicks, and may have the top-k snippets as positives
    (Table 8).
    mined_ratio: mined background snippets a click take the part of background clicks (Table 13), 0:
    none. mined_weight: of
        their cross entropy, 1 / (C + 1) as SF-Net ("inverse") or 1 ("one").
    rule: localization. schedule: 40 epochs, a test-set score after each, the best one counts;
    paper: 100.
    """

    inputs: Inputs = field(default_factory=lambda: Inputs(clicks="background", length=750))
    width: int = 2048
    filter_width: int = 512
    conv_bias: bool = False
    dropout: float = 0.7
    affinity: bool = True
    layout: Literal["official_groups", "paper_eq15"] = "official_groups"
    window: Literal[3, 5, 7, 9] = 3
    mode: Literal["modulate", "presum"] = "modulate"
    emb_hidden: int = 512
    emb_dim: int = 32
    top: float = 0.125
    top_sep: float | None = None
    cls: Literal["ce", "bce_on_softmax"] = "ce"
    lambda_norm: float = 1e-4
    lambda_frame: float = 1.0
    frame_mean: Literal["batch", "per_video"] = "batch"
    lambda_sep: float = 1.0
    sep_form: Literal["code", "eq8"] = "code"
    sep_branch: Literal["base", "supp"] = "base"
    lambda_aff: float = 0.8
    tau_same: float = 0.5
    tau_diff: float = 0.1
    hard: Literal["per_row", "global_max"] = "per_row"
    fg_branch: Literal["base", "supp"] = "supp"
    weight_sup: Literal["off", "clicks", "clicks_and_top"] = "off"
    mined_ratio: float = 0.0
    mined_weight: Literal["inverse", "one"] = "inverse"
    rule: FrameRule = field(default_factory=FrameRule)
    schedule: Schedule = field(default_factory=lambda: averaged_adam(40, 16, 1e-4))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lambda_aff and not self.affinity:
            raise WorkbookError(
                "backtal: without affinity there is no embedding; set lambda_aff=0.0"
            )


def baseline(full: Config) -> Config:
    """Without clicks and all that learns from them."""
    off = {"affinity": False, "lambda_frame": 0.0, "lambda_sep": 0.0, "lambda_aff": 0.0}
    return replace(full, inputs=replace(full.inputs, clicks="none"), **off)


PAPER = FULL = Config()
BASE = baseline(FULL)
ACTIVITYNET12 = replace(
    FULL,
    inputs=replace(FULL.inputs, length=100),
    top=0.6,
    top_sep=0.2,
    lambda_sep=0.1,
    schedule=averaged_adam(25, 128, 2e-4),
    rule=FrameRule(
        class_threshold=0.1,
        thresholds=FULL.rule.thresholds[:6],
        outer_scale=20.0,
        gamma=0.6,
        nms=0.7,
        magnitude=(),
        whole_video=0.6,
        shrink=0.02,
    ),
)
HACS = replace(
    ACTIVITYNET12,
    inputs=replace(FULL.inputs, length=200),
    schedule=averaged_adam(8, 64, 1e-4),
    rule=replace(
        ACTIVITYNET12.rule,
        class_threshold=0.075,
        thresholds=FULL.rule.thresholds[:8],
        outer_scale=200.0,
        nms=0.71,
    ),
)
QUICK = replace(
    PAPER,
    inputs=replace(PAPER.inputs, length=None),
    width=64,
    filter_width=64,
    emb_hidden=64,
    dropout=0.1,  # 0.7 would leave 19 of 64 channels, whose noise top-k means take for evidence
    schedule=averaged_adam(40, 5, 5e-3, evaluations=2),
)  # chosen by the training loss of the full model
PROFILES = {"paper": PAPER, "quick": QUICK}
BRANCHES = ("base", "supp")


def rows(table: int, full: Config) -> dict[str, Config]:
    """The rows of Table 6, 7, 8, 9, 11, 12 or 13, by their printed names, as changes of the full
    model or of its baseline.

    Further rows: the text's affinity module without its loss (7), attention with positives (8), the
    other reading of h (9).
    """

    def with_clicks(kind: str, **changes: Any) -> Config:
        return replace(
            baseline(full),
            inputs=replace(full.inputs, clicks=kind),
            lambda_frame=full.lambda_frame,
            **changes,
        )

    base, shown, mine = (
        {"Baseline": baseline(full)},
        with_clicks("background"),
        {"mined_ratio": 7.0},
    )
    sep, aff = {"lambda_sep": full.lambda_sep}, {"affinity": True, "lambda_aff": full.lambda_aff}
    hyper = {
        "lambda": ("lambda_sep", (0.8, 1.0, 1.2)),
        "beta": ("lambda_aff", (0.6, 0.8, 1.0)),
        "tau_same": ("tau_same", (0.3, 0.5, 0.7)),
        "tau_diff": ("tau_diff", (0.0, 0.1, 0.2)),
    }
    return {
        6: base
        | {
            "Baseline + Action Click": with_clicks("action"),
            "Baseline + Background Click": shown,
            "Baseline + Action & Background Click": with_clicks("both"),
        },
        7: base
        | {
            "+ Background Click": shown,
            "+ Score Separation": replace(shown, **sep),
            "+ Affinity Module": replace(shown, **aff),
            "BackTAL": full,
            "+ Affinity Module, no loss": replace(shown, affinity=True),
            "BackTAL, no affinity loss": replace(full, lambda_aff=0.0),
        },
        8: base
        | {
            "Baseline + Weight Supervision": replace(shown, lambda_frame=0.0, weight_sup="clicks"),
            "Baseline + CAS Supervision": shown,
            "Baseline + Weight Supervision + CAS Supervision": replace(shown, weight_sup="clicks"),
            "Baseline + CAS Supervision + Score Separation": replace(shown, **sep),
            "Baseline + Weight Supervision, positives": replace(
                shown, lambda_frame=0.0, weight_sup="clicks_and_top"
            ),
        },
        9: {
            f"h = {h}{note}": replace(full, window=h, mode=mode)
            for mode, note in (("modulate", ""), ("presum", ", summed before"))
            for h in (3, 5, 7, 9)
        },
        11: {f"D_emb = {size}": replace(full, emb_dim=size) for size in (8, 16, 32, 64, 128)},
        12: {
            f"{name} = {value}": replace(full, **{key: value})
            for name, (key, values) in hyper.items()
            for value in values
        },
        13: base
        | {
            name: with_clicks("action", **changes)
            for name, changes in (
                ("+ Action Click", {}),
                ("+ Mined Bg. Frames", mine),
                ("+ Score Separation", mine | sep),
                ("+ Affinity Module", mine | aff),
                ("all", mine | sep | aff),
            )
        },
    }[table]


@dataclass(frozen=True)
class Outputs:
    """Logits of the passes at hand, "supp" last and alone in evaluation. cas: of snippets; s: of
    videos, their top-k means.

    w: attention logits. e: embedding of unit length. feature: f1 of the supp pass.
    """

    cas: Float[Tensor, "P M K"]
    s: Float[Tensor, "P B K"]
    w: Float[Tensor, " M"]
    e: Float[Tensor, "M E"] | None
    feature: Float[Tensor, "M D"]


class Network(nn.Module):
    """Attention, embedding, base module and classifier (specification A2; 29,453,857
    parameters).
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config, size, width = config, streams * size_in, config.width
        taps = config.window if config.mode == "modulate" else 3
        self.filter_1 = Convolution(size, config.filter_width, 1, True, generator)
        self.filter_2 = Convolution(config.filter_width, 1, 1, True, generator)
        self.conv_1 = Convolution(size, width, taps, config.conv_bias, generator)
        self.conv_2 = Convolution(width, width, taps, config.conv_bias, generator)
        self.classify = Convolution(width, classes + 1, 1, False, generator)
        if config.affinity:
            self.emb_1 = (
                Convolution(size, config.emb_hidden, 3, True, generator)
                if config.emb_hidden
                else None
            )
            self.emb_2 = Convolution(config.emb_hidden or size, config.emb_dim, 3, True, generator)

    def forward(
        self, batch: Packed, generator: torch.Generator | None = None, both: bool | None = None
    ) -> Outputs:
        """A generator switches dropout on. both: also the base pass, which losses need; None: where
        gradients are recorded.
        """
        x, config = batch.features.transpose(0, 1).flatten(1), self.config
        w = self.filter_2(leaky_relu(self.filter_1(x, batch)), batch)[:, 0]
        e = self.embed(x, batch) if config.affinity else None
        weight = w.sigmoid()
        with_base = torch.is_grad_enabled() if both is None else both
        passes = torch.stack([torch.ones_like(weight), weight]) if with_base else weight[None]
        f_1, f_2 = self.features(x, passes, e, batch, generator)
        cas = f_2 @ self.classify.weight[0]
        return Outputs(cas, top_mean(cas, batch, config.top), w, e, f_1[-1])

    def embed(self, x: Float[Tensor, "M D"], batch: Packed) -> Float[Tensor, "M E"]:
        """e, of the features that no attention has weighted, for both passes and both layers."""
        hidden = x if self.emb_1 is None else leaky_relu(self.emb_1(x, batch))
        return normalize(self.emb_2(hidden, batch), dim=-1)

    def features(
        self,
        x: Float[Tensor, "M I"],
        passes: Float[Tensor, "P M"],
        e: Float[Tensor, "M E"] | None,
        batch: Packed,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "P M D"], Float[Tensor, "P M D"]]:
        """f1 and f2 of each pass, which weights the snippets by `passes`.

        The first layer takes its products of the unweighted x once: a weight is a factor of a
        snippet, as an affinity is. Dropout comes before the second leaky ReLU, which is the same.
        """
        config, taps = self.config, len(self.conv_1.weight)
        a = None if e is None else affinities(e, config.window, batch)
        if a is not None and config.mode == "presum":
            return self._presummed(x * passes[..., None], a, batch, generator)
        layout = "paper_eq15" if a is None else config.layout
        weights = neighbours(passes.T, taps).movedim(2, 0)  # (P, h, M)
        blocks_1, blocks_2 = (
            channel_blocks(conv.weight.shape[1], taps, layout)
            for conv in (self.conv_1, self.conv_2)
        )
        k = coefficients(a, blocks_1, batch, taps) * weights[:, [block.tap for block in blocks_1]]
        f_1 = leaky_relu(self.conv_1.shared(x, k, blocks_1), inplace=True)
        f_2 = self.conv_2.modulated(f_1, coefficients(a, blocks_2, batch, taps), blocks_2)
        return f_1, leaky_relu(dropout(f_2, config.dropout, generator), inplace=True)

    def _presummed(
        self,
        x: Float[Tensor, "P M I"],
        a: Float[Tensor, "H M"],
        batch: Packed,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "P M D"], Float[Tensor, "P M D"]]:
        """Table 9's other reading: neighbours are summed by affinity, then convolved with three
        plain taps.
        """

        def layer(conv: Convolution, x: Tensor) -> Tensor:
            summed = torch.stack([(a[..., None] * neighbours(one, len(a))).sum(0) for one in x])
            return conv.modulated(
                summed, inside(batch, 3), channel_blocks(x.shape[2], 3, "paper_eq15")
            )

        f_1 = leaky_relu(layer(self.conv_1, x))
        return f_1, leaky_relu(dropout(layer(self.conv_2, f_1), self.config.dropout, generator))


def affinities(e: Float[Tensor, "M E"], window: int, batch: Packed) -> Float[Tensor, "H M"]:
    """a[i, t], the cosine of snippet t with its neighbour t + i − ⌊h / 2⌋ (Eq. 9); 0 beyond the
    video, 1 with itself.
    """
    centre = torch.arange(window, device=e.device)[:, None] == window // 2
    return torch.where(centre, 1.0, (neighbours(e, window) * e).sum(-1) * inside(batch, window))


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """All terms with a weight, and their weighted sum "total"; the mean over the B videos is the
    batch's loss.

    The background is in every video (1 in base) and filtered out by the attention (0 in supp).
    """
    classify, labels = LABEL_LOSSES[config.cls], batch.labels
    background = mined(outputs, batch, config) if config.mined_ratio else clicked_background(batch)
    terms = {
        "base": (1.0, lambda: classify(outputs.s[0], pad(labels, (0, 1), value=1.0))),
        "supp": (1.0, lambda: classify(outputs.s[1], pad(labels, (0, 1)))),
        "norm": (config.lambda_norm, lambda: batch.membership @ outputs.w.sigmoid()),
        "frame": (
            config.lambda_frame,
            lambda: frame_loss(outputs.cas[0], batch, config.frame_mean),
        ),
        "sep": (config.lambda_sep, lambda: separation(outputs, background, batch, config)),
        "aff": (
            config.lambda_aff,
            lambda: affinity_loss(
                outputs.e,
                foreground(outputs, batch, config),
                background,
                batch,
                config.tau_same,
                config.tau_diff,
                config.hard,
            ),
        ),
        "weight": (
            float(config.weight_sup != "off"),
            lambda: weight_supervision(outputs, batch, config),
        ),
        "mined": (
            float(config.mined_ratio > 0)
            / (1 if config.mined_weight == "one" else labels.shape[1] + 1),
            lambda: background_loss(outputs.cas[0], background, batch),
        ),
    }
    losses = {name: compute() for name, (weight, compute) in terms.items() if weight}
    return losses | {"total": sum(terms[name][0] * value for name, value in losses.items())}


def separation(
    outputs: Outputs, background: Bool[Tensor, " M"], batch: Packed, config: Config
) -> Float[Tensor, " B"]:
    """L_sep (Eq. 4 to 8). An action's score is the mean of its k' largest logits."""
    branch = BRANCHES.index(config.sep_branch)
    action = (
        outputs.s[branch]
        if config.top_sep is None
        else top_mean(outputs.cas[branch][None], batch, config.top_sep)[0]
    )
    return (2 if config.sep_form == "eq8" else 1) * separation_loss(
        outputs.cas[branch], action, background, batch
    )


def foreground(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " M"]:
    """How many of its video's labels a snippet is among the k best of."""
    return top_times(
        outputs.cas[BRANCHES.index(config.fg_branch), :, :-1], batch.labels, batch, config.top
    )


def weight_supervision(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """Table 8: the attention is 0 at background clicks, and 1 at foreground snippets if so
    chosen.
    """
    background = clicked_background(batch)
    top = (
        foreground(outputs, batch, config) > 0
        if config.weight_sup == "clicks_and_top"
        else torch.zeros_like(background)
    )
    return attention_loss(outputs.w, background, top & ~background, batch, config.frame_mean)


def mined(outputs: Outputs, batch: Packed, config: Config) -> Bool[Tensor, " M"]:
    """Table 13: unclicked snippets of the batch that look most like background, by the base pass's
    raw logits.
    """
    labelled = clicked(batch)
    counts = background_counts(labelled, batch, config.mined_ratio)
    best = hardest_background(labelled, counts, outputs.cas[:1, :, -1], batch)[0]
    return torch.zeros_like(labelled).index_fill_(0, best, True)


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = logits of the supp pass; class scores = softmax of its video
    logits; attention = w; magnitude = length of the supp pass's f1, from which proposals without a
    class come."""
    magnitude = torch.linalg.vector_norm(outputs.feature, dim=-1)[None]
    arrays = (
        outputs.cas[-1:, :, :-1],
        outputs.s[-1:].softmax(-1)[..., :-1],
        outputs.w.sigmoid()[None],
        magnitude,
    )
    cas, scores, attention, magnitude = (a.detach().double().cpu().numpy() for a in arrays)
    return Activation(cas, scores, attention, batch.lengths, magnitude)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, M, K), attention w (1, M), f1 as x (1, M, D) and, with affinity,
    the embedding e (1, M, E).
    """
    drawn = {"s_a": outputs.cas[-1:], "w": outputs.w.sigmoid()[None], "x": outputs.feature[None]}
    return drawn if outputs.e is None else drawn | {"e": outputs.e[None]}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Thresholded runs of each class and of the feature magnitude, outer-inner contrast, NMS
    (specification A5).
    """
    return localize_frames(activation, scene, config.rule)


METHOD = Method(
    name="backtal",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
)
