"""DELU: Dual-Evidential Learning for Uncertainty modeling (Chen, Gao, Yang, Xu; ECCV 2022). It
takes CO2-Net's network and losses, and adds two losses. Top to bottom.

Evidence for the classes of a video makes a loss that trusts certain videos more; the uncertainty of
snippets says which of them the attention learns from first.
Shapes: N snippets of a packed batch of B videos; C classes, K = C + 1 with the background last.
`DIFFERS:` marks where paper and official code, the default here, part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from wtal_core.checks import NonNegativeFloat, PositiveInt
from wtal_core.localization.attention_proposals import AttentionRule
from wtal_core.losses.attended import guide_distance, lifted
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models import co2net
from wtal_core.models.co2net import activate, instances, localize, signals, snippet_scores
from wtal_core.models.contract import Host, Method
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.objective import Bound, Supervision
from wtal_core.models.shared.sampling import picked
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed, Resident

LARGEST = 10.0  # of logits that become evidence


@dataclass(frozen=True)
class Config(co2net.Config):
    """The official code's THUMOS14 setting (its train_thumos.sh); first what differs from
    CO2-Net's.
    """

    samples: PositiveInt | None = 320
    lambda_guide: NonNegativeFloat = 0.4
    rule: AttentionRule = field(
        default_factory=lambda: AttentionRule(
            thresholds=tuple(np.linspace(0.1, 0.9, 20).tolist()), longer_than=1.0
        )
    )
    # 250 epochs of 20 steps, scored every 50
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(250, 10, 5e-5, evaluations=100, decay=1e-3, pairs=3)
    )

    # loss of the video's evidence
    lambda_evidence: NonNegativeFloat = 1.3  # its weight
    evidence_fraction: PositiveInt = 9  # of the T // fraction snippets of largest attention
    evidence: Literal["exp", "relu"] = "exp"  # what makes logits evidence
    evidence_form: Literal["log", "squares"] = "log"

    # guide loss, weighted by the uncertainty of snippets
    lambda_uncertain: NonNegativeFloat = 0.4  # its weight
    amplitude: NonNegativeFloat = 0.7  # weights are between 1 - amplitude and 1 + amplitude
    # DIFFERS: the code takes at place j the weight of the snippet of rank j ("as_code"); what it
    # means is the weight of the rank of snippet j ("fixed")
    rank: Literal["as_code", "fixed"] = "as_code"


OFFICIAL = Config()
# 46 epochs of 482 steps are about the 22000 of the authors' script
ACTIVITYNET12 = replace(
    OFFICIAL,
    samples=60,
    smoothing=13,
    fraction=5,
    lambda_guide=0.8,
    schedule=averaged_adam(46, 10, 3e-5, pairs=3),
    lambda_evidence=1.2,
    evidence_fraction=5,
    evidence="relu",
    evidence_form="squares",
    lambda_uncertain=0.2,
    amplitude=0.2,
)
QUICK = replace(
    OFFICIAL,
    samples=None,
    width=64,
    attention_width=64,
    dropout=0.1,  # see `backtal.QUICK`
    schedule=averaged_adam(30, 10, 5e-3, evaluations=2, decay=1e-3, pairs=3, steps=SETTLING),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs(co2net.Outputs):
    """CO2-Net's, and the share of the training that is over, in [0, 1]."""

    progress: Float[Tensor, ""]


