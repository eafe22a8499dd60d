"""BackTAL: Background-Click Supervision for Temporal Action Localization (Yang et al.; TPAMI 2021).
Read from top to bottom.

An annotator clicks one frame of each background segment. The network classifies snippets twice, as
they are ("base") and weighted by an attention ("supp"); its convolutions scale neighbours by how
alike a learned embedding finds them.
Shapes: M snippets of a packed batch of B videos, the streams side by side; P passes, D channels, C
classes, K = C + 1 with the background last (0 in the paper, last in the code), h neighbours, E
embedding. Equation numbers are the paper's; `DIFFERS:` marks where the official code, the default
here, departs from it.
"""

from dataclasses import dataclass, field, replace
from math import comb
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize, pad, softplus

from wtal_core.checks import (
    Finite,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Rate,
    Share,
)
from wtal_core.errors import WorkbookError
from wtal_core.localization.frames import FrameRule
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances
from wtal_core.losses.mined_background import background_counts, hardest_background
from wtal_core.losses.video_labels import LABEL_LOSSES
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.convolution import (
    Convolution,
    channel_blocks,
    coefficients,
    inside,
    neighbours,
)
from wtal_core.models.shared.frame_localization import (
    frame_instances,
    localize_frames,
)
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.layers import dropout, top_count, top_mean
from wtal_core.models.shared.objective import Bound, Supervision
from wtal_core.models.shared.schedule import WARM_UP, Schedule
from wtal_core.models.shared.two_passes import (
    activation_of,
    blind_passes,
    learnt_passes,
    pass_weights,
    supp_scores,
)
from wtal_core.packed import Packed

