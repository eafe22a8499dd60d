"""What the page of a diagnosis shows, as JSON values: every number is computed here and in
`evaluation`, the scripts of the page only draw it.

Classes are numbers in `classes` of the timeline, methods numbers in the order given; -1 is no
class. Percent and points where the page says so; NaN becomes null.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.by_class import Curve, confusion, curve_of_all, curves
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.diagnosis import Diagnosis
from wtal_core.evaluation.error_types import ERROR_TYPES, TRUE_POSITIVE
from wtal_core.evaluation.mean_average_precision import Score
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.evaluation.thresholds import tiou_name
from wtal_core.evaluation.video_bootstrap import Paired, matched, paired_differences
from wtal_core.evaluation.worst import gains_by_kind
from wtal_core.pages.timeline import Timeline
from wtal_core.pages.timeline_page import page_content
from wtal_core.pictures.diagnosis_figures import error_shares

MOST_DETECTIONS = 40_000  # of all methods together in one page
# first and last threshold of the averages that tables of the benchmark quote
AVERAGES = {
    "thumos14": ((0.1, 0.5), (0.3, 0.7), (0.1, 0.7), (0.1, 0.9)),
    "activitynet": ((0.5, 0.95),),
}
MOST_POINTS = 20_000  # of all precision-recall curves together
POINTS = 200  # of one curve
RESAMPLES = 2000
# detections x thresholds x resamples: about a minute on one core
MOST_RESAMPLED = 2_000_000_000


@dataclass(frozen=True)
class Findings:
    """All that a page shows of one method.

    outcomes: at the first tIoU of the diagnosis; errors, missed: lists made of them. classes: see
    `by_class.class_table`. benchmark: a key of AVERAGES.
    """

    case: Case
    diagnosis: Diagnosis
    score: Score
    outcomes: pd.DataFrame
    errors: pd.DataFrame
    missed: pd.DataFrame
    classes: pd.DataFrame
    benchmark: str = "thumos14"


def content_of(
    found: Sequence[Findings], folder: Path, videos: Mapping[str, Path], most: int
) -> dict[str, Any]:
    """Everything that the page draws.

    folder: where the page shall lie. videos: video -> its file. most: how many detections of all
    methods together are in the page.
    """
    first = found[0]
    timeline, kept = timeline_of_methods(found, most)
    drawn = page_content(timeline, folder, videos)
    numbers = {label: number for number, label in enumerate(drawn["classes"])}
    places = {video["name"]: place for place, video in enumerate(drawn["videos"])}
    content = {
        "tiou": tiou_name(first.diagnosis.tious[0]),
        "benchmark": first.benchmark,
        "thresholds": [tiou_name(level) for level in first.score.tious],
        "averages": list(averages(first)),
        "methods": [_method(one, numbers, places) for one in found],
        "kept": kept,
        "paired": _paired(found),
    }
    return {**plain(content), "timeline": drawn}


def averages(found: Findings) -> dict[str, float]:
    """mAP in percent, averaged over the thresholds that tables of the benchmark quote."""
    tious = np.asarray(found.score.tious)
    result = {}
    for first, last in AVERAGES[found.benchmark]:
        inside = (tious > first - 1e-9) & (tious < last + 1e-9)
        result[f"{first:g}:{last:g}"] = float(100 * found.score.map[inside].mean())
    return result


def _method(
    found: Findings, numbers: Mapping[str, int], places: Mapping[str, int]
) -> dict[str, Any]:
    truth = found.case.ground_truth
    rows = confusion(found.outcomes, truth)
    listed = [numbers[label] for label in truth.classes] + [-1]  # -1 stays -1
    return {
        "name": found.case.name,
        "source": found.case.source,
        "map": _percent(found.score.map),
        "averages": [round(value, 2) for value in averages(found).values()],
        "normalised": round(100 * found.diagnosis.normalised_map, 2),
        "kinds": _kinds(found),
        "classes": _classes(found, numbers),
        "confusion": [
            [listed[row.truth], listed[row.detected], row.count]
            for row in rows.itertuples(index=False, name="Row")
        ],
        "curves": _curves(found, numbers),
        "missed": [
            [places[row.video], numbers[row.label], row.t_start, row.t_end, round(row.best, 3)]
            for row in found.missed.round(3).itertuples()
        ],
    }


def _kinds(found: Findings) -> list[dict[str, Any]]:
    """Of each kind of error: how many, their share, and what removing all of them would gain."""
    counts = found.diagnosis.outcome_counts.iloc[0]
    shares = error_shares(found.diagnosis)
    gains = gains_by_kind(found.outcomes, found.case.ground_truth)
    return [
        {
            "kind": kind,
            "count": int(counts[kind]),
            "share": round(100 * shares[kind], 1),
            "gain": round(100 * gains[kind], 2),
            "normalised_gain": round(100 * found.diagnosis.impact[kind], 2),
        }
        for kind in ERROR_TYPES
    ]


def _classes(found: Findings, numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """A row per class that has instances; shares are of its errors within the budget."""
    missed = found.missed["label"].value_counts()
    rows = []
    for label, row in found.classes.iterrows():
        errors = row[list(ERROR_TYPES)]
        total = errors.sum()
        shares = 100 * errors / total if total else errors * math.nan
        rows.append(
            {
                "label": numbers[label],
                "instances": int(row["instances"]),
                "missed": int(missed.get(label, 0)),
                "detections": int(row["detections"]),
                "ap": round(100 * row["ap"], 2),
                "average_ap": round(100 * row["average_ap"], 2),
                "errors": int(total),
                "shares": [round(share, 1) for share in shares],
            }
        )
    return rows


def _curves(found: Findings, numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """The curve of all classes together, label -1, then one per class."""
    truth = found.case.ground_truth
    by_class = curves(found.outcomes, truth)
    points = max(10, min(POINTS, MOST_POINTS // len(by_class)))
    rows = [_curve(-1, curve_of_all(found.outcomes, truth), POINTS)]
    return rows + [_curve(numbers[label], curve, points) for label, curve in by_class.items()]


def _curve(label: int, curve: Curve, points: int) -> dict[str, Any]:
    thin = curve.thinned(points)
    return {
        "label": label,
        "instances": curve.instances,
        "recall": thin.recall.round(4).tolist(),
        "precision": thin.precision.round(4).tolist(),
        "envelope": thin.envelope.round(4).tolist(),
    }


def _paired(found: Sequence[Findings]) -> dict[str, Any] | None:
    """Every method minus every other one, in points, at each threshold and on average."""
    if len(found) < 2:
        return None
    truth = found[0].case.ground_truth
    levels = found[0].score.tious
    methods = [matched(truth, one.case.detections, ACTIVITYNET, levels) for one in found]
    cells = len(levels) * sum(len(one.video) for one in methods)
    count = int(np.clip(MOST_RESAMPLED // max(1, cells), 100, RESAMPLES))
    pairs = paired_differences(methods, count)
    return {
        "resamples": next(iter(pairs.values())).resamples,
        "rows": {f"{first},{second}": _cells(pair) for (first, second), pair in pairs.items()},
    }


def _cells(pair: Paired) -> list[list[float]]:
    """Difference, low and high end of the interval, and share of resamples, at each threshold."""
    columns = (pair.difference, pair.low, pair.high, 100 * pair.share)
    return np.column_stack(columns).round(2).tolist()


def timeline_of_methods(
    found: Sequence[Findings], most: int
) -> tuple[Timeline, list[dict[str, int]]]:
    """All methods on one axis, and how many detections of each are in it, of how many.

    Where there are more than `most`, each method keeps as many as the others: true positives, at
    most half of them, by score, then errors by what they cost, then those that are not scored, of
    unknown classes for instance.
    """
    if most < 1:
        raise WorkbookError(f"a page of {most} detections shows nothing; give at least 1")
    tables = [_kept(one, number, most // len(found)) for number, one in enumerate(found)]
    kept = [
        {"kept": len(table), "all": len(one.case.detections)}
        for table, one in zip(tables, found, strict=True)
    ]
    case = found[0].case
    truth = case.ground_truth.segments.reset_index(drop=True)
    bits = np.zeros(len(truth), dtype=np.int64)
    for number, one in enumerate(found):
        bits += truth.index.isin(one.outcomes["matched"]).astype(np.int64) << number
    with_signals = next((one.case for one in found if one.case.activation), case)
    timeline = Timeline(
        "",
        pd.concat(tables, ignore_index=True),
        truth.assign(is_found=bits),
        durations={
            video: float(case.durations[video])
            for video in case.ground_truth.videos
            if video in case.durations
        },
        activation=with_signals.activation,
        attention=with_signals.attention,
        classes=case.ground_truth.classes,
        timebase=case.ground_truth.timebase,
        methods=[one.case.name for one in found],
        notes=_notes_on_signals(with_signals, len(found)),
    )
    return timeline, kept


def _notes_on_signals(case: Case, methods: int) -> list[str]:
    if methods < 2 or not case.activation:
        return []
    return [f"Class activation and attention are those of {case.name}."]


def _kept(found: Findings, number: int, most: int) -> pd.DataFrame:
    """Detections of one method with EXTRAS, at most so many."""
    judged = found.outcomes
    right = judged[judged["outcome"] == TRUE_POSITIVE]
    right = right.sort_values("score", ascending=False, kind="stable").assign(cost=0.0)
    if len(judged) > most:
        right = right.head(most // 2)
    chosen = pd.concat([right, found.errors.head(most - len(right))], ignore_index=True)
    unused = found.case.detections.drop(index=found.case.detections.index[judged["row"]])
    unused = unused.head(most - len(chosen))
    unused = unused.assign(outcome="", overlap=0.0, nearest=-1, cost=0.0)
    chosen = pd.concat([chosen, unused], ignore_index=True)
    labels = found.case.ground_truth.segments["label"].to_numpy(dtype=object)
    nearest = chosen["nearest"].to_numpy()
    is_near = (nearest >= 0) & (chosen["overlap"].to_numpy() > 0)
    names = np.where(is_near, labels[nearest.clip(min=0)], "")
    return chosen.assign(method=number, nearest_label=names)


def _percent(values: np.ndarray) -> list[float]:
    return (100 * values).round(2).tolist()


def plain(value: Any) -> Any:
    """The same of Python's own types, NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    return value
