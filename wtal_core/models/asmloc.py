"""ASM-Loc: action-aware segment modelling (He, Yang, Kang, Cheng, Zhou, Shrivastava; CVPR 2022).
Read from top to bottom.

A base network finds pseudo segments. The next network sees short segments at a finer sampling, lets
snippets of a segment, and the segments of a video, look at each other, and learns the segments'
classes as labels of snippets, each as much as it is sure. Its segments teach the next one.
Shapes: M snippets of a packed batch of B videos, N snippets once the videos are resampled, the
streams side by side; D channels, C classes, J = C + 1 with the background last; L the longest
resampled length, K the most segments of a video. `DIFFERS:` marks where this file departs from the
official code, which the defaults are.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad

from wtal_core import ragged
from wtal_core.checks import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Rate,
    Share,
)
from wtal_core.errors import WorkbookError
from wtal_core.localization.detections import to_table
from wtal_core.localization.frames import IN_SECONDS, FrameRule, frame_proposals
from wtal_core.localization.instances import Instances
from wtal_core.localization.suppression import suppress
from wtal_core.losses.over_time import mean_over_time
from wtal_core.models.contract import Method, MethodConfig
from wtal_core.models.shared.activation import Activation, Scene, as_array
from wtal_core.models.shared.convolution import Convolution
from wtal_core.models.shared.detected import chosen
from wtal_core.models.shared.inputs import Refreshed
from wtal_core.models.shared.layers import dropout
from wtal_core.models.shared.objective import (
    LABELS,
    Bound,
    Supervision,
    learnt_labels,
    one_prediction,
    only_background,
    with_background,
)
from wtal_core.models.shared.schedule import SETTLING, Schedule
from wtal_core.packed import Packed, Resident
from wtal_core.timebase import Timebase

RULE = FrameRule(
    class_threshold=float(np.nextafter(0.25, 1)),  # a class's score has to be above 1/4
    at_least_one=True,
    thresholds=tuple(np.arange(0.15, 0.25, 0.05).tolist()),
    cas_range="given",
    magnitude=tuple(np.arange(0.1, 0.925, 0.025).tolist()),
    magnitude_range="given",
    outer_scale=0.2,
    outer_end="inclusive",
    gamma=0.0,
    nms=0.45,
    grid=20,
    shortest=2,
    times="step",
)
PSEUDO_RULE = replace(RULE, thresholds=(), magnitude=tuple(np.arange(0.4, 0.925, 0.025).tolist()))


@dataclass(frozen=True)
class Config(MethodConfig):
    """The official code's THUMOS14 setting."""

    samples: PositiveInt = 750  # T, snippets of every video in training, the most in evaluation
    width: PositiveInt = 2048  # D, channels of the embedding; in the code those of the features
    heads: PositiveInt = 8  # of both attentions among segments
    dropout: Rate = 0.7  # of whole snippets, and then of channels, before the classifier
    action_fraction: PositiveInt = 8  # the T // 8 largest logits of a class under the attention
    background_fraction: PositiveInt = 3  # the T // 3 largest ones under the background attention
    lambda_fg: NonNegativeFloat = 1.0  # weight of the classes under the attention
    lambda_bg: NonNegativeFloat = 0.5  # .. of the background under the background attention
    lambda_abg: NonNegativeFloat = 0.5  # .. and of the classes there: the context of actions
    beta: NonNegativeFloat = 0.2  # weight of the uncertainty itself

    # refinement: each of `steps` times a new network, after so many epochs; the last one goes on
    steps: NonNegativeInt = 3
    step_epochs: PositiveInt = 100
    alpha: Share = 0.7  # of a class's scores, best first: whose segments are sampled more finely
    gamma: PositiveFloat = 6.0  # snippets that a short segment is stretched to
    delta: NonNegativeFloat = 0.5  # context of a segment at either side, as a share of its length
    # time of the features in a network, which is told of none: NMS of segments adds a second
    fps: PositiveFloat = 25.0
    stride: PositiveFloat = 16.0
    pseudo_rule: FrameRule = field(default_factory=lambda: PSEUDO_RULE)  # makes pseudo segments

    rule: FrameRule = field(default_factory=lambda: RULE)  # localization
    # the decay is 5e-5 and epsilon 1e-8 of the mean over a batch's 16 videos; the test set is
    # scored every 5 epochs
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            epochs=800,
            batch_size=16,
            learning_rate=1e-4,
            betas=(0.9, 0.999),
            weight_decay=16 * 5e-5,
            epsilon=16e-8,
            reduction="mean",
            evaluations=160,
        )
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise WorkbookError(
                f"asmloc: width {self.width} is not shared by {self.heads} heads; choose a "
                f"multiple of heads"
            )

    @property
    def timebase(self) -> Timebase:
        """Seconds of snippets inside the network."""
        return Timebase(self.fps, self.stride)


