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

from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances, find_instances
from wtal_core.localization.proposals import ProposalRule
from wtal_core.localization.suppression import suppress
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.models.method import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.layers import StackedLinear, cosine, dropout, xavier
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed

THUMOS14_CLASSES = 20


@dataclass(frozen=True)
class Config(MethodConfig):
    """The paper's THUMOS14 setting. Each field that the paper leaves open or contradicts holds the
    official code's value.

    taus: temperatures of the hybrid attention, one a head; (1,) is plain attention. background: the
    (C + 1)-th class.
    video_scale: cosine scale of video-level scores. DIFFERS: 10 in the code, delta = 5 in the
    paper.
    foreground_init: w_f starts at minus the background centre. DIFFERS: random in the paper.
    kernel: 1 in the code; the paper says "temporal convolution" (3 is a choice).
    class_threshold, thresholds: for C = 20; other data sets keep their ratio to the uniform value,
    see `thresholds_for`.
    class_source: which branch classifies the video; "auto" takes P_f, without the CA branch P_m,
    without both P_a.
    overlap: what NMS compares; "own" = (intersection + 1) / (length + 1) of the suppressed one, as
    the code; "iou" = true tIoU.
    trailing_scale: weight of all streams but the leading (last) one. DIFFERS: RGB x 0.1 in the
    code, 1 in the paper.
    upsample: factor of linear interpolation before thresholding. DIFFERS: 1 in the code, the frame
    rate in the paper.
    """

    embedding: int = 1024
    kernel: Literal[1, 3] = 1
    dropout: float = 0.5
    delta: float = 5.0
    taus: tuple[float, ...] = (1.0, 2.0, 5.0)
    video_scale: float = 10.0
    foreground_init: Literal["negative_background", "xavier"] = "negative_background"
    background: bool = True
    lambda_cw: float = 1.0
    lambda_ca: float = 0.1
    lambda_mil: float = 0.1
    schedule: Schedule = field(default_factory=Schedule)
    class_source: Literal["auto", "ca", "mil", "cw"] = "auto"
    class_threshold: float = 0.1
    thresholds: tuple[float, ...] = (0.030, 0.035, 0.040, 0.045, 0.050)
    shortest: int = 3
    margin: float = 0.25
    outer_weight: float = 0.6
    stream_overlap: float = 0.2
    merge_overlap: float = 0.9
    overlap: Literal["own", "iou"] = "own"
    trailing_scale: float = 0.1
    upsample: Literal[1, 16] = 1


PAPER = Config()
QUICK = replace(
    PAPER, embedding=64, schedule=Schedule(epochs=40, learning_rate=5e-3, evaluations=5)
)
PROFILES = {"paper": PAPER, "quick": QUICK}


