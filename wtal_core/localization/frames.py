"""Class activations -> detections as BackTAL, BaS-Net and UM find them.

Runs of frames at many thresholds become proposals; suppression leaves detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num

from wtal_core.checks import Checked, PositiveInt, Share
from wtal_core.errors import WorkbookError
from wtal_core.localization.detections import to_table
from wtal_core.localization.frame_proposals import (
    Margin,
    Runs,
    find_runs,
    inner_and_outer,
    normalised,
)
from wtal_core.localization.sequences import (
    class_sequences,
    in_parts,
    pick_classes,
    without_lone_first_class,
)
from wtal_core.localization.suppression import suppress
from wtal_core.localization.upsampling import resize, stretch
from wtal_core.segments import pairs_by_key
from wtal_core.timebase import Timebase

FRAMES_AT_ONCE = 2**18  # about 30 MB of arrays
IN_SECONDS = Timebase(fps=1.0, stride=1.0)


@dataclass(frozen=True)
class FrameRule(Checked):
    """Every constant of the localization; the defaults are BackTAL's on THUMOS14.

    class_threshold: a class is localized in a video where its video-level score is at least this.
    thresholds: >= 0, on a class's activation after `normalised`; a run is where it is >= one of
        them, and > 0.
    outer_scale, outer_end: the outer area, see `Margin`.
    gamma, score_class: score = inner mean - outer mean + gamma * the class's video-level score, or
        gamma * 1 ("binarised").
    nms, nms_iou: a detection goes if it overlaps a better one of its class by >= nms, see
        `suppression.OVERLAPS`.
    magnitude: thresholds of proposals by the normalised feature magnitude; () = none. They are the
        same for all classes of a video and scored by their activations, the outer area without
        thresholding.
    whole_video: score of a proposal [0, duration] for each class of a video that has a run;
        None = none.
    shrink: share of a run's length that it loses at both sides.
    grid: "frames" = resized to the video's frames; 1 = the snippets themselves; another factor =
        that many points per snippet, at j / factor, with linear extrapolation at the end.
    drop_frame0_run: where frame 0 alone passes a threshold, nothing is proposed there, as in both
        official codes.
    fix_class0: False loses a video whose only class is the first one, as in BaS-Net's code.
    at_least_one: a video without any class is localized by its best one, as in UM's code.
    magnitude_gamma: gamma of the proposals by magnitude; None = `gamma`, as everywhere but in
        ASM-Loc's code for ActivityNet.
    magnitude_share: what is averaged inside and outside of a proposal is this share of the
        magnitude, the rest of the class's activation. That of the two which the proposal was found
        on is thresholded, the other one not (ASM-Loc on ActivityNet).
    magnitude_range: the feature magnitude is brought to [0, 1] between a video's least and largest
        one ("video"), or comes there ("given"), as in UM's code.
    shortest: places of the grid that a run needs; shorter ones still count in outer areas. UM's
        code asks for 2 of 24 per snippet.
    cas_range: the same of the classes' activations; as they come in ASM-Loc's code.
    times: place p of a grid of F is at p / F times the duration ("share"), or at p times the
        duration of one place ("step", CoLA). These differ by rounding alone, which decides where
        an overlap is `nms` exactly.
    """

    class_threshold: float = 0.25
    thresholds: tuple[float, ...] = tuple(np.arange(0, 0.25, 0.025).tolist())
    outer_scale: float = 0.25
    outer_end: Literal["exclusive", "inclusive"] = "exclusive"
    gamma: float = 0.2
    score_class: Literal["probability", "binarised"] = "probability"
    nms: float = 0.55
    nms_iou: Literal["plus_one_seconds", "iou"] = "plus_one_seconds"
    magnitude: tuple[float, ...] = tuple(np.arange(0.3, 0.8, 0.075).tolist())
    whole_video: float | None = None
    shrink: float = 0.0
    grid: Literal["frames"] | int = "frames"
    drop_frame0_run: bool = True
    fix_class0: bool = True
    at_least_one: bool = False
    magnitude_gamma: float | None = None
    magnitude_share: Share = 0.0
    magnitude_range: Literal["video", "given"] = "video"
    shortest: PositiveInt = 1
    cas_range: Literal["video", "given"] = "video"
    times: Literal["share", "step"] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        levels = (*self.thresholds, *self.magnitude)
        if not all(level >= 0 for level in levels):
            raise WorkbookError(f"frame thresholds {levels}: expected numbers >= 0")
        if self.grid != "frames" and self.grid < 1:
            raise WorkbookError(f'grid is {self.grid}; expected "frames" or a factor of at least 1')
        if not self.nms <= 1:
            raise WorkbookError(f"nms is {self.nms}; expected an overlap of at most 1")


@dataclass(frozen=True)
class _Activations:
    """What B videos are localized by, their M snippets one after another.

    magnitude: None where the rule does not propose by it.
    lengths: snippets of each video.
    points: places of each video's grid, on which runs are looked for.
    """

    cas: Num[np.ndarray, "M C"]
    magnitude: Num[np.ndarray, " M"] | None
    lengths: Int[np.ndarray, " B"]
    points: Int[np.ndarray, " B"]


@dataclass(frozen=True)
class _Pairs:
    """P pairs of a video and a class, by video.

    video, label: their indices.
    score: what gamma multiplies.
    """

    video: Int[np.ndarray, " P"]
    label: Int[np.ndarray, " P"]
    score: Float[np.ndarray, " P"]

    def part(self, chosen: slice) -> "_Pairs":
        """Some of them."""
        return _Pairs(self.video[chosen], self.label[chosen], self.score[chosen])


@dataclass(frozen=True)
class _Magnitudes:
    """Feature magnitude on the grids of V videos, `sizes` points each; own: the one of each pair.

    Pairs of one video share it.
    """

    values: Float[np.ndarray, " N"]
    sizes: Int[np.ndarray, " V"]
    own: Int[np.ndarray, " P"]


# mean inside and outside of each run
_Means = tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]


@dataclass(frozen=True)
class _Proposals:
    """N scored intervals.

    pair: which of the pairs each belongs to.
    start, end: in one unit.
    inner: mean activation inside, of a whole video its score.
    """

    pair: Int[np.ndarray, " N"]
    start: Num[np.ndarray, " N"]
    end: Num[np.ndarray, " N"]
    score: Float[np.ndarray, " N"]
    inner: Float[np.ndarray, " N"]

    def part(self, chosen: Int[np.ndarray, " K"]) -> "_Proposals":
        """Some of them, in this order."""
        return _Proposals(
            self.pair[chosen],
            self.start[chosen],
            self.end[chosen],
            self.score[chosen],
            self.inner[chosen],
        )


@dataclass(frozen=True)
class FrameProposals:
    """N scored proposals before suppression, by video, then class.

    video, label: indices.
    start, end: in the unit of the spans that `frame_proposals` was given.
    inner: mean activation inside, of a whole video its score.
    """

    video: Int[np.ndarray, " N"]
    label: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]
    score: Float[np.ndarray, " N"]
    inner: Float[np.ndarray, " N"]


def frame_proposals(
    cas: Num[np.ndarray, "M C"],
    scores: Num[np.ndarray, "B C"],
    magnitude: Num[np.ndarray, " M"] | None,
    lengths: Int[np.ndarray, " B"],
    spans: Num[np.ndarray, " B"],
    frames: Int[np.ndarray, " B"],
    rule: FrameRule,
) -> FrameProposals:
    """What `frame_detections` suppresses overlapping ones of.

    spans: length of each video, in any unit: seconds, or snippets. The others as there.
    Raises WorkbookError as `frame_detections` does.
    """
    pairs, proposals = _proposed(cas, scores, magnitude, lengths, spans, frames, rule)
    order = np.argsort(proposals.pair, kind="stable")
    ordered = proposals.part(order)
    return FrameProposals(
        pairs.video[ordered.pair],
        pairs.label[ordered.pair],
        ordered.start,
        ordered.end,
        ordered.score,
        ordered.inner,
    )


def frame_detections(
    cas: Num[np.ndarray, "M C"],
    scores: Num[np.ndarray, "B C"],
    magnitude: Num[np.ndarray, " M"] | None,
    lengths: Int[np.ndarray, " B"],
    seconds: Num[np.ndarray, " B"],
    frames: Int[np.ndarray, " B"],
    rule: FrameRule,
    videos: Sequence[str],
    classes: Sequence[str],
) -> pd.DataFrame:
    """Detections `video, label, t_start, t_end, score` of B videos.

    By video, then class, then decreasing score; no background.
    cas: activations of M snippets, of all videos one after another, `lengths` each, before
        normalisation.
    scores: video-level probabilities.
    magnitude: length of the feature vectors.
    seconds: duration of each video.
    frames: number of frames that each video is resized to, read where the grid is "frames". Frame
        p of F covers [p / F, (p + 1) / F) of the duration.

    Equal scores of a video and class are kept, suppressed and listed in this order: class proposals
    by threshold, then start; magnitude proposals the same; the whole video. Official codes leave it
    undefined (an unstable sort).
    Source: BackTAL, `post_process/functions.py`, `nms.py`; BaS-Net and UM, `test.py`, `utils.py`.
    Raises WorkbookError if a value that is read is not finite or a rule needs magnitudes that are
    not there.
    """
    pairs, proposals = _proposed(cas, scores, magnitude, lengths, seconds, frames, rule)
    kept = suppress(
        proposals.pair,
        proposals.start,
        proposals.end,
        proposals.score,
        rule.nms,
        rule.nms_iou,
        inclusive=True,
    )
    best = proposals.part(kept)
    return to_table(
        pairs.video[best.pair],
        pairs.label[best.pair],
        best.start,
        best.end,
        best.score,
        videos,
        classes,
        IN_SECONDS,
    )


def _proposed(
    cas: Num[np.ndarray, "M C"],
    scores: Num[np.ndarray, "B C"],
    magnitude: Num[np.ndarray, " M"] | None,
    lengths: Int[np.ndarray, " B"],
    spans: Num[np.ndarray, " B"],
    frames: Int[np.ndarray, " B"],
    rule: FrameRule,
) -> tuple[_Pairs, _Proposals]:
    """All proposals, in the unit of the spans, and the pairs that they are of."""
    _check(cas, scores, magnitude, rule)
    pairs = _pairs(scores, rule)
    grid_points = frames if rule.grid == "frames" else lengths * rule.grid
    points = np.where(lengths > 0, grid_points, 0)
    strength = magnitude if _reads_magnitude(rule) else None
    activations = _Activations(cas, strength, lengths, points)
    chunks = in_parts(points[pairs.video], FRAMES_AT_ONCE)
    on_grid = _joined([_proposals(activations, pairs, chosen, rule) for chosen in chunks])
    own_spans = spans.astype(np.float64)[pairs.video]
    proposals = _in_spans(on_grid, points[pairs.video], own_spans, rule)
    if rule.whole_video is not None:
        proposals = _with_whole_videos(proposals, own_spans, rule.whole_video)
    return pairs, proposals


def _check(
    cas: Num[np.ndarray, "M C"],
    scores: Num[np.ndarray, "B C"],
    magnitude: Num[np.ndarray, " M"] | None,
    rule: FrameRule,
) -> None:
    if _reads_magnitude(rule) and magnitude is None:
        raise WorkbookError(
            "the rule proposes by feature magnitude, but the activation has none; set `magnitude` "
            "to () and `magnitude_share` to 0, or let the method give it"
        )
    read = {"class activation": cas, "video-level score": scores}
    if _reads_magnitude(rule) and magnitude is not None:
        read["feature magnitude"] = magnitude
    for name, values in read.items():
        if not np.isfinite(values).all():
            raise WorkbookError(f"a {name} is not finite; has training diverged?")


def _pairs(scores: Num[np.ndarray, "B C"], rule: FrameRule) -> _Pairs:
    """The pairs to localize."""
    video, label = pick_classes(scores, rule.class_threshold, rule.at_least_one)
    if not rule.fix_class0:
        video, label = without_lone_first_class(video, label, scores.shape[1])
    if rule.score_class == "probability":
        score = scores[video, label].astype(np.float64)
    else:
        score = np.ones(len(video))
    return _Pairs(video, label, score)


def _proposals(
    activations: _Activations, all_pairs: _Pairs, chosen: slice, rule: FrameRule
) -> _Proposals:
    """Proposals of the chosen pairs, in frames."""
    pairs = all_pairs.part(chosen)
    points = activations.points[pairs.video]
    snippets, lengths = class_sequences(
        activations.cas, activations.lengths, pairs.video, pairs.label
    )
    in_range = snippets if rule.cas_range == "given" else normalised(snippets, lengths)
    values, sizes = _on_grid(in_range, lengths, points, rule)
    margin = Margin(rule.outer_scale, rule.outer_end)
    runs = find_runs(values, sizes, rule.thresholds, rule.drop_frame0_run)
    means = inner_and_outer(values, sizes, runs, margin, thresholded=True)
    gain = rule.gamma * pairs.score[runs.sequence]
    if activations.magnitude is not None:
        magnitudes = _magnitudes(activations, activations.magnitude, pairs.video, rule)
        if rule.magnitude_share:
            of_video = replace(runs, sequence=magnitudes.own[runs.sequence])
            others = inner_and_outer(
                magnitudes.values, magnitudes.sizes, of_video, margin, thresholded=False
            )
            means = _blended(means, others, rule)
        by_magnitude, more = _by_magnitude(magnitudes, values, sizes, margin, rule)
        runs = runs.followed_by(by_magnitude)
        means = (np.concatenate([means[0], more[0]]), np.concatenate([means[1], more[1]]))
        gamma = rule.gamma if rule.magnitude_gamma is None else rule.magnitude_gamma
        gain = np.concatenate([gain, gamma * pairs.score[by_magnitude.sequence]])
    inner, outer = means
    score = inner - outer + gain
    proposals = _Proposals(runs.sequence + chosen.start, runs.start, runs.end, score, inner)
    return proposals.part(np.flatnonzero(runs.end - runs.start >= rule.shortest))


def _reads_magnitude(rule: FrameRule) -> bool:
    return bool(rule.magnitude) or rule.magnitude_share > 0


def _magnitudes(
    activations: _Activations,
    magnitude: Num[np.ndarray, " M"],
    video: Int[np.ndarray, " P"],
    rule: FrameRule,
) -> _Magnitudes:
    """Of P pairs' videos, each once."""
    each, own = np.unique(video, return_inverse=True)
    snippets, lengths = class_sequences(
        magnitude[:, None], activations.lengths, each, np.zeros_like(each)
    )
    in_range = snippets if rule.magnitude_range == "given" else normalised(snippets, lengths)
    unit = np.clip(in_range, 0, 1)
    values, sizes = _on_grid(unit, lengths, activations.points[each], rule)
    return _Magnitudes(values, sizes, own)


