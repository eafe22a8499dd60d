"""What a timeline shows, as plain tables, and the same as the JSON that `timeline.js` draws.

One component draws it in the page of `wtal timeline`, in that of `wtal diagnose`, and in notebooks.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from wtal_core.data.dataset import CLICK_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import Case
from wtal_core.evaluation.error_types import OUTCOMES
from wtal_core.evaluation.ground_truth import check_detections, check_intervals
from wtal_core.pictures.diagnosis_figures import OUTCOME_COLOURS
from wtal_core.timebase import Timebase

SCRIPT = Path(__file__).with_suffix(".js")
STYLE = Path(__file__).with_suffix(".css")
BACKGROUND = "background"  # the label of a click beside any action, as `wtal data add` reads it
MOST_DETECTIONS = 3000  # per video; the lower-scored ones are left out, and counted
MOST_BINS = 4000  # per signal of a video: finer than any screen
MOST_VALUES = 12_000_000  # bytes of signals in one page
CROWDED = "class activation is in the page for the classes of each video alone; there are too many"
# letters beside the colour, for those who cannot tell colours
KIND_MARKS = ("TP", "DD", "WL", "LO", "CO", "BG")
KINDS = [
    {"name": name, "mark": mark, "colour": OUTCOME_COLOURS[name]}
    for name, mark in zip(OUTCOMES, KIND_MARKS, strict=True)
]
# of a detection, for a list of errors: number of its method, what mAP would gain without it, the
# largest tIoU with an instance of its video, and the class of that instance ("" for none)
EXTRAS = ("method", "cost", "overlap", "nearest_label")
SHORTEST = 0.001  # seconds of an axis
MOST_SIGNALS = 20_000  # of all videos; of more, those of classes that are in their video
LEVELS = 255  # steps of a signal's height; a lane is about forty pixels high


@dataclass(frozen=True)
class Timeline:
    """Videos against time, in seconds.

    title: data set and origin.
    detections: `video, label, t_start, t_end, score`; `outcome` (of OUTCOMES, or "") where they
        were judged; and, where errors are listed beside the timeline, all of EXTRAS.
    truth: `video, label, t_start, t_end`, and `is_found` where detections were judged: whether, and
        with several methods the sum of 2**k over the methods k that found it.
    clicks: `video, label, t`; segments: `video, label, t_start, t_end`: marks to go on with, which
        can be changed and saved, unlike the truth.
    durations: seconds of each video; without one, until the last thing in it.
    activation: video -> [T, C], columns as `classes`; attention: video -> [T]; both on the snippets
        of `timebase`.
    source: where the detections are from. notes: what a reader should know.
    methods: names of the methods, where errors are listed beside it; then no detection is left out.
    """

    title: str
    detections: pd.DataFrame
    truth: pd.DataFrame | None = None
    clicks: pd.DataFrame | None = None
    segments: pd.DataFrame | None = None
    durations: Mapping[str, float] = field(default_factory=dict)
    activation: Mapping[str, np.ndarray] = field(default_factory=dict)
    attention: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: Sequence[str] = ()
    timebase: Timebase = field(default_factory=Timebase)
    source: str = ""
    notes: Sequence[str] = ()
    methods: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_detections(self.detections, "detections")
        for name, table in (("truth", self.truth), ("segments", self.segments)):
            if table is not None:
                check_intervals(table, name)
        if self.clicks is not None:
            _check_clicks(self.clicks)
        for video, values in self.activation.items():
            if np.ndim(values) != 2 or np.shape(values)[1] != len(self.classes):
                raise WorkbookError(
                    f"activation of {video}: its shape is {np.shape(values)}, expected snippets "
                    f"and {len(self.classes)} classes; give `classes` in the order of its columns"
                )
        for video, values in self.attention.items():
            if np.ndim(values) != 1:
                raise WorkbookError(
                    f"attention of {video}: its shape is {np.shape(values)}, expected one value "
                    "per snippet"
                )

    def tables(self) -> list[pd.DataFrame]:
        """All tables that there are."""
        tables = (self.detections, self.truth, self.clicks, self.segments)
        return [table for table in tables if table is not None]

    def videos(self) -> tuple[str, ...]:
        """Every video that anything is known of, in the order of the alphabet."""
        named: set[str] = {*self.durations, *self.activation, *self.attention}
        return tuple(sorted(named.union(*(table["video"] for table in self.tables()))))

    def labels(self) -> tuple[str, ...]:
        """The classes as given, then further labels by the alphabet; `background` last."""
        others = set[str]().union(*(table["label"] for table in self.tables()))
        rest = sorted(others - {*self.classes, BACKGROUND})
        known = [label for label in self.classes if label != BACKGROUND]
        return (*known, *rest, BACKGROUND)


def timeline_of(case: Case, judged: pd.DataFrame | None = None) -> Timeline:
    """The timeline of a case to diagnose.

    judged: `outcomes` of it; then every detection has its kind of error, and each instance is found
    or not.
    """
    truth = case.ground_truth.segments.reset_index(drop=True)
    detections = case.detections
    if judged is not None:
        truth = truth.assign(is_found=truth.index.isin(judged["matched"]))
        # those that no protocol uses, of unknown classes for instance, are drawn as well
        detections = detections.assign(outcome="")
        detections["outcome"] = detections["outcome"].astype(object)
        place = detections.columns.get_loc("outcome")
        detections.iloc[judged["row"].to_numpy(), place] = judged["outcome"].to_numpy()
    known = {video: case.durations[video] for video in case.durations}
    return Timeline(
        f"{case.title}: {case.name}",
        detections,
        truth,
        durations={
            video: float(known[video]) for video in case.ground_truth.videos if video in known
        },
        activation=case.activation,
        attention=case.attention,
        classes=case.ground_truth.classes,
        timebase=case.ground_truth.timebase,
        source=case.source,
        notes=case.notes_of_page(),
    )


def _check_clicks(clicks: pd.DataFrame) -> None:
    missing = [name for name in CLICK_COLUMNS if name not in clicks.columns]
    if missing:
        raise WorkbookError(
            f"clicks: column {missing[0]!r} is missing, expected {', '.join(CLICK_COLUMNS)}"
        )
    if not np.isfinite(clicks["t"].to_numpy(np.float64)).all():
        raise WorkbookError("clicks: a time is not a finite number; correct or remove it")


def content_of(timeline: Timeline) -> dict[str, Any]:
    """What `timeline.js` draws, as JSON values: names once, rows as numbers.

    Names of classes and videos are numbers in `classes` and in the order of `videos`. Times are
    seconds to the millisecond, scores infinite ones included.
    """
    videos, labels = timeline.videos(), timeline.labels()
    number = {label: place for place, label in enumerate(labels)}
    tables = {
        "detections": _detections(timeline.detections, number),
        "truth": _rows(timeline.truth, number, ("t_start", "t_end"), "is_found"),
        "clicks": _rows(timeline.clicks, number, ("t",)),
        "segments": _rows(timeline.segments, number, ("t_start", "t_end")),
    }
    is_crowded = len(timeline.activation) * len(timeline.classes) > MOST_SIGNALS
    bins = _bins_per_signal(timeline, is_crowded)
    shown = []
    for video in videos:
        rows: dict[str, Any] = {name: table.get(video, []) for name, table in tables.items()}
        most = len(rows["detections"]) if timeline.methods else MOST_DETECTIONS
        rows["left_out"] = max(0, len(rows["detections"]) - most)
        rows["detections"] = rows["detections"][:most]
        own = {row[0] for name in tables for row in rows[name]}
        shown.append(
            {
                "name": video,
                "duration": _last(timeline, video, rows),
                "is_stated": video in timeline.durations,
                "signals": _signals(timeline, video, number, bins, own if is_crowded else None),
                **rows,
            }
        )
    scores = timeline.detections["score"].to_numpy(np.float64)
    return {
        "title": timeline.title,
        "source": timeline.source,
        "notes": [*timeline.notes, *([CROWDED] if is_crowded else [])],
        "classes": list(labels),
        "kinds": KINDS if "outcome" in timeline.detections.columns else [],
        "scores": _range(scores),
        "methods": _methods(timeline),
        "videos": shown,
    }


def _methods(timeline: Timeline) -> list[dict[str, Any]]:
    """Names, and the range of the scores of each: methods score in units of their own."""
    scores = timeline.detections["score"].to_numpy(np.float64)
    return [
        {"name": name, "scores": _range(scores[timeline.detections["method"].to_numpy() == number])}
        for number, name in enumerate(timeline.methods)
    ]


def _range(scores: Float[np.ndarray, " N"]) -> list[float]:
    finite = scores[np.isfinite(scores)]
    return [float(finite.min()), float(finite.max())] if len(finite) else [0.0, 1.0]


def as_script(content: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element: no text of it can end the element."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _detections(table: pd.DataFrame, number: Mapping[str, int]) -> dict[str, list[list[Any]]]:
    """Video -> rows [class, start, end, score, kind, *EXTRAS], best-scored first. kind: -1 if
    unknown.
    """
    ordered = table.sort_values("score", ascending=False, kind="stable")
    kinds = np.full(len(ordered), -1)
    if "outcome" in ordered.columns:
        numbers = {name: place for place, name in enumerate(OUTCOMES)}
        kinds = ordered["outcome"].map(lambda name: numbers.get(name, -1)).to_numpy()
    scores = [_score(value) for value in ordered["score"].to_numpy(np.float64).tolist()]
    columns = [
        ordered["label"].map(number).tolist(),
        ordered["t_start"].to_numpy(np.float64).round(3).tolist(),
        ordered["t_end"].to_numpy(np.float64).round(3).tolist(),
        scores,
        kinds.tolist(),
    ]
    if set(EXTRAS) <= set(ordered.columns):
        columns += [
            ordered["method"].tolist(),
            [float(f"{value:.4g}") for value in ordered["cost"].tolist()],
            ordered["overlap"].to_numpy(np.float64).round(3).tolist(),
            ordered["nearest_label"].map(number).fillna(-1).astype(int).tolist(),
        ]
    return _by_video(ordered["video"], columns)


def _score(value: float) -> float | str:
    """JSON knows no infinity; JavaScript's `Number` reads the word."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(f"{value:.6g}")


