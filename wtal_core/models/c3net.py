"""3C-Net: category count and center loss (Narayan, Cholakkal, Khan, Shao; ICCV 2019). Read from top
to bottom.

Snippets are classified in each stream and, by a learned sum, in both. Beside the labels of videos,
an annotator counts the instances: the fused class scores, averaged by their own attention, have to
say the count. Features of a class are pulled to a centre of that class.
Shapes: S streams, O = S + 1 outputs with the fused one last, M snippets of a packed batch of B
videos, D channels, C classes. "Specification" is `docs/methods/c3net.md`, where the numbered
equations are; `DIFFERS:` marks where paper, official code and this file part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import conv1d

from wtal_core.checks import NonNegativeFloat, NonNegativeInt, PositiveInt, Rate
from wtal_core.losses.over_time import shares
from wtal_core.models.contract import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.inputs import Inputs
from wtal_core.models.shared.layers import StackedLinear, dropout, top_mean_rounded_up
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels
from wtal_core.models.shared.peak_localization import PeakRule, localize_peaks
from wtal_core.models.shared.sampling import random_crops
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed

TAPS = 13


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting."""

    # instances of each class are counted in the training videos
    inputs: Inputs = field(default_factory=lambda: Inputs(counts=True))
    hidden: PositiveInt = 1024  # D, channels of both hidden layers; in the code those of a stream
    dropout: Rate = 0.7  # of the second hidden layer
    fraction: PositiveInt = 8  # a video's score is the mean of its ⌈T / fraction⌉ largest logits
    shortest_video: NonNegativeInt = 5  # snippets that a video needs for the classification loss
    alpha: NonNegativeFloat = 1e-3  # weight of the centre loss
    centre_rate: NonNegativeFloat = 0.1  # learning rate of the centres, without alpha
    # DIFFERS: the code divides by the number of features twice; a mean divides once
    centre_mean: Literal["twice", "once"] = "twice"
    # videos with several classes have a centre loss after so many steps
    centre_delay: NonNegativeInt = 5000
    beta: NonNegativeFloat = 1.0  # weight of the count loss
    count_absent: NonNegativeFloat = 1e-3  # weight of counts of classes that are not there
    # the count loss is in every second step, that of the longer crops; or in all
    count_every_second: bool = True
    # fused logits are smoothed by a learned convolution per class, of 13 taps 2 apart, and a ReLU
    smooth: bool = False
    # longest video in training: in odd steps and the first one, and in the others; None: whole
    crops: tuple[PositiveInt, PositiveInt] | None = (750, 2800)

    # localization
    class_fraction: PositiveInt = 8  # a class scores the mean of its ⌊T / 8⌋ largest logits
    rule: PeakRule = field(default_factory=lambda: PeakRule(class_ratio=0.5, threshold="middle"))

    # 7143 epochs of 7 steps (200 videos) are the code's 50000
    schedule: Schedule = field(
        default_factory=lambda: averaged_adam(7143, 32, 1e-4, 100, order="repeated")
    )