def _by_magnitude(
    magnitudes: _Magnitudes,
    values: Float[np.ndarray, " N"],
    sizes: Int[np.ndarray, " P"],
    margin: Margin,
    rule: FrameRule,
) -> tuple[Runs, _Means]:
    """Runs by feature magnitude, looked for once per video, once for each pair; sequence = the
    pair. And their means on the pairs' activations, `values` on grids of `sizes`.
    """
    of_videos = find_runs(magnitudes.values, magnitudes.sizes, rule.magnitude, rule.drop_frame0_run)
    pair, index = pairs_by_key(magnitudes.own, of_videos.sequence)
    runs = replace(of_videos.where(index), sequence=pair)
    means = inner_and_outer(values, sizes, runs, margin, thresholded=False)
    if rule.magnitude_share:
        inner, outer = inner_and_outer(
            magnitudes.values, magnitudes.sizes, of_videos, margin, thresholded=True
        )
        means = _blended(means, (inner[index], outer[index]), rule)
    return runs, means


def _blended(of_class: _Means, of_magnitude: _Means, rule: FrameRule) -> _Means:
    """Means of a class's activation and the magnitude together."""
    share = rule.magnitude_share
    inner = (1 - share) * of_class[0] + share * of_magnitude[0]
    outer = (1 - share) * of_class[1] + share * of_magnitude[1]
    return inner, outer


