"""EM-MIL: expectation-maximisation for multi-instance learning (Luo et al.; ECCV 2020). Read from
top to bottom.

Which snippets are key instances of a video's label is a hidden variable. Two networks take turns:
one says which snippets are key, from what the other says of classes (E step), the other classifies
snippets, with the key ones as positives (M step). A third, after UntrimmedNet, says which classes a
video shows.
Shapes: S streams, M snippets of a packed batch of B videos, C classes. "Specification" is
`docs/methods/emmil.md`, where the numbered equations are; `DIFFERS:` marks where paper, official
code and this file part.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from wtal_core import ragged
from wtal_core.checks import Finite, NonNegativeFloat, NonNegativeInt, PositiveInt, Share
from wtal_core.localization.instances import Instances
from wtal_core.localization.mean_threshold import runs_above_zero
from wtal_core.localization.sequences import class_sequences, pick_classes
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.contract import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.convolution import Convolution
from wtal_core.models.shared.detected import detections
from wtal_core.models.shared.inputs import Refreshed
from wtal_core.models.shared.objective import LABELS, Bound, Supervision, last_epochs, learnt_labels
from wtal_core.models.shared.schedule import Schedule
from wtal_core.packed import Packed, Resident

Step = Literal["M, all", "E", "M, key"]


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting. Epochs are of the schedule."""

    hidden: PositiveInt = 256  # channels of the hidden layer of each branch
    # epochs of the first M step, in which all snippets are positives of the label
    first_m: NonNegativeInt = 10
    # epochs of the first E step, after it
    first_e: NonNegativeInt = 10
    # epochs of the next M step; after it E and M take turns, an epoch each
    second_m: NonNegativeInt = 10
    gamma: NonNegativeFloat = (
        0.15  # a snippet is key above mean + gamma * range of the video (Eq. 5)
    )
    # epochs in which the video's classes are learnt, by UntrimmedNet. DIFFERS: the code trains it
    # apart, at the first learning rate, and up instead of down its likelihood, which is a slip
    video_epochs: NonNegativeInt = 45

    # localization
    class_threshold: Share = 0.15  # least probability of a localized class
    # weights of key and class score in the localization score (Eq. 9). DIFFERS: 0.8 and 0.2 in the
    # paper
    key_weight: NonNegativeFloat = 0.8
    class_weight: NonNegativeFloat = 0.8
    threshold: Finite = 0.05  # above the video's mean, as a share of the range
    # score of a detection. DIFFERS: 1 for all in the code ("one"), so that nothing ranks them; the
    # mean localization score of the run is ours
    confidence: Literal["one", "mean"] = "one"
    # DIFFERS: the code loses a run that reaches the end of its video
    keep_last: bool = False

    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            epochs=65,
            batch_size=1,
            learning_rate=1e-4,
            betas=(0.9, 0.999),
            weight_decay=0.0,
            reduction="mean",
            evaluations=13,
            steps=((20 / 65, 4.0),),
        )
    )


OFFICIAL = Config()
PRINTED = replace(OFFICIAL, class_weight=0.2)
QUICK = replace(
    OFFICIAL,
    hidden=128,
    first_m=6,
    first_e=6,
    second_m=6,
    video_epochs=40,
    schedule=replace(
        OFFICIAL.schedule,
        epochs=40,
        batch_size=2,
        learning_rate=4e-3,
        evaluations=4,
        steps=((12 / 40, 4.0),),
    ),
)  # of four settings the one with the lowest training loss
PROFILES = {"official": OFFICIAL, "printed": PRINTED, "quick": QUICK}


@dataclass(frozen=True)
class Outputs:
    """Probabilities. key: that a snippet is key, per stream. s_a: of classes, per snippet and
    stream. p: that a video shows a class. epochs: done before.
    """

    key: Float[Tensor, "S M"]
    s_a: Float[Tensor, "S M C"]
    p: Float[Tensor, "B C"]
    epochs: int