Mean = Literal["batch", "per_video"]
Hardest = Literal["per_row", "global_max"]
BRANCHES = ("base", "supp")  # the order of the passes
BEYOND = 2.0  # no cosine is larger


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting. Where the paper differs, its value follows DIFFERS."""

    # which clicks, and the length T that all videos are brought to
    inputs: Inputs = field(default_factory=lambda: Inputs(clicks="background", length=750))

    # network
    width: PositiveInt = 2048  # channels of the base module
    filter_width: PositiveInt = 512  # channels of the attention's hidden layer
    conv_bias: bool = False  # in the base module
    dropout: Rate = 0.7  # of the base module's second layer
    affinity: bool = True  # affinities modulate the base module's convolutions
    # DIFFERS: the code scales a third of the channels by the similarity to each neighbour, whatever
    # the tap; the paper each tap by that to its own neighbour ("paper_eq15")
    layout: Literal["official_groups", "paper_eq15"] = "official_groups"
    window: Literal[3, 5, 7, 9] = 3  # h
    # how h ≠ 3 is read: taps of the convolution, or a weighted sum before one of 3
    mode: Literal["modulate", "presum"] = "modulate"
    emb_hidden: NonNegativeInt = 512  # 0: a single layer. DIFFERS: so it is in the paper
    emb_dim: PositiveInt = 32  # E
    top: Share = 0.125  # k = ⌊top T⌋ of the top-k means
    top_sep: Share | None = None  # k' = ⌊top_sep T⌋ of separation; None: as `top`

    # losses of videos
    cls: Literal["ce", "bce_on_softmax"] = "ce"  # "bce_on_softmax" is BaS-Net's
    lambda_norm: NonNegativeFloat = 1e-4  # weight of the attention's length

    # losses of clicked snippets
    lambda_frame: NonNegativeFloat = 1.0  # weight of their cross entropy
    frame_mean: Mean = "batch"  # over which snippets. DIFFERS: "per_video" in the paper (Eq. 3)

    # score separation
    lambda_sep: NonNegativeFloat = 1.0  # its weight
    sep_form: Literal["code", "eq8"] = "code"  # DIFFERS: "eq8" in the paper, twice as much
    sep_branch: Literal["base", "supp"] = "base"  # whose logits are separated

    # affinity loss
    lambda_aff: NonNegativeFloat = 0.8  # its weight
    tau_same: Finite = 0.5  # embeddings of one kind should be more alike than this
    tau_diff: Finite = 0.1  # action and background less alike than this
    # which pairs count: each snippet with its hardest partner. DIFFERS: "global_max" in the paper,
    # the one hardest pair, in three terms
    hard: Hardest = "per_row"
    fg_branch: Literal["base", "supp"] = "supp"  # whose top snippets are the foreground

    # the attention learns from the clicks, and may have the top-k snippets as positives (Table 8)
    weight_sup: Literal["off", "clicks", "clicks_and_top"] = "off"

    # mined background snippets take the part of background clicks (Table 13)
    mined_ratio: NonNegativeFloat = 0.0  # snippets per click, 0: none
    mined_weight: Literal["inverse", "one"] = "inverse"  # 1 / (C + 1) as SF-Net, or 1

    rule: FrameRule = field(default_factory=FrameRule)  # localization
    # the test set is scored after each epoch, the best one counts. DIFFERS: 100 epochs in the paper
    schedule: Schedule = field(default_factory=lambda: averaged_adam(40, 16, 1e-4))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lambda_aff and not self.affinity:
            raise WorkbookError(
                "backtal: without affinity there is no embedding; set lambda_aff=0.0"
            )


def baseline(full: Config) -> Config:
    """Without clicks and all that learns from them."""
    return replace(
        full,
        inputs=replace(full.inputs, clicks="none"),
        affinity=False,
        lambda_frame=0.0,
        lambda_sep=0.0,
        lambda_aff=0.0,
    )


FULL = Config()
BASE = baseline(FULL)
OFFICIAL = replace(FULL, schedule=replace(FULL.schedule, select="map50"))
ACTIVITYNET12 = replace(
    FULL,
    inputs=replace(FULL.inputs, length=100),
    top=0.6,
    top_sep=0.2,
    lambda_sep=0.1,
    schedule=replace(averaged_adam(25, 128, 2e-4), select="activitynet"),
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
    schedule=replace(averaged_adam(8, 64, 1e-4), select="activitynet"),
    rule=replace(
        ACTIVITYNET12.rule,
        class_threshold=0.075,
        thresholds=FULL.rule.thresholds[:8],
        outer_scale=200.0,
        nms=0.71,
    ),
)
QUICK = replace(
    OFFICIAL,
    inputs=replace(OFFICIAL.inputs, length=None),
    width=64,
    filter_width=128,
    emb_hidden=128,
    dropout=0.1,  # 0.7 would leave 19 of 64 channels, whose noise top-k means take for evidence
    schedule=averaged_adam(60, 10, 8e-3, evaluations=2, decay=1e-4, steps=WARM_UP),
)  # a slow start: else the attention closes before the classes are told apart


def as_printed(config: Config) -> Config:
    """The paper in place of the official code, wherever the paper says otherwise. Where it says
    "the same inference paradigm with BaS-Net", that is BaS-Net's, with the class's probability.
    """
    return replace(
        config,
        layout="paper_eq15",
        emb_hidden=0,
        top=0.125,
        top_sep=None,
        frame_mean="per_video",
        lambda_sep=1.0,
        sep_form="eq8",
        hard="global_max",
        rule=FrameRule(outer_end="inclusive", nms=0.7, magnitude=(), grid=24),
    )


def _printed_schedule(config: Config, epochs: int) -> Config:
    """Stated for all data sets: batches of 16 videos, learning rate 1e-4."""
    select = config.schedule.select
    return replace(config, schedule=replace(averaged_adam(epochs, 16, 1e-4), select=select))


PRINTED = _printed_schedule(as_printed(OFFICIAL), 100)
PROFILES = {"official": OFFICIAL, "printed": PRINTED, "quick": QUICK}
BENCHMARKS = {
    "activitynet1.2": {
        "official": ACTIVITYNET12,
        "printed": _printed_schedule(as_printed(ACTIVITYNET12), 25),
    },
    "hacs": {"official": HACS, "printed": _printed_schedule(as_printed(HACS), 8)},
}


def with_clicks(full: Config, kind: Literal["action", "background", "both"]) -> Config:
    """The baseline, and clicks of a kind that teach the snippets."""
    return replace(
        baseline(full),
        inputs=replace(full.inputs, clicks=kind),
        lambda_frame=full.lambda_frame,
    )


def varied(
    full: Config, setting: str, values: tuple[Any, ...], name: str = ""
) -> dict[str, Config]:
    """One row per value of a setting, "name = value"."""
    return {f"{name or setting} = {value}": replace(full, **{setting: value}) for value in values}


def table6_rows(full: Config) -> dict[str, Config]:
    """Kinds of clicks, by the table's names, as all tables below."""
    return {
        "Baseline": baseline(full),
        "Baseline + Action Click": with_clicks(full, "action"),
        "Baseline + Background Click": with_clicks(full, "background"),
        "Baseline + Action & Background Click": with_clicks(full, "both"),
    }