def _on_grid(
    values: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    points: Int[np.ndarray, " P"],
    rule: FrameRule,
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " P"]]:
    if rule.grid == "frames":
        return resize(values, lengths, points)
    return stretch(values, lengths, rule.grid)


def _joined(parts: Sequence[_Proposals]) -> _Proposals:
    return _Proposals(
        np.concatenate([part.pair for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.inner for part in parts]),
    )


def _in_spans(
    proposals: _Proposals,
    points: Int[np.ndarray, " P"],
    spans: Float[np.ndarray, " P"],
    rule: FrameRule,
) -> _Proposals:
    """From the grids of P pairs to the unit of their spans, each shorter by the share `rule.shrink`
    at both sides.
    """
    own_points = points[proposals.pair]
    own_spans = spans[proposals.pair]
    if rule.times == "share":
        start = proposals.start / own_points * own_spans
        end = proposals.end / own_points * own_spans
    else:
        step = own_spans / own_points
        start = proposals.start * step
        end = proposals.end * step
    lost = rule.shrink * (end - start)
    return replace(proposals, start=start + lost, end=end - lost)


def _with_whole_videos(
    proposals: _Proposals, spans: Float[np.ndarray, " P"], score: float
) -> _Proposals:
    """Proposals and, at the end, the whole video for each pair that has any.

    The official code adds one per run, but they are all the same, and suppression leaves one.
    """
    pair = np.unique(proposals.pair)
    scores = np.full(len(pair), score)
    whole = _Proposals(pair, np.zeros(len(pair)), spans[pair], scores, scores)
    return _joined([proposals, whole])
