"""TEN with BGES: Forcing the Whole Video as Background (Li et al.; ACM Multimedia 2022). Read from
top to bottom.

No official code exists. Equations that are not legible in the text we had are recovered from the
sentences around them; what nobody states is a choice, and a field of `Config`. The foreground
loss asks the attended snippets for the video's classes, the background loss the others for the
background; BGES divides the latter by the length of the video instead of their weight. A second
pass over snippets that are repeated has to say the same.
Shapes: S streams, M snippets of a packed batch of B videos, F embedding, C classes, K = C + 1 with
the background last.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from wtal_core.checks import (
    Finite,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Rate,
    Share,
)
from wtal_core.localization.frame_proposals import (
    Margin,
    Runs,
    find_runs,
    inner_and_outer,
    normalised,
)
from wtal_core.localization.fusion import FusionRule, fuse
from wtal_core.localization.instances import Instances
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.localization.suppression import suppress
from wtal_core.localization.upsampling import upsample
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.detected import detections
from wtal_core.models.shared.layers import StackedLinear, dropout
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    distributions,
    entropy,
    learnt_labels,
    only_background,
    with_background,
)
from wtal_core.models.shared.sampling import pick
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.models.shared.smoothing import smoothed
from wtal_core.packed import Packed

Reading = Literal["A", "B"]
Normaliser = Literal["sum", "length"]
AttentionForm = Literal["mae", "mse", "none"]
ScoreForm = Literal["kl", "mae", "mse", "mae_logits", "mse_logits", "none"]
Direction = Literal["symmetric", "one_other", "other_one"]


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


@dataclass(frozen=True)
class Config(MethodConfig):
    """TEN + BGES on THUMOS14. "Stated" marks what the paper states; all else is a choice."""

    # network
    embedding: PositiveInt = 1024  # F
    kernel: Literal[1, 3] = 3  # snippets that the embedding looks at
    dropout: Rate = 0.5  # of the embedding, before the classifier
    fuse: Literal["mean", "sum"] = "mean"  # of the streams' class scores
    samples: PositiveInt | None = 500  # snippets drawn from a training video; None: all

    # foreground loss (Eq. 5)
    reading: Reading = "A"  # of Eq. 4, see `pooled_log_probability`
    foreground_norm: Normaliser = "sum"  # "length" would be BGES in the foreground, too
    foreground_extra: NonNegativeFloat = 0.0  # added to the normaliser; 1 in DGAM
    label_norm: bool = True  # labels are divided by their number

    # background loss (Eq. 5 and 13) and what Table 4 puts in the place of BGES
    lambda_bg: NonNegativeFloat = 0.1  # its weight; stated
    background: Literal["plain", "bges", "grl"] = "bges"  # "grl": its gradient is reversed
    # where it is reversed: in all that comes through the attention, in the attention's own weights
    # only, or in the embedding
    grl_scope: Literal["path", "head", "features"] = "path"
    grl_factor: Finite = 1.0  # the reversed gradient is times this
    # a further loss, -log(1 - mean attention) or the mean attention, times lambda_bg
    barrier: Literal["none", "log", "mean"] = "none"
    lambda_bvl: NonNegativeFloat = 0.0  # of Eq. 10, the background loss of every snippet
    bvl_form: Literal["snippets", "video"] = "snippets"  # of each snippet, or of the mean logits
    bvl_detach: bool = False  # Eq. 10 teaches the classifier only

    # the second pass, over repeated snippets (Eq. 6 and 7)
    tcb: bool = True  # whether there is one
    interval: PositiveInt = 4  # how often a snippet is repeated; stated
    beta_att: NonNegativeFloat = 0.1  # weight of the attentions' distance; 0.1 is stated for both
    beta_cas: NonNegativeFloat = 0.1  # weight of the class scores' distance
    att: AttentionForm = "mae"  # distance of the attentions
    cas: ScoreForm = "kl"  # distance of the class scores
    smooth: Literal["both", "tcb_only", "none"] = "both"  # which attentions are smoothed
    sigma: PositiveFloat = 1.0  # of the Gaussian that smooths them, in snippets
    detach: bool = False  # the second pass is a fixed target
    direction: Direction = "symmetric"  # of the divergence
    temperature: PositiveFloat = 1.0  # of the divergence
    cas_sum: bool = False  # the class scores' distance is summed over time, not averaged

    # localization
    gamma: Share = 0.5  # share of the class score in Eq. 14, the rest is attention; 0.5 is stated
    p_background: bool = True  # video scores are a softmax over C + 1
    class_threshold: Share = 0.1  # a class is localized from this video score on; stated
    # on the localization score
    thresholds: tuple[NonNegativeFloat, ...] = tuple((np.arange(10, 91, 5) / 100).tolist())
    locnorm: Literal["minmax", "none"] = "minmax"  # brings it to [0, 1] in each video and class
    upsampling: PositiveInt = 24  # points per snippet
    shortest: PositiveInt = 2  # points that a run needs
    outer: NonNegativeFloat = 0.25  # width of the outer area on each side, as a share of the run
    score_class: NonNegativeFloat = 0.25  # weight of the video score in the confidence
    nms: Share = 0.5  # stated
    nms_iou: Literal["iou", "plus_one_seconds"] = "iou"  # what NMS compares

    # 5,005 steps; stated: Adam, its learning rate and decay
    schedule: Schedule = field(
        default_factory=lambda: averaged(epochs=385, batch_size=16, learning_rate=1e-3)
    )


OFFICIAL = FULL = Config()
ACTIVITYNET12 = replace(
    FULL, samples=100, lambda_bg=0.02, schedule=averaged(66, 16, 1e-3)
)  # 20,000 steps
QUICK = replace(
    FULL,
    embedding=64,
    samples=None,
    schedule=replace(averaged(80, 5, 5e-3, evaluations=2), steps=SETTLING),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


def baseline(full: Config) -> Config:
    """BL: the base branch with plain losses."""
    return replace(full, tcb=False, background="plain")


def figure4_rows(full: Config) -> dict[str, Config]:
    """The baseline with each weight of the background loss."""
    weights = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    return {f"λ = {weight:.1f}": replace(baseline(full), lambda_bg=weight) for weight in weights}


def table3_rows(full: Config) -> dict[str, Config]:
    """The components, by the table's names."""
    return {
        "BL": baseline(full),
        "BL+BGES": replace(full, tcb=False),
        "TEN": replace(full, background="plain"),
        "TEN+BGES": full,
    }


