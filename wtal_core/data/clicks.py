"""Single-frame clicks: readers of the published ones, and simulated ones."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.dataset import CLICK_COLUMNS
from wtal_core.errors import WorkbookError


def simulate_clicks(segments: pd.DataFrame, durations: dict[str, float], kind: str, seed: int) -> pd.DataFrame:
    """One click, uniform in time, per action instance or per background gap.

    segments: `video, label, t_start, t_end` in seconds. durations: video -> seconds. kind "action": inside each instance,
    with its class, as SF-Net's annotators do. kind "background": in each gap of positive length between two instances of
    a video (not before the first or after the last one), with the label "background", as BackTAL converts them.
    Returns `video, label, t`, in the order of the videos in `durations`, by time.
    """
    if kind not in ("action", "background"):
        raise WorkbookError(f"kind of clicks {kind!r} is unknown; expected 'action' or 'background'")
    if unknown := sorted(set(segments["video"]) - set(durations)):
        raise WorkbookError(f"clicks: video {unknown[0]} has segments but no duration; add it to the durations")
    generator = np.random.default_rng(seed)
    groups = dict(iter(segments.groupby("video", sort=False)))
    rows: list[tuple[str, str, float]] = []
    for video, duration in durations.items():
        if video in groups:
            rows += _video_clicks(video, groups[video], duration, kind, generator)
    return _frame(rows)


def _video_clicks(video: str, segments: pd.DataFrame, duration: float, kind: str,
                  generator: np.random.Generator) -> list[tuple[str, str, float]]:
    ordered = segments.sort_values("t_start", kind="stable")
    start, end = ordered["t_start"].to_numpy(), np.minimum(ordered["t_end"].to_numpy(), duration)
    labels = ordered["label"].tolist()
    if kind == "background":   # a gap begins where everything before it has ended
        start, end = np.maximum.accumulate(end)[:-1], start[1:]
        labels = ["background"] * len(start)
    inside = end > start
    times = np.sort(generator.uniform(start[inside], end[inside])) if kind == "background" else \
        generator.uniform(start[inside], end[inside])
    names = [label for label, kept in zip(labels, inside, strict=True) if kept]
    return sorted(((video, name, float(t)) for name, t in zip(names, times, strict=True)), key=lambda row: row[2])


def _frame(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    types = {"video": str, "label": str, "t": float}
    return pd.DataFrame({name: pd.Series([row[i] for row in rows], dtype=types[name])
                         for i, name in enumerate(CLICK_COLUMNS)})


def read_action_clicks(path: Path) -> pd.DataFrame:
    """SF-Net's click files: lines `video,seconds,class`, blank lines between. Returns `video, label, t`."""
    rows = [_parsed(path, row, 0, 2, 1) for row in _lines(path)]
    return _frame(rows)


def read_background_clicks(path: Path) -> pd.DataFrame:
    """BackTAL's click files: a table with header and byte-order mark, `URLID` and `Start` (seconds) used."""
    rows = [(video, "background", t) for video, _, t in (_parsed(path, row, 0, 3, 4) for row in _lines(path)[1:])]
    return _frame(rows)


def _lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [row for row in csv.reader(stream) if any(cell.strip() for cell in row)]


def _parsed(path: Path, row: list[str], video: int, label: int, time: int) -> tuple[str, str, float]:
    try:
        return row[video].strip(), row[label].strip(), float(row[time])
    except (IndexError, ValueError) as error:
        raise WorkbookError(f"{path}: line {','.join(row)!r} is not a click; expected a video, a class and seconds") from error
