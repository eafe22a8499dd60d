"""Class activations -> detections as BackTAL and BaS-Net find them: runs of frames at many
thresholds, then suppression.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num

from wtal_core.checks import Checked
from wtal_core.errors import WorkbookError
from wtal_core.localization.detections import to_table
from wtal_core.localization.frame_proposals import Margin, Runs, contrast, find_runs, normalised
from wtal_core.localization.sequences import class_sequences, pick_classes
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
    magnitude: thresholds of proposals by the normalised feature magnitude, the same for all classes
    of a video and scored
        by their activations, the outer area without thresholding; () = none.
    whole_video: score of a proposal [0, duration] for each class of a video that has a run; None =
    none.
    shrink: share of a run's length that it loses at both sides.
    grid: "frames" = resized to the video's frames; a factor = that many points a snippet, positions
    j / factor with linear
        extrapolation at the end; 1 = the snippets themselves.
    drop_frame0_run: where frame 0 alone passes a threshold, nothing is proposed there, as in both
    official codes.
    fix_class0: False loses a video whose only class is the first one, as in BaS-Net's code.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(level >= 0 for level in (*self.thresholds, *self.magnitude)):
            raise WorkbookError(
                f"frame thresholds {(*self.thresholds, *self.magnitude)}: expected numbers >= 0"
            )
        if self.grid != "frames" and self.grid < 1:
            raise WorkbookError(f'grid is {self.grid}; expected "frames" or a factor of at least 1')
        if not self.nms <= 1:
            raise WorkbookError(f"nms is {self.nms}; expected an overlap of at most 1")


@dataclass(frozen=True)
class _Pairs:
    """P pairs of a video and a class, by video. video, label: their indices. score: what gamma
    multiplies.
    """

    video: Int[np.ndarray, " P"]
    label: Int[np.ndarray, " P"]
    score: Float[np.ndarray, " P"]


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
    """`video, label, t_start, t_end, score` of B videos, by video, then class, then decreasing
    score; no background.

    cas: activations of M snippets, of all videos one after another, `lengths` each, before
    normalisation. scores: video-level probabilities. magnitude: length of the feature vectors.
    seconds, frames: duration of each video and the frames that it is resized to (read where the
    grid is "frames"). Frame p of F covers [p / F, (p + 1) / F) of the duration.

    Equal scores of a video and class are kept, suppressed and listed in this order: class proposals
    by threshold, then start; magnitude proposals the same; the whole video. Official codes leave it
    undefined (an unstable sort).
    Source: BackTAL, `post_process/functions.py`, `nms.py`; BaS-Net, `test.py`, `utils.py`.
    Raises WorkbookError if a value that is read is not finite or a rule needs magnitudes that are
    not there.
    """
    _check(cas, scores, magnitude, rule)
    pairs = _pairs(scores, rule)
    points = np.where(lengths > 0, frames if rule.grid == "frames" else lengths * rule.grid, 0)
    found = [
        _proposals(cas, magnitude, lengths, points, rule, pairs, chosen)
        for chosen in _chunks(points[pairs.video])
    ]
    pair, start, end, score = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    lasting = seconds.astype(np.float64)[pairs.video]
    start, end = (place / points[pairs.video[pair]] * lasting[pair] for place in (start, end))
    lost = rule.shrink * (end - start)
    pair, start, end, score = _with_whole_videos(
        (pair, start + lost, end - lost, score), lasting, rule.whole_video
    )
    kept = suppress(pair, start, end, score, rule.nms, rule.nms_iou, inclusive=True)
    pair = pair[kept]
    return to_table(
        pairs.video[pair],
        pairs.label[pair],
        start[kept],
        end[kept],
        score[kept],
        videos,
        classes,
        IN_SECONDS,
    )


def _check(
    cas: Num[np.ndarray, "M C"],
    scores: Num[np.ndarray, "B C"],
    magnitude: Num[np.ndarray, " M"] | None,
    rule: FrameRule,
) -> None:
    if rule.magnitude and magnitude is None:
        raise WorkbookError(
            "the rule proposes by feature magnitude, but the activation has none; set `magnitude` "
            "to () "
            "or let the method give it"
        )
    read = {
        "class activation": cas,
        "video-level score": scores,
        "feature magnitude": magnitude if rule.magnitude else None,
    }
    for name, values in read.items():
        if values is not None and not np.isfinite(values).all():
            raise WorkbookError(f"a {name} is not finite; has training diverged?")


def _pairs(scores: Num[np.ndarray, "B C"], rule: FrameRule) -> _Pairs:
    """The pairs to localize."""
    video, label = pick_classes(scores, rule.class_threshold)
    if not rule.fix_class0:
        found = (label > 0) | (np.bincount(video, minlength=len(scores))[video] > 1)
        video, label = video[found], label[found]
    score = (
        scores[video, label].astype(np.float64)
        if rule.score_class == "probability"
        else np.ones(len(video))
    )
    return _Pairs(video, label, score)


def _chunks(points: Int[np.ndarray, " P"]) -> list[slice]:
    """Pairs in turn, as many as have FRAMES_AT_ONCE frames together, but at least one; an empty
    slice if there are none.
    """
    number = np.cumsum(points) // FRAMES_AT_ONCE
    borders = np.flatnonzero(np.diff(number)) + 1
    return [
        slice(a, b)
        for a, b in zip([0, *borders.tolist()], [*borders.tolist(), len(points)], strict=True)
    ]


def _proposals(
    cas: Num[np.ndarray, "M C"],
    magnitude: Num[np.ndarray, " M"] | None,
    lengths: Int[np.ndarray, " B"],
    points: Int[np.ndarray, " B"],
    rule: FrameRule,
    pairs: _Pairs,
    chosen: slice,
) -> tuple[np.ndarray, ...]:
    """(pair, start, end, score) of some pairs, in frames."""
    video, label, margin = (
        pairs.video[chosen],
        pairs.label[chosen],
        Margin(rule.outer_scale, rule.outer_end),
    )
    rows, taken = class_sequences(cas, lengths, video, label)
    rows, taken = _on_grid(normalised(rows, taken), taken, points[video], rule)
    by_class = find_runs(rows, taken, rule.thresholds, rule.drop_frame0_run)
    found = [(by_class, contrast(rows, taken, by_class, margin, thresholded=True))]
    if rule.magnitude:
        everywhere = _magnitude_runs(magnitude, lengths, points, rule, video)
        found.append((everywhere, contrast(rows, taken, everywhere, margin, thresholded=False)))
    pair, start, end = (
        np.concatenate([getattr(runs, name) for runs, _ in found])
        for name in ("sequence", "start", "end")
    )
    pair += chosen.start
    return (
        pair,
        start,
        end,
        np.concatenate([score for _, score in found]) + rule.gamma * pairs.score[pair],
    )


def _magnitude_runs(
    magnitude: Num[np.ndarray, " M"],
    lengths: Int[np.ndarray, " B"],
    points: Int[np.ndarray, " B"],
    rule: FrameRule,
    video: Int[np.ndarray, " P"],
) -> Runs:
    """Runs by feature magnitude of P pairs' videos, once for each pair; sequence = the pair."""
    each, own = np.unique(video, return_inverse=True)
    rows, taken = class_sequences(magnitude[:, None], lengths, each, np.zeros_like(each))
    rows, taken = _on_grid(np.clip(normalised(rows, taken), 0, 1), taken, points[each], rule)
    runs = find_runs(rows, taken, rule.magnitude, rule.drop_frame0_run)
    pair, index = pairs_by_key(own, runs.sequence)
    return replace(runs.where(index), sequence=pair)


def _on_grid(
    rows: Float[np.ndarray, " M"],
    lengths: Int[np.ndarray, " P"],
    points: Int[np.ndarray, " P"],
    rule: FrameRule,
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " P"]]:
    return (
        resize(rows, lengths, points)
        if rule.grid == "frames"
        else stretch(rows, lengths, rule.grid)
    )


def _with_whole_videos(
    found: tuple[np.ndarray, ...],
    lasting: Float[np.ndarray, " P"],
    score: float | None,
) -> tuple[np.ndarray, ...]:
    """Proposals (pair, start, end, score) in seconds and, at the end, one of the whole video for
    each pair that has any.

    The official code adds one a run, but they are all the same, and suppression leaves one.
    """
    if score is None:
        return found
    pair = np.unique(found[0])
    whole = pair, np.zeros(len(pair)), lasting[pair], np.full(len(pair), score)
    return tuple(np.concatenate(arrays) for arrays in zip(found, whole, strict=True))