def table4_rows(full: Config) -> dict[str, Config]:
    """What else keeps the attention from going astray, by the table's names."""
    bl = baseline(full)
    ten = replace(full, background="plain")
    return {
        "BL": bl,
        "TEN": ten,
        "BL+GRL": replace(bl, background="grl"),
        "TEN+GRL": replace(ten, background="grl"),
        "BL+BVL": replace(bl, lambda_bvl=full.lambda_bg),
        "TEN+BVL": replace(ten, lambda_bvl=full.lambda_bg),
        "TEN+BVL+BGES": replace(full, lambda_bvl=full.lambda_bg),
    }


def table5_rows(full: Config) -> dict[str, Config]:
    """One distance between the two passes alone, by the table's names."""
    return {
        "ATT MAE": replace(full, att="mae", cas="none"),
        "ATT MSE": replace(full, att="mse", cas="none"),
        "CAS MAE": replace(full, att="none", cas="mae"),
        "CAS MSE": replace(full, att="none", cas="mse"),
        "CAS KL": replace(full, att="none", cas="kl"),
    }


def table6_rows(full: Config) -> dict[str, Config]:
    """How often a snippet is repeated."""
    return {f"interval={interval}": replace(full, interval=interval) for interval in (2, 3, 4, 5)}


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
    """Both passes over `snippets`, the batch or what was drawn from it; the second one in training
    only.
    """

    base: Branch
    continuity: Branch | None
    snippets: Packed