OFFICIAL = Config()
# Contrast is taken on .7 of the class's activation and .3 of the attention; segments by attention
# get a quarter of the class's score besides.
ACTIVITYNET_RULE = replace(
    RULE,
    class_threshold=float(np.nextafter(0.1, 1)),
    thresholds=(0.005, 0.01, 0.015, 0.02),
    magnitude=(0.005, 0.01, 0.015, 0.02),
    magnitude_gamma=0.25,
    magnitude_share=0.3,
    outer_scale=0.15,
    nms=0.9,
)
# From the public code's `config.py` and `main_ActivityNet.py`, constants alone: no reference vector
# checks them. DIFFERS: that code also refuses more than 100 segments of a video, weighs training
# videos by predicted in place of labelled classes, and scores the test set after each of the last
# nine epochs, too.
ACTIVITYNET13 = replace(
    OFFICIAL,
    samples=150,
    action_fraction=2,
    background_fraction=10,
    lambda_fg=5.0,
    steps=1,
    step_epochs=50,
    alpha=0.3,
    gamma=10.0,
    delta=0.0,
    pseudo_rule=replace(
        ACTIVITYNET_RULE, thresholds=tuple(np.arange(0.1, 0.305, 0.005).tolist()), magnitude=()
    ),
    rule=ACTIVITYNET_RULE,
    schedule=replace(
        OFFICIAL.schedule,
        epochs=100,
        weight_decay=16 * 1e-3,
        evaluations=20,
        select="activitynet",
    ),
)
QUICK = replace(
    OFFICIAL,
    samples=256,
    width=64,
    heads=2,
    dropout=0.1,  # see `backtal.QUICK`
    steps=1,
    step_epochs=24,
    schedule=replace(
        OFFICIAL.schedule,
        epochs=48,
        batch_size=10,
        learning_rate=1e-2,
        weight_decay=10 * 5e-5,
        epsilon=10e-8,
        evaluations=2,
        steps=SETTLING,
    ),
)
PROFILES = {"official": OFFICIAL, "quick": QUICK}


@dataclass(frozen=True)
class View:
    """Videos as a network sees them.

    snippets: resampled. weights: how densely, one per snippet before.
    spans: first and last snippet of each segment, both in it; a video of fewer than K is filled up
    with -1. A segment may begin behind its end or the video's: it has no snippet, and yet counts.
    labels: pseudo labels of snippets, where there are any.
    """

    snippets: Packed
    weights: Float[np.ndarray, " M"]
    spans: Int[Tensor, "B K 2"]
    is_segment: Bool[Tensor, "B K"]
    labels: Float[Tensor, "N J"] | None


@dataclass(frozen=True)
class Outputs:
    """x: embedding. s_a: class logits. attention: shares of action and background. uncertainty: of
    each snippet, None without segments.

    fg, bg: logits of videos under either attention.
    """

    x: Float[Tensor, "1 N D"]
    s_a: Float[Tensor, "1 N J"]
    attention: Float[Tensor, "N 2"]
    uncertainty: Float[Tensor, " N"] | None
    fg: Float[Tensor, "B J"]
    bg: Float[Tensor, "B J"]
    view: View