def table7_rows(full: Config) -> dict[str, Config]:
    """The components; and the text's affinity module without its loss."""
    clicks = with_clicks(full, "background")
    return {
        "Baseline": baseline(full),
        "+ Background Click": clicks,
        "+ Score Separation": replace(clicks, lambda_sep=full.lambda_sep),
        "+ Affinity Module": replace(clicks, affinity=True, lambda_aff=full.lambda_aff),
        "BackTAL": full,
        "+ Affinity Module, no loss": replace(clicks, affinity=True),
        "BackTAL, no affinity loss": replace(full, lambda_aff=0.0),
    }


def table8_rows(full: Config) -> dict[str, Config]:
    """What the clicks teach; and the attention with positives, too."""
    clicks = with_clicks(full, "background")
    weight_only = replace(clicks, lambda_frame=0.0, weight_sup="clicks")
    both = replace(clicks, weight_sup="clicks")
    return {
        "Baseline": baseline(full),
        "Baseline + Weight Supervision": weight_only,
        "Baseline + CAS Supervision": clicks,
        "Baseline + Weight Supervision + CAS Supervision": both,
        "Baseline + CAS Supervision + Score Separation": replace(
            clicks, lambda_sep=full.lambda_sep
        ),
        "Baseline + Weight Supervision, positives": replace(
            weight_only, weight_sup="clicks_and_top"
        ),
    }


def table9_rows(full: Config) -> dict[str, Config]:
    """How many neighbours, in both readings of h."""
    rows = varied(full, "window", (3, 5, 7, 9), "h")
    summed = varied(replace(full, mode="presum"), "window", (3, 5, 7, 9), "h")
    return rows | {f"{name}, summed before": config for name, config in summed.items()}


def table11_rows(full: Config) -> dict[str, Config]:
    """Sizes of the embedding."""
    return varied(full, "emb_dim", (8, 16, 32, 64, 128), "D_emb")


def table12_rows(full: Config) -> dict[str, Config]:
    """Weights and margins of the losses."""
    return {
        **varied(full, "lambda_sep", (0.8, 1.0, 1.2), "lambda"),
        **varied(full, "lambda_aff", (0.6, 0.8, 1.0), "beta"),
        **varied(full, "tau_same", (0.3, 0.5, 0.7)),
        **varied(full, "tau_diff", (0.0, 0.1, 0.2)),
    }