class Network(co2net.Network):
    """CO2-Net's, which knows how far training has come."""

    progress: Tensor

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__(config, streams, size_in, classes, generator)
        self.register_buffer("progress", torch.zeros(()))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches sampling and dropout on."""
        outputs = super().forward(batch, generator)
        return Outputs(**vars(outputs), progress=self.progress)


@torch.no_grad()
def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> None:
    """Tells the network how far training has come. DIFFERS: the code counts steps, not epochs."""
    network.progress.fill_(epochs_done / config.schedule.epochs)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Tensor]:
    """CO2-Net's losses, that of the videos' evidence and the guide loss of uncertain snippets; and
    their weighted sum "total". One value per video.
    """
    snippets = outputs.snippets
    suppressed = lifted(outputs.logits, outputs.attention)
    losses = co2net.loss(outputs, batch, config)
    total = losses.pop("total")
    evidence = evidence_loss(suppressed, outputs.attention, snippets, config)
    uncertain = uncertain_guide_loss(outputs, suppressed, config)
    total = total + config.lambda_evidence * evidence + config.lambda_uncertain * uncertain
    return {**losses, "evidence": evidence, "uncertain_guide": uncertain, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """CO2-Net's. What DELU adds has no bound: the loss of evidence is least without any, and that
    of uncertain snippets is the guide loss in other proportions.
    """
    return co2net.objective(supervision, streams, config)


def evidence_loss(
    suppressed: Float[Tensor, "N K"],
    attention: Float[Tensor, " N"],
    batch: Packed,
    config: Config,
) -> Float[Tensor, " B"]:
    """What the evidence of the snippets of largest attention (equal ones: the first) says of the
    video's classes. α = evidence + 1, S = Σ α over the classes, u = C / S.

    "log": Σ g (log S - log α), g = (1 - u) |y| (y / α) / Σ (y / α), where u gets no gradient.
    "squares": Σ (y - α / S)². Source: DELU, `edl_loss.py`. 0 without any label or snippet.
    """
    lengths = torch.tensor(batch.lengths, device=attention.device)
    count = (lengths // config.evidence_fraction).clamp_min(1)
    _, place = ranked(-attention, batch)
    chosen = (place < count[batch.video]).to(suppressed.dtype)
    logits = (batch.membership @ (chosen[:, None] * suppressed[:, :-1])) / count[:, None]
    strength = exp_evidence(logits) if config.evidence == "exp" else logits.relu()
    alpha = strength + 1
    total = alpha.sum(1, keepdim=True)  # S
    labels = batch.labels
    if config.evidence_form == "squares":
        per_video = ((labels - alpha / total) ** 2).sum(1)
    else:
        certain = 1 - labels.shape[1] / total.detach()
        shares = labels / alpha
        tiny = torch.finfo(shares.dtype).tiny
        shares = shares / shares.sum(1, keepdim=True).clamp_min(tiny)
        weight = certain * labels.sum(1, keepdim=True) * shares
        per_video = (weight * (total.log() - alpha.log())).sum(1)
    return per_video * (lengths > 0)


def exp_evidence(logits: Float[Tensor, "*N C"]) -> Float[Tensor, "*N C"]:
    """exp of the logits, which are clipped to ±10."""
    return logits.clamp(-LARGEST, LARGEST).exp()


def uncertain_guide_loss(
    outputs: Outputs, suppressed: Float[Tensor, "N K"], config: Config
) -> Float[Tensor, " B"]:
    """Mean over a video's snippets of their weight times the distance of 1 - a from the
    background's probability, itself a mean over all attentions.
    """
    distance = guide_distance(outputs.logits, outputs.attentions).mean(0)
    weight = snippet_weights(suppressed, outputs.progress, outputs.snippets, config)
    return mean_over_time(weight * distance, outputs.snippets)


def snippet_weights(
    suppressed: Float[Tensor, "N K"],
    progress: Float[Tensor, ""],
    batch: Packed,
    config: Config,
) -> Float[Tensor, " N"]:
    """1 + amplitude tanh(θ δ): θ goes from -1 to 1 with the rank of a snippet's uncertainty in its
    video, δ from 1 to -1 with the progress of training. So certain snippets weigh little at first
    and much at last. No gradient.
    """
    classes = suppressed.shape[1] - 1
    uncertainty = classes / (exp_evidence(suppressed.detach()) + 1).sum(1)
    order, place = ranked(uncertainty, batch)
    rank = (order if config.rank == "as_code" else place).to(suppressed.dtype)
    lengths = torch.tensor(batch.lengths, device=rank.device)[batch.video]
    theta = 2 * (rank + 0.5) / lengths - 1
    delta = 1 - 2 * progress
    return 1 + config.amplitude * torch.tanh(theta * delta)


def ranked(
    values: Float[Tensor, " N"], batch: Packed
) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"]]:
    """Of each video: the snippets by increasing value, and the place of each snippet in that order;
    equal values in the order of time. All count from the video's first snippet.
    """
    by_value = values.detach().argsort(stable=True)
    by_video = by_value[batch.video[by_value].argsort(stable=True)]
    lengths = torch.tensor(batch.lengths, device=values.device)
    start = (lengths.cumsum(0) - lengths)[batch.video]
    number = torch.arange(len(values), device=values.device) - start
    place = torch.empty_like(number)
    place[by_video] = number
    return by_video - start, place


METHOD: Method[Config, Outputs] = Method(
    name="delu",
    Config=Config,
    profiles=PROFILES,
    benchmarks={"activitynet1.2": {"official": ACTIVITYNET12}},
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
    host=Host(
        instances=instances,
        snippet_scores=snippet_scores,
        activate=activate,
        localize=localize,
        label_settings=(("samples", None),),
        snippets=picked,
    ),
)
