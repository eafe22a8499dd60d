"""Single-frame clicks: readers and a writer of the published formats, and simulated ones."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.dataset import CLICK_COLUMNS, Dataset
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import read_csv

HEADER = ["URLID", "URL", "TagID", "Tag", "Start", "End", "Time", "State"]  # of BackTAL's files
TAG = "background_background"
KINDS = ("action", "background")


def simulate_clicks(
    segments: pd.DataFrame, durations: dict[str, float], kind: str, seed: int, edges: bool = True
) -> pd.DataFrame:
    """One click, uniform in time, per action instance or per background segment.

    segments: `video, label, t_start, t_end` in seconds. durations: video -> seconds. kind "action":
    inside each instance, with its class, as SF-Net's annotators do. kind "background": in each
    maximal interval without any instance, with the label "background" (BackTAL: one click in each
    background segment). edges: whether the time before the first and after the last instance
    counts, as it does for BackTAL's annotators; False: only gaps between two instances. A video
    without
    instances gets no click: its whole length would be background, but it has no label to train
    with. Returns `video, label, t`, in the order of the videos in `durations`, by time.
    """
    if kind not in KINDS:
        raise WorkbookError(
            f"kind of clicks {kind!r} is unknown; expected 'action' or 'background'"
        )
    unknown = sorted(set(segments["video"]) - set(durations))
    if unknown:
        raise WorkbookError(
            f"clicks: video {unknown[0]} has segments but no duration; add it to the durations"
        )
    generator = np.random.default_rng(seed)
    ordered = segments.sort_values("t_start", kind="stable")
    start = ordered["t_start"].to_numpy()
    end = ordered["t_end"].to_numpy()
    label = ordered["label"].to_numpy(dtype=object)
    rows: list[tuple[str, str, float]] = []
    places = ordered.groupby("video", sort=False).indices
    for video, duration in durations.items():
        if video not in places:
            continue
        place = places[video]
        start_of, end_of = start[place], np.minimum(end[place], duration)
        labels = label[place].tolist()
        if kind == "background":
            start_of, end_of = _gaps(start_of, end_of, duration, edges)
            labels = ["background"] * len(start_of)
        rows += _video_clicks(video, start_of, end_of, labels, generator)
    return _frame(rows)


def _video_clicks(
    video: str,
    start: np.ndarray,
    end: np.ndarray,
    labels: list[str],
    generator: np.random.Generator,
) -> list[tuple[str, str, float]]:
    """One click in each interval that has a length, by time."""
    inside = end > start
    times = generator.uniform(start[inside], end[inside])
    names = [label for label, kept in zip(labels, inside, strict=True) if kept]
    rows = [(video, name, float(t)) for name, t in zip(names, times, strict=True)]
    return sorted(rows, key=lambda row: row[2])


def _gaps(
    start: np.ndarray, end: np.ndarray, duration: float, edges: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends between instances that are sorted by start; some gaps may be empty.

    edges: whether what lies before the first and after the last instance counts.
    """
    # a gap begins where everything before it has ended
    gap_start = np.maximum.accumulate(end)[:-1]
    gap_end = np.minimum(start[1:], duration)
    if not edges:
        return gap_start, gap_end
    before_first = min(start[0], duration)
    after_last = end.max()
    return (
        np.concatenate(([0.0], gap_start, [after_last])),
        np.concatenate(([before_first], gap_end, [duration])),
    )


def _frame(rows: list[tuple], columns: tuple[str, ...] = tuple(CLICK_COLUMNS)) -> pd.DataFrame:
    """Rows as a table with the right types, also if there are none.

    Texts `video, label`, numbers from there on.
    """
    return pd.DataFrame(
        {
            name: pd.Series([row[i] for row in rows], dtype=str if i < 2 else float)
            for i, name in enumerate(columns)
        }
    )


def empty_clicks() -> pd.DataFrame:
    """No background clicks, with the columns and types of `read_background_clicks`."""
    return _frame([], (*CLICK_COLUMNS, "t_end"))


def read_action_clicks(path: Path) -> pd.DataFrame:
    """SF-Net's click files: lines `video,seconds,class`, blank lines between, perhaps spaces.

    Returns `video, label, t`.
    """
    return _frame([_parsed(path, row, 0, 2, 1) for row in _lines(path)])


