"""RSKP: Representative Snippet Knowledge Propagation (Huang, Wang, Li; CVPR 2022). Read from top to
bottom.

Each video is summed up by K prototypes; a random walk between prototypes and snippets gives what
they know back to all snippets, and the network learns from its own answer on the refined features.
A memory carries prototypes from video to video.
Shapes: B videos of a packed batch with M snippets, T of the longest; D embedding; C classes, J = C
+ 1 with the background last; K prototypes, R of them read from memory. There is no text of the
paper here: all follows the official code.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from wtal_core.checks import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Rate,
    Share,
)
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances, find_instances
from wtal_core.localization.proposals import ProposalRule
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.contract import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.detected import detections, outside_ambiguous
from wtal_core.models.shared.layers import StackedLinear, dropout, xavier
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    last_epochs,
    learnt_labels,
    one_prediction,
    with_background,
)
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed, Resident

VIDEOS_AT_ONCE = 32
# numbers in a tensor of padded videos on a CPU: beyond, padding costs more than calls save
PLACES = 2**20
NMS = FusionRule("nms", limit=0.5)
AT_TEST_TIME = (
    "cas_mix",
    "score_mix",
    "class_threshold",
    "thresholds",
    "shortest",
    "margin",
    "margin_power",
    "outer_weight",
    "upsample",
    "suppression",
)


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official THUMOS14 setting."""

    # D, channels of the embedding
    embedding: PositiveInt = 2048
    # share of the embedding's channels that are switched off while training
    dropout: Rate = 0.6
    # K, prototypes per video
    prototypes: PositiveInt = 8
    # iterations of expectation-maximisation
    em_steps: NonNegativeInt = 2
    # scale of the cosine when a snippet is shared out among prototypes
    sharpness: PositiveFloat = 5.0
    # w, weight of a step of the random walk against staying
    walk: Rate = 0.5
    # scale of the cosine of all classifiers
    delta: PositiveFloat = 20.0
    # attention contrast: T // attention_fraction snippets are inside, as many outside
    attention_fraction: PositiveInt = 8
    # of the snippet distributions that are made alike
    temperature: PositiveFloat = 0.2
    # weight of the losses with background ("back")
    lambda_back: NonNegativeFloat = 0.2
    # weight of the attention contrast ("att")
    lambda_att: NonNegativeFloat = 0.1
    # weight of the losses after the walk with remembered prototypes
    lambda_memory: NonNegativeFloat = 0.5
    # share of the remembered branch in the targets of the snippet loss
    memory_share: Share = 0.2
    # (epoch, weight of the snippet loss "spl" from then on)
    spl_weights: tuple[tuple[NonNegativeInt, NonNegativeFloat], ...] = ((0, 1.0), (101, 0.5))
    # epochs without memory, which is filled at their end
    warm_up: NonNegativeInt = 101
    # prototypes that are kept per class
    memory_slots: PositiveInt = 5
    # whose slots a video uses; "slot0": a bug of the official code until 2022-09, GauFuse's still
    memory_index: Literal["label", "slot0"] = "label"
    # "sequential": a video sees what the one before has written; "batch": the bank before the batch
    memory_read: Literal["sequential", "batch"] = "sequential"
    # how it is trained
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            epochs=200, learning_rate=5e-5, weight_decay=5e-4, evaluations=40
        )
    )
    # share of the original branch in activations at test time
    cas_mix: Share = 0.6
    # share of the original branch in class scores at test time
    score_mix: Share = 0.6
    # least video score of a localized class
    class_threshold: NonNegativeFloat = 0.1
    # activations above which proposals lie
    thresholds: tuple[NonNegativeFloat, ...] = tuple((2 * i + 1) / 1000 for i in range(20))
    # snippets of the shortest proposal
    shortest: PositiveInt = 2
    # outer area on either side of a proposal of L snippets: margin * L ** margin_power
    margin: NonNegativeFloat = 0.25
    # see `margin`
    margin_power: NonNegativeFloat = 1.0
    # score = inner mean - outer_weight * outer mean
    outer_weight: NonNegativeFloat = 1.0
    # factor of interpolation. DIFFERS: 1, none, in the official codes; to frames, say the papers
    upsample: Literal[1, 16] = 1
    # what becomes of overlapping proposals
    suppression: FusionRule = NMS


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    embedding=128,
    warm_up=20,
    spl_weights=((0, 1.0), (20, 0.5)),
    schedule=replace(
        OFFICIAL.schedule, epochs=40, learning_rate=5e-3, evaluations=5, steps=SETTLING
    ),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Heads:
    """What the classifiers say of one set of snippet features.

    p_ca: video probabilities by class-agnostic attention; p_cw: by class-wise attention; f: the
    former; s: snippet scores.
    """

    p_ca: Float[Tensor, "B J"]
    p_cw: Float[Tensor, "B J"]
    f: Float[Tensor, " M"]
    s: Float[Tensor, "M J"]


