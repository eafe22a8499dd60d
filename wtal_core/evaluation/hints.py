"""What is likely wrong with an input that can be scored: one line per finding, with what to type.

Nothing here changes a score.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.lengths import RATES
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.accounting import past_end
from wtal_core.evaluation.formats.class_list import has_label_ids, is_numbers
from wtal_core.evaluation.formats.opening import STANDARD_INPUT, open_file
from wtal_core.evaluation.ground_truth import Detections, GroundTruth
from wtal_core.evaluation.mean_average_precision import evaluate
from wtal_core.evaluation.protocols import Protocol
from wtal_core.evaluation.spelling import NearMisses, near_misses, respelt

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
    durations = ground_truth.durations or _latest(ground_truth.segments)
    lines = []
    for what, table, path in (
        ("detections", detections.table, Path(detections_path)),
        ("instances", ground_truth.segments, Path(truth_path)),
    ):
        if not len(table):
            continue
        if what == "instances" and not ground_truth.durations:
            continue
        if what == "detections" and not ground_truth.durations:
            line = _unit(table, durations, path, Path(truth_path), what)
        else:
            line = _past(table, durations, path, Path(truth_path), what)
        lines += [line] if line else []
    return lines


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


def about_names(
    ground_truth: GroundTruth,
    detections: Detections,
    protocol: Protocol,
    tious: Sequence[float] | None,
) -> list[str]:
    """Lines about names that are nearly known, with the score that they would give."""
    near = near_misses(ground_truth, detections)
    return [near_words(near, ground_truth, detections, protocol, tious)] if near else []


def near_words(
    near: NearMisses,
    ground_truth: GroundTruth,
    detections: Detections,
    protocol: Protocol,
    tious: Sequence[float] | None,
) -> str:
    """What is spelt otherwise, and the average mAP where it is not."""
    try:
        score = evaluate(ground_truth, respelt(detections, near), protocol, tious)
        gives = f"`--match-names` takes them as the same: average mAP {100 * score.average:.2f}"
    except WorkbookError:
        gives = "`--match-names` takes them as the same"
    return f"{near.words()}; {gives}"


def about_subsets(ground_truth: GroundTruth, detections: Detections) -> list[str]:
    """A line about detections in videos of other subsets."""
    subset = detections.table["video"].map(ground_truth.elsewhere).dropna()
    if not len(subset):
        return []
    named = ", ".join(sorted(subset.unique()))
    return [
        f"{len(subset)} detections are in videos of other subsets ({named}); "
        "`--subset all` scores on every video"
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