def _rows(
    table: pd.DataFrame | None, number: Mapping[str, int], times: Sequence[str], flag: str = ""
) -> dict[str, list[list[Any]]]:
    """Video -> rows [class, times ..., flag]; the flag 1 or 0, where the table has it."""
    if table is None:
        return {}
    ordered = table.sort_values(times[0], kind="stable")
    columns = [ordered["label"].map(number).tolist()]
    columns += [ordered[name].to_numpy(np.float64).round(3).tolist() for name in times]
    if flag in ordered.columns:
        columns.append(ordered[flag].astype(int).tolist())
    return _by_video(ordered["video"], columns)


def _by_video(videos: pd.Series, columns: Sequence[list[Any]]) -> dict[str, list[list[Any]]]:
    rows: dict[str, list[list[Any]]] = {}
    for video, *cells in zip(videos.tolist(), *columns, strict=True):
        rows.setdefault(video, []).append(cells)
    return rows


def _last(timeline: Timeline, video: str, rows: Mapping[str, Any]) -> float:
    """Seconds that the video lasts: as stated, else until the last thing in it."""
    if video in timeline.durations:
        return max(float(timeline.durations[video]), SHORTEST)
    ends = [row[2] for name in ("detections", "truth", "segments") for row in rows[name]]
    ends += [row[1] for row in rows["clicks"]]
    for signals in (timeline.activation, timeline.attention):
        if video in signals:
            ends.append(timeline.timebase.seconds(float(len(signals[video]))))
    return round(max([*ends, SHORTEST]), 3)


