"""RSKP: Representative Snippet Knowledge Propagation (Huang, Wang, Li; CVPR 2022). Read from top to
bottom.

Each video is summed up by K prototypes; a random walk between prototypes and snippets gives what
they know back to all snippets, and the network learns from its own answer on the refined features.
A memory carries prototypes from video to video.
Shapes: B videos of a packed batch with M snippets, T of the longest; D embedding; C classes, J = C
+ 1 with the background last; K prototypes, R of them read from memory. There is no text of the
paper here: all follows the official code.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wtal_core.localization.detections import drop_ambiguous, to_table
from wtal_core.localization.fusion import FusionRule
from wtal_core.localization.instances import Instances, find_instances
from wtal_core.localization.proposals import ProposalRule
from wtal_core.losses.attention_contrast import attention_contrast
from wtal_core.losses.cross_entropy import normalised_cross_entropy
from wtal_core.losses.temporal_consistency import mean_over_time
from wtal_core.models.method import Host, Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.models.shared.layers import StackedLinear, dropout, xavier
from wtal_core.models.shared.memory import written
from wtal_core.models.shared.random_walk import assigned, cosine, length, unit, walk
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident

VIDEOS_AT_ONCE = 32
PLACES = (
    2**20
)  # numbers in a tensor of padded videos on a CPU: beyond, padding costs more than calls save
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
    """The official THUMOS14 setting.

    prototypes, em_steps, sharpness: K, iterations and scale of the cosine in the assignment. walk:
    w of the random walk.
    delta: cosine scale of all classifiers. temperature: of the snippet distributions made alike.
    warm_up: epochs without memory; it is filled at their end. memory_slots: prototypes kept a
    class.
    memory_index: whose slots a video uses; "slot0" is the official code's bug until 2022-09, and
    GauFuse's to this day.
    memory_read: "sequential", each video sees what the one before it has written; "batch", all see
    the bank of before the batch.
    spl_weights: (epoch, weight of the snippet loss from then on).
    cas_mix, score_mix: share of the original branch in activations and class scores at test time.
    upsample: snippets are interpolated this many times. DIFFERS: 1, none, in the official codes; to
    frames, say the papers.
    suppression: what is done with overlapping proposals.
    """

    embedding: int = 2048
    dropout: float = 0.6
    prototypes: int = 8
    em_steps: int = 2
    sharpness: float = 5.0
    walk: float = 0.5
    delta: float = 20.0
    attention_fraction: int = 8
    temperature: float = 0.2
    lambda_back: float = 0.2
    lambda_att: float = 0.1
    lambda_memory: float = 0.5
    memory_share: float = 0.2
    spl_weights: tuple[tuple[int, float], ...] = ((0, 1.0), (101, 0.5))
    warm_up: int = 101
    memory_slots: int = 5
    memory_index: Literal["label", "slot0"] = "label"
    memory_read: Literal["sequential", "batch"] = "sequential"
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            epochs=200, learning_rate=5e-5, weight_decay=5e-4, evaluations=40
        )
    )
    cas_mix: float = 0.6
    score_mix: float = 0.6
    class_threshold: float = 0.1
    thresholds: tuple[float, ...] = tuple((2 * i + 1) / 1000 for i in range(20))
    shortest: int = 2
    margin: float = 0.25
    margin_power: float = 1.0
    outer_weight: float = 1.0
    upsample: Literal[1, 16] = 1
    suppression: FusionRule = NMS


PAPER = Config()
QUICK = replace(
    PAPER,
    embedding=64,
    warm_up=20,
    spl_weights=((0, 1.0), (20, 0.5)),
    schedule=replace(PAPER.schedule, epochs=40, learning_rate=1e-2, evaluations=5),
)
PROFILES = {"paper": PAPER, "quick": QUICK}


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
    return (
        Heads(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Heads)))
        if len(parts) > 1
        else parts[0]
    )


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

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ):
        super().__init__()
        self.config, size = config, config.embedding
        self.embed = StackedLinear(1, streams * size_in, size, 1, generator)
        self.mu = nn.Parameter(
            xavier(1, size, config.prototypes, generator).detach()[0].T.contiguous()
        )  # (K, D)
        self.w_a = nn.Parameter(
            xavier(1, size, classes + 1, generator).detach()[0].T.contiguous()
        )  # (J, D)
        self.w_f = nn.Parameter(-self.w_a.detach()[-1:])  # (1, D)
        self.register_buffer("bank", torch.zeros(classes, config.memory_slots, size))
        self.register_buffer("bank_scores", torch.zeros(classes, config.memory_slots))
        self.register_buffer(
            "epoch", torch.zeros((), dtype=torch.int64)
        )  # kept in checkpoints with the weights

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """All branches. A generator switches dropout on, and after the warm-up the memory."""
        config, epoch = self.config, int(self.epoch)
        features = batch.features.transpose(0, 1).flatten(1)[
            None
        ]  # all streams side by side, (1, M, S D)
        packed = dropout(self.embed(features, batch).relu(), config.dropout, generator)[0]
        parts = batch.parts(PLACES // config.embedding) if packed.device.type == "cpu" else [batch]
        own = [
            part.padded(x)
            for part, x in zip(parts, packed.split([sum(p.lengths) for p in parts]), strict=True)
        ]
        pieces = [(x, part, length(x)) for x, part in zip(own, parts, strict=True)]  # x: (B, T, D)
        mu = torch.cat([self.prototypes(x, size, part.inside) for x, part, size in pieces])
        pi = (config.delta * cosine(mu, self.w_a)).softmax(-1)
        refined, remembered = self.walked(pieces, mu), None
        if generator is not None and epoch >= config.warm_up:
            remembered = self.walked(pieces, *self.recall(batch, mu.detach(), pi.detach()))
        return Outputs(
            join([self.heads(*piece) for piece in pieces]),
            refined,
            remembered,
            mu,
            pi,
            packed,
            epoch,
        )

    def walked(
        self,
        pieces: list[tuple[Tensor, Packed, Tensor]],
        mu: Float[Tensor, "B R D"],
        filled: Bool[Tensor, "B R"] | None = None,
    ) -> Heads:
        """What is said after a walk between each video's snippets and these prototypes."""
        counts = [len(x) for x, _, _ in pieces]
        there = [None] * len(counts) if filled is None else filled.split(counts)
        return join(
            [
                self.heads(
                    walk(x, part.inside, y, self.config.walk, self.config.sharpness, known, size),
                    part,
                )
                for (x, part, size), y, known in zip(pieces, mu.split(counts), there, strict=True)
            ]
        )

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
        delta, classes = self.config.delta, unit(self.w_a)
        scores = delta * cosine(x, torch.cat([self.w_a, self.w_f]), size)  # (B, T, J + 1)
        attention = scores.sigmoid() * batch.inside[..., None]  # class-wise, the agnostic one last
        weight = attention / (attention.sum(1, keepdim=True) + 1e-5)
        pooled = weight.transpose(1, 2) @ x  # (B, J + 1, D)
        p_ca = (delta * cosine(pooled[:, -1], self.w_a)).softmax(-1)
        p_cw = (delta * (unit(pooled[:, :-1]) * classes).sum(-1)).softmax(-1)
        return Heads(
            p_ca, p_cw, batch.unpadded(attention[..., -1]), batch.unpadded(scores[..., :-1])
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
        owners, slots = self._owners(batch), self.config.memory_slots
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
        once a label.
        """
        own = [torch.nonzero(labels)[:, 0].tolist() for labels in batch.labels.cpu()]
        return (
            own if self.config.memory_index == "label" else [[0] * len(classes) for classes in own]
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
    """L_fore + 0.2 L_back + 0.1 L_att + λ_s L_spl, a value a video, and its terms
    (`processor.py:135-154`, `losses.py:18-46`).

    The background is in every video, but never in the foreground.
    """
    absent = torch.cat([batch.labels, batch.labels.new_zeros(len(batch.labels), 1)], 1)
    present = torch.cat([batch.labels, batch.labels.new_ones(len(batch.labels), 1)], 1)
    branches = [(1.0, outputs.original), (1.0, outputs.refined)]
    if outputs.remembered is not None:
        branches.append((config.lambda_memory, outputs.remembered))
    weight = [w for epoch, w in config.spl_weights if outputs.epoch >= epoch][-1]
    losses = {
        "fore": sum(w * normalised_cross_entropy(heads.p_ca, absent) for w, heads in branches),
        "back": sum(w * normalised_cross_entropy(heads.p_cw, present) for w, heads in branches),
        "att": attention_contrast(outputs.original.f, batch, config.attention_fraction),
        "spl": propagation_loss(outputs, batch, config),
    }
    total = (
        losses["fore"]
        + config.lambda_back * losses["back"]
        + config.lambda_att * losses["att"]
        + weight * losses["spl"]
    )
    return losses | {"total": total}


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
    arrays = (mixed[:, :columns] * original.f[:, None], scores[:, :columns], original.f)
    return Activation(*(a.detach().double().cpu().numpy()[None] for a in arrays), batch.lengths)


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: scores s_a (1, M, J) before and s_m after the walk, attention s_f (1, M),
    embedding x (1, M, D).
    """
    shown = {
        "s_a": outputs.original.s,
        "s_m": outputs.refined.s,
        "s_f": outputs.original.f,
        "x": outputs.x,
    }
    return {name: values[None] for name, values in shown.items()}


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
            config.class_threshold,
            rule,
            suppression or config.suppression,
            config.upsample,
        )
    ]


def localize(
    activation: Activation, scene: Scene, config: Config, suppression: FusionRule | None = None
) -> pd.DataFrame:
    """Detections: instances that meet no ambiguous interval. A score is an outer-inner contrast."""
    (found,) = instances(activation, len(scene.classes), config, suppression)
    clear = drop_ambiguous(
        found.video, found.start, found.end, scene.ambiguous, scene.videos, scene.timebase
    )
    columns = (a[clear] for a in (found.video, found.label, found.start, found.end, found.score))
    return to_table(*columns, scene.videos, scene.classes, scene.timebase)


def trained_as(config: Config) -> Config:
    """The config whose training this one shares: what is done at test time only is the official
    code's.
    """
    return replace(config, **{name: getattr(PAPER, name) for name in AT_TEST_TIME})


METHOD = Method(
    name="rskp",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
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
