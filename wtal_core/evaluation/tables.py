"""Detections and ground truth of files of any known format, checked.

What a file holds is either in the table or refused, with the file and the entry in the message.
"""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from wtal_core.data.annotations import read_ambiguous
from wtal_core.data.dataset import SEGMENT_COLUMNS
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import read_json, read_text
from wtal_core.evaluation.formats import registry
from wtal_core.evaluation.formats.content import Content
from wtal_core.evaluation.formats.opening import Opened, open_file
from wtal_core.evaluation.ground_truth import (
    DETECTION_COLUMNS,
    NO_SUBSET,
    Detections,
    GroundTruth,
    check_detections,
    check_intervals,
    checked,
    refuse,
)
from wtal_core.reading import values
from wtal_core.reading.refusal import shown
from wtal_core.timebase import Timebase, checked_timebase

ALL_SUBSETS = "all"
NO_ACTIONS = ("ambiguous", "background")  # labels of published files that are no action classes
EQUAL_SCORES = "their order in the file decides"
WITHOUT_ORDER = (
    "; `wtal evaluate` has `--order-range`, which tells what other orders give, and "
    "`--operating 0.5`, precision and recall without an order"
)

Reversed = Literal["refuse", "count"]


def read_detections(
    path: str | Path,
    class_names: Mapping[str, str] | None = None,
    reversed_: Reversed = "refuse",
) -> pd.DataFrame:
    """The table of `load_detections`."""
    return load_detections(path, class_names, reversed_).table


def load_detections(
    path: str | Path | Opened,
    class_names: Mapping[str, str] | None = None,
    reversed_: Reversed = "refuse",
) -> Detections:
    """Detections `video, label, t_start, t_end, score` (seconds) of a file of any known format.

    Ids and labels are as in the file; docs/formats.md shows the formats. "-" is standard input.
    class_names: number -> name, where classes are numbers. reversed_: "count" keeps detections that
    end before they start, without length, so that they are false positives, as the ActivityNet
    toolkit scores them. Raises WorkbookError, which names the file, for all that cannot be read or
    that `check_detections` refuses.
    """
    content, name = _detections_in(path, dict(class_names or {}))
    table = content.table
    count = 0
    if reversed_ == "count":
        is_reversed = (table["t_end"] < table["t_start"]).to_numpy()
        count = int(is_reversed.sum())
        table = table.assign(t_end=np.where(is_reversed, table["t_start"], table["t_end"]))
    detections = checked(table, name)
    _check_size(table, name)
    notes = list(content.notes)
    scores = table["score"].unique()
    # proposals without classes have neither of these options
    decides = EQUAL_SCORES if content.unlabelled else EQUAL_SCORES + WITHOUT_ORDER
    if content.unscored:
        notes.append(f"no detection has a score: each of the {len(table)} has 1, so {decides}")
    elif len(table) > 1 and len(scores) == 1:
        notes.append(f"all {len(table)} detections have the score {scores[0]:g}, so {decides}")
    return replace(
        detections,
        reversed=count,
        unlabelled=content.unlabelled,
        notes=tuple(f"{name}: {note}" for note in notes),
    )


def _detections_in(path: str | Path | Opened, class_names: dict[str, str]) -> tuple[Content, str]:
    """What the file holds, and what messages call the file."""
    if not isinstance(path, Opened):
        large = registry.read_detections_of(Path(path), class_names)
        if large is not None:
            return large, str(path)
    opened = path if isinstance(path, Opened) else open_file(path)
    content = registry.read_content(opened, "detections", class_names)
    _refuse_frames(content, opened)
    return content, opened.name


def _refuse_frames(content: Content, opened: Opened) -> None:
    if content.frames:
        raise WorkbookError(
            f"{opened.name}: its times are frame numbers; `wtal convert` with --fps makes seconds "
            "of them"
        )


def write_detections(detections: pd.DataFrame, path: str | Path) -> None:
    """Write the five columns in the format that the ending of `path` names.

    JSON keeps the order within a video, Parquet and CSV that of the table.
    """
    path = Path(path)
    check_detections(detections, f"detections for {path}")
    form = registry.written_format(path, "detections")
    registry.write_content(Content("detections", detections[DETECTION_COLUMNS]), path, form)