def table13_rows(full: Config) -> dict[str, Config]:
    """What background mined beside action clicks is good for."""
    clicks = with_clicks(full, "action")
    mined = replace(clicks, mined_ratio=7.0)
    separated = replace(mined, lambda_sep=full.lambda_sep)
    return {
        "Baseline": baseline(full),
        "+ Action Click": clicks,
        "+ Mined Bg. Frames": mined,
        "+ Score Separation": separated,
        "+ Affinity Module": replace(mined, affinity=True, lambda_aff=full.lambda_aff),
        "all": replace(separated, affinity=True, lambda_aff=full.lambda_aff),
    }


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
    """Attention, embedding, base module and classifier (29,453,857 parameters)."""

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = streams * size_in
        width = config.width
        taps = config.window if config.mode == "modulate" else 3
        self.filter_1 = Convolution(size, config.filter_width, 1, True, generator)
        self.filter_2 = Convolution(config.filter_width, 1, 1, True, generator)
        self.conv_1 = Convolution(size, width, taps, config.conv_bias, generator)
        self.conv_2 = Convolution(width, width, taps, config.conv_bias, generator)
        self.classify = Convolution(width, classes + 1, 1, False, generator)
        if config.affinity:
            self.emb_1: Convolution | None = None
            if config.emb_hidden:
                self.emb_1 = Convolution(size, config.emb_hidden, 3, True, generator)
            self.emb_2 = Convolution(config.emb_hidden or size, config.emb_dim, 3, True, generator)

    def forward(
        self, batch: Packed, generator: torch.Generator | None = None, both: bool | None = None
    ) -> Outputs:
        """A generator switches dropout on. both: also the base pass, which losses need; None: where
        gradients are recorded.
        """
        config = self.config
        x = batch.features.transpose(0, 1).flatten(1)  # (M, streams side by side)
        w = self.filter_2(leaky_relu(self.filter_1(x, batch)), batch)[:, 0]
        e = self.embed(x, batch) if config.affinity else None
        passes = pass_weights(w.sigmoid(), both)
        f_1, f_2 = self.features(x, passes, e, batch, generator)
        cas = f_2 @ self.classify.weight[0]
        s = top_mean(cas, batch, config.top)
        return Outputs(cas, s, w, e, f_1[-1])

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
        config = self.config
        a = None if e is None else affinities(e, config.window, batch)
        if a is not None and config.mode == "presum":
            return self.presummed_features(x * passes[..., None], a, batch, generator)
        taps = len(self.conv_1.weight)
        layout = "paper_eq15" if a is None else config.layout
        blocks_1 = channel_blocks(self.conv_1.weight.shape[1], taps, layout)
        blocks_2 = channel_blocks(self.conv_2.weight.shape[1], taps, layout)

        weights = neighbours(passes.T, taps).movedim(2, 0)  # (P, h, M)
        weights_1 = weights[:, [block.tap for block in blocks_1]]
        k_1 = coefficients(a, blocks_1, batch, taps) * weights_1
        f_1 = leaky_relu(self.conv_1.shared(x, k_1, blocks_1), inplace=True)  # Eq. 15 and 16

        k_2 = coefficients(a, blocks_2, batch, taps)
        f_2 = dropout(self.conv_2.modulated(f_1, k_2, blocks_2), config.dropout, generator)
        return f_1, leaky_relu(f_2, inplace=True)

    def presummed_features(
        self,
        x: Float[Tensor, "P M I"],
        a: Float[Tensor, "H M"],
        batch: Packed,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "P M D"], Float[Tensor, "P M D"]]:
        """Table 9's other reading: neighbours are summed by affinity, then convolved with three
        plain taps.
        """
        f_1 = leaky_relu(presummed(self.conv_1, x, a, batch))
        f_2 = dropout(presummed(self.conv_2, f_1, a, batch), self.config.dropout, generator)
        return f_1, leaky_relu(f_2)


def presummed(
    convolution: Convolution, x: Float[Tensor, "P M I"], a: Float[Tensor, "H M"], batch: Packed
) -> Float[Tensor, "P M O"]:
    """A plain convolution of the affinity-weighted sums over the h neighbours."""
    sums = [(a[..., None] * neighbours(of_pass, len(a))).sum(0) for of_pass in x]
    blocks = channel_blocks(x.shape[2], 3, "paper_eq15")
    return convolution.modulated(torch.stack(sums), inside(batch, 3), blocks)


