"""A2CL-PT: adversarial and angular center loss with a pair of triplets (Min, Corso; ECCV 2020).
Read from top to bottom.

Each class has a direction, its centre. Features that a video's attention picks for a class lie
nearer to it, in angle, than features that hardly any attention picks, and than to any other centre.
An adversarial branch is shown each class without the snippets that the first branch finds most
typical of it, so that it has to find others.
Shapes: S streams, M snippets of a packed batch of B videos, D channels, C classes; 2 branches, the
adversarial one last. "Specification" is `docs/methods/a2clpt.md`, where the numbered equations are;
`DIFFERS:` marks where paper, official code and this file part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from wtal_core.checks import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Rate
from wtal_core.losses.video_labels import label_cross_entropy
from wtal_core.models.contract import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.averaged_adam import averaged_adam
from wtal_core.models.shared.layers import StackedLinear, dropout, top_mean_rounded_up
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, learnt_labels
from wtal_core.models.shared.peak_localization import PeakRule, localize_peaks
from wtal_core.models.shared.sampling import random_crops
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed

ERASED = -100.0  # what the adversarial branch says of snippets that it is not shown


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting."""

    hidden: PositiveInt = 1024  # D, channels of both hidden layers; in the code those of a stream
    dropout: Rate = 0.7  # of the second hidden layer
    fraction: PositiveInt = 8  # a video's score is the mean of its ⌈T / fraction⌉ largest logits
    erased: PositiveInt = 40  # the adversarial branch is not shown the ⌊T / erased⌋ most typical
    omega: NonNegativeFloat = 0.6  # share of the adversarial branch in the class scores
    # how many snippets are erased in training: ⌊T / erased⌋ of the video itself, or of the crop's
    # length. DIFFERS: the code pads shorter videos to it, and ranks the padding along
    erase_by: Literal["video", "crop"] = "video"
    alpha: NonNegativeFloat = 1.0  # weight of the angular losses
    gamma: NonNegativeFloat = 0.6  # weight of the second triplet, of the first it is 1
    margin_negative: NonNegativeFloat = 2.0  # of the triplet with hardly attended features, radians
    margin_centre: NonNegativeFloat = 1.0  # of the triplet with the nearest other centre, radians
    # an attention scaled by a factor drawn from here hardly attends
    beta: tuple[PositiveFloat, PositiveFloat] = (0.001, 0.1)
    # learning rate of the centres per stream; a further stream takes the last one
    centre_rates: tuple[NonNegativeFloat, ...] = (0.1, 0.2)
    # videos with several classes have angular losses from this step on (the first is 1)
    centre_delay: NonNegativeInt = 5000
    crop: PositiveInt | None = 200  # longest video in training; None: whole

    # localization
    class_fraction: PositiveInt = 8  # a class scores the mean of its ⌈T / 8⌉ largest logits
    rule: PeakRule = field(default_factory=lambda: PeakRule(class_ratio=0.5, threshold="zero"))

    # 7500 epochs of 6 whole batches (200 videos) are the code's 45000 steps; decay 5e-4, epsilon
    # 1e-8 of the mean. Labels are of the segments, as in the code's annotation file
    schedule: Schedule = field(
        default_factory=lambda: whole_batches(averaged_adam(7500, 32, 1e-4, 100))
    )


def whole_batches(schedule: Schedule) -> Schedule:
    """Labels of the segments, as in the code's annotation file; no incomplete last batch."""
    return replace(schedule, labels="segments", whole_batches=True)