def read_ground_truth(
    path: str | Path | Opened,
    subset: str | None = None,
    class_names: Mapping[str, str] | None = None,
    classes: tuple[str, ...] | None = None,
) -> GroundTruth:
    """Ground truth of a file or folder of any known format; docs/formats.md shows them.

    subset: only the videos of that subset, or "all" of them. A file with several subsets needs one
    named: instances to train on would count as missed, without a word.
    class_names: number -> name, where classes are numbers.
    classes: score these alone. Without them: those that the file lists, or else all labels of the
    file, sorted, without `Ambiguous` and `Background`, which are no actions; intervals of the
    former are ambiguous ones then.
    """
    opened = path if isinstance(path, Opened) else open_file(path)
    content = registry.read_content(opened, "annotations", dict(class_names or {}))
    _refuse_frames(content, opened)
    if subset is not None and not content.subsets:
        raise WorkbookError(
            f"{opened.name}: knows no subset {subset!r}; leave it out, or give a file that names "
            "subsets"
        )
    videos = list(content.videos)
    if content.subsets:
        videos = _of_subset(content.subsets, subset, opened.name)
    content = _without_no_actions(content, classes)
    if classes is not None:
        content = _only_classes(content, classes, opened.name)
    in_subset = content.table["video"].isin(videos) | content.table["video"].isna()
    own = content.table[in_subset].reset_index(drop=True)
    truth = _assemble(own, content.table, videos, content.lists, opened.name)
    chosen = set(videos)
    elsewhere = {v: of or NO_SUBSET for v, of in content.subsets.items() if v not in chosen}
    return replace(
        truth,
        durations=known_seconds(content.durations),
        elsewhere=elsewhere,
        notes=tuple(f"{opened.name}: {note}" for note in content.notes),
    )


def known_seconds(durations: Mapping[str, Any]) -> dict[str, float]:
    """Those durations that are positive numbers; others are as good as not stated."""
    known = {}
    for video, value in durations.items():
        try:
            seconds = values.length(value, video)
        except WorkbookError:
            continue
        if seconds > 0:
            known[video] = seconds
    return known


def _without_no_actions(content: Content, classes: tuple[str, ...] | None) -> Content:
    """Labels that are no actions are no classes, unless the file or the caller lists them."""
    listed = {*content.lists.get("classes", ()), *(classes or ())}
    lowered = content.table["label"].str.lower()
    aside = lowered.isin(NO_ACTIONS) & ~content.table["label"].isin(listed)
    if not aside.any():
        return content
    intervals = content.table[aside & (lowered == "ambiguous")]
    background = int((aside & (lowered == "background")).sum())
    notes = list(content.notes)
    lists = dict(content.lists)
    if len(intervals):
        lists["ambiguous"] = [*lists.get("ambiguous", []), *intervals.to_numpy(object).tolist()]
        notes.append(
            f"entries of the label Ambiguous ({len(intervals)}): not an action, but intervals that "
            "the wtalc protocols leave out; list it in the file of --classes to score it as a class"
        )
    if background:
        notes.append(
            f"entries of the label Background ({background}): not an action, left out; list it in "
            "the file of --classes to score it as a class"
        )
    table = content.table[~aside].reset_index(drop=True)
    return replace(content, table=table, lists=lists, notes=tuple(notes))


def _only_classes(content: Content, classes: tuple[str, ...], name: str) -> Content:
    """The instances of these classes; a class that the file does not hold is refused."""
    known = {*content.table["label"], *content.lists.get("classes", ())}
    unknown = [label for label in classes if label not in known]
    if unknown:
        raise WorkbookError(
            f"{name}: has no class {unknown[0]!r} ({len(unknown)} such names); it has "
            f"{', '.join(sorted(known)[:5])}, …"
        )
    kept = content.table["label"].isin(classes)
    return replace(
        content,
        table=content.table[kept].reset_index(drop=True),
        lists={**content.lists, "classes": list(classes)},
        notes=(
            *content.notes,
            f"{len(classes)} of {len(known)} classes are scored, {int((~kept).sum())} instances of "
            "others left out",
        ),
    )