class Network(nn.Module):
    """Embedding (Eq. 1), classifier (Eq. 2) and attention (Eq. 3), one set per stream;
    Xavier-uniform, zero biases.
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = config.embedding
        self.embed = StackedLinear(streams, size_in, size, config.kernel, generator)
        self.classify = StackedLinear(streams, size, classes + 1, 1, generator)
        self.attend = StackedLinear(streams, size, 1, 1, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches sampling, dropout and the continuity branch on."""
        config = self.config
        snippets = batch
        if generator is not None and config.samples is not None:
            snippets = pick(batch, config.samples, generator)
        base = self.branch(snippets, generator)
        continuity = None
        if generator is not None and config.tcb:
            second = repeated(snippets, config.interval, generator)
            continuity = self.branch(second, generator)
        return Outputs(base, continuity, snippets)

    def branch(self, batch: Packed, generator: torch.Generator | None) -> Branch:
        """One pass."""
        config = self.config
        x = self.embed(batch.features, batch).relu()  # Eq. 1
        dropped = dropout(x, config.dropout, generator)
        cas = self.scores(dropped, batch)  # Eq. 2
        attention = self.attention(x, batch)  # Eq. 3
        background = (cas, attention)
        if config.background == "grl" and generator is not None:
            background = self.reversed_background(x, dropped, background, batch)
        every = self.scores(dropped.detach(), batch) if config.bvl_detach else cas
        return Branch(cas, attention, x, background, every)

    def reversed_background(
        self,
        x: Float[Tensor, "S M F"],
        dropped: Float[Tensor, "S M F"],
        background: tuple[Float[Tensor, "M K"], Float[Tensor, " M"]],
        batch: Packed,
    ) -> tuple[Float[Tensor, "M K"], Float[Tensor, " M"]]:
        """Logits and attention that are the same, but push some weights the other way; the scope
        decides which.
        """
        factor = self.config.grl_factor
        cas, attention = background
        if self.config.grl_scope == "path":
            return cas, reversed_gradient(attention, factor)
        if self.config.grl_scope == "head":
            of_fixed_x = self.attention(x.detach(), batch)
            return cas, reversed_gradient(of_fixed_x, factor)
        cas = self.scores(reversed_gradient(dropped, factor), batch)
        attention = self.attention(reversed_gradient(x, factor), batch)
        return cas, attention

    def scores(self, x: Float[Tensor, "S M F"], batch: Packed) -> Float[Tensor, "M K"]:
        """Class logits, fused over the streams."""
        logits = self.classify(x, batch)  # (S, M, K)
        return logits.mean(0) if self.config.fuse == "mean" else logits.sum(0)

    def attention(self, x: Float[Tensor, "S M F"], batch: Packed) -> Float[Tensor, " M"]:
        """In (0, 1), mean over the streams."""
        return self.attend(x, batch).sigmoid().mean(0)[:, 0]


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * grad, None


def reversed_gradient(x: Tensor, factor: float = 1.0) -> Tensor:
    """x, through which a gradient g goes back as −factor · g (Ganin and Lempitsky, 2015)."""
    return _Reversed.apply(x, factor)


def repeated(batch: Packed, interval: int, generator: torch.Generator) -> Packed:
    """One random snippet of every `interval` in a row, in all their places, for all
    streams alike.
    """
    device = batch.video.device
    lengths = torch.tensor(batch.lengths, device=device)
    length = lengths[batch.video]
    first = (lengths.cumsum(0) - lengths)[batch.video]
    place = torch.arange(len(batch.video), device=device) - first
    begin = place - place % interval  # of the snippet's segment
    draws = torch.rand(len(batch.video), generator=generator, device=device, dtype=torch.float64)
    size = (length - begin).clamp_max(interval)
    drawn = (draws[first + begin] * size).long()
    return Packed(batch.features[:, first + begin + drawn], batch.lengths, batch.labels)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """All terms with a weight, and their weighted sum "total" (Eq. 8), one value per video; 0 for a
    video without snippets.

    Without weight, for diagnosis: "attention", its mean over a video's snippets, and "correlation",
    that of attention and foreground probability 1 - q_b. Below 0 the attention is inverted.
    """
    base = outputs.base
    second = outputs.continuity
    snippets = outputs.snippets

    terms = {"fg": foreground_loss(base, snippets, config)}
    total = terms["fg"]
    if config.lambda_bg:
        terms["bg"] = background_loss(base, snippets, config)
        total = total + config.lambda_bg * terms["bg"]
    if config.lambda_bvl:
        terms["bvl"] = every_snippet_loss(base, snippets, config)
        total = total + config.lambda_bvl * terms["bvl"]
    if config.lambda_bg and config.barrier != "none":
        terms["barrier"] = barrier(base, snippets, config)
        total = total + config.lambda_bg * terms["barrier"]
    if second is not None and config.beta_att and config.att != "none":
        terms["att"] = attention_loss(second, base, snippets, config)
        total = total + config.beta_att * terms["att"]
    if second is not None and config.beta_cas and config.cas != "none":
        terms["cas"] = score_loss(second, base, snippets, config)
        total = total + config.beta_cas * terms["cas"]

    present = batch.membership.sum(1) > 0
    losses = {name: torch.where(present, value, 0) for name, value in terms.items()}
    losses["attention"] = mean_over_time(base.attention.detach(), snippets)
    losses["correlation"] = correlation(base, snippets)
    losses["total"] = torch.where(present, total, 0)
    return losses


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The attended snippets tell the labels, and the others the background, but for "grl", which
    wants them not to. The distances between both passes have no bound: constant ones agree.
    """
    labels = supervision.labels
    shares = None if config.label_norm else labels.sum(1) / len(labels)
    bounds = [Bound(("fg",), learnt_labels(labels, shares=shares), LABELS)]
    if config.lambda_bg and config.background != "grl":
        tells = "an attention that tells background from action"
        weights = (1.0, config.lambda_bg)
        bounds.append(Bound(("fg", "bg"), blind_losses(labels, config), tells, weights))
    return tuple(bounds)


def blind_losses(labels: Float[np.ndarray, "B C"], config: Config) -> float:
    """The least foreground and weighted background loss of an attention that is the same for all
    snippets, mean over the videos.

    Foreground and background are then one prediction. But where, under reading A, a sum is not
    divided by its own weights, the attention scales its logits, down to 0: labels and background
    share one half's prediction, which costs it log(n + 1) for n labels, and the other half has its
    own. Under reading B a smaller sum only costs more.
    """
    count = np.maximum(labels.sum(1), 1.0)
    weight = np.ones_like(count) if config.label_norm else count
    foreground = weight[:, None] * distributions(with_background(labels, 0.0))
    least = entropy(foreground + config.lambda_bg * only_background(labels))
    if config.reading == "A" and config.background == "bges":
        undecided_background = weight * np.log(count) + config.lambda_bg * np.log(count + 1)
        least = np.minimum(least, undecided_background)
    if config.reading == "A" and (config.foreground_norm == "length" or config.foreground_extra):
        least = np.minimum(least, weight * np.log(count + 1))
    return float(least.mean())


def foreground_loss(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_f (Eq. 5): the attended snippets show the video's classes and no background."""
    log_p = pooled_log_probability(
        base.cas,
        base.attention,
        batch,
        config.reading,
        config.foreground_norm,
        config.foreground_extra,
    )
    labels = pad(batch.labels, (0, 1))
    return cross_entropy(log_p, labels, config.label_norm)