OFFICIAL = Config()
QUICK = replace(
    OFFICIAL,
    hidden=128,
    dropout=0.3,  # 0.7 leaves too little of a narrow layer
    crop=None,
    centre_delay=40,  # a tenth of the steps, as there
    schedule=whole_batches(averaged_adam(40, 10, 3e-3, 4, steps=SETTLING)),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """What the network says. first, second: logits of the branches per stream; fused: of all. x:
    the second hidden layer. snippets: the batch, or while training its random crops.

    features: of each branch and stream, where a class is attended and where hardly, see
    `attended`. centres: of this step. told: pairs of a video and a class with an angular loss.
    """

    first: Float[Tensor, "S M C"]
    second: Float[Tensor, "S M C"]
    fused: Float[Tensor, "1 M C"]
    x: Float[Tensor, "S M D"]
    snippets: Packed
    features: tuple[Float[Tensor, "2 S B C D"], Float[Tensor, "2 S B C D"]] | None
    centres: Float[Tensor, "2 S C D"]
    told: Bool[Tensor, "B C"]


class Network(nn.Module):
    """Two hidden layers per stream, a classifier per branch, a learned sum of the streams, and a
    centre per branch, stream and class.
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
        self.classify_rest = StackedLinear(streams, size, classes, 1, generator)
        # The code has one layer per class here, whose bound is that of a single output.
        self.classify_rest.weight.data *= ((size + classes) / (size + 1)) ** 0.5
        self.fuse = nn.Parameter(torch.ones(streams, 1, classes))
        # Centres follow their own rule, not Adam, so they are no parameters.
        centres = torch.randn(2, streams, classes, size, generator=generator)
        self.register_buffer("centres", normalize(centres, dim=-1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout, random crops and the drawn attentions on; a training step
        moves the centres.
        """
        config = self.config
        snippets = batch
        if generator is not None and config.crop is not None:
            snippets = random_crops(batch, config.crop, generator)
        hidden = self.embed_1(snippets.features, snippets).relu()
        x = dropout(self.embed_2(hidden, snippets).relu(), config.dropout, generator)
        first = self.classify(x, snippets)
        everywhere = self.classify_rest(x, snippets)
        hidden_from = most_typical(first, snippets, config)
        second = torch.where(hidden_from, ERASED, everywhere)
        fused = (self.fuse * (first + config.omega * everywhere)).sum(0, keepdim=True)
        told = self.told(snippets)
        features = None
        if generator is not None:
            features = attended(x, torch.stack([first, second]), snippets, config, generator)
        outputs = Outputs(first, second, fused, x, snippets, features, self.centres, told)
        if generator is not None and torch.is_grad_enabled():
            self.steps += 1
            self.centres = moved_centres(outputs, config)
        return outputs

    def told(self, snippets: Packed) -> Bool[Tensor, "B C"]:
        """Which pairs of a video and a class have angular losses: at first none of videos with
        several classes.
        """
        present = snippets.labels > 0
        lengths = torch.tensor(snippets.lengths, device=present.device)
        counted = (lengths > 0)[:, None] & present
        if int(self.steps) + 1 < self.config.centre_delay:
            counted = counted & (present.sum(1, keepdim=True) == 1)
        return counted


def most_typical(
    logits: Float[Tensor, "S M C"], snippets: Packed, config: Config
) -> Bool[Tensor, "S M C"]:
    """The snippets of each video and class whose logit lies above the (T - ⌊T / erased⌋)-th
    smallest: equal ones there are shown.
    """
    masks = []
    for of_video in logits.split(snippets.lengths, 1):
        length = of_video.shape[1]
        longest = length if config.crop is None else config.crop
        reference = length if config.erase_by == "video" else max(longest, length)
        count = min(reference // config.erased, length - 1)
        if count < 1:
            masks.append(torch.zeros_like(of_video, dtype=torch.bool))
            continue
        level = of_video.kthvalue(length - count, dim=1, keepdim=True).values
        masks.append(of_video > level)
    return torch.cat(masks, 1)


def attended(
    x: Float[Tensor, "S M D"],
    logits: Float[Tensor, "2 S M C"],
    snippets: Packed,
    config: Config,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "2 S B C D"], Float[Tensor, "2 S B C D"]]:
    """Sums of the features of each video weighted by attention to each class, a softmax over time
    (Eq. 1), and by one of logits times a drawn factor, which hardly attends (Eq. 2).
    """
    branches, streams, _, classes = logits.shape
    low, high = config.beta
    size = (branches, streams, len(snippets.lengths), classes)
    draws = torch.rand(size, generator=generator, device=generator.device).to(logits)
    factors = low + (high - low) * draws
    attended_features = []
    hardly = []
    for branch in range(branches):
        factor = factors[branch].index_select(1, snippets.video)
        attended_features.append(snippets.pool(snippets.softmax(logits[branch]), x))
        hardly.append(snippets.pool(snippets.softmax(factor * logits[branch]), x))
    return torch.stack(attended_features), torch.stack(hardly)


def cosines(
    features: Float[Tensor, "2 S B C D"], centres: Float[Tensor, "2 S C D"]
) -> Float[Tensor, "2 S B C C"]:
    """Cosine of each class's feature with every centre, kept off ±1, where acos has no slope."""
    unit = normalize(features, dim=-1)
    edge = 1 - torch.finfo(features.dtype).eps
    return (unit @ normalize(centres, dim=-1)[:, :, None].transpose(-1, -2)).clamp(-edge, edge)


def triplets(
    outputs: Outputs, config: Config
) -> tuple[Float[Tensor, "2 S B C"], Float[Tensor, "2 S B C"]]:
    """Both hinges of each pair of a video and a class, before their weights (Eq. 3, 4)."""
    assert outputs.features is not None, "only a training step has them"
    high, hardly = outputs.features
    angle = cosines(high, outputs.centres).acos()
    own = angle.diagonal(dim1=-2, dim2=-1)
    own_hardly = cosines(hardly, outputs.centres).acos().diagonal(dim1=-2, dim2=-1)
    is_own = torch.eye(angle.shape[-1], dtype=torch.bool, device=angle.device)
    other = angle.masked_fill(is_own, torch.inf).amin(-1)
    negative = (own - own_hardly + config.margin_negative).relu()
    centre = (own - other + config.margin_centre).relu()
    return negative, centre


@torch.no_grad()
def moved_centres(outputs: Outputs, config: Config) -> Float[Tensor, "2 S C D"]:
    """Centres on the unit sphere, then one step of their own rule: the slope of each hinge, divided
    by one more than the number of pairs of that centre that it acts on, and by all pairs.
    """
    assert outputs.features is not None, "only a training step has them"
    high, hardly = outputs.features
    told = outputs.told
    unit = normalize(outputs.centres, dim=-1)
    cos_high = cosines(high, outputs.centres)
    classes = cos_high.shape[-1]
    own = cos_high.diagonal(dim1=-2, dim2=-1)
    own_hardly = cosines(hardly, outputs.centres).diagonal(dim1=-2, dim2=-1)
    is_own = torch.eye(classes, dtype=torch.bool, device=own.device)
    other, hardest = cos_high.masked_fill(is_own, -torch.inf).max(-1)
    negative, centre = triplets(outputs, config)

    act_negative = (told & (negative > 0)).to(own.dtype)[..., None]
    act_centre = (told & (centre > 0)).to(own.dtype)[..., None]
    f_high = normalize(high, dim=-1)
    f_hardly = normalize(hardly, dim=-1)
    toward = act_centre * f_high * slope(own)[..., None]
    away = -act_centre * f_high * slope(other)[..., None]
    pull = f_high * slope(own)[..., None] - f_hardly * slope(own_hardly)[..., None]
    pull = config.gamma * act_negative * pull
    to_hardest = one_hot(hardest, classes).to(own.dtype)  # (2, S, B, C, C)

    gradient = toward.sum(2) / (1 + act_centre.sum(2))
    count = (act_centre * to_hardest).sum((2, 3))[..., None]
    spread = (away.flatten(2, 3).transpose(-1, -2) @ to_hardest.flatten(2, 3)).transpose(-1, -2)
    gradient = gradient + spread / (1 + count)
    gradient = gradient + pull.sum(2) / (1 + act_negative.sum(2))
    gradient = gradient / max(1, int(told.sum()))
    # along the sphere, for centres as they were
    gradient = gradient - (gradient * unit).sum(-1, keepdim=True) * unit
    gradient = gradient / torch.linalg.vector_norm(outputs.centres, dim=-1, keepdim=True)
    return unit - rates(config, outputs.x) * gradient


def slope(cosine: Tensor) -> Tensor:
    """Derivative of acos."""
    return -(1 - cosine.square()).rsqrt()


def rates(config: Config, x: Float[Tensor, "S M D"]) -> Float[Tensor, "S 1 1"]:
    """Learning rate of the centres of each stream."""
    last = config.centre_rates[-1]
    values = [*config.centre_rates, *[last] * len(x)][: len(x)]
    return torch.tensor(values, dtype=x.dtype, device=x.device)[:, None, None]


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Classification "mil" by both branches of each stream and the fused scores, the triplets of
    both branches and streams, before their weights, and "total". One value per video; the mean over
    the batch is the official code's number.
    """
    scores = torch.cat([outputs.first, outputs.second, outputs.fused])
    means = top_mean_rounded_up(scores, outputs.snippets, config.fraction)
    mil = torch.stack([label_cross_entropy(mean, batch.labels) for mean in means]).sum(0)
    negative = centre = torch.zeros_like(mil)
    if outputs.features is not None:
        pairs = max(1, int(outputs.told.sum()))
        share = outputs.told.to(mil.dtype) * (len(batch.lengths) / pairs)
        by_features, by_centres = triplets(outputs, config)
        negative = (by_features * share).sum((0, 1, 3))
        centre = (by_centres * share).sum((0, 1, 3))
    total = mil + config.alpha * (config.gamma * negative + centre)
    return {"mil": mil, "negative": negative, "centre": centre, "total": total}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """All outputs tell the labels, and both hinges lie below their margins, which are what features
    cost that are as near to all centres, and alike wherever a class is attended.
    """
    outputs = 2 * streams + 1
    bounds = [Bound(("mil",), outputs * learnt_labels(supervision.labels), LABELS)]
    negative = 2 * streams * config.margin_negative
    if config.alpha * config.gamma * negative:
        nearer = "features that are nearer to their centre where their class is attended"
        bounds.append(Bound(("negative",), negative, nearer))
    centre = 2 * streams * config.margin_centre
    if config.alpha * centre:
        own = "features that are nearer to the centre of their class than to another one"
        bounds.append(Bound(("centre",), centre, own))
    return tuple(bounds)


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = fused logits; scores: the means of their largest ones.

    Attention, for display: the largest softmax probability.
    """
    fused = outputs.fused.double()
    return Activation(
        cas=as_array(fused),
        scores=as_array(top_mean_rounded_up(fused, batch, config.class_fraction)),
        attention=as_array(fused.softmax(-1).amax(-1)),
        lengths=batch.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: fused logits s_a (1, M, C) and the embedding x (S, M, D)."""
    return {"s_a": outputs.fused, "x": outputs.x}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Runs of each class above 0, scored by their peak and the class score; no NMS."""
    return localize_peaks(activation, scene, config.rule)


METHOD = Method(
    name="a2clpt",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
)