class Network(nn.Module):
    """The networks of all steps. Those of earlier steps find the pseudo segments of whatever videos
    the current one is given, training or test videos, and learn no more.

    As in the code all are there from the beginning; only the current one has gradients.
    """

    step: Tensor  # the current one; kept in checkpoints

    def __init__(
        self, config: Config, streams: int, size_in: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        size = streams * size_in
        self.networks = nn.ModuleList(
            StepNetwork(config, size, classes, step > 0, generator)
            for step in range(config.steps + 1)
        )
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Packed, generator: torch.Generator | None = None) -> Outputs:
        """A generator switches dropout, random samples and pseudo labels on. Without one, labels of
        the videos are not looked at.
        """
        step = int(self.step)
        labels = None if generator is None else batch.labels
        segments = None
        with torch.no_grad():
            for network in self.networks[:step]:
                outputs = network(self.viewed(batch, segments, labels, None), None)
                segments = self.pseudo_segments(outputs, batch, labels)
        view = self.viewed(batch, segments, labels, generator)
        return self.networks[step](view, generator)

    def pseudo_segments(
        self, outputs: Outputs, batch: Packed, labels: Float[Tensor, "B C"] | None
    ) -> Instances:
        """What a network finds, in seconds; of the labelled classes, where labels are given."""
        config = self.config
        native = np.asarray(batch.lengths, dtype=np.int64)
        durations = config.timebase.seconds(native)
        segments = segments_of(
            activate(outputs, batch, config), native, durations, config.pseudo_rule
        )
        if labels is None:
            return segments
        is_labelled = labels.cpu().numpy()[segments.video, segments.label] > 0
        return chosen(segments, np.flatnonzero(is_labelled))

    def viewed(
        self,
        batch: Packed,
        segments: Instances | None,
        labels: Float[Tensor, "B C"] | None,
        generator: torch.Generator | None,
    ) -> View:
        """The videos for the next network, resampled by the segments, which go with them."""
        config = self.config
        device = batch.features.device
        parts = [segments_of_video(segments, v) for v in range(len(batch.lengths))]
        weights = [
            sampling_weights(part, length, config)
            for part, length in zip(parts, batch.lengths, strict=True)
        ]
        snippets = resampled(batch, weights, config.samples, generator)
        spans = [
            context_spans(part, weight, length, config)
            for part, weight, length in zip(parts, weights, snippets.lengths, strict=True)
        ]
        most = max(map(len, spans), default=0)
        filled = [np.pad(s, ((0, most - len(s)), (0, 0)), constant_values=-1) for s in spans]
        is_segment = np.arange(most) < np.array([len(s) for s in spans], dtype=np.int64)[:, None]
        pseudo_labels = None
        if segments is not None and labels is not None:
            classes = labels.shape[1]
            rows = [
                snippet_labels(part, weight, length, classes, config)
                for part, weight, length in zip(parts, weights, snippets.lengths, strict=True)
            ]
            pseudo_labels = torch.as_tensor(np.concatenate(rows)).to(batch.features)
        return View(
            snippets,
            np.concatenate(weights),
            torch.as_tensor(np.stack(filled), device=device),
            torch.as_tensor(is_segment, device=device),
            pseudo_labels,
        )