def background_loss(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_b (Eq. 5): the others show the background. BGES (Eq. 13) divides by T in place of the sum
    of their weights.
    """
    cas, attention = base.background
    normaliser: Normaliser = "length" if config.background == "bges" else "sum"
    log_p = pooled_log_probability(cas, 1 - attention, batch, config.reading, normaliser)
    return -log_p[:, -1]


def every_snippet_loss(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_bvl (Eq. 10): every snippet is background; or the mean of a video's logits."""
    if config.bvl_form == "snippets":
        return -mean_over_time(base.every.log_softmax(-1)[:, -1], batch)
    lengths = batch.membership.sum(1, keepdim=True).clamp_min(1)
    mean = (batch.membership @ base.every) / lengths
    return -mean.log_softmax(-1)[:, -1]


def barrier(base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """What BGES adds to the background loss under reading B, exactly: -log(1 - ā). Or ā itself."""
    mean = mean_over_time(base.attention, batch)
    if config.barrier == "mean":
        return mean
    tiny = torch.finfo(mean.dtype).tiny
    return -(1 - mean).clamp_min(tiny).log()


def pooled_log_probability(
    logits: Float[Tensor, "M K"],
    weight: Float[Tensor, " M"],
    batch: Packed,
    reading: Reading,
    normaliser: Normaliser = "sum",
    extra: float = 0.0,
) -> Float[Tensor, "B K"]:
    """Logarithm of p (Eq. 4), the class probabilities of a video, pooled over its snippets with
    weights w.

    Z is the sum of the weights + `extra`, or the number T of snippets ("length", which is BGES).
    Eq. 4 lost its brackets and has two readings. A, softmax of the mean logits:
    p = softmax((1 / Z) Σ_t w_t s_t). B, mean of the softmaxes: p = (1 / Z) Σ_t w_t softmax(s_t),
    which under "length" does not add up to 1. A video without snippets, or without weight, has the
    uniform distribution.
    """
    total = batch.membership @ weight
    size = total + extra if normaliser == "sum" else batch.membership.sum(1)
    tiny = torch.finfo(logits.dtype).tiny
    values = logits if reading == "A" else logits.softmax(-1)
    mean = (batch.membership @ (weight[:, None] * values)) / size.clamp_min(tiny)[:, None]
    if reading == "A":
        return mean.log_softmax(-1)
    empty = (total <= tiny)[:, None]
    return torch.where(empty, 1 / logits.shape[-1], mean.clamp_min(tiny)).log()


def cross_entropy(
    log_probability: Float[Tensor, "B K"], labels: Float[Tensor, "B K"], normalised: bool = True
) -> Float[Tensor, " B"]:
    """−Σ_c ŷ_c log p_c, ŷ = y / Σ y, or y itself; 0 for a video without any label."""
    count = labels.sum(-1, keepdim=True).clamp_min(1) if normalised else 1.0
    return -(labels / count * log_probability).sum(-1)


def attention_loss(
    second: Branch, base: Branch, batch: Packed, config: Config
) -> Float[Tensor, " B"]:
    """L_att (Eq. 6), of smoothed attentions."""
    of_base = base.attention
    of_second = second.attention.detach() if config.detach else second.attention
    if config.smooth == "both":
        of_base = smoothed(of_base, batch, config.sigma)
    if config.smooth != "none":
        of_second = smoothed(of_second, batch, config.sigma)
    return attention_distance(of_base, of_second, batch, config.att)


def score_loss(second: Branch, base: Branch, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """L_cas (Eq. 7)."""
    of_second = second.cas.detach() if config.detach else second.cas
    distance = score_distance(
        base.cas, of_second, batch, config.cas, config.direction, config.temperature
    )
    return distance * batch.membership.sum(1) if config.cas_sum else distance


def attention_distance(
    one: Float[Tensor, " M"],
    other: Float[Tensor, " M"],
    batch: Packed,
    form: AttentionForm,
) -> Float[Tensor, " B"]:
    """Mean absolute or squared difference of two attentions over the snippets of each video."""
    difference = one - other
    distance = difference.abs() if form == "mae" else difference**2
    return mean_over_time(distance, batch)


def score_distance(
    one: Float[Tensor, "M K"],
    other: Float[Tensor, "M K"],
    batch: Packed,
    form: ScoreForm,
    direction: Direction = "symmetric",
    temperature: float = 1.0,
) -> Float[Tensor, " B"]:
    """Distance of two passes' class logits, mean over the snippets of each video: divergence of
    their softmaxes, or mean absolute or squared difference over the classes, of the softmaxes or of
    the logits themselves.

    direction: KL(one ‖ other), KL(other ‖ one), or the mean of both.
    """
    if form == "kl":
        divergences = directed_divergence(one / temperature, other / temperature, direction)
        return mean_over_time(divergences, batch)
    of_logits = form in ("mae_logits", "mse_logits")
    difference = one - other if of_logits else one.softmax(-1) - other.softmax(-1)
    distance = difference.abs() if form in ("mae", "mae_logits") else difference**2
    return mean_over_time(distance.mean(-1), batch)


def directed_divergence(
    one: Float[Tensor, "M K"], other: Float[Tensor, "M K"], direction: Direction
) -> Float[Tensor, " M"]:
    """The divergence of each snippet's logits, in one direction or the mean of both."""
    if direction == "one_other":
        return divergence(one, other)
    if direction == "other_one":
        return divergence(other, one)
    return (divergence(one, other) + divergence(other, one)) / 2


def divergence(p: Float[Tensor, "M K"], q: Float[Tensor, "M K"]) -> Float[Tensor, " M"]:
    """KL(softmax(p) ‖ softmax(q)) of logits, one value per snippet."""
    log_p = p.log_softmax(-1)
    log_q = q.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def correlation(base: Branch, batch: Packed) -> Float[Tensor, " B"]:
    """Of attention and foreground probability over the snippets of each video; 0 where either is
    constant.
    """
    attention = base.attention.detach()
    foreground = 1 - base.cas.detach().softmax(-1)[:, -1]
    a = attention - mean_over_time(attention, batch)[batch.video]
    q = foreground - mean_over_time(foreground, batch)[batch.video]
    square_a = mean_over_time(a**2, batch)
    square_q = mean_over_time(q**2, batch)
    number = torch.finfo(a.dtype)
    varies = torch.minimum(square_a, square_q) > number.eps**2  # less is rounding
    scale = (square_a * square_q).clamp_min(number.tiny).sqrt()
    return torch.where(varies, mean_over_time(a * q, batch) / scale, 0)


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = localization scores of Eq. 14; class scores = p^fg; attention =
    a. The base branch only. There is no column of the background: Eq. 14 adds the attention, which
    is against it.
    """
    base = outputs.base
    class_scores = base.cas.softmax(-1)[:, :-1]
    located = config.gamma * class_scores + (1 - config.gamma) * base.attention[:, None]  # Eq. 14
    log_p = pooled_log_probability(
        base.cas,
        base.attention,
        outputs.snippets,
        config.reading,
        extra=config.foreground_extra,
    )[:, :-1]
    p = log_p.exp() if config.p_background else log_p.softmax(-1)
    return Activation(
        cas=as_array(located[None]),
        scores=as_array(p[None]),
        attention=as_array(base.attention[None]),
        lengths=outputs.snippets.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, M, K), the attention w (1, M) and the embedding x (S, M, F)."""
    base = outputs.base
    return {"s_a": base.cas[None], "w": base.attention[None], "x": base.x}


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 M K"]]]:
    """What pseudo labels of snippets are compared with, and its share: logits of the base pass. The
    second pass repeats snippets, and learns by its distance to the base pass.
    """
    return [(1.0, outputs.base.cas[None])]


def snippets(outputs: Outputs, batch: Packed) -> Packed:
    """The videos with the snippets that were drawn, and their pseudo labels."""
    return outputs.snippets


@dataclass(frozen=True)
class Proposals:
    """N proposals of P pairs of a video and a class, before suppression.

    video, label: of the pairs. runs: on the finer grid. score: confidence. inner: mean inside.
    """

    video: Int[np.ndarray, " P"]
    label: Int[np.ndarray, " P"]
    runs: Runs
    score: Float[np.ndarray, " N"]
    inner: Float[np.ndarray, " N"]


def propose(activation: Activation, config: Config) -> Proposals:
    """Runs above many thresholds of the upsampled localization score, and their outer-inner
    contrast.
    """
    scores = activation.scores[0]
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    threshold = activation.of_classes(config.class_threshold)
    video, label = pick_classes(scores, threshold, at_least_one=True)

    # one sequence per video and class, on a finer grid
    coarse, coarse_lengths = class_sequences(activation.cas[0], lengths, video, label)
    sequences, points = upsample(coarse, coarse_lengths, config.upsampling)
    levelled = normalised(sequences, points) if config.locnorm == "minmax" else sequences
    runs = find_runs(levelled, points, config.thresholds, drop_frame0_run=False)
    runs = runs.where(runs.end - runs.start >= config.shortest)

    margin = Margin(config.outer, "inclusive")
    inner, outer = inner_and_outer(sequences, points, runs, margin, thresholded=False)
    class_score = scores[video[runs.sequence], label[runs.sequence]]
    score = inner - outer + config.score_class * class_score
    return Proposals(video, label, runs, score, inner)


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Instances of the joint stream, overlapping proposals settled by `suppression`, None: NMS by
    the true IoU, as no seconds are known here. classes: C, which nothing here depends on.
    """
    proposals = propose(activation, config)
    settled = fuse(
        proposals.runs.sequence,
        proposals.runs.start / config.upsampling,
        proposals.runs.end / config.upsampling,
        proposals.score,
        proposals.inner,
        suppression or FusionRule("nms", limit=config.nms, overlap="iou"),
    )
    pair = settled.group
    video = proposals.video[pair]
    label = proposals.label[pair]
    return [Instances(video, label, settled.start, settled.end, settled.score)]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: all proposals after NMS, or settled by `suppression`."""
    if suppression is not None:
        (joint,) = instances(activation, len(scene.classes), config, suppression)
        return detections(joint, scene)
    proposals = propose(activation, config)
    runs = proposals.runs
    start = runs.start / config.upsampling
    end = runs.end / config.upsampling
    # points are whole numbers: their overlaps are exact
    place = (runs.start, runs.end)
    if config.nms_iou == "plus_one_seconds":
        place = (scene.timebase.seconds(start), scene.timebase.seconds(end))
    kept = suppress(runs.sequence, *place, proposals.score, config.nms, config.nms_iou)
    pair = runs.sequence[kept]
    video = proposals.video[pair]
    label = proposals.label[pair]
    return detections(Instances(video, label, start[kept], end[kept], proposals.score[kept]), scene)


METHOD = Method(
    name="ten",
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
        negative_labels="cut",
        snippets=snippets,
        # the teacher sees all snippets
        label_settings=(("samples", None),),
    ),
)
