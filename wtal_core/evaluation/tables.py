"""Detections and ground truth on disk: the ActivityNet JSON format and Parquet.

Every tool of the field reads the former.

What a file holds is either in the table or refused, with the file and the entry in the message.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from wtal_core.data.annotations import read_ambiguous
from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import (
    file_format,
    read_json,
    read_parquet,
    read_text,
    write_json,
    write_whole,
)
from wtal_core.evaluation.ground_truth import (
    DETECTION_COLUMNS,
    Detections,
    GroundTruth,
    check_detections,
    check_intervals,
    checked,
    refuse,
)
from wtal_core.reading.refusal import shown
from wtal_core.timebase import Timebase, checked_timebase

OF_A_DETECTION = '{"label": name, "segment": [start, end], "score": number}'
OF_AN_INSTANCE = '{"label": name, "segment": [start, end]}'
ALL_SUBSETS = "all"
LATEST = 1e12  # seconds; beyond it, differences and numbers of snippets lose their meaning


def read_detections(path: str | Path) -> pd.DataFrame:
    """The table of `load_detections`."""
    return load_detections(path).table


def load_detections(path: str | Path) -> Detections:
    """Detections `video, label, t_start, t_end, score` (seconds) of a .json or .parquet file.

    Ids and labels are as in the file.
    JSON: {"results": {video: [{"label", "segment": [start, end], "score"}]}}; other keys are not
    looked at. Numbers may be written as strings, names may not be numbers. Parquet: exactly those
    five columns. Raises WorkbookError, which names the file, for all that cannot be read as that or
    that `check_detections` refuses.
    """
    path = Path(path)
    if file_format(path) == ".parquet":
        table = read_parquet(path, DETECTION_COLUMNS)
    else:
        results = _mapping(read_json(path), "results", path)
        table = _flatten(results, DETECTION_COLUMNS, OF_A_DETECTION, path)
    detections = checked(table, str(path))
    _check_size(table, path)
    return detections


def write_detections(detections: pd.DataFrame, path: str | Path) -> None:
    """Write the five columns in the format that the ending of `path` names.

    JSON keeps the order within a video, Parquet that of the table.
    """
    path = Path(path)
    check_detections(detections, f"detections for {path}")
    if file_format(path) == ".parquet":
        write_whole(
            path, lambda partial: detections[DETECTION_COLUMNS].to_parquet(partial, index=False)
        )
        return
    results = _by_video(detections, DETECTION_COLUMNS)
    write_json({"version": "VERSION 1.3", "results": results, "external_data": {}}, path)


def read_ground_truth(path: str | Path, subset: str | None = None) -> GroundTruth:
    """Ground truth of a .json or .parquet file.

    subset: only the videos of that subset (JSON), or "all" of them.
    A file with several subsets needs one named: instances to train on would count as missed,
    without a word.

    JSON: {"database": {video: {"subset", "annotations": [{"label", "segment": [start, end]}]}}},
    and optionally what `write_ground_truth` adds: classes, ambiguous, timebase, blocked. Without
    `classes`: all labels of the file, sorted.
    Parquet: the columns `video, label, t_start, t_end`; lists in the file's attributes, or else the
    names in use.
    """
    path = Path(path)
    if file_format(path) == ".parquet":
        if subset is not None:
            raise WorkbookError(
                f"{path}: a Parquet file knows no subset {subset!r}; leave it out, or give a JSON "
                "file"
            )
        segments = read_parquet(path, SEGMENT_COLUMNS)
        videos = list(dict.fromkeys(segments["video"]))
        return _assemble(segments, segments, videos, segments.attrs, path)
    content = read_json(path)
    database = _mapping(content, "database", path)
    annotations = {
        video: _entries(entry, "annotations", f"{path}: video {video}")
        for video, entry in database.items()
    }
    segments = _flatten(annotations, SEGMENT_COLUMNS, OF_AN_INSTANCE, path)
    videos = _of_subset(database, subset, path)
    own_segments = segments[segments["video"].isin(videos)].reset_index(drop=True)
    return _assemble(own_segments, segments, videos, content, path)


def write_ground_truth(ground_truth: GroundTruth, path: str | Path) -> None:
    """Write it so that `read_ground_truth` returns it.

    JSON orders segments by video, which changes no value under any protocol.
    """
    path = Path(path)
    base = ground_truth.timebase
    extra: dict[Any, Any] = {
        "classes": list(ground_truth.classes),
        "blocked": list(ground_truth.blocked),
        "ambiguous": ground_truth.ambiguous[SEGMENT_COLUMNS].to_numpy(dtype=object).tolist(),
        "timebase": {"fps": base.fps, "stride": base.stride, "offset": base.offset},
    }
    if file_format(path) == ".parquet":
        table = ground_truth.segments[SEGMENT_COLUMNS].copy()
        table.attrs = {**extra, "videos": list(ground_truth.videos)}
        write_whole(path, lambda partial: table.to_parquet(partial, index=False))
        return
    instances = _by_video(ground_truth.segments, SEGMENT_COLUMNS)
    database = {
        video: {"subset": "test", "annotations": instances.get(video, [])}
        for video in ground_truth.videos
    }
    write_json({"database": database, **extra}, path)


def _assemble(
    segments: pd.DataFrame, all_segments: pd.DataFrame, videos: list, extra: Any, path: Path
) -> GroundTruth:
    """`all_segments` names the classes where `extra` does not, also those of other subsets."""
    segments.attrs = {}
    check_intervals(segments, str(path))
    _check_size(segments, path)
    all_classes = sorted(set(all_segments["label"]))
    try:
        rows = [_interval(row) for row in _listed(extra.get("ambiguous", []))]
        ambiguous = _typed(pd.DataFrame(rows, columns=SEGMENT_COLUMNS))
        stated = {name: _number(value) for name, value in extra.get("timebase", {}).items()}
        timebase = Timebase(**stated)
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise WorkbookError(
            f"{path}: 'ambiguous' must be a list of [video, label, start, end] and 'timebase' hold "
            "fps, stride, offset; correct or remove them"
        ) from None
    _check_size(ambiguous, path)
    checked_timebase(timebase, path)
    return GroundTruth(
        segments=segments,
        videos=_names(extra.get("videos", videos), "videos", path),
        classes=_names(extra.get("classes", all_classes), "classes", path),
        ambiguous=ambiguous,
        timebase=timebase,
        blocked=_names(extra.get("blocked", []), "blocked", path),
    )


def _names(given: object, name: str, path: Path) -> tuple[str, ...]:
    """A list of names; a single text would fall apart into letters."""
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise WorkbookError(
            f"{path}: {name!r} is {str(given)[:60]}, expected a list of names; correct or remove it"
        )
    return tuple(given)


def with_lists(
    ground_truth: GroundTruth,
    ambiguous: str | Path | None = None,
    blocked: str | Path | None = None,
) -> GroundTruth:
    """The ground truth with THUMOS14's ambiguous intervals and ActivityNet's blocked videos.

    ambiguous: file of lines `video start end`, in seconds.
    blocked: file with one video per line, or a JSON list.

    Raises WorkbookError for files that cannot be read or name no video of the ground truth, and
    where it has ambiguous intervals already.
    """
    if ambiguous is not None:
        ground_truth = replace(ground_truth, ambiguous=_ambiguous(ground_truth, Path(ambiguous)))
    if blocked is not None:
        path = Path(blocked)
        listed = read_json(path) if path.suffix == ".json" else read_text(path).split()
        names = _names(listed, "blocked videos", path)
        _check_any_known(list(names), ground_truth, path)
        all_names = tuple(dict.fromkeys((*ground_truth.blocked, *names)))
        ground_truth = replace(ground_truth, blocked=all_names)
    return ground_truth


def _ambiguous(ground_truth: GroundTruth, path: Path) -> pd.DataFrame:
    if len(ground_truth.ambiguous):
        raise WorkbookError(
            f"{path}: the ground truth has {len(ground_truth.ambiguous)} ambiguous intervals "
            "already; take them out of it, or leave out this file"
        )
    read_text(path)  # names a file that is missing or is no text
    intervals = read_ambiguous(path)
    check_intervals(intervals, str(path))
    _check_size(intervals, path)
    _check_any_known(intervals["video"].tolist(), ground_truth, path)
    return intervals


def _check_any_known(videos: list[str], ground_truth: GroundTruth, path: Path) -> None:
    if videos and ground_truth.videos and not set(videos) & set(ground_truth.videos):
        raise WorkbookError(
            f"{path}: not one video is in the ground truth; it names {ground_truth.videos[0]!r}, "
            f"this file {shown(videos[0])}; give the file of this test list"
        )


def _check_size(table: pd.DataFrame, path: Path) -> None:
    """Refuse times that are finite, but no seconds of a video."""
    late = (table[["t_start", "t_end"]].abs() > LATEST).any(axis=1).to_numpy()
    refuse(table, late, str(path), f"has a time beyond {LATEST:.0e} seconds")


def _of_subset(database: dict, subset: str | None, path: Path) -> list[str]:
    """Videos of the subset, in file order; None: of the only one."""
    subsets = {video: entry.get("subset") for video, entry in database.items()}
    known = sorted(set(map(str, subsets.values())))
    if subset is None and len(known) > 1:
        raise WorkbookError(
            f"{path}: holds the subsets {', '.join(known)}; name one (--subset {known[0]}), "
            f"or {ALL_SUBSETS!r} to score on every video"
        )
    if subset not in (None, ALL_SUBSETS, *subsets.values()):
        raise WorkbookError(
            f"{path}: no video of subset {subset!r}; the file has {', '.join(known)}"
        )
    return [video for video, name in subsets.items() if subset in (None, ALL_SUBSETS, name)]


def _flatten(entries: dict, columns: list[str], expected: str, path: Path) -> pd.DataFrame:
    """{video: [entry]} as a table, in file order.

    A JSON file is nested text, so this one place does go through entries.
    """
    with_score = "score" in columns
    rows = []
    try:
        for video, listed in entries.items():
            for entry in _listed(listed):
                rows.append((video, *_values(entry, with_score)))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise WorkbookError(_first_bad(entries, with_score, expected, path)) from None
    return _typed(pd.DataFrame(rows, columns=columns))


def _listed(entries: object) -> list:
    """A list; an empty text or object would pass for one without entries."""
    if not isinstance(entries, list):
        raise TypeError("a video has a list")
    return entries


def _interval(row: object) -> tuple[str, str, float, float]:
    """One ambiguous interval: video, label, start, end."""
    video, label, start, end = _listed(row)
    if not isinstance(video, str) or not isinstance(label, str):
        raise TypeError("a video and a label are names")
    return video, label, _number(start), _number(end)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Names as text, the rest as float64; an empty table would have neither."""
    return table.astype(
        {name: str if name in ("video", "label") else float for name in table.columns}
    )