class StepNetwork(nn.Module):
    """One step's network: embedding, attention, classifier (12,632,087 parameters); a refined one
    also has attention among snippets of a segment and among segments, and an uncertainty.
    """

    def __init__(
        self, config: Config, size: int, classes: int, refined: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.refined = refined
        self.embed = Convolution(size, width, 3, True, generator)
        if refined:
            self.intra = Attention(width, config.heads, generator)
            self.inter = Attention(width, config.heads, generator)
        self.attend = Convolution(width, 2, 1, True, generator)
        self.classify = Convolution(width, classes + 1, 1, True, generator)
        if refined:
            weight = torch.empty(width).normal_(0.0, 1e-4, generator=generator)
            self.uncertain = nn.Parameter(weight)

    def forward(self, view: View, generator: torch.Generator | None) -> Outputs:
        config = self.config
        snippets = view.snippets
        features = snippets.features.transpose(0, 1).flatten(1)  # (N, streams side by side)
        x = self.embed(features, snippets).relu()
        uncertainty = None
        if self.refined:
            within = segment_members(view).to(x.dtype)
            x = self.within_segments(x, within, view, generator is not None)
            x = self.between_segments(x, within, view, generator is not None)
            uncertainty = x @ self.uncertain
        attention = self.attend(x, snippets).softmax(-1)
        whole = dropout(torch.ones_like(x[:, :1]), config.dropout, generator)
        s_a = self.classify(dropout(x * whole, config.dropout, generator), snippets)
        fg = snippets.top_mean((s_a * attention[:, :1])[None], config.action_fraction)[0]
        bg = snippets.top_mean((s_a * attention[:, 1:])[None], config.background_fraction)[0]
        return Outputs(x[None], s_a[None], attention, uncertainty, fg, bg, view)

    def within_segments(
        self, x: Float[Tensor, "N D"], within: Float[Tensor, "B L K"], view: View, training: bool
    ) -> Float[Tensor, "N D"]:
        """Snippets of one segment look at each other."""
        share_one = within @ within.transpose(1, 2) > 0  # (B, L, L)
        snippets = view.snippets
        looked = self.intra(snippets.padded(x), share_one, snippets)
        return x + self.intra.update(snippets.unpadded(looked), snippets, training)

    def between_segments(
        self, x: Float[Tensor, "N D"], within: Float[Tensor, "B L K"], view: View, training: bool
    ) -> Float[Tensor, "N D"]:
        """Means of segments look at each other; a snippet gets the mean of what its own see."""
        snippets = view.snippets
        sizes = within.sum(1, keepdim=True).clamp_min(1e-5)
        means = (within / sizes).transpose(1, 2) @ snippets.padded(x)  # (B, K, D)
        both = view.is_segment[:, :, None] & view.is_segment[:, None, :]
        looked = self.inter(means, both, snippets)
        own = within / within.sum(2, keepdim=True).clamp_min(1e-5)
        return x + self.inter.update(snippets.unpadded(own @ looked), snippets, training)


class Attention(nn.Module):
    """Multi-head attention within masks, and the batch-normalised update that it makes; at first
    nothing.
    """

    mean: Tensor  # running mean and variance of the update
    variance: Tensor

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        self.query = Convolution(width, width, 1, True, generator)
        self.key = Convolution(width, width, 1, True, generator)
        self.value = Convolution(width, width, 1, True, generator)
        self.out = Convolution(width, width, 1, True, generator)
        self.scale = nn.Parameter(torch.zeros(width))
        self.shift = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(
        self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L L"], snippets: Packed
    ) -> Float[Tensor, "B L D"]:
        """What each row sees of those that its mask allows; 0 where it allows none."""
        query = self.by_heads(self.query(x, snippets))
        key = self.by_heads(self.key(x, snippets))
        value = self.by_heads(self.value(x, snippets))
        similarity = query * query.shape[-1] ** -0.5 @ key.transpose(2, 3)
        allowed = mask[:, None]
        lowest = torch.finfo(x.dtype).min
        share = similarity.masked_fill(~allowed, lowest).softmax(-1) * allowed
        return (share @ value).transpose(1, 2).flatten(2)

    def by_heads(self, values: Float[Tensor, "B L D"]) -> Float[Tensor, "B H L E"]:
        """Each head's channels."""
        return values.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def update(
        self, looked: Float[Tensor, "N D"], snippets: Packed, training: bool
    ) -> Float[Tensor, "N D"]:
        """What is added to the snippets; by the batch's own mean and variance in training."""
        values = self.out(looked, snippets)
        own_statistics = training and len(values) > 1
        return batch_norm(
            values, self.mean, self.variance, self.scale, self.shift, own_statistics, 0.1, 1e-5
        )


def segment_members(view: View) -> Bool[Tensor, "B L K"]:
    """Which snippets are in which segment."""
    place = torch.arange(view.snippets.slots.shape[1], device=view.spans.device)[:, None]
    first, last = view.spans[:, None].unbind(-1)  # (B, 1, K)
    is_inside = view.snippets.inside[..., None] & view.is_segment[:, None]
    return (place >= first) & (place <= last) & is_inside


def segments_of_video(segments: Instances | None, video: int) -> Instances:
    """One video's segments, by class, best first."""
    if segments is None:
        nothing = np.zeros(0)
        return Instances(nothing.astype(int), nothing.astype(int), nothing, nothing, nothing)
    return chosen(segments, np.flatnonzero(segments.video == video))


def sampling_weights(part: Instances, length: int, config: Config) -> Float[np.ndarray, " M"]:
    """How densely each snippet of a video is sampled: more where a good segment is short.

    A run of such snippets has a whole number of samples. DIFFERS: in the code not where the video's
    first snippet is the only one.
    """
    good = chosen(part, best_of_classes(part, config.alpha))
    first, last = with_context(good.start, good.end, config, config.timebase.snippets(1.0), length)
    size = last - first + 1
    goal = config.gamma * (2 * config.delta + 1)
    short = (size > 1) & (size <= goal)
    snippet = ragged.ranges(first[short], size[short])
    weights = np.ones(length)
    np.maximum.at(weights, snippet, np.repeat(goal / size[short], size[short]))
    dense = weights > 1
    if not np.flatnonzero(dense).any():
        return weights
    run = np.cumsum(np.diff(dense, prepend=False) & dense) - 1  # number of the latest run
    total = np.bincount(run[dense], weights=weights[dense])
    weights[dense] = np.rint(total)[run[dense]] * weights[dense] / total[run[dense]]
    return weights


def best_of_classes(part: Instances, alpha: float) -> Int[np.ndarray, " P"]:
    """Segments whose scores, added up best first, stay within `alpha` of their class's largest
    sum. So a class with one segment of positive score has none.
    """
    kept = []
    for label in np.unique(part.label):
        own = np.flatnonzero(part.label == label)
        summed = np.cumsum(part.score[own])
        kept.append(own[: np.count_nonzero(summed <= alpha * summed.max())])
    return np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)