def read_background_clicks(path: Path) -> pd.DataFrame:
    """BackTAL's click files: a table with header and byte-order mark.

    `URLID`, `Start` and `End` (seconds) are used.
    Returns `video, label, t, t_end`; t_end is t but for the few rows in which the annotator marked
    an interval.
    """
    lines = _lines(path)
    if not lines or [cell.strip() for cell in lines[0]][: len(HEADER)] != HEADER:
        raise WorkbookError(
            f"{path} does not begin with the header {','.join(HEADER)}; it is no file of "
            f"background clicks"
        )
    parsed = [_parsed(path, row, 0, 3, 4, 5) for row in lines[1:]]
    return _frame(
        [(video, "background", *times) for video, _, *times in parsed], (*CLICK_COLUMNS, "t_end")
    )


def read_annotators(files: Mapping[int, Path], kind: str) -> pd.DataFrame | None:
    """The files of several annotators that are there, with a column `annotator`; None for none.

    files: number of the annotator, from 1 -> path.
    """
    read = {"action": read_action_clicks, "background": read_background_clicks}[kind]
    tables = [
        read(path).assign(annotator=number) for number, path in files.items() if path.exists()
    ]
    return pd.concat(tables, ignore_index=True) if tables else None


def write_background_clicks(table: pd.DataFrame, path: Path, tag: int = 20) -> Path:
    """Write background clicks in BackTAL's format.

    Byte-order mark, header, one line per click, none after the last.
    table: `video, label, t` and perhaps `t_end`, seconds; every label is "background". tag: column
    TagID, the number of the background after the classes (THUMOS14: 20). Columns Time and State,
    which nobody reads, are 1.
    """
    missing = [name for name in CLICK_COLUMNS if name not in table]
    if missing:
        raise WorkbookError(
            f"{path}: the table of clicks has no column {missing[0]!r}; expected "
            f"{', '.join(CLICK_COLUMNS)}"
        )
    other = sorted(set(table["label"]) - {"background"})
    if other:
        raise WorkbookError(
            f"{path}: clicks on {other[0]!r} cannot be written, this format holds background "
            f"clicks only"
        )
    ends = table["t_end"] if "t_end" in table else table["t"]
    lines = [",".join(HEADER)]
    for video, start, end in zip(table["video"], table["t"], ends, strict=True):
        lines.append(f"{video},{video}.mp4,{tag},{TAG},{_number(start)},{_number(end)},1,1")
    path.write_text("\n".join(lines), encoding="utf-8-sig", newline="\n")
    return path


def with_clicks(dataset: Dataset, table: pd.DataFrame, kind: str = "background") -> Dataset:
    """The data set with these clicks in place of its own of that kind, to train with.

    Its fingerprint names them.
    table: `video, label, t` (s) and perhaps `t_end`, `annotator`. A click on a video that is no
    training video, or at no time of one, is an error.
    """
    if kind not in KINDS:
        raise WorkbookError(
            f"kind of clicks {kind!r} is unknown; expected 'action' or 'background'"
        )
    known = {video.id for video in dataset.train}
    bad = table[~table["video"].isin(known) | ~np.isfinite(table["t"]) | (table["t"] < 0)]
    if len(bad):
        video, t = bad["video"].iloc[0], bad["t"].iloc[0]
        raise WorkbookError(
            f"{dataset.name}: the click at {t} s of {video} is not at a time of one of its "
            f"training videos; "
            "correct the table of clicks"
        )
    content = f"{dataset.fingerprint} {kind} {table.to_csv(index=False)}"
    return replace(
        dataset,
        clicks={**dataset.clicks, kind: table.reset_index(drop=True)},
        fingerprint=hashlib.sha256(content.encode()).hexdigest()[:16],
    )


def _number(value: float) -> str:
    """As the files write seconds: 79, 21.5; no digit is lost."""
    return np.format_float_positional(value, trim="-")


def _lines(path: Path) -> list[list[str]]:
    return read_csv(path, "get the file again from where it was published")


def _parsed(path: Path, row: list[str], video: int, label: int, *times: int) -> tuple:
    where = (
        f"{path}: line {shown(','.join(row))} is not a click; expected a video, a class and seconds"
    )
    if len(row) <= max(video, label, *times):
        raise WorkbookError(where)
    names = [values.name(row[place].strip(), where) for place in (video, label)]
    return *names, *(values.length(row[place].strip(), where) for place in times)