def _bins_per_signal(timeline: Timeline, is_crowded: bool) -> int:
    """Into how many bins a signal is cut at most, so that all of them fit into a page."""
    of_classes = len(timeline.activation) * (1 if is_crowded else len(timeline.classes))
    count = len(timeline.attention) + of_classes
    return int(np.clip(MOST_VALUES // max(1, 2 * count), 50, MOST_BINS))


def _signals(
    timeline: Timeline,
    video: str,
    number: Mapping[str, int],
    bins: int,
    wanted: set[int] | None,
) -> list[dict[str, Any]]:
    """Attention (of no class, -1) and the activation of each class, or of those that are wanted."""
    signals = []
    if video in timeline.attention:
        signals.append(_signal(timeline, -1, timeline.attention[video], bins))
    if video in timeline.activation:
        columns = np.asarray(timeline.activation[video], dtype=np.float64).T
        for label, values in zip(timeline.classes, columns, strict=True):
            if wanted is not None and number[label] not in wanted:
                continue
            signals.append(_signal(timeline, number[label], values, bins))
    return signals


def _signal(timeline: Timeline, label: int, values: np.ndarray, bins: int) -> dict[str, Any]:
    """One signal, cut into bins of whole snippets where it is long: their least and largest values.

    In units of its own range, one byte per value. Values that are no finite numbers count as the
    least one.
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-np.inf)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    values = np.clip(values, low, high)
    width = max(1, math.ceil(len(values) / bins))
    least, largest = extremes(values, width)
    scale = LEVELS / (high - low) if high > low else 0.0
    return {
        "class": label,
        "from": timeline.timebase.seconds(0.0),
        "step": timeline.timebase.snippet_seconds * width,
        "until": timeline.timebase.seconds(float(len(values))),
        "low": low,
        "high": high,
        "least": _encoded(((least - low) * scale).round().astype(np.uint8)) if width > 1 else None,
        "largest": _encoded(((largest - low) * scale).round().astype(np.uint8)),
    }


def extremes(
    values: Float[np.ndarray, " T"], width: int
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """The least and the largest of every `width` values; the last bin may hold fewer."""
    starts = np.arange(0, len(values), width)
    if not len(starts):
        return np.zeros(0), np.zeros(0)
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def _encoded(levels: UInt8[np.ndarray, " B"]) -> str:
    return base64.b64encode(levels.tobytes()).decode()
