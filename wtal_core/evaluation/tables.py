"""Detections and ground truth on disk: the ActivityNet JSON format, which every tool of the field reads, and Parquet.

Nothing is unpickled. Files are written whole or not at all: beside the target first, then renamed.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.ground_truth import DETECTION_COLUMNS, GroundTruth, check_detections, check_intervals
from wtal_core.timebase import Timebase

OF_A_DETECTION = '{"label": name, "segment": [start, end], "score": number}'
OF_AN_INSTANCE = '{"label": name, "segment": [start, end]}'


def read_detections(path: str | Path) -> pd.DataFrame:
    """Detections `video, label, t_start, t_end, score` (seconds) of a .json or .parquet file; ids and labels as they are.

    JSON: {"results": {video: [{"label", "segment": [start, end], "score"}]}}; other keys are not looked at. Numbers may be
    written as strings. Parquet: exactly those five columns.
    """
    path = Path(path)
    if _format(path) == ".parquet":
        table = _read_parquet(path, DETECTION_COLUMNS)
    else:
        table = _flatten(_member(_read_json(path), "results", path), DETECTION_COLUMNS, OF_A_DETECTION, path)
    check_detections(table, str(path))
    return table


def write_detections(detections: pd.DataFrame, path: str | Path) -> None:
    """Write the five columns, by the ending of `path`. JSON keeps the order within a video, Parquet that of the table."""
    path = Path(path)
    check_detections(detections, f"detections for {path}")
    if _format(path) == ".parquet":
        _write_whole(path, lambda partial: detections[DETECTION_COLUMNS].to_parquet(partial, index=False))
        return
    results = _by_video(detections, DETECTION_COLUMNS)
    _write_json({"version": "VERSION 1.3", "results": results, "external_data": {}}, path)


def read_ground_truth(path: str | Path, subset: str | None = None) -> GroundTruth:
    """Ground truth of a .json or .parquet file; `subset`: only the videos of that subset (JSON).

    JSON: {"database": {video: {"subset", "annotations": [{"label", "segment": [start, end]}]}}}, and optionally what
    `write_ground_truth` adds: classes, ambiguous, timebase, blocked. Without `classes`: all labels of the file, sorted.
    Parquet: the columns `video, label, t_start, t_end`; lists in the file's attributes, or else the names in use.
    """
    path = Path(path)
    if _format(path) == ".parquet":
        if subset is not None:
            raise WorkbookError(f"{path}: a Parquet file knows no subset {subset!r}; leave it out, or give a JSON file")
        segments = _read_parquet(path, SEGMENT_COLUMNS)
        return _assemble(segments, segments, list(dict.fromkeys(segments["video"])), segments.attrs, path)
    content = _read_json(path)
    database = _member(content, "database", path)
    annotations = {video: _member(entry, "annotations", f"{path}: video {video}", list)
                   for video, entry in database.items()}
    segments = _flatten(annotations, SEGMENT_COLUMNS, OF_AN_INSTANCE, path)
    videos = _of_subset(database, subset, path)
    return _assemble(segments[segments["video"].isin(videos)].reset_index(drop=True), segments, videos, content, path)


def write_ground_truth(ground_truth: GroundTruth, path: str | Path) -> None:
    """Write it so that `read_ground_truth` returns it, segments ordered by video in JSON (equal values in every protocol)."""
    path = Path(path)
    base = ground_truth.timebase
    extra = {"classes": list(ground_truth.classes), "blocked": list(ground_truth.blocked),
             "ambiguous": ground_truth.ambiguous[SEGMENT_COLUMNS].to_numpy(dtype=object).tolist(),
             "timebase": {"fps": base.fps, "stride": base.stride, "offset": base.offset}}
    if _format(path) == ".parquet":
        table = ground_truth.segments[SEGMENT_COLUMNS].copy()
        table.attrs = {**extra, "videos": list(ground_truth.videos)}
        _write_whole(path, lambda partial: table.to_parquet(partial, index=False))
        return
    instances = _by_video(ground_truth.segments, SEGMENT_COLUMNS)
    database = {video: {"subset": "test", "annotations": instances.get(video, [])} for video in ground_truth.videos}
    _write_json({"database": database, **extra}, path)


def _assemble(segments: pd.DataFrame, all_segments: pd.DataFrame, videos: list, extra: dict, path: Path) -> GroundTruth:
    """`all_segments` names the classes where `extra` does not, also those of other subsets."""
    segments.attrs = {}
    check_intervals(segments, str(path))
    try:
        ambiguous = _typed(pd.DataFrame(extra.get("ambiguous", []), columns=SEGMENT_COLUMNS))
        timebase = Timebase(**{name: float(value) for name, value in extra.get("timebase", {}).items()})
    except (AttributeError, TypeError, ValueError):
        raise WorkbookError(f"{path}: 'ambiguous' must be a list of [video, label, start, end] and 'timebase' hold "
                            "fps, stride, offset; correct or remove them") from None
    return GroundTruth(
        segments=segments, videos=tuple(extra.get("videos", videos)),
        classes=tuple(extra.get("classes", sorted(set(all_segments["label"])))),
        ambiguous=ambiguous, timebase=timebase, blocked=tuple(extra.get("blocked", ())))


def _of_subset(database: dict, subset: str | None, path: Path) -> list[str]:
    """Videos of the subset, in file order; all for None."""
    of = {video: entry.get("subset") for video, entry in database.items()}
    if subset is not None and subset not in of.values():
        raise WorkbookError(f"{path}: no video of subset {subset!r}; the file has {sorted(set(map(str, of.values())))}")
    return [video for video, name in of.items() if subset in (None, name)]


def _flatten(entries: dict, columns: list[str], expected: str, path: Path) -> pd.DataFrame:
    """{video: [entry]} as a table, in file order. A JSON file is nested text, so this one place does go through entries."""
    with_score = "score" in columns
    try:
        found = [(video, *_values(entry, with_score)) for video, listed in entries.items() for entry in listed]
    except (KeyError, TypeError, ValueError):
        raise WorkbookError(_first_bad(entries, with_score, expected, path)) from None
    return _typed(pd.DataFrame(found, columns=columns))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Names as text, the rest as float64; an empty table would have neither."""
    return table.astype({name: str if name in ("video", "label") else float for name in table.columns})