def write_ground_truth(ground_truth: GroundTruth, path: str | Path) -> None:
    """Write it so that `read_ground_truth` returns it, as JSON or Parquet.

    JSON orders segments by video, which changes no value under any protocol.
    """
    path = Path(path)
    form = registry.written_format(path, "annotations")
    base = ground_truth.timebase
    lists: dict[str, Any] = {
        "classes": list(ground_truth.classes),
        "blocked": list(ground_truth.blocked),
        "ambiguous": ground_truth.ambiguous[SEGMENT_COLUMNS].to_numpy(dtype=object).tolist(),
        "timebase": {"fps": base.fps, "stride": base.stride, "offset": base.offset},
    }
    content = Content(
        "annotations",
        ground_truth.segments[SEGMENT_COLUMNS],
        ground_truth.videos,
        subsets=dict.fromkeys(ground_truth.videos, "test"),
        durations=ground_truth.durations,
        lists=lists,
    )
    registry.write_content(content, path, form)


def _assemble(
    segments: pd.DataFrame, all_segments: pd.DataFrame, videos: list, extra: Any, path: str
) -> GroundTruth:
    """`all_segments` names the classes where `extra` does not, also those of other subsets."""
    segments.attrs = {}
    check_intervals(segments, path)
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
        videos=tuple(extra.get("videos", videos)),
        classes=tuple(extra.get("classes", all_classes)),
        ambiguous=ambiguous,
        timebase=timebase,
        blocked=tuple(extra.get("blocked", [])),
    )


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
        names = read_names(path, "blocked videos")
        _check_any_known(list(names), ground_truth, path)
        all_names = tuple(dict.fromkeys((*ground_truth.blocked, *names)))
        ground_truth = replace(ground_truth, blocked=all_names)
    return ground_truth


def read_names(path: str | Path, what: str) -> tuple[str, ...]:
    """A list of names: one per line, or a JSON list. Raises WorkbookError for anything else."""
    path = Path(path)
    text = read_text(path)
    if text.lstrip()[:1] in ("[", "{"):
        return tuple(values.names(read_json(path), f"{path}: {what!r}"))
    return tuple(line.strip() for line in text.splitlines() if line.strip())


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


def _check_size(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse times that are finite, but no seconds of a video."""
    late = np.zeros(len(table), dtype=bool)
    for name in ("t_start", "t_end"):
        late |= (table[name].abs() > values.LATEST).to_numpy(dtype=bool)
    refuse(table, late, str(path), f"has a time beyond {values.LATEST:.0e} seconds")


def _of_subset(subsets: Mapping[str, str | None], subset: str | None, name: str) -> list[str]:
    """Videos of the subset, in file order; None: of the only one."""
    known = sorted({of for of in subsets.values() if of is not None})
    nameless = sum(of is None for of in subsets.values())
    several = len(known) > 1 or (known and nameless)
    if subset is None and several:
        silent = f" and {nameless} videos of no subset" if nameless else ""
        raise WorkbookError(
            f"{name}: holds the subsets {', '.join(known)}{silent}; name one "
            f"(--subset {shlex.quote(known[0])}), or {ALL_SUBSETS!r} to score on every video"
        )
    if subset not in (None, ALL_SUBSETS, *known):
        listed = ", ".join(known) or "none"
        advice = shlex.quote(known[0]) if known else ALL_SUBSETS
        raise WorkbookError(
            f"{name}: no video of subset {subset!r}; the file has {listed}: give "
            f"--subset {advice}, or --subset {ALL_SUBSETS}"
        )
    return [video for video, of in subsets.items() if subset in (None, ALL_SUBSETS, of)]


def _listed(entries: object) -> list:
    """A list; an empty text or object would pass for one without entries."""
    if not isinstance(entries, list):
        raise TypeError("expected a list")
    return entries


def _number(value: Any) -> float:
    """As float64; text is fine, but not all that `float` takes: true, and "1_0" for 10."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise TypeError("no number")
    return float(value)


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