def with_context(
    start: Float[np.ndarray, " P"],
    end: Float[np.ndarray, " P"],
    config: Config,
    per_second: float,
    length: int,
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """First and last snippet of segments in seconds, with their context, within a video."""
    middle = (start + end) / 2
    reach = (config.delta + 0.5) * (end - start)
    first = np.maximum(np.rint((middle - reach) * per_second), 0).astype(np.int64)
    last = np.minimum(np.rint((middle + reach) * per_second), length - 1).astype(np.int64)
    return first, last


def resampled(
    batch: Packed,
    weights: list[Float[np.ndarray, "_"]],
    samples: int,
    generator: torch.Generator | None,
) -> Packed:
    """Each video at snippets as dense as its weights, then `samples` of them: in training always so
    many, drawn from parts or interpolated; in evaluation of longer videos alone, evenly.

    DIFFERS: the code doubles a video of one snippet. As in the code the last snippet of a longer
    video is never drawn.
    """
    if any((weight != 1).any() for weight in weights):
        batch = interpolated(batch, [dense_positions(weight) for weight in weights])
    if generator is None:
        positions = [every_few(length, samples) for length in batch.lengths]
        return interpolated(batch, positions)
    shape = (len(batch.lengths), samples)
    draws = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return interpolated(
        batch,
        [
            drawn(length, own)
            for length, own in zip(batch.lengths, draws.cpu().numpy(), strict=True)
        ],
    )


def dense_positions(weight: Float[np.ndarray, " T"]) -> Float[np.ndarray, " P"]:
    """Where the sum of the weights passes 1, 2, ..; snippet i at i."""
    if len(weight) < 2:
        return np.arange(len(weight), dtype=np.float64)
    summed = np.append(0.0, np.cumsum(weight))
    count = int(np.rint(summed[-1]))
    places = np.arange(len(summed), dtype=np.float64)
    return linear(np.arange(1.0, count + 1), summed, places) - 1


def every_few(length: int, samples: int) -> Float[np.ndarray, " P"]:
    """⌊i T / samples⌋ of a longer video, else all."""
    if length <= samples:
        return np.arange(length, dtype=np.float64)
    return np.floor(np.arange(samples) * (length / samples))


def drawn(length: int, draws: Float[np.ndarray, " P"]) -> Float[np.ndarray, " Q"]:
    """As many positions as draws: one of each part of a longer video, else evenly spaced; none of a
    video without snippets.
    """
    samples = len(draws)
    if length <= samples:
        return np.linspace(0, length - 1, samples if length else 0)
    edges = np.rint(np.linspace(0, length - 1, samples + 1))
    return edges[:-1] + np.floor(draws * np.diff(edges))


def interpolated(batch: Packed, positions: list[Float[np.ndarray, "_"]]) -> Packed:
    """Each video's features at positions between its snippets, and on beyond the outer ones."""
    lengths = tuple(len(own) for own in positions)
    native = np.repeat(np.asarray(batch.lengths, dtype=np.int64), lengths)
    start = np.repeat(ragged.starts(np.asarray(batch.lengths, dtype=np.int64)), lengths)
    position = np.concatenate(positions)
    left = np.clip(np.floor(position), 0, np.maximum(native - 2, 0)).astype(np.int64)
    right = np.minimum(left + 1, native - 1)
    device = batch.features.device
    share = torch.as_tensor(position - left).to(batch.features)[:, None]
    before = batch.features[:, torch.as_tensor(start + left, device=device)]
    after = batch.features[:, torch.as_tensor(start + right, device=device)]
    return Packed(before * (1 - share) + after * share, lengths, batch.labels)


def linear(
    x: Float[np.ndarray, " P"], knots: Float[np.ndarray, " K"], values: Float[np.ndarray, " K"]
) -> Float[np.ndarray, " P"]:
    """Between increasing knots, and on beyond the outer ones."""
    after = np.clip(np.searchsorted(knots, x), 1, len(knots) - 1)
    before = after - 1
    slope = (values[after] - values[before]) / (knots[after] - knots[before])
    return slope * (x - knots[before]) + values[before]


def resampled_times(
    seconds: Float[np.ndarray, " P"], weight: Float[np.ndarray, " T"], config: Config
) -> Float[np.ndarray, " P"]:
    """Where times of a video go once it is sampled as densely as its weights, a second still having
    as many snippets.
    """
    if len(weight) < 2:
        return seconds
    summed = np.append(0.0, np.cumsum(weight))
    places = np.arange(len(summed), dtype=np.float64)
    moved = linear(config.timebase.snippets(seconds) + 1, places, summed) - 1
    return config.timebase.seconds(moved)


def per_second(weight: Float[np.ndarray, " T"], length: int, config: Config) -> float:
    """Snippets per second of `resampled_times`, once there are `length` of the video."""
    return config.timebase.snippets(1.0) * length / max(1.0, np.rint(weight.sum()))


def context_spans(
    part: Instances, weight: Float[np.ndarray, " T"], length: int, config: Config
) -> Int[np.ndarray, "P 2"]:
    """First and last snippet of a video's segments, with context, on its resampled snippets.

    Classes do not count; a segment that ends before one that begins earlier does is left out. Of
    those that begin together the one found last goes first, as in the code; DIFFERS: where they are
    of different classes, their order is undefined there.
    """
    both, first_found = np.unique(np.stack([part.start, part.end], 1), axis=0, return_index=True)
    order = np.lexsort((-first_found, both[:, 0]))
    start, end = both[order].T
    ends_before = np.append(-np.inf, np.maximum.accumulate(end))[:-1]
    start, end = start[end > ends_before], end[end > ends_before]
    moved_start = resampled_times(start, weight, config)
    moved_end = resampled_times(end, weight, config)
    rate = per_second(weight, length, config)
    first, last = with_context(moved_start, moved_end, config, rate, length)
    latest_first = np.argsort(-first, kind="stable")
    return np.stack([first, last], 1)[latest_first]


def snippet_labels(
    part: Instances,
    weight: Float[np.ndarray, " T"],
    length: int,
    classes: int,
    config: Config,
) -> Float[np.ndarray, "P J"]:
    """Pseudo labels of a video's resampled snippets: the classes of the segments that they are in,
    in equal shares, else the background.
    """
    rate = per_second(weight, length, config)
    start = np.rint(resampled_times(part.start, weight, config) * rate)
    end = np.rint(resampled_times(part.end, weight, config) * rate)
    first = np.maximum(start, 0).astype(np.int64)
    size = np.maximum(np.minimum(end, length - 1).astype(np.int64) - first + 1, 0)
    labels = np.zeros((length, classes + 1))
    labels[ragged.ranges(first, size), np.repeat(part.label, size)] = 1
    labels[:, -1] = labels.sum(1) == 0
    return labels / labels.sum(1, keepdims=True)


def loss(outputs: Outputs, batch: Packed, config: Config) -> dict[str, Float[Tensor, " B"]]:
    """Classification under the attention "fg"; of background "bg" and action's context "abg" under
    the background's; of snippets by pseudo labels "pseudo", and their "uncertainty"; and the
    weighted sum "total", one value per video.
    """
    classes = pad(batch.labels, (0, 1))
    background = torch.zeros_like(classes)
    background[:, -1] = 1
    fg = clamped_cross_entropy(outputs.fg, classes)
    bg = clamped_cross_entropy(outputs.bg, background)
    abg = clamped_cross_entropy(outputs.bg, classes)
    total = config.lambda_fg * fg + config.lambda_bg * bg + config.lambda_abg * abg
    terms = {"fg": fg, "bg": bg, "abg": abg}
    labels = outputs.view.labels
    if outputs.uncertainty is None or labels is None:
        nothing = torch.zeros_like(fg)
        return terms | {"pseudo": nothing, "uncertainty": nothing, "total": total}
    snippets = outputs.view.snippets
    sure = (-outputs.uncertainty).exp()
    pseudo = mean_over_time(sure * clamped_cross_entropy(outputs.s_a[0], labels), snippets)
    uncertainty = mean_over_time(outputs.uncertainty, snippets)
    total = total + pseudo + config.beta * uncertainty
    return terms | {"pseudo": pseudo, "uncertainty": uncertainty, "total": total}


def clamped_cross_entropy(
    logits: Float[Tensor, "B J"], labels: Float[Tensor, "B J"]
) -> Float[Tensor, " B"]:
    """Cross entropy with the labels as shares; no probability counts as less than 1e-7."""
    target = labels / labels.sum(-1, keepdim=True).clamp_min(1e-7)
    return -(target * logits.softmax(-1).clamp_min(1e-7).log()).sum(-1)


def objective(supervision: Supervision, streams: int, config: Config) -> tuple[Bound, ...]:
    """The attended classes tell the labels, and both attentions make two predictions, of action and
    of background. What both attentions pick is a share of its own of the snippets, which the bound
    leaves out. Pseudo labels are of the network's own making and have no bound.
    """
    labels = supervision.labels
    terms = ("fg", "bg", "abg")
    weights = (config.lambda_fg, config.lambda_bg, config.lambda_abg)
    shown = with_background(labels, 0.0)
    targets = (shown, only_background(labels), shown)
    learnt = learnt_labels(*targets, weights=weights)
    bounds = [Bound(terms, learnt, LABELS, weights)]
    if config.lambda_fg and config.lambda_bg:  # "bg" and "abg" are of the same prediction
        alike = one_prediction(*targets, weights=weights)
        tells = "an attention that tells background from action"
        bounds.append(Bound(terms, alike, tells, weights))
    return tuple(bounds)


def between_epochs(
    network: Network, videos: Resident, config: Config, epochs_done: int, generator: torch.Generator
) -> Refreshed | None:
    """After each `step_epochs`, up to `steps` times, the next network's turn."""
    if epochs_done < config.schedule.epochs:
        network.step.fill_(min(epochs_done // config.step_epochs, config.steps))
    return None


def activate(outputs: Outputs, batch: Packed, config: Config) -> Activation:
    """Class activation sequences = softmax of the logits under the attention; class scores =
    softmax of the videos' logits. Attention and magnitude = the attention.
    """
    attention = outputs.attention[:, :1]
    under_attention = (outputs.s_a * attention).softmax(-1)
    return Activation(
        cas=as_array(under_attention[..., :-1]),
        scores=as_array(outputs.fg.softmax(-1)[None, :, :-1]),
        attention=as_array(attention.T),
        lengths=outputs.view.snippets.lengths,
        magnitude=as_array(attention.T),
        weights=outputs.view.weights,
    )


def signals(outputs: Outputs) -> dict[str, Tensor]:
    """What figures draw: s_a (1, N, J), the attention w (1, N) and the embedding x (1, N, D)."""
    return {"s_a": outputs.s_a, "w": outputs.attention[:, :1].T, "x": outputs.x}


def segments_of(
    activation: Activation,
    native: Int[np.ndarray, " B"],
    durations: Float[np.ndarray, " B"],
    rule: FrameRule,
) -> Instances:
    """Segments in seconds of the videos before they were resampled, overlapping ones suppressed
    there, by video, then class, best first.

    native, durations: snippets and seconds of the videos before.
    """
    lengths = np.asarray(activation.lengths, dtype=np.int64)
    found = frame_proposals(
        activation.cas[0],
        activation.scores[0],
        None if activation.magnitude is None else activation.magnitude[0],
        lengths,
        durations,
        lengths,
        activation.scaled(rule),
    )
    start, end = found.start.copy(), found.end.copy()
    if activation.weights is not None:
        edges = np.searchsorted(found.video, np.arange(len(lengths) + 1))
        weights = np.split(activation.weights, np.cumsum(native)[:-1])
        for video, (weight, duration) in enumerate(zip(weights, durations, strict=True)):
            own = slice(edges[video], edges[video + 1])
            start[own] = original_times(start[own], weight, duration)
            end[own] = original_times(end[own], weight, duration)
    group = found.video * activation.cas.shape[2] + found.label
    kept = suppress(group, start, end, found.score, rule.nms, rule.nms_iou, inclusive=True)
    return chosen(Instances(found.video, found.label, start, end, found.score), kept)


def original_times(
    seconds: Float[np.ndarray, " P"], weight: Float[np.ndarray, " T"], duration: float
) -> Float[np.ndarray, " P"]:
    """Where times of a resampled video were before."""
    if (weight == 1).all():
        return seconds
    summed = np.append(0.0, np.cumsum(weight))
    shares = np.linspace(0, 1, len(summed))
    return linear(seconds / duration, summed / summed[-1], shares) * duration


def localize(activation: Activation, scene: Scene, config: Config) -> pd.DataFrame:
    """Detections: runs of each class and of the attention above many thresholds, outer-inner
    contrast, NMS. No ambiguous interval takes any away.
    """
    native = np.asarray(scene.lengths, dtype=np.int64)
    begin = float(scene.timebase.seconds(0.0))
    durations = np.asarray(scene.timebase.seconds(native)) - begin
    segments = segments_of(activation, native, durations, config.rule)
    return to_table(
        segments.video,
        segments.label,
        segments.start + begin,
        segments.end + begin,
        segments.score,
        scene.videos,
        scene.classes,
        IN_SECONDS,
    )


METHOD = Method(
    name="asmloc",
    Config=Config,
    profiles=PROFILES,
    benchmarks={"activitynet1.3": {"official": ACTIVITYNET13}},
    Network=Network,
    loss=loss,
    activate=activate,
    localize=localize,
    signals=signals,
    objective=objective,
    between_epochs=between_epochs,
)