def join(parts: list[Heads]) -> Heads:
    """Of videos one after another."""
    if len(parts) == 1:
        return parts[0]
    return Heads(
        p_ca=torch.cat([part.p_ca for part in parts]),
        p_cw=torch.cat([part.p_cw for part in parts]),
        f=torch.cat([part.f for part in parts]),
        s=torch.cat([part.s for part in parts]),
    )


@dataclass(frozen=True)
class Piece:
    """Some of a batch's videos, padded: their snippets x, the length of each row of x, and what is
    known of them.
    """

    x: Float[Tensor, "B T D"]
    length: Float[Tensor, "B T 1"]
    videos: Packed


@dataclass(frozen=True)
class Outputs:
    """original: of the embedding x; refined: of x after the walk with the video's own prototypes
    mu, whose classes are pi;
    remembered: with those of the memory, once that is filled, while training. epoch: epochs done.
    """

    original: Heads
    refined: Heads
    remembered: Heads | None
    mu: Float[Tensor, "B K D"]
    pi: Float[Tensor, "B K J"]
    x: Float[Tensor, "M D"]
    epoch: int


class Network(nn.Module):
    """Embedding, first prototypes, action and foreground classifier (4,257,792 parameters), and the
    memory bank.
    """

    bank: Float[Tensor, "C R D"]
    bank_scores: Float[Tensor, "C R"]
    epoch: Int[Tensor, ""]

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config = config
        size = config.embedding
        self.embed = StackedLinear(1, streams * size_in, size, 1, generator)
        self.mu = nn.Parameter(rows(config.prototypes, size, generator))  # (K, D)
        self.w_a = nn.Parameter(rows(classes + 1, size, generator))  # (J, D)
        self.w_f = nn.Parameter(-self.w_a.detach()[-1:])  # (1, D)
        # buffers lie in checkpoints, with the weights
        self.register_buffer("bank", torch.zeros(classes, config.memory_slots, size))
        self.register_buffer("bank_scores", torch.zeros(classes, config.memory_slots))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """All branches. A generator switches dropout on, and after the warm-up the memory."""
        config = self.config
        epoch = int(self.epoch)
        features = batch.features.transpose(0, 1).flatten(1)[None]  # streams side by side
        x = dropout(self.embed(features, batch).relu(), config.dropout, generator)[0]  # (M, D)
        pieces = self.pieces(x, batch)
        mu = torch.cat([self.prototypes(p.x, p.length, p.videos.inside) for p in pieces])
        pi = (config.delta * cosine(mu, self.w_a)).softmax(-1)
        refined = self.walked(pieces, mu)
        remembered = None
        if generator is not None and epoch >= config.warm_up:
            recalled, filled = self.recall(batch, mu.detach(), pi.detach())
            remembered = self.walked(pieces, recalled, filled)
        # the last branch: gradients are added up in this order
        original = join([self.heads(p.x, p.videos, p.length) for p in pieces])
        return Outputs(original, refined, remembered, mu, pi, x, epoch)

    def pieces(self, x: Float[Tensor, "M D"], batch: Packed) -> list[Piece]:
        """The batch's videos, padded to one length; on a CPU in pieces of similar lengths."""
        parts = [batch]
        if x.device.type == "cpu":
            parts = batch.parts(PLACES // self.config.embedding)
        snippets = x.split([sum(part.lengths) for part in parts])
        padded = [part.padded(own) for part, own in zip(parts, snippets, strict=True)]
        return [Piece(own, length(own), part) for part, own in zip(parts, padded, strict=True)]

    def walked(
        self,
        pieces: list[Piece],
        mu: Float[Tensor, "B R D"],
        filled: Bool[Tensor, "B R"] | None = None,
    ) -> Heads:
        """What is said after a walk between each video's snippets and these prototypes."""
        config = self.config
        parts = []
        begin = 0
        for piece in pieces:
            own = slice(begin, begin + len(piece.x))
            begin = own.stop
            refined = walk(
                piece.x,
                piece.videos.inside,
                mu[own],
                config.walk,
                config.sharpness,
                None if filled is None else filled[own],
                piece.length,
            )
            parts.append(self.heads(refined, piece.videos))
        return join(parts)

    def prototypes(
        self,
        x: Float[Tensor, "B T D"],
        size: Float[Tensor, "B T 1"],
        inside: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B K D"]:
        """Expectation-maximisation from the learned first prototypes; gradients flow through all of
        it.
        """
        mu = self.mu.expand(len(x), -1, -1)
        for _ in range(self.config.em_steps):
            _, share = assigned(x, inside, mu, self.config.sharpness, size=size)
            mu = share @ x
        return mu

    def heads(
        self, x: Float[Tensor, "B T D"], batch: Packed, size: Float[Tensor, "B T 1"] | None = None
    ) -> Heads:
        """Snippet scores, foreground attention, and the video's probabilities by both kinds of
        attention.
        """
        delta = self.config.delta
        classes = unit(self.w_a)
        scores = delta * cosine(x, torch.cat([self.w_a, self.w_f]), size)  # (B, T, J + 1)
        attention = scores.sigmoid() * batch.inside[..., None]  # class-wise, the agnostic one last
        weight = attention / (attention.sum(1, keepdim=True) + 1e-5)
        pooled = weight.transpose(1, 2) @ x  # (B, J + 1, D)
        p_ca = (delta * cosine(pooled[:, -1], self.w_a)).softmax(-1)
        p_cw = (delta * (unit(pooled[:, :-1]) * classes).sum(-1)).softmax(-1)
        return Heads(
            p_ca=p_ca,
            p_cw=p_cw,
            f=batch.unpadded(attention[..., -1]),
            s=batch.unpadded(scores[..., :-1]),
        )

    @torch.no_grad()
    def recall(
        self,
        batch: Packed,
        mu: Float[Tensor, "B K D"],
        pi: Float[Tensor, "B K J"],
    ) -> tuple[Float[Tensor, "B R D"], Bool[Tensor, "B R"]]:
        """The memory's prototypes of each video's classes, read before the video's own are written;
        and which rows are any.
        """
        owners = self._owners(batch)
        slots = self.config.memory_slots
        rows = torch.cat([self.bank.flatten(0, 1), mu.flatten(0, 1)])
        sets, scores = written(self.bank_scores.cpu().numpy(), pi[..., :-1].cpu().numpy(), owners)
        read = np.full((len(owners), max(map(len, owners), default=0) * slots), -1)
        for video, classes in enumerate(owners):
            source = sets[video if self.config.memory_read == "sequential" else 0]
            read[video, : len(classes) * slots] = source[classes].flatten()
        index = torch.as_tensor(read, device=mu.device)
        self.bank.copy_(rows[torch.as_tensor(sets[-1], device=mu.device)])
        self.bank_scores.copy_(torch.from_numpy(scores))
        return rows[index.clamp_min(0)], index >= 0

    @torch.no_grad()
    def remember(self, batch: Packed) -> None:
        """Write the videos' prototypes without reading any."""
        outputs = self(batch)
        self.recall(batch, outputs.mu, outputs.pi)

    def forget(self) -> None:
        """An empty memory; its prototypes and their scores are zeros, as at the beginning."""
        self.bank.zero_()
        self.bank_scores.zero_()

    def _owners(self, batch: Packed) -> list[list[int]]:
        """Classes whose slots each video uses: its own. DIFFERS with "slot0": always the first one,
        once per label.
        """
        own = [torch.nonzero(labels)[:, 0].tolist() for labels in batch.labels.cpu()]
        if self.config.memory_index == "label":
            return own
        return [[0] * len(classes) for classes in own]


def rows(count: int, size: int, generator: torch.Generator) -> Float[Tensor, "K D"]:
    """Xavier-uniform rows."""
    return xavier(1, size, count, generator).detach()[0].T.contiguous()


def written(
    scores: Float[np.ndarray, "C R"],
    offered: Float[np.ndarray, "B K C"],
    owners: list[list[int]],
) -> tuple[list[Int[np.ndarray, "C R"]], Float[np.ndarray, "C R"]]:
    """What lies in the R slots of C classes before each of B videos and after the last one, and the
    scores in the end.

    owners: classes that a video writes to, one after another, even the same one twice. A slot's
    content is a row number: first the C R prototypes that were there, then the K of each video. A
    class keeps the best of what it had and the video's K; its scores are those of when a prototype
    came. Earlier ones stay on a tie.
    """
    scores = scores.copy()
    count = offered.shape[1]
    sets = [np.arange(scores.size).reshape(scores.shape)]
    for video, classes in enumerate(owners):
        sets.append(sets[-1].copy())
        own = scores.size + count * video + np.arange(count)
        for c in classes:
            candidates = np.concatenate([scores[c], offered[video, :, c]])
            best = np.argsort(-candidates, kind="stable")[: scores.shape[1]]
            scores[c] = candidates[best]
            sets[-1][c] = np.concatenate([sets[-1][c], own])[best]
    return sets, scores


def length(x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N 1"]:
    """Of each row, more than 0: RSKP's code adds 1e-9."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True) + 1e-9


def unit(x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
    """Rows of length 1, almost; a row of zeros stays one."""
    return x / length(x)


def cosine(
    x: Float[Tensor, "*B T D"],
    rows: Float[Tensor, "*R K D"],
    size: Float[Tensor, "*B T 1"] | None = None,
) -> Float[Tensor, "*B T K"]:
    """Of each snippet with each row. size: `length(x)`, for who needs it more than once. Divides T
    x K numbers, not T x D, which takes longer than the product where D is small.
    """
    return (x @ unit(rows).transpose(-1, -2)) / (length(x) if size is None else size)


def assigned(
    x: Float[Tensor, "B T D"],
    inside: Bool[Tensor, "B T"],
    prototypes: Float[Tensor, "B K D"],
    sharpness: float,
    filled: Bool[Tensor, "B K"] | None = None,
    size: Float[Tensor, "B T 1"] | None = None,
) -> tuple[Float[Tensor, "B K T"], Float[Tensor, "B K T"]]:
    """Z, how a snippet is shared out among the prototypes (softmax of sharpness · cosine), and Ẑ,
    the same divided by its sum over the video's snippets. inside: which rows of a video are
    snippets. filled: which prototypes there are (None: all).
    size: see `cosine`. Snippets last: a softmax over few columns that lie side by side takes twenty
    times as long.
    """
    if size is None:
        size = length(x)
    counts = inside[:, None]  # which pairs of a prototype and a snippet there are
    scores = sharpness * (unit(prototypes) @ x.transpose(1, 2)) / size.transpose(1, 2)
    if filled is not None:
        scores = scores.masked_fill(~filled[..., None], torch.finfo(x.dtype).min)
        counts = counts & filled[..., None]
    z = scores.softmax(1) * counts
    return z, z / (z.sum(2, keepdim=True) + 1e-9)


def walk(
    x: Float[Tensor, "B T D"],
    inside: Bool[Tensor, "B T"],
    prototypes: Float[Tensor, "B K D"],
    w: float,
    sharpness: float,
    filled: Bool[Tensor, "B K"] | None = None,
    size: Float[Tensor, "B T 1"] | None = None,
) -> Float[Tensor, "B T D"]:
    """Snippets after infinitely many steps to the prototypes and back: X' = (1 − w)(I − w² Zᵀ Ẑ)⁻¹
    (w Zᵀ Y + X).

    It is the fixed point of X' = w Zᵀ M + (1 − w) X with M = w Ẑ X' + (1 − w) Y. By Woodbury's
    identity, with S = Ẑ Zᵀ, X' = (1 − w)[X + Zᵀ(w Y + w² (I − w² S)⁻¹ (Ẑ X + w S Y))]: time and
    memory grow with T K, not with T².
    Source: RSKP, `model/main_branch.py:22-34`, which inverts the T x T matrix.
    """
    z, share = assigned(x, inside, prototypes, sharpness, filled, size)
    reached = share @ x  # Ẑ X
    back = share @ z.transpose(1, 2)  # S
    identity = torch.eye(back.shape[1], dtype=x.dtype, device=x.device)
    inner = torch.linalg.solve(identity - w * w * back, reached + w * (back @ prototypes))
    return torch.baddbmm(
        x, z.transpose(1, 2), w * prototypes + w * w * inner, beta=1 - w, alpha=1 - w
    )


@torch.no_grad()
def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> None:
    """Tell the network the epoch; at the end of the warm-up fill the memory from all videos, in
    their order, without dropout.
    """
    network.epoch.fill_(epochs_done)
    if epochs_done == config.warm_up:
        for first in range(0, len(videos), VIDEOS_AT_ONCE):
            network.remember(videos.batch(range(first, min(first + VIDEOS_AT_ONCE, len(videos)))))


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """L_fore + 0.2 L_back + 0.1 L_att + λ_s L_spl, one value per video, and its terms
    (`processor.py:135-154`, `losses.py:18-46`).

    The background is in every video, but never in the foreground.
    """
    absent = torch.cat([batch.labels, batch.labels.new_zeros(len(batch.labels), 1)], 1)
    present = torch.cat([batch.labels, batch.labels.new_ones(len(batch.labels), 1)], 1)
    branches = [(1.0, outputs.original), (1.0, outputs.refined)]
    if outputs.remembered is not None:
        branches.append((config.lambda_memory, outputs.remembered))
    fore = torch.zeros_like(absent[:, 0])
    for share, heads in branches:
        fore = fore + share * normalised_cross_entropy(heads.p_ca, absent)
    back = torch.zeros_like(absent[:, 0])
    for share, heads in branches:
        back = back + share * normalised_cross_entropy(heads.p_cw, present)
    att = attention_contrast(outputs.original.f, batch, config.attention_fraction)
    spl = propagation_loss(outputs, batch, config)
    weight = [weight for epoch, weight in config.spl_weights if outputs.epoch >= epoch][-1]
    total = fore + config.lambda_back * back + config.lambda_att * att + weight * spl
    return {"fore": fore, "back": back, "att": att, "spl": spl, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The attended video scores tell the labels, and attentions make two predictions of them, with
    and without the background: constant ones pool the same features for all heads. Each is made by
    all branches, the remembered one after the warm-up.

    The attention contrast has no bound, an attention may be polarised at random; nor has the
    snippet loss, whose targets are the network's own.
    """
    labels = supervision.labels
    epochs = last_epochs(config.schedule.epochs)
    remembered = float(np.mean([epoch >= config.warm_up for epoch in epochs]))
    branches = 2 + config.lambda_memory * remembered
    bounds = [Bound(("fore",), branches * learnt_labels(labels), LABELS)]
    if config.lambda_back:
        weights = (1.0, config.lambda_back)
        targets = (with_background(labels, 0.0), with_background(labels, 1.0))
        alike = branches * one_prediction(*targets, weights=weights)
        tells = "an attention that tells background from action"
        bounds.append(Bound(("fore", "back"), alike, tells, weights))
    return tuple(bounds)


def attention_contrast(f: Float[Tensor, " M"], batch: Packed, fraction: int) -> Float[Tensor, " B"]:
    """Mean of the max(1, ⌊T / fraction⌋) smallest attentions less that of as many largest; 0 for a
    video without snippets.
    """
    lengths = torch.tensor(batch.lengths, device=f.device)
    count = (lengths // fraction).clamp_min(1)
    behind_all = batch.padded(f) - 2.0 * ~batch.inside  # f is in [0, 1], so padding comes last
    ranked = behind_all.sort(1, descending=True).values
    place = torch.arange(ranked.shape[1], device=f.device)
    largest = place < count[:, None]
    smallest = (place >= (lengths - count)[:, None]) & (place < lengths[:, None])
    return ((smallest.to(f.dtype) - largest.to(f.dtype)) * ranked).sum(1) / count * (lengths > 0)


def propagation_loss(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " B"]:
    """Cross entropy of the original snippet distributions with those after the walk, which are
    targets: no gradient.

    With memory the target's scores are mixed from both walks. The mean over the snippets of each
    video.
    """
    target = outputs.refined.s.detach()
    if outputs.remembered is not None:
        target = (
            config.memory_share * outputs.remembered.s.detach() + (1 - config.memory_share) * target
        )
    log = (outputs.original.s / config.temperature).log_softmax(-1)
    each = -((target / config.temperature).softmax(-1) * log).sum(-1)
    return mean_over_time(each, batch)


def snippet_scores(outputs: Outputs) -> list[tuple[float, Float[Tensor, "1 M J"]]]:
    """What pseudo labels are compared with: both branches' scores and their shares
    (`GAU:method.py:303-305`).
    """
    return [(0.8, outputs.original.s[None]), (0.2, outputs.refined.s[None])]


def activate(
    outputs: Outputs, batch: Packed, config: Config, background: bool = False
) -> Activation:
    """Class activation sequences = attention times the mixed snippet probabilities of both
    branches; class scores mixed alike.

    background: with the background class as the last column, which a video's pseudo labels may
    have, but not its detections.
    """
    original, refined = outputs.original, outputs.refined
    columns = batch.labels.shape[1] + background
    mixed = config.cas_mix * original.s.softmax(-1) + (1 - config.cas_mix) * refined.s.softmax(-1)
    scores = config.score_mix * original.p_ca + (1 - config.score_mix) * refined.p_ca
    return Activation(
        cas=as_array(mixed[None, :, :columns] * original.f[None, :, None]),
        scores=as_array(scores[None, :, :columns]),
        attention=as_array(original.f[None]),
        lengths=batch.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: scores s_a (1, M, J) before and s_m after the walk, attention s_f (1, M),
    embedding x (1, M, D).
    """
    return {
        "s_a": outputs.original.s[None],
        "s_m": outputs.refined.s[None],
        "s_f": outputs.original.f[None],
        "x": outputs.x[None],
    }


def instances(
    activation: Activation, classes: int, config: Config, suppression: FusionRule | None = None
) -> list[Instances]:
    """Instances of the one stream, overlapping ones settled by `suppression` (None: the config's).
    R5.

    classes: C of the data set, which other methods scale their thresholds by; here they stay as
    they are.
    """
    rule = ProposalRule(
        config.thresholds, config.shortest, config.margin, config.margin_power, config.outer_weight
    )
    return [
        find_instances(
            activation.cas[0],
            activation.scores[0],
            np.asarray(activation.lengths),
            activation.of_classes(config.class_threshold),
            rule,
            suppression or config.suppression,
            config.upsample,
        )
    ]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: instances that meet no ambiguous interval. A score is an outer-inner contrast."""
    (joint,) = instances(activation, len(scene.classes), config, suppression)
    return detections(outside_ambiguous(joint, scene), scene)


def trained_as(config: Config) -> Config:
    """The config whose training this one shares: what is done at test time only is the official
    code's.
    """
    return replace(config, **{name: vars(OFFICIAL)[name] for name in AT_TEST_TIME})


METHOD = Method(
    name="rskp",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
    training_config=trained_as,
    host=Host(
        instances=instances,
        snippet_scores=snippet_scores,
        activate=activate,
        localize=localize,
        forget=Network.forget,
    ),
)
