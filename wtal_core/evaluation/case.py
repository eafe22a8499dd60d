"""A case to diagnose: the detections of one method on one test list.

Where they are known, it also holds the signals that led to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.fingerprint import sha256_of
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.characteristics import characteristics, read_durations
from wtal_core.evaluation.formats.opening import STANDARD_INPUT, Opened, open_file
from wtal_core.evaluation.ground_truth import Detections, GroundTruth
from wtal_core.evaluation.hints import (
    about_names,
    about_subsets,
    about_times,
    average_by,
    with_advice,
)
from wtal_core.evaluation.preparation import refuse_strangers
from wtal_core.evaluation.protocols import ACTIVITYNET
from wtal_core.evaluation.spelling import NO_MISSES, near_misses, respelt
from wtal_core.evaluation.tables import Reversed, load_detections, read_ground_truth

MOST_METHODS = 7  # colours that can be told apart


@dataclass(frozen=True)
class Case:
    """Detections of one method, with what is known beside them.

    name: of the method.
    title: data set and origin, for captions.
    durations: seconds of each video where known.
    source: where the detections are from.
    activation: video -> class activation sequences [T, C], columns as ground_truth.classes; empty
        for detections from a file.
    attention: video -> [T]; empty for detections from a file.
    notes: what the reader took how, and what is likely wrong, one line each.
    folders: of the files, which the notes may name.
    """

    name: str
    title: str
    ground_truth: GroundTruth
    detections: pd.DataFrame
    durations: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    activation: Mapping[str, np.ndarray] = field(default_factory=dict)
    attention: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def traits(self) -> pd.DataFrame:
        """Coverage, length and number of instances of each instance, see `characteristics`."""
        return characteristics(self.ground_truth, self.durations)

    def notes_of_page(self) -> list[str]:
        """The notes without folders, which belong to one machine."""
        notes = list(self.notes)
        for folder in self.folders:
            quoted = folder.replace("'", "'\"'\"'")  # as a command to type has it
            notes = [note.replace(folder, "").replace(quoted, "") for note in notes]
        return notes


@dataclass(frozen=True)
class Reading:
    """How files are read where there is a choice, see `read_ground_truth` and `load_detections`.

    match_names: take names that differ in spelling only as the same, see `spelling`.
    """

    class_names: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    reversed_: Reversed = "refuse"
    match_names: bool = False


def read_cases(
    ground_truth: str | Path,
    detections: Sequence[str | Path],
    names: Sequence[str] = (),
    title: str = "",
    subset: str | None = None,
    durations: str | Path | None = None,
    reading: Reading | None = None,
) -> list[Case]:
    """One case per detections file, all on one ground truth.

    Formats as `read_ground_truth` and `read_detections` take them.
    names: of the methods, default the files' names without their endings. durations: a file of
    annotations that states them, see `read_durations`; None: they are taken from the ground truth
    where it does.
    """
    if not str(ground_truth):
        raise WorkbookError("there are detections without a ground truth; give `ground_truth` too")
    how = reading or Reading()
    paths = [Path(path) for path in detections]
    names = list(names) or [_stem(path) for path in paths]
    _check_names(paths, names)
    truth_file = open_file(ground_truth)
    truth = read_ground_truth(truth_file, subset, how.class_names, how.classes)
    if durations is None:
        seconds = read_durations(truth_file, required=False)
    else:
        seconds = read_durations(durations)
    truth = replace(truth, durations=seconds)
    below = f"{truth_file.path.name}, SHA-256 {_checksum(truth_file)[:16]}…"
    cases = []
    for name, path in zip(names, paths, strict=True):
        opened = open_file(path)
        sound = load_detections(opened, how.class_names, how.reversed_)
        if sound.unlabelled:
            raise WorkbookError(
                f"{opened.name}: its detections have no label; `wtal evaluate` scores proposals "
                "without classes"
            )
        files = (ground_truth, path)
        sound, about = _under_known_names(truth, sound, files, how.match_names)
        hints = [
            *about_times(truth, sound, ground_truth, path, durations),
            *about_subsets(truth, sound),
            *about,
        ]
        named = [truth_file.path, path, *([Path(durations)] if durations is not None else [])]
        cases.append(
            Case(
                name,
                title or truth_file.path.stem,
                truth,
                sound.table,
                seconds,
                f"{path.name}, SHA-256 {_checksum(opened)[:16]}…, on {below}",
                notes=(*truth.notes, *sound.notes, *hints),
                folders=tuple(f"{file.parent}/" for file in named if file.parent.name),
            )
        )
    return cases


def _under_known_names(
    truth: GroundTruth, sound: Detections, files: tuple[str | Path, Path], match_names: bool
) -> tuple[Detections, list[str]]:
    """The detections, under the names of the ground truth if that is asked for, and a note.

    Raises WorkbookError, with what to type, where not one video or not one label is known.
    """
    near = near_misses(truth, sound)
    if near and match_names:
        sound = respelt(sound, near)
        near = NO_MISSES
    measure = average_by(ACTIVITYNET, None)
    if len(truth.segments):
        try:
            refuse_strangers(truth, sound.table)
        except WorkbookError as error:
            advice = with_advice(error, truth, sound, files, measure)
            raise WorkbookError(f"{files[1]}: {advice}") from None
    return sound, [about_names(truth, sound, near, measure)] if near else []


def _stem(path: Path) -> str:
    """The name of a file without its endings; "-" is standard input."""
    if path == STANDARD_INPUT:
        return "standard input"
    return path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem


def _check_names(paths: Sequence[Path], names: Sequence[str]) -> None:
    if not paths or len(names) != len(paths) or len(set(names)) < len(names):
        raise WorkbookError(
            f"{len(paths)} detections files and the names {', '.join(names) or '(none)'}; give at "
            "least one file, and a different name for each with --names"
        )
    hidden = [name for name in names if not name.strip() or name.startswith("_")]
    unusable = hidden or names[MOST_METHODS:]
    if unusable:
        raise WorkbookError(
            f"the method name {unusable[0]!r} cannot stand in a figure; give at most "
            f"{MOST_METHODS} methods, and names that are not empty and do not begin with '_'"
        )


def _checksum(opened: Opened) -> str:
    """Of the file as it lies there; of the bytes read where it is no file."""
    return sha256_of(opened.path) if opened.path.is_file() else opened.sha256