class Network(nn.Module):
    """A key and a class branch per stream, each a temporal convolution and a linear layer, and
    UntrimmedNet's linear attention and classifier per stream.
    """

    epochs: Tensor  # done; kept in checkpoints

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()

        def layers(size_in: int, size_out: int, taps: int) -> nn.ModuleList:
            made = [Convolution(size_in, size_out, taps, True, generator) for _ in range(streams)]
            return nn.ModuleList(made)

        self.key_hidden = layers(size_in, config.hidden, 3)
        self.key = layers(config.hidden, 1, 1)
        self.class_hidden = layers(size_in, config.hidden, 3)
        self.classify = layers(config.hidden, classes, 1)
        self.video_attention = layers(size_in, 1, 1)
        self.video_classes = layers(size_in, classes, 1)
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """Nothing is drawn: there is no dropout."""
        key = []
        scores = []
        attention = torch.zeros_like(batch.features[:1, :, :1])
        video = 0.0
        for s, features in enumerate(batch.features):
            key_hidden = self.key_hidden[s](features, batch).relu()
            key.append(self.key[s](key_hidden, batch)[:, 0].sigmoid())
            class_hidden = self.class_hidden[s](features, batch).relu()
            scores.append(self.classify[s](class_hidden, batch).sigmoid())
            attention = attention + batch.softmax(self.video_attention[s](features, batch)[None])
            video = video + self.video_classes[s](features, batch).softmax(-1)
        streams = len(batch.features)
        p = batch.sum(attention / streams * video / streams)[0]
        return Outputs(torch.stack(key), torch.stack(scores), p, int(self.epochs))


def step_of(epochs_done: int, config: Config) -> Step:
    """Which network learns in the next epoch, and from what."""
    if epochs_done < config.first_m:
        return "M, all"
    if epochs_done < config.first_m + config.first_e:
        return "E"
    turns = epochs_done - config.first_m - config.first_e - config.second_m
    if turns < 0 or turns % 2:
        return "M, key"
    return "E"


def above(values: Float[Tensor, " M"], level: Float[Tensor, " B"], batch: Packed) -> Tensor:
    """1 where a snippet lies above its video's level."""
    return (values > level.index_select(0, batch.video)).to(values.dtype)


def key_snippets(outputs: Outputs, batch: Packed, config: Config) -> Float[Tensor, " M"]:
    """1 for key snippets: above the mean of their video by `gamma` times its range (Eq. 5)."""
    key = outputs.key.detach().mean(0)
    parts = [part for part in key.split(batch.lengths)]
    span = torch.stack([p.max() - p.min() if len(p) else p.sum() for p in parts])
    return above(key, mean_over_time(key, batch) + config.gamma * span, batch)


