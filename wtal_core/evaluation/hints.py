"""What is likely wrong with an input that can be scored: one line per finding, with what to type.

Nothing here changes a score.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.lengths import RATES
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.accounting import past_end
from wtal_core.evaluation.average_recall import LARGEST, average_recall
from wtal_core.evaluation.formats.class_list import has_label_ids, is_numbers
from wtal_core.evaluation.formats.opening import STANDARD_INPUT, open_file
from wtal_core.evaluation.ground_truth import NO_SUBSET, Detections, GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import Protocol
from wtal_core.evaluation.spelling import NearMisses, respelt

Measure = Callable[[GroundTruth, Detections], str]  # a score in words

MOST = 0.5  # share of the rows past the end from which on the unit is in question
MILLISECONDS = 300  # times as long as the video, from which on frames are unlikely
SHORTEST = 3.0  # seconds; where videos are longer and all times below 1, these are fractions


def about_times(
    ground_truth: GroundTruth,
    detections: Detections,
    truth_path: str | Path = "gt.json",
    detections_path: str | Path = "detections.json",
) -> list[str]:
    """Lines about detections and annotations that end after their video or look like fractions."""
    lines = about_detection_times(ground_truth, detections, truth_path, detections_path)
    segments = ground_truth.segments
    durations = ground_truth.durations
    if len(segments) and durations:
        line = _past(segments, durations, Path(truth_path), Path(truth_path), "instances")
        lines += [line] if line else []
    return lines


def about_detection_times(
    ground_truth: GroundTruth, detections: Detections, truth_path: str | Path, path: str | Path
) -> list[str]:
    """The lines of `about_times` that are about the detections."""
    table = detections.table
    if not len(table):
        return []
    if ground_truth.durations:
        line = _past(table, ground_truth.durations, Path(path), Path(truth_path), "detections")
    else:
        latest = _latest(ground_truth.segments)
        line = _unit(table, latest, Path(path), Path(truth_path), "detections")
    return [line] if line else []


def _latest(segments: pd.DataFrame) -> dict[str, float]:
    """The end of the last instance of each video, in place of a duration."""
    return segments.groupby("video")["t_end"].max().to_dict()


def _past(
    table: pd.DataFrame, durations: Mapping[str, float], path: Path, truth: Path, what: str
) -> str:
    late = past_end(table, durations)
    unit = _unit(table, durations, path, truth, what)
    if not late.any():
        return unit
    begin = int(past_end(table, durations, "t_start").sum())
    line = f"{int(late.sum())} of {len(table)} {what} end after their video's end"
    if begin:
        line += f", {begin} of them begin after it"
    return f"{line}; {unit}" if unit else line


def _unit(
    table: pd.DataFrame, durations: Mapping[str, float], path: Path, truth: Path, what: str
) -> str:
    """The likely unit of times that are no seconds, and the command that converts; "" else."""
    seconds = table["video"].map(durations).to_numpy(dtype=np.float64)
    known = seconds > 0
    if not known.any():
        return ""
    ratio = table["t_end"].to_numpy(dtype=np.float64)[known] / seconds[known]
    if table["t_end"].max() <= 1 and np.median(seconds[known]) > SHORTEST:
        return _advised(
            f"all times of the {what} are at most 1: they look like fractions, not seconds",
            path,
            f"--fractions-of {shlex.quote(str(truth))}",
        )
    largest = float(ratio.max())
    if (ratio > 1).mean() < MOST or largest < RATES[0] / 2:
        return ""
    words = f"the latest end is {largest:.3g} times as long as its video: times look like "
    if largest > MILLISECONDS:
        return _advised(f"{words}milliseconds, not seconds", path, "--fps 1000")
    rate = next((rate for rate in RATES if rate >= largest), RATES[-1])
    return _advised(f"{words}frames, not seconds", path, f"--fps {rate}")


def _advised(words: str, path: Path, option: str) -> str:
    if path == STANDARD_INPUT:
        return words
    stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    target = shlex.quote(str(path.with_name(f"{stem}.seconds.json")))
    return f"{words}; if so: `wtal convert {shlex.quote(str(path))} {target} {option}`"


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
    sides = {
        Path(detections_path): is_numbers(detections.table["label"]),
        Path(truth_path): is_numbers(segments["label"]),
    }
    if sum(sides.values()) != 1:
        return ""
    numbered = next(path for path, is_so in sides.items() if is_so)
    words = f"{numbered} has numbers for classes: name them with --class-list FILE, lines `7 Jump`"
    candidates = sorted(numbered.parent.glob("*class*list*.txt")) if numbered.name else []
    if Path(truth_path) != STANDARD_INPUT and not Path(truth_path).is_dir():
        candidates += [Path(truth_path)] if has_label_ids(open_file(truth_path)) else []
    if candidates:
        words += f", such as `--class-list {shlex.quote(str(candidates[0]))}`"
    return words