def affinities(e: Float[Tensor, "M E"], window: int, batch: Packed) -> Float[Tensor, "H M"]:
    """a[i, t], the cosine of snippet t with its neighbour t + i − ⌊h / 2⌋ (Eq. 9); 0 beyond the
    video, 1 with itself.
    """
    centre = torch.arange(window, device=e.device)[:, None] == window // 2
    cosines = (neighbours(e, window) * e).sum(-1) * inside(batch, window)
    return torch.where(centre, 1.0, cosines)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """All terms with a weight, and their weighted sum "total"; the mean over the B videos is the
    batch's loss.
    """
    classify = LABEL_LOSSES[config.cls]
    background_present = pad(batch.labels, (0, 1), value=1.0)
    background_filtered_out = pad(batch.labels, (0, 1))
    background = background_of(outputs, batch, config)

    terms = {
        "base": classify(outputs.s[0], background_present),
        "supp": classify(outputs.s[1], background_filtered_out),
    }
    total = terms["base"] + terms["supp"]
    if config.lambda_norm:
        terms["norm"] = batch.membership @ outputs.w.sigmoid()
        total = total + config.lambda_norm * terms["norm"]
    if config.lambda_frame:
        terms["frame"] = frame_loss(outputs.cas[0], batch, config.frame_mean)
        total = total + config.lambda_frame * terms["frame"]
    if config.lambda_sep:
        terms["sep"] = separation(outputs, background, batch, config)
        total = total + config.lambda_sep * terms["sep"]
    if config.lambda_aff:
        terms["aff"] = affinity(outputs, background, batch, config)
        total = total + config.lambda_aff * terms["aff"]
    if config.weight_sup != "off":
        terms["weight"] = weight_supervision(outputs, batch, config)
        total = total + terms["weight"]
    if config.mined_ratio:
        terms["mined"] = background_loss(outputs.cas[0], background, batch)
        mined_weight = 1.0 if config.mined_weight == "one" else 1 / outputs.cas.shape[2]
        total = total + mined_weight * terms["mined"]
    return terms | {"total": total}


def background_of(outputs: Outputs, batch: Packed, config: Config) -> Bool[Tensor, " M"]:
    """The snippets that are known as background: clicked, or where asked for mined."""
    if config.mined_ratio:
        return mined_background(outputs, batch, config)
    return clicked_background(batch)


def mined_background(outputs: Outputs, batch: Packed, config: Config) -> Bool[Tensor, " M"]:
    """Table 13: unclicked snippets of the batch that look most like background, by the base pass's
    raw logits.
    """
    labelled = clicked(batch)
    counts = background_counts(labelled, batch, config.mined_ratio)
    best = hardest_background(labelled, counts, outputs.cas[:1, :, -1], batch)[0]
    return torch.zeros_like(labelled).index_fill_(0, best, True)


def clicked(batch: Packed) -> Bool[Tensor, " M"]:
    """The snippets with a click."""
    if batch.clicks is None:
        return torch.zeros_like(batch.video, dtype=torch.bool)
    return batch.clicks.sum(1) > 0


def clicked_background(batch: Packed) -> Bool[Tensor, " M"]:
    """The snippets that were clicked as background and as nothing else."""
    if batch.clicks is None:
        return torch.zeros_like(batch.video, dtype=torch.bool)
    return batch.clicks[:, -1] == 1


def frame_loss(logits: Float[Tensor, "M K"], batch: Packed, mean: Mean) -> Float[Tensor, " B"]:
    """Cross entropy of the clicked snippets with what was clicked (Eq. 3)."""
    if batch.clicks is None:
        return logits.new_zeros(len(batch.lengths))
    values = -(batch.clicks * logits.log_softmax(-1)).sum(-1)
    return mean_over_snippets(values, clicked(batch), batch, mean)


def background_loss(
    logits: Float[Tensor, "M K"], chosen: Bool[Tensor, " M"], batch: Packed
) -> Float[Tensor, " B"]:
    """Cross entropy of the chosen snippets with the background class, mean over those of
    the batch.
    """
    return mean_over_snippets(-logits.log_softmax(-1)[:, -1], chosen, batch, "batch")