OFFICIAL = Config()
ACTIVITYNET12 = replace(
    OFFICIAL,
    beta=0.1,
    smooth=True,
    crops=(200, 400),
    rule=PeakRule(class_ratio=0.0, threshold="zero"),
    # 331 epochs of 151 steps (4819 videos) are 49981 of the code's 50000
    schedule=replace(OFFICIAL.schedule, epochs=331),
)
QUICK = replace(
    OFFICIAL,
    hidden=128,
    dropout=0.3,  # 0.7 leaves too little of a narrow layer
    crops=None,
    centre_delay=40,  # a tenth of the steps, as there
    schedule=averaged_adam(40, 10, 3e-3, 4, order="repeated", steps=SETTLING),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """What the network says. logits: of each stream and fused. x: the second hidden layer.
    snippets: the batch, or while training its random crops.

    class_features: mean of x where a stream shows a class, see `class_features`. centres: of this
    step. told: the pairs of a video and a class that have a centre loss. steps: of training, before
    this one.
    """

    logits: Float[Tensor, "O M C"]
    x: Float[Tensor, "S M D"]
    snippets: Packed
    class_features: Float[Tensor, "S B C D"]
    centres: Float[Tensor, "S C D"]
    told: Bool[Tensor, "B C"]
    steps: int


class Network(nn.Module):
    """Two hidden layers and a classifier per stream, a learned sum of the streams, and a centre per
    stream and class (4,405,450 parameters for 101 classes).
    """

    steps: Tensor  # training steps so far; kept in checkpoints
    centres: Tensor

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = config.hidden
        self.embed_1 = StackedLinear(streams, size_in, size, 1, generator)
        self.embed_2 = StackedLinear(streams, size, size, 1, generator)
        self.classify = StackedLinear(streams, size, classes, 1, generator)
        self.fuse = nn.Parameter(torch.ones(streams, 1, classes))
        if config.smooth:
            bound = (6 / (TAPS + TAPS * classes)) ** 0.5
            taps = torch.empty(classes, 1, TAPS).uniform_(-bound, bound, generator=generator)
            self.taps = nn.Parameter(taps)
        # Centres follow their own rule, not Adam, so they are no parameters.
        centres = torch.randn(streams, classes, size, generator=generator)
        self.register_buffer("centres", centres)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout and random crops on; a training step moves the centres."""
        steps = int(self.steps)
        snippets = batch if generator is None else self.cropped(batch, generator)
        hidden = self.embed_1(snippets.features, snippets).relu()
        x = dropout(self.embed_2(hidden, snippets).relu(), self.config.dropout, generator)
        logits = self.classify(x, snippets)
        fused = (self.fuse * logits).sum(0, keepdim=True)  # Eq. 1
        if self.config.smooth:
            fused = self.smoothed(fused[0], snippets)[None]
        features = class_features(x, logits, snippets)
        told = centred(snippets, steps, self.config)
        outputs = Outputs(
            torch.cat([logits, fused]), x, snippets, features, self.centres, told, steps
        )
        if generator is not None and torch.is_grad_enabled():
            self.steps += 1
            self.centres = moved_centres(outputs, self.config)
        return outputs

    def cropped(self, batch: Packed, generator: torch.Generator) -> Packed:
        """The batch as this training step shows it."""
        if self.config.crops is None:
            return batch
        steps = int(self.steps)
        first, second = self.config.crops
        longest = second if steps > 0 and steps % 2 == 0 else first
        return random_crops(batch, longest, generator)

    def smoothed(self, fused: Float[Tensor, "M C"], snippets: Packed) -> Float[Tensor, "M C"]:
        """Each class's own convolution over time, zero beyond both ends of a video, and a ReLU."""
        if not len(fused):
            return fused
        rows = snippets.padded(fused).transpose(1, 2)  # (B, C, T)
        classes = fused.shape[1]
        wide = conv1d(rows, self.taps, padding=TAPS - 1, dilation=2, groups=classes)
        return snippets.unpadded(wide.transpose(1, 2)).relu()


def class_features(
    x: Float[Tensor, "S M D"], logits: Float[Tensor, "S M C"], snippets: Packed
) -> Float[Tensor, "S B C D"]:
    """Mean of the snippets whose attention to a class, a softmax over time, is at least average,
    weighted by it (Eq. 4).
    """
    attention = snippets.softmax(logits)
    lengths = snippets.membership.sum(1).clamp_min(1)
    average = snippets.sum(attention) / lengths[:, None]
    is_high = attention >= average.index_select(1, snippets.video)
    kept = attention * is_high
    total = snippets.sum(kept)[..., None]
    return snippets.pool(kept, x) / torch.where(total > 0, total, 1)


def centred(snippets: Packed, steps: int, config: Config) -> Bool[Tensor, "B C"]:
    """Which pairs of a video and a class have a centre loss: none in the first step, and at first
    none of videos with several classes.
    """
    present = snippets.labels > 0
    lengths = torch.tensor(snippets.lengths, device=present.device)
    counted = (lengths > 0)[:, None] & present
    if steps == 0:
        return torch.zeros_like(counted)
    if steps < config.centre_delay:
        counted = counted & (present.sum(1, keepdim=True) == 1)
    return counted


def distances(outputs: Outputs) -> Float[Tensor, "S B C"]:
    """Squared distance of each class feature to its centre."""
    return (outputs.class_features - outputs.centres[:, None]).square().sum(-1)


def mean_factor(told: Bool[Tensor, "B C"], config: Config) -> float:
    """What the sum over pairs is multiplied with: 1 / n, or 1 / n², see `Config.centre_mean`."""
    count = max(1, int(told.sum()))
    return 1 / count if config.centre_mean == "once" else 1 / count**2


@torch.no_grad()
def moved_centres(outputs: Outputs, config: Config) -> Float[Tensor, "S C D"]:
    """Centres after one step down the gradient of the centre loss, which is not weighted here."""
    away = outputs.centres[:, None] - outputs.class_features
    told = outputs.told.to(away.dtype)
    gradient = 2 * mean_factor(outputs.told, config) * (told[..., None] * away).sum(1)
    return outputs.centres - config.centre_rate * gradient


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Classification of all outputs (Eq. 2), centres (Eq. 3), counts (Eq. 5), before their weights,
    and "total". One value per video; the mean over the batch is the official code's number.
    """
    classification = class_loss(outputs.logits, outputs.snippets, config)
    videos = len(batch.lengths)
    told = outputs.told.to(outputs.logits.dtype)
    pairs = told * (mean_factor(outputs.told, config) * videos)
    centre = (distances(outputs) * pairs).sum((0, 2))
    count = torch.zeros_like(classification)
    is_counting = outputs.steps > 0 and outputs.steps % 2 == 0
    counts = batch.counts
    if counts is not None and (is_counting or not config.count_every_second):
        count = count_loss(outputs.logits[-1], counts, outputs.snippets, config)
    total = classification + config.alpha * centre + config.beta * count
    return {"cls": classification, "centre": centre, "count": count, "total": total}


def class_loss(
    logits: Float[Tensor, "O M C"], snippets: Packed, config: Config
) -> Float[Tensor, " B"]:
    """Cross entropy of the mean of the largest logits with the video's classes, of all outputs."""
    present = snippets.labels / (snippets.labels.sum(1, keepdim=True) + 1e-10)
    lengths = torch.tensor(snippets.lengths, device=logits.device)
    is_counted = (lengths >= config.shortest_video) & (snippets.labels.sum(1) > 0)
    counted = is_counted.nonzero()[:, 0]
    scores = top_mean_rounded_up(logits, snippets, config.fraction)
    values = -(present * scores.log_softmax(-1)).sum(-1)
    return shares(values[:, counted], counted, len(snippets.lengths))


def count_loss(
    scores: Float[Tensor, "M C"], counts: Float[Tensor, "B C"], snippets: Packed, config: Config
) -> Float[Tensor, " B"]:
    """How far Σ_t softmax_t(s) s is from the number of instances, relative to it; classes without
    an instance, or with more than snippets, should say 0.
    """
    said = snippets.sum(snippets.softmax(scores[None]) * scores)[0]
    lengths = torch.tensor(snippets.lengths, device=scores.device)[:, None]
    is_there = (counts > 0) & (counts < lengths)
    relative = (said - counts).abs() / counts.clamp_min(1)
    return torch.where(is_there, relative, config.count_absent * said.abs()).sum(1)


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """All outputs tell the labels, and the scores count: whoever says 0 owes 1 per label, in every
    second step where only that one counts. Centres have no bound: features of length 0 have one.
    """
    labels = supervision.labels
    bounds = [Bound(("cls",), (streams + 1) * learnt_labels(labels), LABELS)]
    if config.beta and config.inputs.counts:
        share = 0.5 if config.count_every_second else 1.0
        nothing = share * float(labels.sum(1).mean())
        bounds.append(Bound(("count",), nothing, "counting"))
    return tuple(bounds)


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = fused logits; scores: the means of their largest ones.

    Attention, for display: the largest softmax probability.
    """
    fused = outputs.logits[-1:].double()
    return Activation(
        cas=as_array(fused),
        scores=as_array(batch.top_mean(fused, config.class_fraction)),
        attention=as_array(fused.softmax(-1).amax(-1)),
        lengths=batch.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: logits s_a (O, M, C), the fused ones last; embedding x (S, M, D)."""
    return {"s_a": outputs.logits, "x": outputs.x}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Runs of each class above the middle of its range, scored by their peak and the class score;
    no NMS.
    """
    return localize_peaks(activation, scene, config.rule)


METHOD = Method(
    name="c3net",
    Config=Config,
    profiles=PROFILES,
    benchmarks={"activitynet1.2": {"official": ACTIVITYNET12}},
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
)