def _values(entry: dict, with_score: bool) -> tuple:
    """(label, start, end[, score]) of one entry."""
    start, end = _listed(entry["segment"])
    if not isinstance(entry["label"], str):
        raise TypeError("a label is a name")
    values = entry["label"], _number(start), _number(end)
    return (*values, _number(entry["score"])) if with_score else values


def _number(value: Any) -> float:
    """As float64; text is fine, but not all that `float` takes: true, and "1_0" for 10."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise TypeError("no number")
    return float(value)


def _first_bad(entries: dict, with_score: bool, expected: str, path: Path) -> str:
    """The message about the first entry that cannot be read."""
    for video, listed in entries.items():
        if not isinstance(listed, list):
            return f"{path}: video {video} holds {str(listed)[:60]}, expected a list of {expected}"
        for number, entry in enumerate(listed):
            try:
                _values(entry, with_score)
            except (KeyError, TypeError, ValueError, OverflowError):
                return (
                    f"{path}: entry {number} of video {video} is {str(entry)[:80]}, expected "
                    f"{expected}"
                )
    raise AssertionError("called for entries that can be read")


def _by_video(table: pd.DataFrame, columns: list[str]) -> dict[str, list[dict]]:
    """{video: [entry]} in order of first appearance."""
    results: dict[str, list[dict]] = {}
    values = [table[name].tolist() for name in columns]
    for video, label, start, end, *score in zip(*values, strict=True):
        entry = {"label": label, "segment": [start, end]}
        if score:
            entry["score"] = score[0]
        results.setdefault(video, []).append(entry)
    return results


def _mapping(content: object, key: str, where: object) -> dict:
    """content[key], which must be there and be an object."""
    member = content.get(key) if isinstance(content, dict) else None
    if not isinstance(member, dict):
        raise _absent(key, "an object", where)
    return member


def _entries(content: object, key: str, where: object) -> list:
    """content[key], which must be there and be a list."""
    member = content.get(key) if isinstance(content, dict) else None
    if not isinstance(member, list):
        raise _absent(key, "a list", where)
    return member


def _absent(key: str, kind: str, where: object) -> WorkbookError:
    return WorkbookError(
        f"{where}: the key {key!r} with {kind} is missing; expected the ActivityNet JSON format"
    )
