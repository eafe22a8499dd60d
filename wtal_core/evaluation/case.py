"""A case to diagnose: the detections of one method on one test list.

Where they are known, it also holds the signals that led to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from wtal_core.data.fingerprint import sha256_of
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.characteristics import characteristics, read_durations
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.tables import read_detections, read_ground_truth

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
    """

    name: str
    title: str
    ground_truth: GroundTruth
    detections: pd.DataFrame
    durations: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    activation: Mapping[str, np.ndarray] = field(default_factory=dict)
    attention: Mapping[str, np.ndarray] = field(default_factory=dict)

    def traits(self) -> pd.DataFrame:
        """Coverage, length and number of instances of each instance, see `characteristics`."""
        return characteristics(self.ground_truth, self.durations)


def read_cases(
    ground_truth: str | Path,
    detections: Sequence[str | Path],
    names: Sequence[str] = (),
    title: str = "",
    subset: str | None = None,
    durations: str | Path | None = None,
) -> list[Case]:
    """One case per detections file, all on one ground truth.

    Formats as `read_ground_truth` and `read_detections` take them.
    names: of the methods, default the files' names without their endings. durations: a JSON file
    that holds them, see `read_durations`; None: they are taken from the ground truth where it is
    such a file.
    """
    paths = [Path(path) for path in detections]
    names = list(names) or [path.stem for path in paths]
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
    truth = read_ground_truth(ground_truth, subset)
    if durations is None:
        seconds = read_durations(ground_truth, required=False)
    else:
        seconds = read_durations(durations)
    truth_file = Path(ground_truth)
    below = f"{truth_file.name}, SHA-256 {sha256_of(truth_file)[:16]}…"
    return [
        Case(
            name,
            title or truth_file.stem,
            truth,
            read_detections(path),
            seconds,
            f"{path.name}, SHA-256 {sha256_of(path)[:16]}…, on {below}",
        )
        for name, path in zip(names, paths, strict=True)
    ]