def pseudo_key(outputs: Outputs, batch: Packed) -> Float[Tensor, " M"]:
    """1 for snippets whose score of a class that their video shows lies above that class's mean
    there (Eq. 4).
    """
    scores = outputs.s_a.detach().mean(0)
    mean = batch.sum(scores[None])[0] / batch.membership.sum(1, keepdim=True).clamp_min(1)
    is_high = scores > mean.index_select(0, batch.video)
    is_shown = (batch.labels > 0).index_select(0, batch.video)
    return (is_high & is_shown).any(1).to(scores.dtype)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Binary cross entropy of the branch whose turn it is, "key" or "cls", the classes of the video
    "video", and "total". One value per video; a video without a label counts nothing.
    """
    has_label = (batch.labels.sum(1) > 0).to(outputs.p.dtype)
    key = torch.zeros_like(has_label)
    classes = torch.zeros_like(has_label)
    step = step_of(outputs.epochs, config)
    if step == "E":
        target = pseudo_key(outputs, batch).expand_as(outputs.key)
        values = binary_cross_entropy(outputs.key, target, reduction="none")
        key = has_label * mean_over_time(values.sum(0), batch)
    else:
        positive = torch.ones_like(outputs.key[0])
        if step == "M, key":
            positive = key_snippets(outputs, batch, config)
        target = positive[:, None] * batch.labels.index_select(0, batch.video)
        values = binary_cross_entropy(outputs.s_a, target.expand_as(outputs.s_a), reduction="none")
        classes = has_label * mean_over_time(values.sum((0, 2)), batch)
    video = torch.zeros_like(has_label)
    if outputs.epochs < config.video_epochs:
        shares = batch.labels / batch.labels.sum(1, keepdim=True).clamp_min(1)
        tiny = torch.finfo(outputs.p.dtype).tiny
        video = -(shares * outputs.p.clamp_min(tiny).log()).sum(1)
    return {"key": key, "cls": classes, "video": video, "total": key + classes + video}


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """UntrimmedNet tells the labels, as long as it learns, and key snippets are told better than by
    a coin. Which snippets are positives of the classes the network says itself, so that "cls" has
    no bound.

    Of the epochs that count, each of both is learnt in a share, and is 0 in the others.
    """
    epochs = last_epochs(config.schedule.epochs)
    of_video = float(np.mean([epoch < config.video_epochs for epoch in epochs]))
    of_key = float(np.mean([step_of(epoch, config) == "E" for epoch in epochs]))
    bounds = []
    if of_video:
        bounds.append(Bound(("video",), of_video * learnt_labels(supervision.labels), LABELS))
    if of_key:
        coin = of_key * streams * np.log(2)
        bounds.append(Bound(("key",), coin, "telling key snippets from others better than a coin"))
    return tuple(bounds)


@torch.no_grad()
def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> Refreshed | None:
    """The network is told how many epochs are done."""
    network.epochs.fill_(epochs_done)
    return None


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = weighted sum of key and class scores, averaged over the streams
    (Eq. 9); scores: of UntrimmedNet; attention: the key scores.
    """
    key = outputs.key.double().mean(0)
    classes = outputs.s_a.double().mean(0)
    sequences = config.key_weight * key[:, None] + config.class_weight * classes
    return Activation(
        cas=as_array(sequences[None]),
        scores=as_array(outputs.p[None]),
        attention=as_array(key[None]),
        lengths=batch.lengths,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: class probabilities s_a (S, M, C) and key scores s_f (S, M)."""
    return {"s_a": outputs.s_a, "s_f": outputs.key}


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Runs of each class above one threshold on the video's range; no NMS, and by default no
    ranking.
    """
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    scores = activation.scores[0] * (lengths > 0)[:, None]
    video, label = pick_classes(scores, activation.of_classes(config.class_threshold))
    sequences, sizes = class_sequences(activation.cas[0], lengths, video, label)
    span = ragged.maxima(sequences, sizes) - ragged.minima(sequences, sizes)
    middle = np.repeat(ragged.means(sequences, sizes), sizes)
    relative = (sequences - middle) / np.repeat(np.where(span > 0, span, 1), sizes)
    runs = runs_above_zero(relative - config.threshold, sizes, shortest=1)
    kept = np.ones(len(runs.start), dtype=bool)
    if not config.keep_last:
        kept = runs.end < sizes[runs.sequence]
    pair = runs.sequence[kept]
    start = runs.start[kept]
    end = runs.end[kept]
    confidence = np.ones(len(start))
    if config.confidence == "mean":
        before = np.concatenate(([0.0], np.cumsum(sequences)))
        first = ragged.starts(sizes)[pair]
        confidence = (before[first + end] - before[first + start]) / (end - start)
    instances = Instances(
        video[pair], label[pair], start.astype(np.float64), end.astype(np.float64), confidence
    )
    return detections(instances, scene)


METHOD = Method(
    name="emmil",
    Config=Config,
    profiles=PROFILES,
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
)
