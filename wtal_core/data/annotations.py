"""Readers of the annotation files that circulate.

W-TALC's arrays, ActivityNet JSON, BSN's list of videos.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS, check_segments, empty_segments
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.errors import WorkbookError
from wtal_core.reading import values
from wtal_core.reading.json_files import read_json
from wtal_core.reading.refusal import shown
from wtal_core.reading.texts import read_columns, read_text

FETCH = "remove it and run `wtal data fetch`"
VIDEO_COLUMNS = ["video", "subset", "duration", "labels"]


class AnnotatedVideo(NamedTuple):
    """One row of `Annotations.videos`. duration: seconds, NaN if not stated."""

    video: str
    subset: str
    duration: float
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Annotations:
    """Annotations as published; the order is that of the files.

    videos: DataFrame `video, subset, duration, labels`, see `AnnotatedVideo`.
        Test videos may have no label.
    segments: DataFrame `video, label, t_start, t_end` in seconds.
    classes: all that labels may name.
    ambiguous: intervals as `segments`, in which the annotators were not sure.
    """

    videos: pd.DataFrame
    segments: pd.DataFrame
    classes: tuple[str, ...]
    ambiguous: pd.DataFrame

    def of_subset(self, subset: str) -> pd.DataFrame:
        """Rows of `videos` of that subset, as the file calls it."""
        return self.videos[self.videos["subset"] == subset].reset_index(drop=True)

    def videos_of(self, subset: str) -> list[AnnotatedVideo]:
        """The videos of that subset, one by one."""
        return annotated_videos(self.of_subset(subset))

    def counts(self, subset: str) -> tuple[int, int]:
        """Numbers of videos and of instances of that subset."""
        ids = set(self.of_subset(subset)["video"])
        return len(ids), int(self.segments["video"].isin(ids).sum())


def annotated_videos(table: pd.DataFrame) -> list[AnnotatedVideo]:
    """The rows of a table with the columns of `Annotations.videos`."""
    columns = [table[name].tolist() for name in VIDEO_COLUMNS]
    return [AnnotatedVideo(*row) for row in zip(*columns, strict=True)]


def read_wtalc(folder: Path) -> Annotations:
    """Read the arrays of W-TALC's `*-Annotations` folders: THUMOS14, BEOID, GTEA.

    Labels are `labels_all`, which the networks are trained on, not the classes of the segments: on
    THUMOS14 they differ for 8 training and 20 test videos, and video_test_0000270 has none.
    Repeated labels are kept once, in order.
    """
    names = ("videoname", "subset", "duration", "labels_all", "labels", "segments", "classlist")
    arrays = {name: load_object_array(folder / f"{name}.npy") for name in names}
    for name, array in arrays.items():
        if array.ndim != 1 and not (name == "duration" and array.shape[1:] == (1,)):
            raise WorkbookError(
                f"{folder / name}.npy has the shape {array.shape}, expected one row per video; get "
                "all files of the folder from one place"
            )
    count = len(arrays["videoname"])
    for name in names[:-1]:
        if len(arrays[name]) != count:
            raise WorkbookError(
                f"{folder / name}.npy has {len(arrays[name])} rows, expected {count} as "
                f"videoname.npy has; "
                "the files belong to different data sets: get all of them from one place"
            )
    durations = arrays["duration"].reshape(count).tolist()
    labels = [_texts(row, folder / "labels_all.npy") for row in arrays["labels_all"]]
    videos = pd.DataFrame(
        {
            "video": _texts(arrays["videoname"], folder / "videoname.npy"),
            "subset": _texts(arrays["subset"], folder / "subset.npy"),
            "duration": [_duration(value, folder / "duration.npy") for value in durations],
            "labels": [_without_repeats(row) for row in labels],
        }
    )
    segments = _wtalc_segments(folder, videos["video"], arrays["labels"], arrays["segments"])
    classes = tuple(_texts(arrays["classlist"], folder / "classlist.npy"))
    ambiguous = read_ambiguous(folder / "Ambiguous_test.txt")
    return _checked(folder, Annotations(videos, segments, classes, ambiguous))


def _texts(row: Any, where: object) -> list[str]:
    """The names that a row of an array holds, as bytes or as text."""
    return [
        values.name(value.decode("latin1") if isinstance(value, bytes) else value, where)
        for value in _items(row, where)
    ]


def _items(row: Any, where: object) -> list[Any]:
    """A row of an array, which is a list or an array itself."""
    as_list = row.tolist() if isinstance(row, np.ndarray) else row
    return values.listed(list(as_list) if isinstance(as_list, tuple) else as_list, where)


def _duration(value: Any, where: object) -> float:
    """Seconds; NaN where they are not stated."""
    stated = isinstance(value, float) and math.isnan(value)
    return value if stated else values.length(value, where)


def _without_repeats(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))


def _wtalc_segments(
    folder: Path, videos: pd.Series, labels: np.ndarray, segments: np.ndarray
) -> pd.DataFrame:
    rows = []
    for video, row, row_of_times in zip(videos, labels, segments, strict=True):
        names = _texts(row, f"{folder / 'labels.npy'}: video {video}")
        times = _items(row_of_times, f"{folder / 'segments.npy'}: video {video}")
        if len(names) != len(times):
            raise WorkbookError(
                f"{folder}: video {video} has {len(names)} labels for {len(times)} segments"
            )
        for label, time in zip(names, times, strict=True):
            rows.append((video, label, *_times(folder, video, time)))
    return _segment_frame(rows)


def _times(source: Path, video: str, segment: Any) -> tuple[float, float]:
    """Start and end in seconds; some files hold them as strings."""
    pair = segment.tolist() if isinstance(segment, np.ndarray) else segment
    try:
        return values.span(pair, "it")
    except WorkbookError as error:
        raise WorkbookError(
            f"{source}: segment {shown(pair)} of video {video} is not a pair of numbers in "
            f"seconds, or not finite ({error})"
        ) from error


def _segment_frame(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=SEGMENT_COLUMNS) if rows else empty_segments()


def _checked(source: Path, annotations: Annotations) -> Annotations:
    """Refuse a video listed twice, an unknown class, a reversed or negative segment."""
    videos = annotations.videos
    known = set(annotations.classes)
    twice = videos["video"][videos["video"].duplicated()]
    if len(twice):
        raise WorkbookError(f"{source}: video {twice.iloc[0]} is listed twice; list it once")
    for video, labels in zip(videos["video"], videos["labels"], strict=True):
        unknown = set(labels) - known
        if unknown:
            raise WorkbookError(
                f"{source}: video {video} has the unknown class {min(unknown)!r}; "
                "add it to the class list or correct the label file"
            )
    check_segments(annotations.segments, known, str(source))
    return annotations


def read_ambiguous(path: Path) -> pd.DataFrame:
    """Read `Ambiguous_*.txt` (lines `video start end`, seconds) with the label "Ambiguous".

    No file, no intervals.
    """
    rows = []
    lines = read_text(path).splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3:
            raise WorkbookError(
                f"{path}, line {number}: expected `video start end`, found {shown(line)}"
            )
        video = values.name(parts[0], f"{path}, line {number}: the video")
        rows.append((video, "Ambiguous", *_times(path, video, parts[1:])))
    return _segment_frame(rows)


def read_activitynet_json(path: Path) -> Annotations:
    """Read ActivityNet's JSON; times may be numbers or strings.

    Format: `{"database": {video: {subset, duration, annotations: [{label, segment}]}}}`.
    Published files hold segments of zero length (ActivityNet 1.2: 10, 3 of them for validation).
    They are returned as they are, so that counts agree with the file; `segments_without_length`
    finds them. Labels are the classes of a video's annotations; classes are the file's
    `activity_list`, else all labels in alphabetical order.
    """
    content = read_json(path, FETCH)
    if not isinstance(content, dict) or not isinstance(content.get("database"), dict):
        raise WorkbookError(
            f"{path} has no `database` mapping; expected the ActivityNet JSON format"
        )
    database = content["database"]
    subsets = {}
    for video, entry in database.items():
        where = f"{path}: video {shown(video)}"
        subset = values.mapping(entry, where).get("subset", "")
        subsets[video] = values.text(subset, f"{where}: its subset")
    videos, segments = _json_tables(path, database, subsets)
    return _from_tables(path, videos, segments, content.get("activity_list"))


def read_bsn(folder: Path) -> Annotations:
    """Read ActivityNet 1.3 as BSN's repository shares it.

    Annotations in one JSON file, subsets in a table beside it.
    """
    path = folder / "v1-3_anet_anno_action.json"
    table = folder / "v1-3_video_info_new.csv"
    remedy = "run `wtal data fetch activitynet1.3`"
    listed = read_columns(table, ("video", "subset"), remedy)
    subsets = dict(zip(listed["video"], listed["subset"], strict=True))
    database = values.mapping(read_json(path, remedy), path)
    missing = sorted(set(database) - set(subsets))
    if missing:
        raise WorkbookError(
            f"{table} does not list video {shown(missing[0])}, which {path.name} annotates; "
            "run `wtal data fetch activitynet1.3`"
        )
    videos, segments = _json_tables(path, database, subsets)
    return _from_tables(path, videos, segments, None)


def _json_tables(
    path: Path, database: dict[str, Any], subsets: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    videos: list[AnnotatedVideo] = []
    segments: list[tuple[str, str, float, float]] = []
    for video, entry in database.items():
        where = f"{path}: video {shown(video)}"
        values.name(video, where)
        values.mapping(entry, where)
        instances = _instances(path, video, entry)
        duration = _stated_duration(entry, where)
        labels = _without_repeats(label for _, label, _, _ in instances)
        videos.append(AnnotatedVideo(video, subsets[video], duration, labels))
        segments += instances
    return pd.DataFrame(videos, columns=VIDEO_COLUMNS), _segment_frame(segments)


def _instances(
    path: Path, video: str, entry: dict[str, Any]
) -> list[tuple[str, str, float, float]]:
    """The annotations of one video: video, label, start, end."""
    where = f"{path}: video {video}"
    instances = []
    for item in values.listed(values.member(entry, "annotations", where), where):
        values.mapping(item, where)
        label = values.name(values.member(item, "label", where), f"{where}: a label")
        start, end = _times(path, video, values.member(item, "segment", where))
        instances.append((video, label, start, end))
    return instances


def _stated_duration(entry: dict[str, Any], where: str) -> float:
    """Seconds of a video, by either of the two names that files use; NaN where there is none."""
    stated = entry.get("duration", entry.get("duration_second"))
    return math.nan if stated is None else _duration(stated, f"{where}: its duration")


def _from_tables(
    path: Path, videos: pd.DataFrame, segments: pd.DataFrame, listed: Any
) -> Annotations:
    names = values.listed(listed, f"{path}: activity_list") if listed else []
    classes = tuple(values.name(label, f"{path}: activity_list") for label in names)
    classes = classes or tuple(sorted(segments["label"].unique()))
    return _checked_labels(path, Annotations(videos, segments, classes, empty_segments()))


def _checked_labels(path: Path, annotations: Annotations) -> Annotations:
    unknown = annotations.segments[~annotations.segments["label"].isin(annotations.classes)]
    if len(unknown):
        row = unknown.iloc[0]
        raise WorkbookError(f"{path}: unknown class {row['label']!r} in video {row['video']}")
    return annotations


def segments_without_length(segments: pd.DataFrame) -> pd.DataFrame:
    """Segments that do not end after they start.

    Readers of JSON keep them, `check_dataset` refuses reversed ones.
    """
    return segments[segments["t_end"] <= segments["t_start"]]