def _values(entry: dict, with_score: bool) -> tuple:
    """(label, start, end[, score]) of one entry."""
    start, end = entry["segment"]
    if not isinstance(entry["label"], str):
        raise TypeError("a label is a name")
    values = entry["label"], float(start), float(end)
    return (*values, float(entry["score"])) if with_score else values


def _first_bad(entries: dict, with_score: bool, expected: str, path: Path) -> str:
    """The message about the first entry that cannot be read."""
    for video, listed in entries.items():
        if not isinstance(listed, list):
            return f"{path}: video {video} holds {str(listed)[:60]}, expected a list of {expected}"
        for number, entry in enumerate(listed):
            try:
                _values(entry, with_score)
            except (KeyError, TypeError, ValueError):
                return f"{path}: entry {number} of video {video} is {str(entry)[:80]}, expected {expected}"
    raise AssertionError("called for entries that can be read")


def _by_video(table: pd.DataFrame, columns: list[str]) -> dict[str, list[dict]]:
    """{video: [entry]} in order of first appearance."""
    results: dict[str, list[dict]] = {}
    for video, label, start, end, *score in zip(*(table[name].tolist() for name in columns), strict=True):
        entry = {"label": label, "segment": [start, end]}
        results.setdefault(video, []).append({**entry, "score": score[0]} if score else entry)
    return results


def _member(content: object, key: str, where: object, kind: type = dict) -> dict | list:
    """content[key], which must be there and be of that kind."""
    if not isinstance(content, dict) or not isinstance(content.get(key), kind):
        article = "an object" if kind is dict else "a list"
        raise WorkbookError(f"{where}: the key {key!r} with {article} is missing; expected the ActivityNet JSON format")
    return content[key]


def _format(path: Path) -> str:
    if path.suffix not in (".json", ".parquet"):
        raise WorkbookError(f"{path}: unknown kind of file {path.suffix!r}; use .json (ActivityNet format) or .parquet")
    return path.suffix


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise WorkbookError(f"{path}: there is no such file") from None
    except OSError as error:
        raise WorkbookError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise WorkbookError(f"{path}: not complete JSON ({str(error)[:80]}); write or fetch the file again") from None


def _read_parquet(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise WorkbookError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise WorkbookError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0][:80]}); "
                            "write or fetch the file again") from None
    if set(table.columns) != set(columns):
        raise WorkbookError(f"{path}: has the columns {', '.join(map(str, table.columns))}; expected {', '.join(columns)}")
    return table[columns]


def _write_json(content: dict, path: Path) -> None:
    _write_whole(path, lambda partial: partial.write_text(json.dumps(content), encoding="utf-8"))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then rename, so that no reader ever sees half a file."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