def separation(
    outputs: Outputs, background: Bool[Tensor, " M"], batch: Packed, config: Config
) -> Float[Tensor, " B"]:
    """L_sep (Eq. 4 to 8). An action's score is the mean of its k' largest logits."""
    branch = BRANCHES.index(config.sep_branch)
    action = outputs.s[branch]
    if config.top_sep is not None:
        action = top_mean(outputs.cas[branch][None], batch, config.top_sep)[0]
    value = separation_loss(outputs.cas[branch], action, background, batch)
    return 2 * value if config.sep_form == "eq8" else value


def separation_loss(
    logits: Float[Tensor, "M K"],
    action: Float[Tensor, "B K"],
    background: Bool[Tensor, " M"],
    batch: Packed,
) -> Float[Tensor, " B"]:
    """−log of the softmax share of an action's top score beside its mean over background: mean over
    the video's labels.

    action: mean of the largest logits of each class. Two-way softmax, so −log p̂_act =
    softplus(p_bg − p_act), which also is −log(1 − p̂_bg): Eq. 8 counts it twice, the code once
    (`lib/criterion/loss.py:22-57`). Videos without background: 0.
    """
    chosen = batch.membership * background.to(logits.dtype)  # (B, M)
    count = chosen.sum(1)
    classes = batch.labels.shape[1]
    mean = (chosen @ logits[:, :classes]) / count.clamp_min(1)[:, None]
    of_label = softplus(mean - action[:, :classes])
    of_video = (batch.labels * of_label).sum(1) / batch.labels.sum(1).clamp_min(1)
    return mean_over_videos(of_video, count > 0)


def affinity(
    outputs: Outputs, background: Bool[Tensor, " M"], batch: Packed, config: Config
) -> Float[Tensor, " B"]:
    """L_aff (Eq. 10 to 13)."""
    if outputs.e is None:
        raise WorkbookError("backtal: an affinity loss needs a network with affinity=True")
    times = foreground(outputs, batch, config)
    return affinity_loss(
        outputs.e, times, background, batch, config.tau_same, config.tau_diff, config.hard
    )


def foreground(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " M"]:
    """How many of its video's labels a snippet is among the k best of."""
    scores = outputs.cas[BRANCHES.index(config.fg_branch), :, :-1]
    return top_times(scores, batch.labels, batch, config.top)


def top_times(
    scores: Float[Tensor, "M K"], labels: Float[Tensor, "B K"], batch: Packed, share: float
) -> Float[Tensor, " M"]:
    """How many of its video's labels a snippet is among the max(1, ⌊share T⌋) largest scores of."""
    times = []
    for of_video, label in zip(scores.detach().split(batch.lengths), labels, strict=True):
        is_top = torch.zeros_like(of_video)
        if len(of_video):
            best = of_video.topk(top_count(len(of_video), share), dim=0).indices
            is_top = is_top.scatter_(0, best, 1)
        times.append(is_top @ label)
    return torch.cat(times)


def affinity_loss(
    embedding: Float[Tensor, "M E"],
    times: Float[Tensor, " M"],
    background: Bool[Tensor, " M"],
    batch: Packed,
    tau_same: float,
    tau_diff: float,
    hard: Hardest,
) -> Float[Tensor, " B"]:
    """Hinge losses on the hardest pairs of foreground and clicked background snippets; 0 for videos
    without background.

    embedding: unit length. times: how often a snippet is foreground; one that is for two labels
    counts twice. "per_row": each snippet with its hardest partner, averaged, four terms, as the
    code (`lib/criterion/loss.py:59-103`). "global_max": the one hardest pair of each kind, three
    terms, as the paper.
    """
    used = batch.membership @ background.to(embedding.dtype) > 0
    index = (((times > 0) | background) & used[batch.video]).nonzero()[:, 0]
    if not len(index):
        return embedding.new_zeros(len(batch.lengths))

    # the R snippets that take part, video by video, zero where a video has fewer
    video = batch.video[index]
    count = torch.bincount(video, minlength=len(batch.lengths))
    place = torch.arange(len(index), device=index.device) - (count.cumsum(0) - count)[video]
    shape = (len(batch.lengths), int(count.max()))

    def side_by_side(values: Tensor) -> Tensor:
        empty = values.new_zeros(*shape, *values.shape[1:])
        return empty.index_put((video, place), values[index])

    e = side_by_side(embedding)  # (B, R, E)
    fg = side_by_side(times)  # (B, R)
    bg = side_by_side(background.to(embedding.dtype))
    cosines = e @ e.transpose(1, 2)  # (B, R, R)

    fg_alike = tau_same - least_alike(cosines, fg)
    bg_alike = tau_same - least_alike(cosines, bg)
    fg_apart = most_alike(cosines, bg) - tau_diff
    if hard == "global_max":
        values = hardest(fg_alike, fg) + hardest(bg_alike, bg) + hardest(fg_apart, fg)
        return mean_over_videos(values, used)
    bg_apart = most_alike(cosines, fg) - tau_diff
    values = mean_hinge(fg_alike, fg) + mean_hinge(bg_alike, bg)
    values = values + mean_hinge(fg_apart, fg) + mean_hinge(bg_apart, bg)
    return mean_over_videos(values, used)