def ablate(
    base: Config, branches: str, hybrid: bool, background: bool, lambda_no_cw: float = 1.0
) -> Config:
    """A row of Table 3 from the branches it names ("CW MIL"). The authors do not state the rules;
    ours (F7):

    the main branch has weight 1, which is CW where it is present and all others (`lambda_no_cw`)
    where it is not; without hybrid attention one head with tau = 1; without background its
    classifier row and label entry are dropped.
    """
    chosen = set(branches.split())
    ca, mil = (base.lambda_ca, base.lambda_mil) if "CW" in chosen else (lambda_no_cw, lambda_no_cw)
    return replace(
        base,
        lambda_cw=float("CW" in chosen),
        lambda_ca=ca * ("CA" in chosen),
        lambda_mil=mil * ("MIL" in chosen),
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
    """Embedding, action classifier W_a and foreground classifier w_f, one set a stream (2,121,728
    parameters each).
    """

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config, size = config, config.embedding
        self.embed_1 = StackedLinear(streams, size_in, size, config.kernel, generator)
        self.embed_2 = StackedLinear(streams, size, size, config.kernel, generator)
        centres = (
            xavier(streams, size, classes + 1, generator).detach().transpose(1, 2)
        )  # (S, C + 1, D)
        foreground = (
            -centres[:, -1:]
            if config.foreground_init == "negative_background"
            else xavier(streams, size, 1, generator).detach().transpose(1, 2)
        )
        kept = centres if config.background else centres[:, :-1]
        self.w_a = nn.Parameter(kept.clone(memory_format=torch.contiguous_format))  # (S, K, D)
        self.w_f = nn.Parameter(
            foreground.clone(memory_format=torch.contiguous_format)
        )  # (S, 1, D)

    def embed(
        self, batch: Packed, generator: torch.Generator | None = None
    ) -> Float[Tensor, "S M D"]:
        """X: two layers with ReLU, and dropout while training."""
        rate = self.config.dropout
        hidden = dropout(self.embed_1(batch.features, batch).relu(), rate, generator)
        return dropout(self.embed_2(hidden, batch).relu(), rate, generator)

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """The three branches (Fig. 2). A generator switches dropout on."""
        config, classes = self.config, self.w_a.shape[1]
        x = self.embed(batch, generator)
        centres = torch.cat([self.w_a, self.w_f], 1)  # (S, K + 1, D)
        scores = config.delta * cosine(x, centres)  # Eq. 1 and 8
        attention = hybrid_attention(scores, config.taus, batch)  # Eq. 2 and 9
        pooled = batch.pool(attention.flatten(2), x).unflatten(
            2, attention.shape[2:]
        )  # Eq. 3 and 10
        f_a, f_f = pooled[..., :classes, :], pooled[..., classes, :]  # (S B H K D), (S B H D)
        r_a = config.video_scale * cosine(f_a, self.w_f[:, None, None]).squeeze(-1).mean(2)  # Eq. 4
        r_f = config.video_scale * cosine(f_f, self.w_a[:, None]).mean(2)  # Eq. 11
        weighted = (attention[..., :classes] * scores[:, :, None, :classes]).mean(2)
        r_m = config.video_scale / config.delta * batch.sum(weighted)  # Eq. 13
        return Outputs(
            r_a.softmax(-1),
            r_f.softmax(-1),
            r_m.softmax(-1),  # Eq. 5
            scores[..., :classes],
            scores[..., classes],
            x,
        )


def hybrid_attention(
    scores: Float[Tensor, "S M J"], taus: tuple[float, ...], batch: Packed
) -> Float[Tensor, "S M H J"]:
    """Softmax over the snippets of each video at H temperatures (Eq. 2 and 9; Section 3.5).

    The heads' video-level scores, not their attention, are averaged later
    (`model/main_branch.py:69,79,85`).
    """
    sharp = torch.stack([tau * scores for tau in taus], 2)
    return batch.softmax(sharp.flatten(2)).unflatten(2, sharp.shape[2:])


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """L_cw, L_ca, L_mil (Eq. 6, 12) and their weighted sum "total" (Eq. 14), a value a video,
    summed over streams.

    The background is never a foreground or an attended action (target 0 in CW and CA) and is in
    every video (1 in MIL).
    """
    labels = batch.labels
    absent = (
        torch.cat([labels, labels.new_zeros(len(labels), 1)], 1) if config.background else labels
    )
    present = (
        torch.cat([labels, labels.new_ones(len(labels), 1)], 1) if config.background else labels
    )
    terms = {
        "cw": (config.lambda_cw, outputs.p_cw, absent),
        "ca": (config.lambda_ca, outputs.p_ca, absent),
        "mil": (config.lambda_mil, outputs.p_mil, present),
    }
    losses = {
        name: normalised_cross_entropy(p, y.expand_as(p)).sum(0)
        for name, (weight, p, y) in terms.items()
        if weight
    }
    losses["total"] = sum(terms[name][0] * value for name, value in losses.items())
    return losses


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
    classes = batch.labels.shape[1] + background
    arrays = (
        outputs.s_a.softmax(-1)[..., :classes],
        scores[..., :classes],
        (outputs.s_f / config.delta + 1) / 2,
    )
    return Activation(*(a.detach().double().cpu().numpy() for a in arrays), batch.lengths)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "S M K"]]]:
    """What pseudo labels of snippets are compared with, and its share."""
    return [(1.0, outputs.s_a)]


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (S, M, K), s_f (S, M) and the embedding x (S, M, D)."""
    return {"s_a": outputs.s_a, "s_f": outputs.s_f, "x": outputs.x}


def thresholds_for(config: Config, classes: int) -> tuple[tuple[float, ...], float]:
    """Activation thresholds and class threshold for C classes.

    Thresholds are meant relative to the uniform softmax value, 1/21 on THUMOS14. On a data set with
    C classes, and without the background class, they keep that ratio: x 21 / K. The class threshold
    keeps its ratio to 1/(C + 1).
    """
    entries = classes + 1 if config.background else classes
    reference = THUMOS14_CLASSES + 1
    return tuple(
        t * reference / entries for t in config.thresholds
    ), config.class_threshold * reference / (classes + 1)


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
    settle = suppression or FusionRule("nms", limit=config.stream_overlap, overlap=config.overlap)
    leading, lengths = len(activation.cas) - 1, np.asarray(activation.lengths)
    return [
        find_instances(
            activation.cas[stream],
            activation.scores[stream],
            lengths,
            class_threshold,
            rule,
            settle,
            config.upsample,
            1.0 if stream == leading else config.trailing_scale,
        )
        for stream in range(leading + 1)
    ]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections of all streams together: instances of each that meet no ambiguous interval, then
    NMS over their union (F5).
    """
    streams = [
        _clear(found, scene)
        for found in instances(activation, len(scene.classes), config, suppression)
    ]
    video, label, start, end, score = (
        np.concatenate(parts) for parts in zip(*reversed(streams), strict=True)
    )
    kept = suppress(
        video * len(scene.classes) + label, start, end, score, config.merge_overlap, config.overlap
    )
    return to_table(
        video[kept],
        label[kept],
        start[kept],
        end[kept],
        score[kept],
        scene.videos,
        scene.classes,
        scene.timebase,
    )


def _clear(found: Instances, scene: Scene) -> tuple[np.ndarray, ...]:
    """(video, class, start, end, score) of the instances that share no snippet with an ambiguous
    interval.
    """
    clear = drop_ambiguous(
        found.video, found.start, found.end, scene.ambiguous, scene.videos, scene.timebase
    )
    return tuple(a[clear] for a in (found.video, found.label, found.start, found.end, found.score))


METHOD = Method(
    name="facnet",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    host=Host(
        instances=instances,
        snippet_scores=snippet_scores,
        activate=activate,
        localize=localize,
        # each stream's pseudo labels are of its own instances alone
        label_settings=(("trailing_scale", 1.0),),
    ),
)
