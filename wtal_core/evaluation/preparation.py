"""From tables to arrays: what a protocol drops, its grid, and the order of detections."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from wtal_core import ragged
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import Detections, GroundTruth, checked
from wtal_core.evaluation.matching import Intervals, Matches, match_in_turn
from wtal_core.evaluation.protocols import Protocol
from wtal_core.segments import meets_any, pairs_by_key

DROPS = ("blocked_video", "video_without_ground_truth", "ambiguous", "class_without_ground_truth")


@dataclass(frozen=True)
class Prepared:
    """What is left to score; intervals are in the protocol's unit.

    detections: sorted by class, then by decreasing score, then as listed. Keys are
        video * len(classes) + class; negative where the video is not in the test list.
    label: class of each detection.
    row: which rows of the table of detections are left.
    instances: in file order, with keys as the detections.
    instance_label: class of each instance.
    instance_row: which rows of the ground truth are left.
    classes: those that have instances.
    counts: see `prepare`.
    """

    detections: Intervals
    label: Int[np.ndarray, " N"]
    row: Int[np.ndarray, " N"]
    instances: Intervals
    instance_label: Int[np.ndarray, " G"]
    instance_row: Int[np.ndarray, " G"]
    classes: tuple[str, ...]
    counts: dict[str, int]


@dataclass(frozen=True)
class _Placed:
    """A table as arrays.

    video, label: numbers in the lists of videos and classes, -1 for what is not in them.
    start, end: in the protocol's unit.
    """

    video: Int[np.ndarray, " N"]
    label: Int[np.ndarray, " N"]
    start: Float[np.ndarray, " N"]
    end: Float[np.ndarray, " N"]

    def by_video_and_class(self, n_classes: int) -> Intervals:
        """Intervals that are compared inside of a video and class."""
        key = self.video.astype(np.int64)
        key *= n_classes
        key += self.label
        return Intervals(key, self.start, self.end)


def prepare(
    ground_truth: GroundTruth, detections: pd.DataFrame | Detections, protocol: Protocol
) -> Prepared:
    """Apply everything of a protocol that comes before matching.

    counts:
        `detections` = `used` + those `dropped_*`; a detection is counted for the first reason that
        applies, in the order of DROPS.
        `outside_ground_truth` of the used lie in videos without ground truth.
        `tied_scores` of the used share their score with another one of their class, so their place
        in the table decides.
        `instances` = `instances_used` + `instances_dropped`.
        `instances_without_length` of the used can never be matched.

    Raises WorkbookError if nothing is left to score, or if no detection is of a known video, or
    none of a known class.
    """
    table = checked(detections).table
    instance_row = np.flatnonzero(kept_instances(ground_truth, protocol))
    kept = ground_truth.segments.iloc[instance_row]
    if not len(kept):
        raise WorkbookError(
            f"ground truth: no instance is left to score under {protocol.id}; check the test list"
        )
    refuse_strangers(ground_truth, table)
    present = set(kept["label"])
    classes = tuple(name for name in ground_truth.classes if name in present)
    truth = _place(kept, ground_truth, classes, protocol, "rounded")
    placed = _place(table, ground_truth, classes, protocol, "truncated")
    score = table["score"].to_numpy(dtype=np.float64)
    blocked = table["video"].isin(ground_truth.blocked).to_numpy()
    reason = _reason_to_drop(placed, truth, ground_truth, protocol, blocked)
    used = np.flatnonzero(reason == len(DROPS))
    used = used[np.lexsort((-score[used], placed.label[used]))]
    dropped = {f"dropped_{name}": int((reason == code).sum()) for code, name in enumerate(DROPS)}
    counts = {
        "detections": len(table),
        "used": len(used),
        **dropped,
        "outside_ground_truth": int((~np.isin(placed.video[used], truth.video)).sum()),
        "tied_scores": _tied(placed.label[used], score[used]),
        "classes_without_detections": len(classes) - len(np.unique(placed.label[used])),
        "instances": len(ground_truth.segments),
        "instances_used": len(kept),
        "instances_dropped": len(ground_truth.segments) - len(kept),
        "instances_without_length": int((truth.end <= truth.start).sum()),
    }
    return Prepared(
        detections=placed.by_video_and_class(len(classes)).part(used),
        label=placed.label[used],
        row=used,
        instances=truth.by_video_and_class(len(classes)),
        instance_label=truth.label,
        instance_row=instance_row,
        classes=classes,
        counts=counts,
    )


def kept_instances(ground_truth: GroundTruth, protocol: Protocol) -> Bool[np.ndarray, " G"]:
    """Which rows of the ground truth this protocol scores.

    Those that are not blocked, not too short, and no duplicate of a kept one.
    """
    segments = ground_truth.segments
    start = segments["t_start"].to_numpy(dtype=np.float64)
    end = segments["t_end"].to_numpy(dtype=np.float64)
    blocked = segments["video"].isin(ground_truth.blocked).to_numpy()
    kept = ~blocked & (end - start >= protocol.shortest)
    if protocol.duplicates is not None:
        rows = np.flatnonzero(kept)
        kept[rows] = _first_of_duplicates(segments.iloc[rows], protocol.duplicates)
    return kept


def _first_of_duplicates(segments: pd.DataFrame, tolerance: float) -> Bool[np.ndarray, " G"]:
    """False where an earlier *kept* instance has both borders within `tolerance` seconds.

    Only instances of the same video and class are compared.
    """
    key = segments.groupby(["video", "label"], sort=False, observed=True).ngroup().to_numpy()
    i, j = pairs_by_key(key, key)
    times = segments[["t_start", "t_end"]].to_numpy(dtype=np.float64)
    near = (i < j) & (np.abs(times[i] - times[j]) <= tolerance).all(axis=1)
    earlier = i[near]
    later = j[near]
    kept = np.ones(len(key), dtype=bool)
    settled = False
    while not settled:  # as many rounds as the longest chain of near ones
        before = kept
        kept = np.bincount(later[before[earlier]], minlength=len(key)) == 0
        settled = np.array_equal(kept, before)
    return kept


def _place(
    table: pd.DataFrame,
    ground_truth: GroundTruth,
    classes: tuple[str, ...],
    protocol: Protocol,
    how: Literal["rounded", "truncated"],
) -> _Placed:
    """`how`: the method of the timebase that puts times on the grid, where the protocol has one."""
    start = table["t_start"].to_numpy(dtype=np.float64)
    end = table["t_end"].to_numpy(dtype=np.float64)
    if protocol.unit == "snippets":
        timebase = ground_truth.timebase
        on_grid = timebase.rounded if how == "rounded" else timebase.truncated
        start = on_grid(start).astype(np.float64)
        end = on_grid(end).astype(np.float64)
    return _Placed(
        _codes(table["video"], ground_truth.videos), _codes(table["label"], classes), start, end
    )


def _codes(column: pd.Series, names: tuple[str, ...]) -> Int[np.ndarray, " N"]:
    """Number of each entry in the list of names, -1 where it is not there."""
    code, entries = pd.factorize(column)
    return pd.Index(names).get_indexer(pd.Index(entries)).astype(np.int32)[code]


def _reason_to_drop(
    given: _Placed,
    truth: _Placed,
    ground_truth: GroundTruth,
    protocol: Protocol,
    blocked: Bool[np.ndarray, " N"],
) -> Int[np.ndarray, " N"]:
    """Number in DROPS of the first reason to drop each detection; len(DROPS): it is used."""
    nothing = np.zeros(len(given.video), dtype=bool)
    ambiguous = ground_truth.ambiguous
    outside = ~np.isin(given.video, truth.video)
    filtered = protocol.ambiguity_filter and len(ambiguous)
    reasons = (
        blocked,
        outside if protocol.without_ground_truth == "dropped" else nothing,
        _ambiguous(given, ground_truth, protocol) if filtered else nothing,
        given.label < 0,
    )
    first = np.full(len(given.video), len(DROPS), dtype=np.int8)
    for code, applies in reversed(list(enumerate(reasons))):
        first[applies] = code
    return first


def _ambiguous(
    given: _Placed, ground_truth: GroundTruth, protocol: Protocol
) -> Bool[np.ndarray, " N"]:
    """Whether a detection shares a snippet with an ambiguous interval of its video."""
    other = _place(ground_truth.ambiguous, ground_truth, (), protocol, "rounded")
    listed = other.video >= 0
    return meets_any(
        given.video,
        given.start,
        given.end,
        other.video[listed],
        other.start[listed],
        other.end[listed],
    )


def _tied(label: Int[np.ndarray, " N"], score: Float[np.ndarray, " N"]) -> int:
    """How many sorted detections have the class and score of a neighbour."""
    same = (label[1:] == label[:-1]) & (score[1:] == score[:-1])
    return int((np.append(same, False) | np.append(False, same)).sum())


def refuse_strangers(ground_truth: GroundTruth, detections: pd.DataFrame) -> None:
    """Refuse detections of another data set, or with names spelt otherwise ("v_" before ids).

    They would score 0 without a word.
    """
    for column, known in (("video", ground_truth.videos), ("label", ground_truth.classes)):
        if len(detections) and not detections[column].isin(known).any():
            raise WorkbookError(
                f"detections: not one {column} is in the ground truth; it names {known[0]!r}, "
                f"the detections {detections[column].iloc[0]!r}; spell them alike"
            )


def matches_of(prepared: Prepared, protocol: Protocol, levels: Float[np.ndarray, " K"]) -> Matches:
    """Which detections match which instances at these tIoUs, by the protocol's rules."""
    return match_in_turn(
        prepared.detections,
        ragged.rank_in_group(prepared.label),
        prepared.instances,
        levels,
        protocol.matching,
        protocol.tie,
    )
