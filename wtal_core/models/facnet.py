"""FAC-Net: Foreground-Action Consistency Network (Huang, Wang, Li; ICCV 2021). Read from top to
bottom.

Every stream has a network of its own; the S networks are stacked on the first axis and never mix
before localization.
Shapes: S streams, M snippets of a packed batch of B videos, D embedding, C classes, K = C + 1 with
the background last (K = C without it), H heads of the hybrid attention. Equation numbers are the
paper's; `DIFFERS:` marks where the official code, which is the default here, departs from it.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from wtal_core.checks import NonNegativeFloat, PositiveFloat, PositiveInt, Rate, Share
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances, find_instances
from wtal_core.localization.proposals import ProposalRule
from wtal_core.localization.suppression import suppress
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.class_wise import foreground_scores, hybrid_attention
from wtal_core.models.shared.detected import chosen, detections, joined, outside_ambiguous
from wtal_core.models.shared.layers import StackedLinear, cosine, dropout, xavier
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    learnt_labels,
    with_background,
)
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed

THUMOS14_CLASSES = 20


@dataclass(frozen=True)
class Config(MethodConfig):
    """The paper's THUMOS14 setting. Each field that the paper leaves open or contradicts holds the
    official code's value.
    """

    # D, channels of the embedding
    embedding: PositiveInt = 1024
    # snippets that the embedding looks at: 1 in the code; the paper says "temporal convolution"
    kernel: Literal[1, 3] = 1
    # share of the embedding's channels that are switched off while training
    dropout: Rate = 0.5
    # scale of the cosine between a snippet and a class centre
    delta: PositiveFloat = 5.0
    # temperatures of the hybrid attention, one per head; (1.0,) is plain attention
    taus: tuple[PositiveFloat, ...] = (1.0, 2.0, 5.0)
    # scale of the cosine of video-level scores. DIFFERS: delta = 5 in the paper
    video_scale: PositiveFloat = 10.0
    # w_f begins as minus the background centre. DIFFERS: random ("xavier") in the paper
    foreground_init: Literal["negative_background", "xavier"] = "negative_background"
    # whether there is a (C + 1)-th class
    background: bool = True
    # weight of the loss of the class-wise foreground branch (CW)
    lambda_cw: NonNegativeFloat = 1.0
    # weight of the loss of the class-agnostic attention branch (CA)
    lambda_ca: NonNegativeFloat = 0.1
    # weight of the loss of the multiple-instance branch (MIL)
    lambda_mil: NonNegativeFloat = 0.1
    # how it is trained
    schedule: Schedule = field(default_factory=Schedule)
    # the branch that classifies a video; "auto": P_f, without the CA branch P_m, without both P_a
    class_source: Literal["auto", "ca", "mil", "cw"] = "auto"
    # least video score of a localized class, for C = 20; see `thresholds_for`
    class_threshold: NonNegativeFloat = 0.1
    # activations above which proposals lie, for C = 20; see `thresholds_for`
    thresholds: tuple[NonNegativeFloat, ...] = (0.030, 0.035, 0.040, 0.045, 0.050)
    # snippets of the shortest proposal
    shortest: PositiveInt = 3
    # outer area on either side of a proposal, as a share of its length
    margin: NonNegativeFloat = 0.25
    # score = inner mean - outer_weight * outer mean
    outer_weight: NonNegativeFloat = 0.6
    # overlap above which NMS drops a proposal of the same stream
    stream_overlap: Share = 0.2
    # overlap above which NMS drops an instance of any stream
    merge_overlap: Share = 0.9
    # compared by NMS: "own", (intersection + 1) / (length + 1) of the dropped one; or the true IoU
    overlap: Literal["own", "iou"] = "own"
    # factor of all scores but the last stream's. DIFFERS: RGB x 0.1 in the code, 1 in the paper
    trailing_scale: NonNegativeFloat = 0.1
    # factor of interpolation before thresholding. DIFFERS: up to the frame rate in the paper
    upsample: Literal[1, 16] = 1


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    embedding=256,
    schedule=Schedule(epochs=30, learning_rate=4e-3, evaluations=5, steps=SETTLING),
)


def as_printed(config: Config) -> Config:
    """The paper in place of the official code, wherever the paper says otherwise. Kernel 3 is our
    choice: the paper's convolution is temporal, its size is not stated.
    """
    return replace(
        config,
        kernel=3,
        video_scale=config.delta,
        foreground_init="xavier",
        overlap="iou",
        trailing_scale=1.0,
        upsample=16,
    )


PRINTED = as_printed(OFFICIAL)
PROFILES = {"official": OFFICIAL, "printed": PRINTED, "quick": QUICK}


def ablate(
    base: Config, branches: str, hybrid: bool, background: bool, lambda_no_cw: float = 1.0
) -> Config:
    """A row of Table 3 from the branches it names ("CW MIL"). The authors do not state the rules;
    ours (F7):

    the main branch has weight 1, which is CW where it is present and all others (`lambda_no_cw`)
    where it is not; without hybrid attention one head with tau = 1; without background its
    classifier row and label entry are dropped.
    """
    present = set(branches.split())
    lambda_ca = base.lambda_ca if "CW" in present else lambda_no_cw
    lambda_mil = base.lambda_mil if "CW" in present else lambda_no_cw
    return replace(
        base,
        lambda_cw=float("CW" in present),
        lambda_ca=lambda_ca * ("CA" in present),
        lambda_mil=lambda_mil * ("MIL" in present),
        taus=base.taus if hybrid else (1.0,),
        background=background,
    )


@dataclass(frozen=True)
class Outputs:
    """What the three branches say. p_*: video-level probabilities; s_*: snippet scores; x: the
    embedding.
    """

    p_cw: Float[Tensor, "S B K"]
    p_ca: Float[Tensor, "S B K"]
    p_mil: Float[Tensor, "S B K"]
    s_a: Float[Tensor, "S M K"]
    s_f: Float[Tensor, "S M"]
    x: Float[Tensor, "S M D"]


class Network(nn.Module):
    """Embedding, action classifier W_a and foreground classifier w_f, one set per stream (2,121,728
    parameters each).
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config = config
        size = config.embedding
        self.embed_1 = StackedLinear(streams, size_in, size, config.kernel, generator)
        self.embed_2 = StackedLinear(streams, size, size, config.kernel, generator)
        centres = first_centres(streams, size, classes + 1, generator)
        if config.foreground_init == "negative_background":
            foreground = -centres[:, -1:]
        else:
            foreground = first_centres(streams, size, 1, generator)
        # the background's centre is drawn even where it is left out: other weights stay the same
        if not config.background:
            centres = centres[:, :-1]
        self.w_a = nn.Parameter(centres.clone(memory_format=torch.contiguous_format))  # (S, K, D)
        self.w_f = nn.Parameter(foreground.clone(memory_format=torch.contiguous_format))  # (S,1,D)

    def embed(
        self, batch: Packed, generator: torch.Generator | None = None
    ) -> Float[Tensor, "S M D"]:
        """X: two layers with ReLU, and dropout while training."""
        rate = self.config.dropout
        hidden = dropout(self.embed_1(batch.features, batch).relu(), rate, generator)
        return dropout(self.embed_2(hidden, batch).relu(), rate, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """The three branches (Fig. 2). A generator switches dropout on."""
        config = self.config
        classes = self.w_a.shape[1]
        x = self.embed(batch, generator)
        centres = torch.cat([self.w_a, self.w_f], 1)  # (S, K + 1, D)
        scores = config.delta * cosine(x, centres)  # Eq. 1 and 8
        attention = hybrid_attention(scores, config.taus, batch)  # Eq. 2 and 9
        pooled = batch.pool(attention.flatten(2), x)  # Eq. 3 and 10
        pooled = pooled.unflatten(2, attention.shape[2:])  # (S, B, H, K + 1, D)
        f_a = pooled[..., :classes, :]
        f_f = pooled[..., classes, :]
        r_a = foreground_scores(f_a, self.w_f, config.video_scale)  # Eq. 4
        r_f = config.video_scale * cosine(f_f, self.w_a[:, None]).mean(2)  # Eq. 11
        weighted = (attention[..., :classes] * scores[:, :, None, :classes]).mean(2)
        r_m = config.video_scale / config.delta * batch.sum(weighted)  # Eq. 13
        return Outputs(
            p_cw=r_a.softmax(-1),  # Eq. 5
            p_ca=r_f.softmax(-1),
            p_mil=r_m.softmax(-1),
            s_a=scores[..., :classes],
            s_f=scores[..., classes],
            x=x,
        )


def first_centres(
    streams: int, size: int, count: int, generator: torch.Generator
) -> Float[Tensor, "S K D"]:
    """Initial class centres of each stream, Xavier-uniform."""
    return xavier(streams, size, count, generator).detach().transpose(1, 2)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """L_cw, L_ca, L_mil (Eq. 6, 12) and their weighted sum "total" (Eq. 14), one value per video,
    summed over streams.

    The background is never a foreground or an attended action (target 0 in CW and CA) and is in
    every video (1 in MIL).
    """
    absent = batch.labels
    present = batch.labels
    if config.background:
        absent = pad(batch.labels, (0, 1), value=0.0)
        present = pad(batch.labels, (0, 1), value=1.0)
    weights = {"cw": config.lambda_cw, "ca": config.lambda_ca, "mil": config.lambda_mil}
    scores = {"cw": outputs.p_cw, "ca": outputs.p_ca, "mil": outputs.p_mil}
    targets = {"cw": absent, "ca": absent, "mil": present}
    losses = {}
    total = absent.new_zeros(len(absent))
    for name, weight in weights.items():
        if weight:
            target = targets[name].expand_as(scores[name])
            losses[name] = normalised_cross_entropy(scores[name], target).sum(0)
            total = total + weight * losses[name]
    return losses | {"total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """Each foreground branch tells the labels, and all branches do so together.

    A foreground score that tells nothing leaves all classes equal in CW, far above. It does not
    force one prediction on CA and MIL, which pool by scores of their own, so that nothing here says
    whether the background is learnt.
    """
    labels = supervision.labels
    absent, present = labels, labels
    if config.background:
        absent, present = with_background(labels, 0.0), with_background(labels, 1.0)
    weights = {"cw": config.lambda_cw, "ca": config.lambda_ca, "mil": config.lambda_mil}
    targets = {"cw": absent, "ca": absent, "mil": present}
    used = tuple(name for name, weight in weights.items() if weight)
    of_foreground = streams * learnt_labels(absent)
    bounds = [Bound((name,), of_foreground, LABELS) for name in used if name != "mil"]
    if "mil" in used:
        factors = tuple(weights[name] for name in used)
        together = learnt_labels(*(targets[name] for name in used), weights=factors)
        bounds.append(Bound(used, streams * together, LABELS, factors))
    return tuple(bounds)


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = softmax of S_a over the K classes; class scores of the branch
    `class_source`.

    Attention, for display: (S_f / delta + 1) / 2, the foreground cosine moved to [0, 1].
    background: with its column, if the model has one; pseudo labels may be of it, detections not.
    """
    source = config.class_source
    if source == "auto":
        source = "ca" if config.lambda_ca else "mil" if config.lambda_mil else "cw"
    scores = {"ca": outputs.p_ca, "mil": outputs.p_mil, "cw": outputs.p_cw}[source]
    columns = batch.labels.shape[1] + background
    return Activation(
        cas=as_array(outputs.s_a.softmax(-1)[..., :columns]),
        scores=as_array(scores[..., :columns]),
        attention=as_array((outputs.s_f / config.delta + 1) / 2),
        lengths=batch.lengths,
    )


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "S M K"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (S, M, K), s_f (S, M) and the embedding x (S, M, D)."""
    return {"s_a": outputs.s_a, "s_f": outputs.s_f, "x": outputs.x}


def foreground(network: Network) -> Float[Tensor, "S 1 D"]:
    """w_f, which the snippets of actions are like."""
    return network.w_f


def thresholds_for(config: Config, classes: int) -> tuple[tuple[float, ...], float]:
    """Activation thresholds and class threshold for C classes.

    Thresholds are meant relative to the uniform softmax value, 1/21 on THUMOS14. On a data set with
    C classes, and without the background class, they keep that ratio: x 21 / K. The class threshold
    keeps its ratio to 1/(C + 1). A single class passes in every video: 2.1 times 1/2 would let none
    pass.
    """
    entries = classes + 1 if config.background else classes
    reference = THUMOS14_CLASSES + 1
    thresholds = tuple(t * reference / entries for t in config.thresholds)
    if classes == 1:
        return thresholds, 0.0
    return thresholds, config.class_threshold * reference / (classes + 1)


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Instances of each stream, overlapping ones settled by `suppression` (None: NMS),
    `detectionMAP.py:83-117`.

    A score is the outer-inner contrast of its own stream; streams before the last are scaled by
    `trailing_scale`, which ranks (nearly) all of their instances below those of the leading stream.
    classes: C of the data set.
    """
    thresholds, class_threshold = thresholds_for(config, classes)
    rule = ProposalRule(thresholds, config.shortest, config.margin, 1.0, config.outer_weight)
    if suppression is None:
        suppression = FusionRule("nms", limit=config.stream_overlap, overlap=config.overlap)
    leading = len(activation.cas) - 1
    by_stream = []
    for stream, cas in enumerate(activation.cas):
        scale = 1.0 if stream == leading else config.trailing_scale
        by_stream.append(
            find_instances(
                cas,
                activation.scores[stream],
                np.asarray(activation.lengths),
                activation.of_classes(class_threshold),
                rule,
                suppression,
                config.upsample,
                scale,
            )
        )
    return by_stream


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections of all streams together: instances of each that meet no ambiguous interval, then
    NMS over their union (F5).
    """
    classes = len(scene.classes)
    by_stream = instances(activation, classes, config, suppression)
    clear = [outside_ambiguous(of_stream, scene) for of_stream in by_stream]
    union = joined(clear[::-1])  # NMS keeps the earlier of two equal scores: the leading stream's
    kept = suppress(
        union.video * classes + union.label,
        union.start,
        union.end,
        union.score,
        config.merge_overlap,
        config.overlap,
    )
    return detections(chosen(union, kept), scene)


METHOD = Method(
    name="facnet",
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
        # each stream's pseudo labels are of its own instances alone
        label_settings=(("trailing_scale", 1.0),),
        foreground=foreground,
    ),
)
