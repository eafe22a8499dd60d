"""What is likely wrong with an input that can be scored: one line per finding, with what to type.

Nothing here changes a score.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.accounting import past_end
from wtal_core.evaluation.average_recall import LARGEST, average_recall
from wtal_core.evaluation.formats.class_list import has_label_ids, is_numbers, read_class_list
from wtal_core.evaluation.formats.opening import STANDARD_INPUT, open_file
from wtal_core.evaluation.frame_rate import MILLISECONDS, guessed_rate
from wtal_core.evaluation.ground_truth import NO_SUBSET, Detections, GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import Protocol
from wtal_core.evaluation.spelling import NearMisses, near_misses, respelt
from wtal_core.reading.commands import quoted

Measure = Callable[[GroundTruth, Detections], str]  # a score in words

MOST = 0.5  # share of the rows past the end from which on the unit is in question
LATE = 5.0  # times as long as its video, from which on an end is no mistake of a few seconds
SHORTEST = 3.0  # seconds; where videos are longer and all times below 1, these are fractions


@dataclass(frozen=True)
class _Side:
    """Detections or annotated instances, with what their times are held against.

    what: they are, in words; kind: for `wtal convert`; path: their file, as it was given.
    ratio: ends over the durations of their videos, of the rows whose video has one.
    seconds: the median of these durations.
    """

    what: str
    kind: str
    path: Path
    table: pd.DataFrame
    ratio: Float[np.ndarray, " N"]
    seconds: float

    @property
    def is_fractions(self) -> bool:
        """Whether all times are small enough."""
        return bool(self.table["t_end"].max() <= 1) and self.seconds > SHORTEST

    @property
    def is_counted(self) -> bool:
        """Whether most times are frames or milliseconds, and no seconds."""
        return bool((self.ratio > 1).mean() >= MOST and self.ratio.max() >= LATE)


def _side(
    what: str, kind: str, path: str | Path, table: pd.DataFrame, durations: Mapping[str, float]
) -> _Side | None:
    """None where no row is of a video with a duration."""
    seconds = table["video"].map(durations).to_numpy(dtype=np.float64)
    known = seconds > 0
    if not known.any():
        return None
    ratio = table["t_end"].to_numpy(dtype=np.float64)[known] / seconds[known]
    return _Side(what, kind, Path(path), table, ratio, float(np.median(seconds[known])))


def about_times(
    ground_truth: GroundTruth,
    detections: Detections,
    truth_path: str | Path,
    detections_path: str | Path,
    durations_path: str | Path | None = None,
) -> list[str]:
    """Lines about detections and annotations that end after their video or look like fractions.

    durations_path: the file of the durations, where it is not that of the ground truth.
    """
    source = Path(truth_path if durations_path is None else durations_path)
    ours, theirs = _sides(ground_truth, detections, truth_path, detections_path)
    lines = [_about_side(ours, theirs, ground_truth, source)]
    if ground_truth.durations:
        lines.append(_about_side(theirs, ours, ground_truth, source))
    return [line for line in lines if line]


def about_detection_times(
    ground_truth: GroundTruth, detections: Detections, truth_path: str | Path, path: str | Path
) -> list[str]:
    """The lines of `about_times` that are about the detections."""
    ours, theirs = _sides(ground_truth, detections, truth_path, path)
    line = _about_side(ours, theirs, ground_truth, Path(truth_path))
    return [line] if line else []


def _sides(
    ground_truth: GroundTruth, detections: Detections, truth_path: str | Path, path: str | Path
) -> tuple[_Side | None, _Side | None]:
    """Detections and instances; without durations the last instance ends the video."""
    segments = ground_truth.segments
    ends = ground_truth.durations or segments.groupby("video")["t_end"].max().to_dict()
    return (
        _side("detections", "detections", path, detections.table, ends),
        _side("instances", "annotations", truth_path, segments, ends),
    )


def _about_side(
    side: _Side | None, other: _Side | None, ground_truth: GroundTruth, source: Path
) -> str:
    """The line about one side; "" where nothing is odd. source: the file of the durations."""
    if side is None:
        return ""
    late = past_end(side.table, ground_truth.durations)
    parts = []
    if late.any():
        begin = int(past_end(side.table, ground_truth.durations, "t_start").sum())
        parts.append(f"{int(late.sum())} of {len(late)} {side.what} end after their video's end")
        if begin:
            parts[0] += f", {begin} of them begin after it"
    if side.is_fractions:
        parts.append(_fractions(side, ground_truth, source))
    elif side.is_counted:
        parts.append(_counted(side, other, bool(ground_truth.durations)))
    return "; ".join(parts)


def _fractions(side: _Side, ground_truth: GroundTruth, source: Path) -> str:
    """That times look like fractions, and how to make seconds of them."""
    words = f"all times of the {side.what} are at most 1: they look like fractions, not seconds"
    if STANDARD_INPUT in (source, side.path):
        return words
    videos = dict.fromkeys(side.table["video"])
    if side.kind == "annotations":  # whose file is converted as a whole
        videos |= dict.fromkeys(ground_truth.elsewhere)
    missing = [video for video in videos if video not in ground_truth.durations]
    if not missing:
        return _advised(words, side, f"--fractions-of {quoted(source)}")
    lacking = "no video"
    if ground_truth.durations:
        lacking = f"{len(videos) - len(missing)} of {len(videos)} videos (not {missing[0]!r})"
    return (
        f"{words}; to make seconds of them, the durations of the videos are needed, and {source} "
        f"names that of {lacking}: write one in seconds as `duration` of every video there, or "
        f"into a file of its own, and give that file to wtal convert with --fractions-of"
    )


def _counted(side: _Side, other: _Side | None, bounded: bool) -> str:
    """That times look like frames or milliseconds, and how to make seconds of them.

    bounded: whether durations are known, not only the last instances.
    """
    ratio = side.ratio
    seconds = None
    if other is not None and other.is_counted:
        ratio = np.concatenate([ratio, other.ratio])  # both are to be taken as of one rate
    elif other is not None and not other.is_fractions:
        seconds = other.table
    guess = guessed_rate(side.table, seconds, ratio, bounded)
    unit = "milliseconds" if guess.rate == MILLISECONDS else "frames"
    than = "its video" if bounded else "the last instance of its video ends"
    words = _advised(
        f"the latest end is {side.ratio.max():.3g} times as long as {than}: times look like "
        f"{unit}, not seconds",
        side,
        f"--fps {guess.rate:g}",
    )
    if not guess.others or side.path == STANDARD_INPUT:
        return words
    reason = "the most usual one that keeps the times inside their videos"
    if guess.agrees:
        against = "the ground truth" if side.kind == "detections" else "the detections"
        reason = f"the one that agrees best with {against}"
    others = ", ".join(f"{rate:g}" for rate in guess.others)
    return (
        f"{words}; the rate is guessed, as {reason} (next: {others}): if you know it, give that one"
    )


def _advised(words: str, side: _Side, option: str) -> str:
    """The words with the command to type; without it for what was read from standard input.

    The kind is named, as a table without scores is taken for annotations otherwise.
    """
    path = side.path
    if path == STANDARD_INPUT:
        return words
    stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name or side.kind
    source = quoted(path)
    target = quoted(path.parent / f"{stem}.seconds.json")
    return f"{words}; if so: `wtal convert {source} {target} --kind {side.kind} {option}`"


def average_by(protocol: Protocol, tious: Sequence[float] | None) -> Measure:
    """The average mAP in words."""

    def measure(ground_truth: GroundTruth, detections: Detections) -> str:
        score = evaluate(ground_truth, detections, protocol, tious)
        return f"average mAP {100 * score.average:.2f}"

    return measure


def recall_at(tious: Sequence[float]) -> Measure:
    """AR@LARGEST of proposals in words."""

    def measure(ground_truth: GroundTruth, proposals: Detections) -> str:
        result = average_recall(ground_truth, proposals, tious, (LARGEST,))
        return f"AR@{LARGEST} {100 * result.recall.mean():.2f}"

    return measure


def about_names(
    ground_truth: GroundTruth, detections: Detections, near: NearMisses, measure: Measure
) -> str:
    """What is spelt otherwise, and what would be measured if it were not."""
    try:
        gives = f": {measure(ground_truth, respelt(detections, near))}"
    except WorkbookError:
        gives = ""
    return f"{near.words()}; `--match-names` takes them as the same{gives}"


def with_advice(
    error: WorkbookError,
    ground_truth: GroundTruth,
    detections: Detections,
    files: tuple[str | Path, str | Path],
    measure: Measure,
) -> str:
    """What an error says, and what is likely wrong about the names."""
    near = near_misses(ground_truth, detections)
    names = about_names(ground_truth, detections, near, measure) if near else ""
    is_of_classes = not detections.unlabelled
    numbers = about_class_numbers(ground_truth, detections, *files) if is_of_classes else ""
    return "; ".join(filter(None, (str(error), names, numbers)))


def about_subsets(ground_truth: GroundTruth, detections: Detections) -> list[str]:
    """A line about detections in videos of other subsets, or of none."""
    elsewhere = detections.table["video"].isin(ground_truth.elsewhere)
    if not elsewhere.any():
        return []
    subsets = detections.table["video"][elsewhere].map(ground_truth.elsewhere)
    named = sorted(set(subsets) - {NO_SUBSET})
    of_named = f"of other subsets ({', '.join(named)})" if named else ""
    of_none = "for which the ground truth names no subset" if NO_SUBSET in set(subsets) else ""
    return [
        f"{int(elsewhere.sum())} detections are in videos "
        f"{' or '.join(filter(None, (of_named, of_none)))}; `--subset all` scores on every video"
    ]


def about_class_numbers(
    ground_truth: GroundTruth,
    detections: Detections,
    truth_path: str | Path,
    detections_path: str | Path,
) -> str:
    """What to type where one side has numbers for classes and the other names; "" else."""
    segments = ground_truth.segments
    ours = Path(detections_path)
    sides = {
        ours: is_numbers(detections.table["label"]),
        Path(truth_path): is_numbers(segments["label"]),
    }
    if sum(sides.values()) != 1:
        return ""
    numbered = next(path for path, is_so in sides.items() if is_so)
    words = f"{numbered} has numbers for classes: name them with --class-list FILE, lines `7 Jump`"
    numbers = set(detections.table["label"] if numbered == ours else segments["label"])
    beside = sorted(numbered.parent.glob("*class*list*.txt")) if numbered.name else []
    candidates = [path for path in beside if _names_any(path, numbers)]
    if Path(truth_path) != STANDARD_INPUT and not Path(truth_path).is_dir():
        candidates += [Path(truth_path)] if has_label_ids(open_file(truth_path)) else []
    if candidates:
        words += f", such as `--class-list {quoted(candidates[0])}`"
    return words


def _names_any(path: Path, numbers: set[str]) -> bool:
    """Whether a file is a list of classes that names one of the numbers."""
    try:
        return bool(numbers & set(read_class_list(path)))
    except WorkbookError:
        return False