def most_alike(
    cosines: Float[Tensor, "B R R"], partner: Float[Tensor, "B R"]
) -> Float[Tensor, "B R"]:
    """Largest cosine of each row among the partners, −2 where there are none."""
    return cosines.masked_fill(partner[:, None] == 0, -BEYOND).amax(-1)


def least_alike(
    cosines: Float[Tensor, "B R R"], partner: Float[Tensor, "B R"]
) -> Float[Tensor, "B R"]:
    """Smallest cosine of each row among the partners, 2 where there are none."""
    return -most_alike(-cosines, partner)


def mean_hinge(hinge: Float[Tensor, "B R"], weight: Float[Tensor, "B R"]) -> Float[Tensor, " B"]:
    """Weighted mean of the positive parts; 0 without weight."""
    return (weight * hinge.relu()).sum(-1) / weight.sum(-1).clamp_min(1)


def hardest(hinge: Float[Tensor, "B R"], weight: Float[Tensor, "B R"]) -> Float[Tensor, " B"]:
    """The largest positive part where there is weight."""
    return hinge.masked_fill(weight == 0, -BEYOND).amax(-1).relu()


def weight_supervision(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """Table 8: the attention is 0 at background clicks, and 1 at foreground snippets if so
    chosen.
    """
    background = clicked_background(batch)
    positive = torch.zeros_like(background)
    if config.weight_sup == "clicks_and_top":
        positive = (foreground(outputs, batch, config) > 0) & ~background
    return attention_loss(outputs.w, background, positive, batch, config.frame_mean)


def attention_loss(
    attention: Float[Tensor, " M"],
    background: Bool[Tensor, " M"],
    positive: Bool[Tensor, " M"],
    batch: Packed,
    mean: Mean,
) -> Float[Tensor, " B"]:
    """Binary cross entropy of attention logits: 0 at background clicks, 1 at `positive` ones."""
    sign = torch.where(background, 1.0, -1.0).to(attention.dtype)
    return mean_over_snippets(softplus(sign * attention), background | positive, batch, mean)


def mean_over_snippets(
    values: Float[Tensor, " M"], chosen: Bool[Tensor, " M"], batch: Packed, mean: Mean
) -> Float[Tensor, " B"]:
    """Mean of the values of the chosen snippets: of the batch at once, or of each video and then of
    the videos with any.

    The mean over the B videos is the loss, as `Schedule.reduce` takes it: a mean over n snippets of
    the batch is B / n times the sum of each video's. Where nothing is chosen it is 0, never NaN.
    """
    total = batch.membership @ torch.where(chosen, values, 0)
    count = batch.membership @ chosen.to(values.dtype)
    if mean == "batch":
        return len(batch.lengths) * total / count.sum().clamp_min(1)
    return mean_over_videos(total / count.clamp_min(1), count > 0)


def mean_over_videos(
    values: Float[Tensor, " B"], chosen: Bool[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Mean over the chosen videos, as shares whose mean over the B videos it is."""
    return torch.where(chosen, values, 0) * len(values) / chosen.sum().clamp_min(1)


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """Both passes tell the labels, and the attention makes two predictions of them. Where they are
    asked to, actions score above what is known as background, and the embedding tells both apart.

    Which classes were clicked is not asked for, so that the losses of clicked snippets have no
    bound.
    """
    labels = supervision.labels
    bounds = [learnt_passes(labels, config.cls), blind_passes(labels, config.cls)]
    if config.lambda_sep:
        equal = np.log(2) * (2 if config.sep_form == "eq8" else 1)
        limit = mean_of_clicked(np.full(len(labels), equal), supervision, config)
        bounds.append(Bound(("sep",), limit, "scores that are lower in background than in action"))
    if config.lambda_aff:
        limit = mean_of_clicked(least_affinity(supervision, config), supervision, config)
        bounds.append(Bound(("aff",), limit, "an embedding that tells background from action"))
    return tuple(bound for bound in bounds if bound.limit > 0)


def least_affinity(supervision: Supervision, config: Config) -> Float[np.ndarray, " B"]:
    """The affinity loss of videos with clicked background at the best cosine ρ that all their
    snippets may have in common.

    A kind with two snippets owes τ_same - ρ to have them alike. "per_row" counts ρ - τ_diff for
    both kinds, so that each kind with two costs τ_same - τ_diff, and at ρ = τ_diff nothing is owed
    where neither has two. "global_max" counts it once: two such kinds are cheapest at ρ = τ_same,
    and cost as much as one.
    """
    top = [top_count(int(length), config.top) for length in supervision.lengths]
    foreground_pairs = np.array(top) >= 2
    background_pairs = supervision.clicks >= 2
    if config.mined_ratio:  # how many snippets of a video are mined is not known beforehand
        background_pairs = np.zeros_like(background_pairs)
    kinds = foreground_pairs.astype(np.float64) + background_pairs
    if config.hard == "global_max":
        kinds = np.minimum(kinds, 1)
    return kinds * max(config.tau_same - config.tau_diff, 0)


def mean_of_clicked(
    values: Float[np.ndarray, " B"], supervision: Supervision, config: Config
) -> float:
    """What an epoch's mean of a loss is expected to be that takes these values, and that
    `mean_over_videos` reduces to the videos of each batch with known background.

    Of a permutation, the clicked videos of a batch are a random pick of all clicked ones; a batch
    without any counts 0, as does a video without a label. Mined background is in all batches, and
    may be in any of their videos.
    """
    values = np.where(supervision.labels.any(1), values, 0)
    if config.mined_ratio:
        return float(values.min())
    clicked = supervision.clicks > 0
    if not clicked.any():
        return 0.0
    videos, without = len(values), int((~clicked).sum())
    batches = range(0, videos, config.schedule.batch_size)
    sizes = [min(config.schedule.batch_size, videos - first) for first in batches]
    empty = sum(size * comb(without, size) / comb(videos, size) for size in sizes) / videos
    return (1 - empty) * float(values[clicked].mean())


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = logits of the supp pass; class scores = softmax of its video
    logits; attention = w; magnitude = length of the supp pass's f1, from which proposals without a
    class come."""
    return activation_of(outputs, batch.lengths, background)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, M, K), attention w (1, M), f1 as x (1, M, D) and, with affinity,
    the embedding e (1, M, E).
    """
    drawn = {"s_a": outputs.cas[-1:], "w": outputs.w.sigmoid()[None], "x": outputs.feature[None]}
    if outputs.e is not None:
        drawn["e"] = outputs.e[None]
    return drawn


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
    """Thresholded runs of each class and of the feature magnitude, outer-inner contrast, NMS."""
    return localize_frames(activation, scene, config.rule, suppression)


METHOD = Method(
    name="backtal",
    Config=Config,
    profiles=PROFILES,
    benchmarks=BENCHMARKS,
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
    ),
)
