"""TEN with BGES: Forcing the Whole Video as Background (Li et al.; ACM Multimedia 2022). Read from
top to bottom.

No official code exists. The equations, lost in the paper's text, are recovered in the specification
`methods/ten_and_baselines.md`, part A; what nobody states is a choice, and a field of `Config`. The
foreground loss asks the attended snippets for the video's classes, the background loss the others
for the background; BGES divides the latter by the length of the video instead of their weight. A
second pass over snippets that are repeated has to say the same.
Shapes: S streams, M snippets of a packed batch of B videos, F embedding, C classes, K = C + 1 with
the background last.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from wtal_core.localization.detections import to_table
from wtal_core.localization.frame_proposals import Margin, contrast, find_runs, normalised
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.suppression import suppress
from wtal_core.localization.upsampling import upsample
from wtal_core.losses.pooled import pooled_log_probability, shown
from wtal_core.losses.temporal_consistency import (
    attention_distance,
    mean_over_time,
    score_distance,
    smoothed,
)
from wtal_core.models.method import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.gradient_reversal import reversed_gradient
from wtal_core.models.shared.layers import StackedLinear, dropout
from wtal_core.models.shared.sampling import pick, repeated
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed


@dataclass(frozen=True)
class Config(MethodConfig):
    """TEN + BGES on THUMOS14. Stated by the paper: lambda_bg, interval, class_threshold, nms, and
    of the schedule Adam, its decay and learning rate, and that beta (one for both) and gamma are
    0.1 and 0.5, not which is which. All else is a choice.

    embedding: F. kernel, dropout: of the embedding, before the classifier. fuse: of the streams'
    class scores.
    samples: snippets that a training video is brought to by random sampling, None: all.
    reading: of Eq. 4, see `losses/pooled.py`. foreground_norm: "length" would be BGES in the
    foreground, too.
    foreground_extra: added to the foreground's normaliser, 1 in DGAM. label_norm: labels divided by
    their number.
    lambda_bg: of the background loss. background: "plain", "bges", or "grl" with its gradient
    reversed (Table 4) in all that
        comes through the attention ("path"), in the attention's own weights only ("head") or in the
        embedding ("features").
    barrier: in place of BGES, -log(1 - mean attention) or the mean attention, times lambda_bg.
    lambda_bvl: of Eq. 10, the background loss of every snippet (Table 4), in its two forms;
    bvl_detach: classifier only.
    tcb: the second pass, with snippets repeated `interval` times; detach: it is a fixed target.
    att, cas: its losses, times
        beta_att and beta_cas. smooth, sigma: Gaussian smoothing of the attentions that are
        compared. direction, temperature:
        of the divergence. cas_sum: summed over time instead of averaged.
    gamma: share of the class score in Eq. 14, the rest is attention. p_background: video scores are
    a softmax over C + 1.
    thresholds: on the localization score, `locnorm` brings it to [0, 1] in each video and class;
    upsampling: factor.
    outer, score_class: confidence is inner mean - outer mean (each side that share of the run) +
    score_class * p.
    """

    embedding: int = 1024
    kernel: Literal[1, 3] = 3
    dropout: float = 0.5
    fuse: Literal["mean", "sum"] = "mean"
    samples: int | None = 500
    reading: Literal["A", "B"] = "A"
    foreground_norm: Literal["sum", "length"] = "sum"
    foreground_extra: float = 0.0
    label_norm: bool = True
    lambda_bg: float = 0.1
    background: Literal["plain", "bges", "grl"] = "bges"
    grl_scope: Literal["path", "head", "features"] = "path"
    grl_factor: float = 1.0
    barrier: Literal["none", "log", "mean"] = "none"
    lambda_bvl: float = 0.0
    bvl_form: Literal["snippets", "video"] = "snippets"
    bvl_detach: bool = False
    tcb: bool = True
    interval: int = 4
    beta_att: float = 0.1
    beta_cas: float = 0.1
    att: Literal["mae", "mse", "none"] = "mae"
    cas: Literal["kl", "mae", "mse", "mae_logits", "mse_logits", "none"] = "kl"
    smooth: Literal["both", "tcb_only", "none"] = "both"
    sigma: float = 1.0
    detach: bool = False
    direction: Literal["symmetric", "one_other", "other_one"] = "symmetric"
    temperature: float = 1.0
    cas_sum: bool = False
    gamma: float = 0.5
    p_background: bool = True
    class_threshold: float = 0.1
    thresholds: tuple[float, ...] = tuple((np.arange(10, 91, 5) / 100).tolist())
    locnorm: Literal["minmax", "none"] = "minmax"
    upsampling: int = 24
    shortest: int = 2
    outer: float = 0.25
    score_class: float = 0.25
    nms: float = 0.5
    nms_iou: Literal["iou", "plus_one_seconds"] = "iou"
    schedule: Schedule = field(
        default_factory=lambda: averaged(epochs=385, batch_size=16, learning_rate=1e-3)
    )  # 5,005 steps


def averaged(epochs: int, batch_size: int, learning_rate: float, evaluations: int = 20) -> Schedule:
    """Adam with torch's betas and epsilon and decay 1e-3 on the mean of a batch; a tenth of the
    rate in the second half.
    """
    return Schedule(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        betas=(0.9, 0.999),
        weight_decay=batch_size * 1e-3,
        epsilon=batch_size * 1e-8,
        reduction="mean",
        evaluations=evaluations,
        steps=((0.5, 0.1),),
    )


PAPER = FULL = Config()
ACTIVITYNET12 = replace(
    FULL, samples=100, lambda_bg=0.02, schedule=averaged(66, 16, 1e-3)
)  # 20,000 steps
QUICK = replace(FULL, embedding=64, samples=None, schedule=averaged(40, 5, 5e-3, evaluations=2))
PROFILES = {"paper": PAPER, "quick": QUICK}


def baseline(full: Config) -> Config:
    """BL: the base branch with plain losses."""
    return replace(full, tcb=False, background="plain")


def rows(table: int, full: Config) -> dict[str, Config]:
    """The rows of Table 3, 4, 5 or 6 by their printed names, or of Figure 4 (table 0), as changes
    of the full model.
    """
    bl, bvl = baseline(full), {"lambda_bvl": full.lambda_bg}
    plain = {"BL": bl, "TEN": replace(full, background="plain")}
    return {
        0: {
            f"λ = {weight:.1f}": replace(bl, lambda_bg=weight)
            for weight in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
        },
        3: {"BL": bl, "BL+BGES": replace(full, tcb=False), "TEN": plain["TEN"], "TEN+BGES": full},
        4: plain
        | {f"{name}+GRL": replace(config, background="grl") for name, config in plain.items()}
        | {f"{name}+BVL": replace(config, **bvl) for name, config in plain.items()}
        | {"TEN+BVL+BGES": replace(full, **bvl)},
        5: {
            f"{what.upper()} {form.upper()}": replace(
                full, **{"att": "none", "cas": "none", what: form}
            )
            for what, form in (
                ("att", "mae"),
                ("att", "mse"),
                ("cas", "mae"),
                ("cas", "mse"),
                ("cas", "kl"),
            )
        },
        6: {f"interval={k}": replace(full, interval=k) for k in (2, 3, 4, 5)},
    }[table]


@dataclass(frozen=True)
class Branch:
    """What one pass says. cas: fused class logits. attention: fused, in (0, 1). x: the embedding.

    background: the logits and the attention that the background loss is given, the same but for
    their gradients.
    every: the logits that the loss of every snippet is given.
    """

    cas: Float[Tensor, "M K"]
    attention: Float[Tensor, " M"]
    x: Float[Tensor, "S M F"]
    background: tuple[Float[Tensor, "M K"], Float[Tensor, " M"]]
    every: Float[Tensor, "M K"]


@dataclass(frozen=True)
class Outputs:
    """Both branches on the snippets `shown`; the second one in training only."""

    base: Branch
    continuity: Branch | None
    shown: Packed


class Network(nn.Module):
    """Embedding (Eq. 1), classifier (Eq. 2) and attention (Eq. 3), one set a stream;
    Xavier-uniform, zero biases.
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config, size = config, config.embedding
        self.embed = StackedLinear(streams, size_in, size, config.kernel, generator)
        self.classify = StackedLinear(streams, size, classes + 1, 1, generator)
        self.attend = StackedLinear(streams, size, 1, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches sampling, dropout and the continuity branch on."""
        config, shown_ = self.config, batch
        if generator is not None and config.samples is not None:
            shown_ = pick(batch, config.samples, generator)
        base = self.branch(shown_, generator)
        again = (
            repeated(shown_, config.interval, generator)
            if generator is not None and config.tcb
            else None
        )
        return Outputs(base, None if again is None else self.branch(again, generator), shown_)

    def branch(self, batch: Packed, generator: torch.Generator | None) -> Branch:
        """One pass. The reversal's place decides which weights the background loss pushes the other
        way.
        """
        config = self.config
        x = self.embed(batch.features, batch).relu()
        dropped = dropout(x, config.dropout, generator)
        cas, attention = self.scores(dropped, batch), self.attention(x, batch)
        background = cas, attention
        if config.background == "grl" and generator is not None:
            if config.grl_scope == "features":
                seen = (reversed_gradient(features, config.grl_factor) for features in (dropped, x))
                background = self.scores(next(seen), batch), self.attention(next(seen), batch)
            else:
                source = (
                    attention if config.grl_scope == "path" else self.attention(x.detach(), batch)
                )
                background = cas, reversed_gradient(source, config.grl_factor)
        every = self.scores(dropped.detach(), batch) if config.bvl_detach else cas
        return Branch(cas, attention, x, background, every)

    def scores(self, x: Float[Tensor, "S M F"], batch: Packed) -> Float[Tensor, "M K"]:
        return getattr(self.classify(x, batch), self.config.fuse)(0)

    def attention(self, x: Float[Tensor, "S M F"], batch: Packed) -> Float[Tensor, " M"]:
        return self.attend(x, batch).sigmoid().mean(0)[:, 0]


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """All terms with a weight, their weighted sum "total" (Eq. 8), a value a video; 0 for a video
    without snippets.

    Without weight, for diagnosis: "attention", its mean over a video's snippets, and "correlation",
    that of attention and foreground probability 1 - q_b. Below 0 the attention is inverted.
    """
    base, other, snippets = outputs.base, outputs.continuity, outputs.shown
    weights = {
        "fg": 1.0,
        "bg": config.lambda_bg,
        "bvl": config.lambda_bvl,
        "barrier": config.lambda_bg * (config.barrier != "none"),
        "att": config.beta_att * (other is not None and config.att != "none"),
        "cas": config.beta_cas * (other is not None and config.cas != "none"),
    }
    terms = {
        "fg": foreground_loss,
        "bg": background_loss,
        "bvl": every_snippet_loss,
        "barrier": barrier,
        "att": partial(attention_loss, other),
        "cas": partial(score_loss, other),
    }
    present = batch.membership.sum(1) > 0
    losses = {
        name: torch.where(present, terms[name](base, snippets, config), 0)
        for name, weight in weights.items()
        if weight
    }
    total = sum(weights[name] * value for name, value in losses.items())
    diagnosis = {
        "attention": mean_over_time(base.attention.detach(), snippets),
        "correlation": correlation(base, snippets),
    }
    return losses | diagnosis | {"total": total}


def foreground_loss(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_f (Eq. 5): the attended snippets show the video's classes and no background."""
    p = pooled_log_probability(
        base.cas,
        base.attention,
        batch,
        config.reading,
        config.foreground_norm,
        config.foreground_extra,
    )
    return shown(p, pad(batch.labels, (0, 1)), config.label_norm)


def background_loss(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_b (Eq. 5): the others show the background. BGES (Eq. 13) divides by T in place of the sum
    of their weights.
    """
    cas, attention = base.background
    normaliser = "length" if config.background == "bges" else "sum"
    return -pooled_log_probability(cas, 1 - attention, batch, config.reading, normaliser)[:, -1]


def every_snippet_loss(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_bvl (Eq. 10): every snippet is background; or the mean of a video's logits."""
    if config.bvl_form == "snippets":
        return -mean_over_time(base.every.log_softmax(-1)[:, -1], batch)
    mean = (batch.membership @ base.every) / batch.membership.sum(1, keepdim=True).clamp_min(1)
    return -mean.log_softmax(-1)[:, -1]


def barrier(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """What BGES adds to the background loss under reading B, exactly: -log(1 - ā). Or ā itself."""
    mean = mean_over_time(base.attention, batch)
    return (
        -(1 - mean).clamp_min(torch.finfo(mean.dtype).tiny).log()
        if config.barrier == "log"
        else mean
    )


def attention_loss(
    other: Branch, base: Branch, batch: Packed, config: Config
) -> Float[Tensor, " B"]:
    """L_att (Eq. 6), of smoothed attentions."""
    one, two = base.attention, other.attention.detach() if config.detach else other.attention
    if config.smooth == "both":
        one = smoothed(one, batch, config.sigma)
    if config.smooth != "none":
        two = smoothed(two, batch, config.sigma)
    return attention_distance(one, two, batch, config.att)


def score_loss(other: Branch, base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_cas (Eq. 7)."""
    two = other.cas.detach() if config.detach else other.cas
    apart = score_distance(base.cas, two, batch, config.cas, config.direction, config.temperature)
    return apart * (batch.membership.sum(1) if config.cas_sum else 1)


def correlation(base: Branch, batch: Packed) -> Float[Tensor, " B"]:
    """Of attention and foreground probability over the snippets of each video; 0 where either is
    constant.
    """
    a, q = base.attention.detach(), 1 - base.cas.detach().softmax(-1)[:, -1]
    a, q = (values - mean_over_time(values, batch)[batch.video] for values in (a, q))
    square_a, square_q, number = (
        mean_over_time(a**2, batch),
        mean_over_time(q**2, batch),
        torch.finfo(a.dtype),
    )
    varies = torch.minimum(square_a, square_q) > number.eps**2  # less is rounding
    return torch.where(
        varies,
        mean_over_time(a * q, batch) / (square_a * square_q).clamp_min(number.tiny).sqrt(),
        0,
    )


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = localization scores of Eq. 14; class scores = p^fg; attention =
    a. The base branch only.
    """
    base, snippets = outputs.base, outputs.shown
    located = (
        config.gamma * base.cas.softmax(-1)[:, :-1] + (1 - config.gamma) * base.attention[:, None]
    )
    log_p = pooled_log_probability(
        base.cas, base.attention, snippets, config.reading, extra=config.foreground_extra
    )[:, :-1]
    p = log_p.exp() if config.p_background else log_p.softmax(-1)
    arrays = (located[None], p[None], base.attention[None])
    return Activation(*(a.detach().double().cpu().numpy() for a in arrays), snippets.lengths)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, M, K), the attention w (1, M) and the embedding x (S, M, F)."""
    return {"s_a": outputs.base.cas[None], "w": outputs.base.attention[None], "x": outputs.base.x}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Runs above many thresholds of the upsampled localization score, outer-inner contrast, NMS
    (specification A9).
    """
    video, label = pick_classes(activation.scores[0], config.class_threshold, at_least_one=True)
    rows_, taken = class_sequences(
        activation.cas[0], np.asarray(activation.lengths, dtype=np.int64), video, label
    )
    rows_, taken = upsample(rows_, taken, config.upsampling)
    runs = find_runs(
        normalised(rows_, taken) if config.locnorm == "minmax" else rows_,
        taken,
        config.thresholds,
        False,
    )
    runs = runs.where(runs.end - runs.start >= config.shortest)
    score = contrast(rows_, taken, runs, Margin(config.outer, "inclusive"), thresholded=False)
    score += config.score_class * activation.scores[0][video[runs.sequence], label[runs.sequence]]
    start, end = runs.start / config.upsampling, runs.end / config.upsampling
    place = (
        (runs.start, runs.end)
        if config.nms_iou == "iou"
        else map(scene.timebase.seconds, (start, end))
    )  # whole: exact
    kept = suppress(runs.sequence, *place, score, config.nms, config.nms_iou)
    pair = runs.sequence[kept]
    return to_table(
        video[pair],
        label[pair],
        start[kept],
        end[kept],
        score[kept],
        scene.videos,
        scene.classes,
        scene.timebase,
    )


METHOD = Method(
    name="ten",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
)
